//! Many signatures checked for less than recovering the key of each would take.

mod equation;
mod keys;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use self::equation::Equation;
use self::keys::Keys;
use crate::{BadSignature, Claim};

/// Checks claims, and remembers the keys of signers.
///
/// A signature that says which of two keys made it gives away the point from which it was made. With
/// the key at hand it is good if and only if one equation between points holds. [`Verifier::check`]
/// adds the equations of many signatures, each multiplied by a number of 128 bits that nobody can
/// choose, and checks the sum: what it takes for each is the point, and a short multiple of it in a
/// large sum. The key is that of the signer's first good claim, recovered like any other, and known
/// from then on by the signer's address, which is its hash.
///
/// Answers exactly as [`Claim::check`] does for each: when a sum does not hold, each of its claims
/// is checked alone, and so is each that cannot enter one.
///
/// # Bounds
/// Remembers [`Verifier::SIGNERS_MAX`] keys, about 1 MB; of more signers those seen longest ago are
/// forgotten. Checks at most [`Verifier::TOGETHER_MAX`] claims as one, in less than 1 MB.
///
/// # Security
/// The multipliers are a hash of all the claims of a sum and of the keys, so whoever wants bad
/// signatures to cancel each other has to try 2¹²⁸ of them. One bad signature has all the others of
/// its sum checked alone as well: the work is then at most twice that of checking each alone from the
/// start, one and a half times for some hundred, however many are bad and whosever they are. Who
/// brings claims of many signers has the key of each recovered, at the price of one check, and has
/// the keys of others forgotten, at the same price for each: no claim gets dearer by it than one
/// check alone. How long it takes depends on the claims, which are public.
#[derive(Default)]
pub struct Verifier {
    keys: Mutex<Keys>,
}

impl Verifier {
    /// Most signers whose keys are remembered.
    pub const SIGNERS_MAX: usize = 8192;

    /// Most claims that are checked as one.
    pub const TOGETHER_MAX: usize = 1024;

    /// Fewest claims that are checked as one: with fewer, a sum of claims of as many signers takes
    /// about as long as it spares.
    const TOGETHER_MIN: usize = 64;

    /// One that knows no signer.
    pub fn new() -> Self {
        Self::default()
    }

    /// What becomes of each of `claims`, in their order. Best in parts of some hundred; several
    /// threads may call it at once.
    pub fn check(&self, claims: &[Claim]) -> Vec<Result<(), BadSignature>> {
        claims.chunks(Self::TOGETHER_MAX).flat_map(|part| self.check_part(part)).collect()
    }

    fn check_part(&self, claims: &[Claim]) -> Vec<Result<(), BadSignature>> {
        if claims.len() < Self::TOGETHER_MIN {
            return claims.iter().map(Claim::check).collect();
        }
        let mut known = self.lock().find(claims.iter().map(|claim| claim.signer));
        let mut learnt = Vec::new();
        let mut equation = Equation::with_capacity(claims.len());
        let mut first_look = |claim: &Claim| {
            if let Some(key) = known.get(&claim.signer) {
                return if equation.add(claim, key) { None } else { Some(claim.check()) };
            }
            Some(claim.key().map(|key| {
                known.insert(claim.signer, key);
                learnt.push((claim.signer, key));
            }))
        };
        let checks: Vec<_> = claims.iter().map(&mut first_look).collect();
        self.lock().learn(learnt);
        let holds = equation.len() >= Self::TOGETHER_MIN && equation.holds();
        let last_look = |(claim, check): (&Claim, Option<_>)| match check {
            Some(check) => check,
            None if holds => Ok(()),
            None => claim.check(),
        };
        claims.iter().zip(checks).map(last_look).collect()
    }

    /// No change of the keys can be half done.
    fn lock(&self) -> MutexGuard<'_, Keys> {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verifier").field("signers", &self.lock().len()).finish()
    }
}
