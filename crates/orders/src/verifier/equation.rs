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
use k256::{AffinePoint, FieldBytes, ProjectivePoint, Scalar, Sec1Point};
use secp256k1::PublicKey;

use crate::Address;
use crate::claim::Signed;
use crate::keccak::Word;
use crate::multiples::Multiples;

/// The purpose of the hash that gives the multipliers.
const CONTEXT: &str = "meshwork 2026-11-21 multipliers of signatures checked together";

/// Claims of makers whose keys are known.
pub(super) struct Equation {
    terms: Vec<Term>,
    makers: BTreeMap<Address, Maker>,
    /// Everything that is claimed, in records of one length.
    transcript: blake3::Hasher,
}

/// What a signature consists of.
struct Term {
    point: ProjectivePoint,
    r: Scalar,
    s: Scalar,
    digest: Scalar,
    maker: Address,
}

/// A key, and its factor in the sum.
struct Maker {
    key: ProjectivePoint,
    factor: Scalar,
}

impl Equation {
    pub(super) fn with_capacity(count: usize) -> Self {
        let transcript = blake3::Hasher::new_derive_key(CONTEXT);
        Self { terms: Vec::with_capacity(count), makers: BTreeMap::new(), transcript }
    }

    pub(super) fn len(&self) -> usize {
        self.terms.len()
    }

    /// Adds a claim, if it is one that could be true.
    pub(super) fn add(&mut self, signed: &Signed, key: &PublicKey) -> bool {
        let Some(term) = Term::new(signed) else {
            return false;
        };
        let bytes = key.serialize_uncompressed();
        let Some(key) = point(&bytes) else {
            return false;
        };
        self.makers.entry(signed.maker).or_insert(Maker { key, factor: Scalar::ZERO });
        for part in [&[signed.made.v][..], &signed.made.rs, &signed.digest, &bytes] {
            self.transcript.update(part);
        }
        self.terms.push(term);
        true
    }

    /// Numbers that nobody can choose without having chosen all claims and keys before.
    pub(super) fn multipliers(&self) -> impl FnMut() -> u128 + use<> {
        let mut numbers = self.transcript.finalize_xof();
        move || {
            let mut number = [0; 16];
            numbers.fill(&mut number);
            u128::from_le_bytes(number)
        }
    }

    /// Whether all of them are true.
    pub(super) fn holds(mut self) -> bool {
        let mut next_multiplier = self.multipliers();
        let mut inverses: Vec<_> = self.terms.iter().map(|term| term.s).collect();
        let mut scratch = inverses.clone();
        BatchInverter::invert_with_external_scratch(&mut inverses, &mut scratch);
        let places = self.makers.len().saturating_add(1).saturating_mul(2);
        let mut sum = Multiples::with_capacity(self.terms.len().saturating_add(places));
        let mut generator = Scalar::ZERO;
        for (term, inverse) in self.terms.iter().zip(&inverses) {
            let multiplier = next_multiplier();
            sum.push_short(term.point, multiplier);
            let share = Scalar::from(multiplier) * inverse;
            generator -= share * term.digest;
            if let Some(maker) = self.makers.get_mut(&term.maker) {
                maker.factor -= share * term.r;
            }
        }
        sum.push(ProjectivePoint::GENERATOR, &generator);
        for maker in self.makers.values() {
            sum.push(maker.key, &maker.factor);
        }
        sum.sum().is_identity().into()
    }
}

impl Term {
    /// Only of a signature that some key could have made.
    fn new(signed: &Signed) -> Option<Self> {
        let parity = signed.made.parity().ok()?;
        let (r, s) = signed.made.halves();
        let mut compressed = [2_u8.saturating_add(parity); 33];
        *compressed.last_chunk_mut()? = r;
        // This takes the root in half the time of k256.
        let root = PublicKey::from_slice(&compressed).ok()?;
        let s = scalar(s).filter(|s| !bool::from(s.is_zero()))?;
        Some(Self {
            point: point(&root.serialize_uncompressed())?,
            r: scalar(r)?,
            s,
            digest: Scalar::reduce(&FieldBytes::from(signed.digest)),
            maker: signed.maker,
        })
    }
}

/// A number below the order of the curve.
fn scalar(bytes: Word) -> Option<Scalar> {
    Scalar::from_repr(bytes.into()).into()
}

/// A point from its two coordinates.
pub(super) fn point(bytes: &[u8; 65]) -> Option<ProjectivePoint> {
    let point = Sec1Point::from_bytes(bytes).ok()?;
    AffinePoint::try_from(point).ok().map(ProjectivePoint::from)
}
