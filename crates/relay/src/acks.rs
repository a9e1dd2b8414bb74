//! Half keys that are said to be the ones which packets wait for, checked many at a time.
#![expect(
    clippy::arithmetic_side_effects,
    reason = "points and scalars are elements of groups, which no operation leaves"
)]

#[cfg(test)]
mod tests;

use ecdsa::{Multiples, Transcript};
use k256::elliptic_curve::PrimeField as _;
use k256::{ProjectivePoint, Scalar};
use tickets::{HalfKey, HalfKeyChallenge};
use zeroize::Zeroizing;

/// The purpose of the hash that gives the weights.
const CONTEXT: &str = "meshwork relay 2026-11 weights of half keys checked together";

/// Most half keys that are one equation.
const TOGETHER_MAX: usize = 1024;

/// Bytes that are said to be the half key of a challenge.
pub type Claim = (HalfKeyChallenge, Zeroizing<[u8; 32]>);

/// The half key of each claim, in their order, or `None` if the bytes are another or none.
///
/// Adds up the equations of many, each with a weight of 128 bits that nobody can choose; if the sum
/// does not hold, neither does one of its halves, and the search goes on there.
///
/// # Bounds
/// Whatever is wrong, each claim is in three sums on average at most, and is looked at alone once.
///
/// # Security
/// The weights are a hash of all the claims, so whoever wants bad half keys to cancel each other has
/// to try some 2¹¹⁷ batches. The half keys are known to whom they come from; who watches the time
/// learns which were bad.
pub fn check(claims: &[Claim]) -> Vec<Option<HalfKey>> {
    claims.chunks(TOGETHER_MAX).flat_map(check_part).collect()
}

fn check_part(claims: &[Claim]) -> Vec<Option<HalfKey>> {
    let mut halves: Vec<_> =
        claims.iter().map(|(_, bytes)| HalfKey::from_bytes(bytes).ok()).collect();
    let terms = terms(claims, &halves);
    let bad = ecdsa::search(&terms, sum, |term| term.half.challenge() == term.claim.0);
    let bad: Vec<_> = bad.iter().filter_map(|at| terms.get(*at)).map(|term| term.place).collect();
    for place in bad {
        if let Some(half) = halves.get_mut(place) {
            *half = None;
        }
    }
    halves
}

/// That a half key makes a point, and the weight of that.
struct Term<'a> {
    place: usize,
    claim: &'a Claim,
    half: &'a HalfKey,
    weight: u128,
}

fn terms<'a>(claims: &'a [Claim], halves: &'a [Option<HalfKey>]) -> Vec<Term<'a>> {
    let mut transcript = Transcript::new(CONTEXT);
    for (challenge, bytes) in claims {
        transcript.add(&challenge.to_bytes());
        transcript.add(&**bytes);
    }
    let terms = claims.iter().zip(halves).enumerate();
    let terms = terms.filter_map(|(place, (claim, half))| Some((place, claim, half.as_ref()?)));
    let weighted = |((place, claim, half), weight)| Term { place, claim, half, weight };
    terms.zip(transcript.weights()).map(weighted).collect()
}

/// What the challenges are in excess of what the half keys make.
fn sum(terms: &[Term<'_>]) -> ProjectivePoint {
    let mut points = Multiples::with_capacity(terms.len());
    let mut factor = Scalar::ZERO;
    for Term { claim, half, weight, .. } in terms {
        let number = Option::from(Scalar::from_repr((*half.to_bytes()).into()));
        let point = ecdsa::point(&claim.0.to_bytes());
        let (number, point): (Scalar, _) = number.zip(point).expect("both were checked before");
        factor += number * Scalar::from(*weight);
        points.push_short(point.into(), *weight);
    }
    points.sum() - ProjectivePoint::GENERATOR * factor
}
