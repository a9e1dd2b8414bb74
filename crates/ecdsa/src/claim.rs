//! A signature, and who is said to have made it of what.

use secp256k1::PublicKey;

use crate::{Address, BadSignature, Signature, address};

/// That an account signed a digest.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Claim {
    /// What is said to be signed.
    pub digest: [u8; 32],
    /// The signature.
    pub signature: Signature,
    /// Who is said to have made it.
    pub signer: Address,
}

impl Claim {
    /// Whether it is true. Recovers the key, which takes some 30 µs; of many claims a
    /// [`Verifier`](crate::Verifier) tells it in a fraction of the time.
    ///
    /// # Errors
    /// The [`BadSignature`] that it is.
    pub fn check(&self) -> Result<(), BadSignature> {
        self.key().map(drop)
    }

    /// The key of the signer, which signed.
    ///
    /// # Errors
    /// As [`Self::check`].
    pub fn key(&self) -> Result<PublicKey, BadSignature> {
        let key = self.signature.recover(self.digest)?;
        let recovered = address(&key);
        if recovered == self.signer { Ok(key) } else { Err(BadSignature::Signer { recovered }) }
    }
}
