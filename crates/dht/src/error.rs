//! What an operator has to change.

use std::time::Duration;

use thiserror::Error;

/// A setting that the operator has to change.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
pub enum ConfigError {
    /// A number is out of bounds.
    #[error("{key} is {given}, must be {min} to {max}")]
    Number {
        /// Which.
        key: &'static str,
        /// The value found.
        given: u64,
        /// The least.
        min: u64,
        /// The most.
        max: u64,
    },
    /// A time is out of bounds.
    #[error("{key} is {given:?}, must be {min:?} to {max:?}")]
    Time {
        /// Which.
        key: &'static str,
        /// The value found.
        given: Duration,
        /// The shortest.
        min: Duration,
        /// The longest.
        max: Duration,
    },
}
