//! A signature taken apart: who is said to have signed what.

use crate::{Address, OrderHash, SignatureCheck, Signing};

/// That a maker signed an order. What can be told of it without the curve is told already; the rest
/// tells [`Claim::check`], or, for many of them in a fraction of the time,
/// [`Verifier::check`](crate::Verifier::check).
#[derive(Clone, Copy, Debug)]
pub struct Claim(Result<ecdsa::Claim, SignatureCheck>);

impl Claim {
    pub(crate) fn new(
        how: Signing,
        hash: &OrderHash,
        signature: ecdsa::Signature,
        maker: &Address,
    ) -> Self {
        Self(Ok(ecdsa::Claim { digest: how.digest(hash), signature, signer: *maker }))
    }

    /// One of which nothing is left to check.
    pub(crate) const fn settled(check: SignatureCheck) -> Self {
        Self(Err(check))
    }

    /// Whether it is true. Recovers the key, which takes some 30 µs.
    pub fn check(&self) -> SignatureCheck {
        self.open().map_or_else(|settled| settled, |open| open.check().into())
    }

    /// What is left to check, or else the end of it.
    pub(crate) const fn open(&self) -> Result<&ecdsa::Claim, SignatureCheck> {
        match &self.0 {
            Ok(claim) => Ok(claim),
            Err(settled) => Err(*settled),
        }
    }
}
