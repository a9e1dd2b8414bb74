//! The equations of many signatures as one.
//!
//! A signature `(r, s)` of `z` by the key `Q` is good if `R = (z / s) G + (r / s) Q`, where `R` is
//! the point with the abscissa `r` and the ordinate whose parity `v` gives. The sum is
//! `Σ aᵢ Rᵢ = (Σ aᵢ zᵢ / sᵢ) G + Σ (Σ aᵢ rᵢ / sᵢ) Q`, the inner sum over the signatures of one key.
#![expect(
    clippy::arithmetic_side_effects,
    reason = "points and scalars are elements of groups, which no operation leaves"
)]

use std::collections::BTreeMap;

use k256::elliptic_curve::ff::BatchInverter;
use k256::elliptic_curve::ops::Reduce as _;
use k256::elliptic_curve::{Group as _, PrimeField as _};
use k256::{FieldBytes, ProjectivePoint, Scalar};
use secp256k1::PublicKey;

use crate::{Address, Claim, Multiples, Transcript, point};

/// The purpose of the hash that gives the multipliers.
const CONTEXT: &str = "meshwork 2026-11-21 multipliers of signatures checked together";

/// Claims of signers whose keys are known.
pub(super) struct Equation {
    terms: Vec<Term>,
    signers: BTreeMap<Address, Signer>,
    /// Everything that is claimed, in records of one length.
    transcript: Transcript,
}

/// What a signature consists of.
struct Term {
    point: ProjectivePoint,
    r: Scalar,
    s: Scalar,
    digest: Scalar,
    signer: Address,
}

/// A key, and its factor in the sum.
struct Signer {
    key: ProjectivePoint,
    factor: Scalar,
}

impl Equation {
    pub(super) fn with_capacity(count: usize) -> Self {
        let (terms, transcript) = (Vec::with_capacity(count), Transcript::new(CONTEXT));
        Self { terms, signers: BTreeMap::new(), transcript }
    }

    pub(super) fn len(&self) -> usize {
        self.terms.len()
    }

    /// Adds a claim, if it is one that could be true.
    pub(super) fn add(&mut self, claim: &Claim, key: &PublicKey) -> bool {
        let Some(term) = Term::new(claim) else {
            return false;
        };
        let bytes = key.serialize_uncompressed();
        let Some(point) = point::of_key(key) else {
            return false;
        };
        self.signers
            .entry(claim.signer)
            .or_insert(Signer { key: point.into(), factor: Scalar::ZERO });
        for part in [&[claim.signature.v][..], &claim.signature.rs, &claim.digest, &bytes] {
            self.transcript.add(part);
        }
        self.terms.push(term);
        true
    }

    /// A number for each claim, in their order.
    pub(super) fn multipliers(&self) -> impl Iterator<Item = u128> + use<> {
        self.transcript.weights()
    }

    /// Whether all of them are true.
    pub(super) fn holds(mut self) -> bool {
        let multipliers = self.multipliers();
        let mut inverses: Vec<_> = self.terms.iter().map(|term| term.s).collect();
        let mut scratch = inverses.clone();
        BatchInverter::invert_with_external_scratch(&mut inverses, &mut scratch);
        let places = self.signers.len().saturating_add(1).saturating_mul(2);
        let mut sum = Multiples::with_capacity(self.terms.len().saturating_add(places));
        let mut generator = Scalar::ZERO;
        for ((term, inverse), multiplier) in self.terms.iter().zip(&inverses).zip(multipliers) {
            sum.push_short(term.point, multiplier);
            let share = Scalar::from(multiplier) * inverse;
            generator -= share * term.digest;
            if let Some(signer) = self.signers.get_mut(&term.signer) {
                signer.factor -= share * term.r;
            }
        }
        sum.push(ProjectivePoint::GENERATOR, &generator);
        for signer in self.signers.values() {
            sum.push(signer.key, &signer.factor);
        }
        sum.sum().is_identity().into()
    }
}

impl Term {
    /// Only of a signature that some key could have made.
    fn new(claim: &Claim) -> Option<Self> {
        let parity = claim.signature.parity().ok()?;
        let (r, s) = claim.signature.halves();
        let mut compressed = [2_u8.saturating_add(parity); 33];
        *compressed.last_chunk_mut()? = r;
        let s = scalar(s).filter(|s| !bool::from(s.is_zero()))?;
        Some(Self {
            point: point(&compressed)?.into(),
            r: scalar(r)?,
            s,
            digest: Scalar::reduce(&FieldBytes::from(claim.digest)),
            signer: claim.signer,
        })
    }
}

/// A number below the order of the curve.
fn scalar(bytes: [u8; 32]) -> Option<Scalar> {
    Scalar::from_repr(bytes.into()).into()
}
