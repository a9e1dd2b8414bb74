//! What numbers and bytes can be wrong with by themselves.

/// A number that its type does not hold. Nothing is wrapped, cut off or clamped into its range.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq, thiserror::Error)]
#[error("{what} is {value}, must be {min} to {max}")]
pub struct OutOfRange {
    /// Which quantity.
    pub what: &'static str,
    /// What it was to be; the largest number of 128 bits stands for all beyond it.
    pub value: u128,
    /// The least that it may be.
    pub min: u128,
    /// The most that it may be.
    pub max: u128,
}

/// Bytes that are no number of the curve: zero, or not below its order.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq, thiserror::Error)]
#[error("number is zero or not below the order of the curve")]
pub struct BadScalar;

/// Bytes that are no point of the curve.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq, thiserror::Error)]
#[error("bytes are no point of the curve, must be 2 or 3 and an abscissa")]
pub struct BadPoint;

/// Two halves that make nothing together, because one is the negative of the other. Only whoever
/// chose one of them to be that can bring it about.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq, thiserror::Error)]
#[error("the two halves cancel each other")]
pub struct Cancelled;
