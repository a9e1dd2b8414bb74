//! reconcile.
#![warn(
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::unwrap_in_result,
    clippy::panic_in_result_fn,
    clippy::wildcard_enum_match_arm,
    clippy::float_arithmetic
)]

mod cell;
mod decoder;
mod digest;
mod encoder;
mod estimator;
mod key;
mod mapping;
pub mod packed;
mod plan;
mod sketch;
mod symbol;

pub use self::cell::Cell;
pub use self::decoder::{CheckWidth, DecodeError, Decoder, Limits, Status};
pub use self::digest::{Digest, Summary};
pub use self::encoder::{Encoder, Stream};
pub use self::estimator::Estimator;
pub use self::key::Key;
pub use self::mapping::Mapping;
pub use self::plan::Plan;
pub use self::sketch::{Frozen, Sketch};
pub use self::symbol::Symbol;
