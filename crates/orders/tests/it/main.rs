//! Orders as strangers send them.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    reason = "a test"
)]

mod assets;
mod changes;
mod checks;
mod common;
mod file;
mod malformed;
mod round_trips;
mod vectors;
