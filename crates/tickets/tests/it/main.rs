//! Tickets, byte for byte as they are published, and every way to spoil one.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::float_arithmetic,
    reason = "a test"
)]

mod aggregating;
mod aggregation_laws;
mod batch;
mod bounds;
mod common;
mod keeping;
mod ledger;
mod life;
mod page;
mod processor;
mod set;
mod spoilt;
mod town;
mod two_parties;
mod vectors;
