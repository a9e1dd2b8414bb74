//! Points of the curve that are not the neutral one.

use std::fmt;

use k256::elliptic_curve::sec1::ToSec1Point as _;
use k256::{AffinePoint, ProjectivePoint};

/// A point of the curve, other than the neutral one, with its coordinates at hand.
#[derive(Clone, Copy, Eq, PartialEq)]
pub(super) struct Point {
    affine: AffinePoint,
    xy: [u8; 64],
}

impl Point {
    /// Bytes of the compressed form.
    pub(super) const LEN: usize = 33;

    /// `None` of the neutral point.
    pub(super) fn new(point: &ProjectivePoint) -> Option<Self> {
        Self::of(point.to_affine())
    }

    /// `None` if these are not the compressed form of a point.
    pub(super) fn from_bytes(bytes: &[u8; Self::LEN]) -> Option<Self> {
        ecdsa::point(bytes).and_then(Self::of)
    }

    fn of(affine: AffinePoint) -> Option<Self> {
        let encoded = affine.to_sec1_point(false);
        Some(Self { affine, xy: *encoded.as_bytes().strip_prefix(&[4])?.first_chunk()? })
    }

    pub(super) fn to_bytes(self) -> [u8; Self::LEN] {
        let [.., last] = self.xy;
        let mut bytes = [2 | (last & 1); Self::LEN];
        let [_, x @ ..] = &mut bytes;
        // The abscissa, and no more: that many bytes are left.
        x.iter_mut().zip(self.xy).for_each(|(to, from)| *to = from);
        bytes
    }

    /// The two coordinates, 32 bytes each.
    pub(super) const fn xy(&self) -> &[u8; 64] {
        &self.xy
    }

    pub(super) fn projective(&self) -> ProjectivePoint {
        self.affine.into()
    }
}

impl fmt::Debug for Point {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        ecdsa::hex::write(&self.to_bytes(), f)
    }
}

/// The output `V`: the same for the same key and ticket, whatever the proof.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Output(pub(super) Point);

impl Output {
    /// Bytes of the compressed form.
    pub const LEN: usize = Point::LEN;

    /// The output of which these are the compressed form; `None` if they are that of no point.
    /// Takes a square root, some 4 µs.
    pub fn from_bytes(bytes: &[u8; Self::LEN]) -> Option<Self> {
        Point::from_bytes(bytes).map(Self)
    }

    /// The compressed form.
    pub fn to_bytes(&self) -> [u8; Self::LEN] {
        self.0.to_bytes()
    }

    /// The two coordinates, 32 bytes each: what enters the luck of a ticket.
    pub const fn xy(&self) -> &[u8; 64] {
        self.0.xy()
    }
}
