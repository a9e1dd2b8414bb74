//! Many signatures of orders checked for less than recovering the key of each would take.

use crate::{Claim, SignatureCheck};

/// Checks claims, and remembers the keys of makers.
///
/// Answers exactly as [`Claim::check`] does for each: what of a claim only a contract can say, or
/// anybody, is said at once, and the signatures are left to an [`ecdsa::Verifier`], whose bounds and
/// security these are.
///
/// # Bounds
/// Remembers [`Verifier::MAKERS_MAX`] keys, about 1 MB; of more makers those seen longest ago are
/// forgotten. Checks at most [`Verifier::TOGETHER_MAX`] claims as one, in less than 1 MB.
#[derive(Debug, Default)]
pub struct Verifier(ecdsa::Verifier);

impl Verifier {
    /// Most makers whose keys are remembered.
    pub const MAKERS_MAX: usize = ecdsa::Verifier::SIGNERS_MAX;

    /// Most claims that are checked as one.
    pub const TOGETHER_MAX: usize = ecdsa::Verifier::TOGETHER_MAX;

    /// One that knows no maker.
    pub fn new() -> Self {
        Self::default()
    }

    /// What becomes of each of `claims`, in their order. Best in parts of some hundred; several
    /// threads may call it at once.
    pub fn check(&self, claims: &[Claim]) -> Vec<SignatureCheck> {
        let open: Vec<_> = claims.iter().filter_map(|claim| claim.open().ok().copied()).collect();
        let mut checks = self.0.check(&open).into_iter();
        let mut next = |claim: &Claim| match claim.open() {
            Err(settled) => settled,
            Ok(open) => checks.next().unwrap_or_else(|| open.check()).into(),
        };
        claims.iter().map(&mut next).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::generate::{Config, Generator};
    use crate::{BadSignature, SignatureKind};

    /// What was settled beforehand stands between what was not, and keeps its place.
    #[test]
    fn each_gets_the_answer_that_it_gets_alone() {
        let orders = Generator::new([1; 32], Config::default()).take(90);
        let mut claims: Vec<_> =
            orders.map(|it| it.signature.claim(&it.hash(), &it.order.maker)).collect();
        let contract = SignatureCheck::NotCheckableOffline(SignatureKind::Wallet);
        for (at, check) in [
            (0, SignatureCheck::Invalid(BadSignature::Empty)),
            (7, contract),
            (8, contract),
            (claims.len(), contract),
        ] {
            claims.insert(at, Claim::settled(check));
        }
        let stranger = Generator::new([2; 32], Config::default()).order();
        let forged = stranger.signature.claim(&stranger.hash(), &crate::Address([1; 20]));
        claims.insert(50, forged);
        let alone: Vec<_> = claims.iter().map(Claim::check).collect();
        let verifier = Verifier::new();
        for _ in 0..2 {
            assert_eq!(verifier.check(&claims), alone);
        }
        assert!(verifier.check(&claims[..1]) == alone[..1] && verifier.check(&[]).is_empty());
    }
}
