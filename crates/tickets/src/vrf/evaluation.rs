//! Outputs and what they are multiples of.
#![expect(
    clippy::arithmetic_side_effects,
    reason = "points and scalars are elements of groups, which no operation leaves"
)]

use k256::ProjectivePoint;

use super::point::Output;
use super::proof::{Statement, point, secret};
use crate::ChainKey;

/// An output and its statement, hashed to the curve: made once, and apart from others, because that
/// is the most of what a [`KeyProof`](super::KeyProof) takes on either side.
#[derive(Clone, Copy, Debug)]
pub struct Evaluation {
    statement: Statement,
    output: Output,
    base: ProjectivePoint,
}

impl Evaluation {
    /// The output of `key` for `statement`. Takes some 120 µs, the same for all keys.
    pub fn new(key: &ChainKey, statement: Statement) -> Self {
        let base = statement.base();
        Self { statement, output: Output(point(&(base * *secret(key)))), base }
    }

    /// An output that is said to be one for `statement`. Takes some 45 µs.
    pub fn of(statement: Statement, output: Output) -> Self {
        Self { statement, output, base: statement.base() }
    }

    /// What it is the output for.
    pub const fn statement(&self) -> &Statement {
        &self.statement
    }

    /// The output.
    pub const fn output(&self) -> &Output {
        &self.output
    }

    /// `B`.
    pub(super) const fn base(&self) -> ProjectivePoint {
        self.base
    }
}
