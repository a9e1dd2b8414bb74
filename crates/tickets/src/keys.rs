//! The keys that issue and redeem.

use std::fmt;

use ecdsa::Address;
use secp256k1::SecretKey;
use zeroize::Zeroizing;

use crate::{BadPoint, BadScalar, Signature};

/// The secret key of an account.
///
/// Its bytes are wiped when it is dropped, and are never shown.
#[derive(Clone)]
pub struct ChainKey {
    secret: Zeroizing<[u8; 32]>,
    public: PublicKey,
    address: Address,
}

impl ChainKey {
    /// The key of these bytes.
    ///
    /// # Errors
    /// [`BadScalar`] for zero, and for what is not below the order of the curve.
    pub fn from_bytes(bytes: &[u8; 32]) -> Result<Self, BadScalar> {
        let mut key = SecretKey::from_secret_bytes(*bytes).map_err(|_| BadScalar)?;
        let public = PublicKey(secp256k1::PublicKey::from_secret_key(&key));
        key.non_secure_erase();
        Ok(Self { secret: Zeroizing::new(*bytes), public, address: public.address() })
    }

    /// Its bytes.
    pub fn to_bytes(&self) -> Zeroizing<[u8; 32]> {
        self.secret.clone()
    }

    /// Its public key.
    pub fn public(&self) -> PublicKey {
        self.public
    }

    /// The account.
    pub fn address(&self) -> Address {
        self.address
    }

    /// Signs `digest`, the same each time.
    pub fn sign(&self, digest: &[u8; 32]) -> Signature {
        let mut key = self.secret_key();
        let signature = Signature::sign(digest, &key);
        key.non_secure_erase();
        signature
    }

    fn secret_key(&self) -> SecretKey {
        SecretKey::from_secret_bytes(*self.secret)
            .expect("the bytes were checked when this was made")
    }

    /// The number that it is.
    pub(crate) fn secret(&self) -> &[u8; 32] {
        &self.secret
    }
}

impl fmt::Debug for ChainKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChainKey").field("address", &self.address).finish_non_exhaustive()
    }
}

/// The public key of an account.
#[derive(Clone, Copy, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct PublicKey(pub(crate) secp256k1::PublicKey);

impl PublicKey {
    /// The key that these bytes stand for.
    ///
    /// # Errors
    /// [`BadPoint`] if they do for none.
    pub fn from_bytes(bytes: &[u8; 33]) -> Result<Self, BadPoint> {
        secp256k1::PublicKey::from_slice(bytes).map(Self).map_err(|_| BadPoint)
    }

    /// Its abscissa, and before it 2 or 3 for an even or odd ordinate.
    pub fn to_bytes(self) -> [u8; 33] {
        self.0.serialize()
    }

    /// The account.
    pub fn address(self) -> Address {
        ecdsa::address(&self.0)
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        ecdsa::hex::write(&self.to_bytes(), f)
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        ecdsa::hex::write(&self.to_bytes(), f)
    }
}
