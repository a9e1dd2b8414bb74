//! Signatures in 64 bytes.

use ecdsa::{Address, BadSignature, hex_text};

/// A signature as a ticket carries it: `r`, then `s`, in whose top bit stands which of two keys made
/// it (ERC-2098). That bit is free, for only the lower `s` of two is taken.
#[derive(Clone, Copy, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Signature(pub [u8; 64]);

hex_text!(Signature);

/// Where the bit stands, and in which bit.
const PARITY: (usize, u8) = (32, 0x80);

impl Signature {
    /// The account that signed `digest`. Takes some 30 µs.
    ///
    /// # Errors
    /// [`BadSignature::HighS`], and [`BadSignature::NoKey`].
    ///
    /// # Security
    /// Of a digest that the signer did not choose nearly every signature is somebody's: what is
    /// recovered says nothing before it is compared.
    pub fn recover(&self, digest: &[u8; 32]) -> Result<Address, BadSignature> {
        ecdsa::Signature::from(*self).recover(*digest).map(|key| ecdsa::address(&key))
    }

    /// Signs `digest`, the same each time.
    pub(crate) fn sign(digest: &[u8; 32], key: &secp256k1::SecretKey) -> Self {
        let ecdsa::Signature { v, mut rs } = ecdsa::Signature::sign(*digest, key);
        let (at, bit) = PARITY;
        if let (28, Some(byte)) = (v, rs.get_mut(at)) {
            *byte |= bit;
        }
        Self(rs)
    }

    /// That `signer` made it of `digest`, to be checked with others.
    pub(crate) fn claim(&self, digest: &[u8; 32], signer: Address) -> ecdsa::Claim {
        ecdsa::Claim { digest: *digest, signature: (*self).into(), signer }
    }
}

impl From<Signature> for ecdsa::Signature {
    fn from(Signature(mut rs): Signature) -> Self {
        let (at, bit) = PARITY;
        let odd = rs.get(at).is_some_and(|byte| byte & bit != 0);
        if let Some(byte) = rs.get_mut(at) {
            *byte &= !bit;
        }
        Self { v: if odd { 28 } else { 27 }, rs }
    }
}
