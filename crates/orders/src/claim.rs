//! A signature taken apart: who is said to have signed what.

use secp256k1::PublicKey;

use crate::keccak::Word;
use crate::signature::{Ecdsa, address};
use crate::{Address, BadSignature, OrderHash, SignatureCheck, Signing};

/// That a maker signed an order. What can be told of it without the curve is told already; the rest
/// tells [`Claim::check`], or, for many of them in a fraction of the time,
/// [`Verifier::check`](crate::Verifier::check).
#[derive(Clone, Copy, Debug)]
pub struct Claim(Result<Signed, SignatureCheck>);

/// A digest, and the signature that `maker` is said to have made of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Signed {
    pub(crate) digest: Word,
    pub(crate) made: Ecdsa,
    pub(crate) maker: Address,
}

impl Claim {
    pub(crate) fn new(how: Signing, hash: &OrderHash, made: Ecdsa, maker: &Address) -> Self {
        Self(Ok(Signed { digest: how.digest(hash), made, maker: *maker }))
    }

    /// One of which nothing is left to check.
    pub(crate) const fn settled(check: SignatureCheck) -> Self {
        Self(Err(check))
    }

    /// Whether it is true. Recovers the key, which takes some 30 µs.
    pub fn check(&self) -> SignatureCheck {
        self.open().map_or_else(|settled| settled, Signed::check)
    }

    /// What is left to check, or else the end of it.
    pub(crate) const fn open(&self) -> Result<&Signed, SignatureCheck> {
        match &self.0 {
            Ok(signed) => Ok(signed),
            Err(settled) => Err(*settled),
        }
    }
}

impl Signed {
    pub(crate) fn check(&self) -> SignatureCheck {
        self.maker_key().map_or_else(SignatureCheck::Invalid, |_| SignatureCheck::Valid)
    }

    /// The key of the maker, which signed.
    pub(crate) fn maker_key(&self) -> Result<PublicKey, BadSignature> {
        let key = self.made.recover(self.digest)?;
        let recovered = address(&key);
        if recovered == self.maker { Ok(key) } else { Err(BadSignature::Signer { recovered }) }
    }
}
