//! Many signatures checked for less than recovering the key of each would take.

mod equation;
mod keys;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use self::equation::Equation;
use self::keys::Keys;
use crate::{Claim, SignatureCheck};

/// Checks claims, and remembers the keys of makers.
///
/// A signature that says which of two keys made it gives away the point from which it was made. With
/// the key at hand it is good if and only if one equation between points holds. [`Verifier::check`]
/// adds the equations of many signatures, each multiplied by a number of 128 bits that nobody can
/// choose, and checks the sum: what it takes for each is the point, and a short multiple of it in a
/// large sum. The key is that of the maker's first good order, recovered like any other, and known
/// from then on by the maker's address, which is its hash.
///
/// Answers exactly as [`Claim::check`] does for each: when a sum does not hold, each of its claims
/// is checked alone, and so is each that cannot enter one.
///
/// # Bounds
/// Remembers [`Verifier::MAKERS_MAX`] keys, about 1 MB; of more makers those seen longest ago are
/// forgotten. Checks at most [`Verifier::TOGETHER_MAX`] claims as one, in less than 1 MB.
///
/// # Security
/// The multipliers are a hash of all the claims of a sum and of the keys, so whoever wants bad
/// signatures to cancel each other has to try 2¹²⁸ of them. One bad signature has all the others of
/// its sum checked alone as well: the work is then at most twice that of checking each alone from the
/// start, one and a half times for some hundred, however many are bad and whosever they are. Who
/// brings orders of many makers has the key of each recovered, at the price of one check, and has
/// the keys of others forgotten, at the same price for each: no order gets dearer by it than one
/// check alone. How long it takes depends on the claims, which are public.
#[derive(Default)]
pub struct Verifier {
    keys: Mutex<Keys>,
}

impl Verifier {
    /// Most makers whose keys are remembered.
    pub const MAKERS_MAX: usize = 8192;

    /// Most claims that are checked as one.
    pub const TOGETHER_MAX: usize = 1024;

    /// Fewest claims that are checked as one: with fewer, a sum of claims of as many makers takes
    /// about as long as it spares.
    const TOGETHER_MIN: usize = 64;

    /// One that knows no maker.
    pub fn new() -> Self {
        Self::default()
    }

    /// What becomes of each of `claims`, in their order. Best in parts of some hundred; several
    /// threads may call it at once.
    pub fn check(&self, claims: &[Claim]) -> Vec<SignatureCheck> {
        claims.chunks(Self::TOGETHER_MAX).flat_map(|part| self.check_part(part)).collect()
    }

    fn check_part(&self, claims: &[Claim]) -> Vec<SignatureCheck> {
        if claims.len() < Self::TOGETHER_MIN {
            return claims.iter().map(Claim::check).collect();
        }
        let open = claims.iter().filter_map(|claim| claim.open().ok());
        let mut known = self.lock().find(open.map(|signed| signed.maker));
        let mut learnt = Vec::new();
        let mut equation = Equation::with_capacity(claims.len());
        let mut first_look = |claim: &Claim| {
            let signed = match claim.open() {
                Ok(signed) => signed,
                Err(settled) => return Some(settled),
            };
            if let Some(key) = known.get(&signed.maker) {
                return if equation.add(signed, key) { None } else { Some(signed.check()) };
            }
            Some(signed.maker_key().map_or_else(SignatureCheck::Invalid, |key| {
                known.insert(signed.maker, key);
                learnt.push((signed.maker, key));
                SignatureCheck::Valid
            }))
        };
        let checks: Vec<_> = claims.iter().map(&mut first_look).collect();
        self.lock().learn(learnt);
        let holds = equation.len() >= Self::TOGETHER_MIN && equation.holds();
        let last_look = |(claim, check): (&Claim, Option<SignatureCheck>)| match check {
            Some(check) => check,
            None if holds => SignatureCheck::Valid,
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
        f.debug_struct("Verifier").field("makers", &self.lock().len()).finish()
    }
}
