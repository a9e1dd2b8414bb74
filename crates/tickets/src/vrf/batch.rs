//! Many proofs as one equation.
#![expect(
    clippy::arithmetic_side_effects,
    reason = "points and scalars are elements of groups, which no operation leaves"
)]

use ecdsa::{Multiples, Transcript};
use k256::{ProjectivePoint, Scalar};

use super::proof::{Equation, Proof, Statement, add_output};

/// The purpose of the hash that gives the weights.
const PURPOSE: &str = "meshwork 2026-11-21 weights of proofs checked together";

/// Most proofs that are one equation: some 1.2 MB.
const TOGETHER_MAX: usize = 1024;

/// The places of those that do not hold, in order. Answers as [`Proof::verify`] does for each.
///
/// Multiplies the equation of each by a number of 128 bits that nobody can choose, and adds them: if
/// all proofs hold, the sum does. If it does not, neither does one of its halves, and the search goes
/// on there. Nothing is secret here, and the time tells which proofs are bad. Of 500 proofs, each
/// takes 0.43 of what it would alone, besides hashing to the curve, which no batch spares.
///
/// # Bounds
/// Adds up 1024 proofs at most, in some 1.2 MB. Looks at each proof in three sums on average at most,
/// and at each alone at most once, so that somebody who spoils proofs on purpose makes it take no
/// longer than some three times what each alone would; one bad proof of 500 doubles the time of the
/// sum.
///
/// # Security
/// The weights are a hash of everything in the batch: whoever wants bad proofs to cancel each other
/// has to try some 2¹¹⁷ batches.
pub fn verify_batch(proofs: &[(Statement, Proof)]) -> Vec<usize> {
    let bad = |(number, part): (usize, &[(Statement, Proof)])| {
        let first = number.saturating_mul(TOGETHER_MAX);
        let places = ecdsa::search(&terms(part), sum, |term| term.equation.holds());
        places.into_iter().map(move |place| first.saturating_add(place))
    };
    proofs.chunks(TOGETHER_MAX).enumerate().flat_map(bad).collect()
}

/// An equation and its weight.
pub(super) struct Term {
    equation: Equation,
    pub(super) weight: u128,
}

pub(super) fn terms(proofs: &[(Statement, Proof)]) -> Vec<Term> {
    let mut transcript = Transcript::new(PURPOSE);
    for (statement, proof) in proofs {
        add_output(&mut transcript, statement, &proof.output);
        transcript.add(proof.commitment.xy());
        transcript.add(&proof.response.to_bytes());
    }
    let weighted = |((statement, proof), weight): (&(Statement, Proof), u128)| Term {
        equation: proof.open(statement),
        weight,
    };
    proofs.iter().zip(transcript.weights()).map(weighted).collect()
}

/// What the left sides of `terms` are in excess of the right ones.
fn sum(terms: &[Term]) -> ProjectivePoint {
    let mut sum = Multiples::with_capacity(terms.len().saturating_mul(5));
    for Term { equation, weight } in terms {
        let factor = Scalar::from(*weight);
        sum.push(equation.base, &(factor * equation.response));
        sum.push(equation.output, &-(factor * equation.hash));
        sum.push_short(-equation.commitment, *weight);
    }
    sum.sum()
}
