//! What the wire promises: bounds, round trips, golden bytes, and what hostile input costs.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test"
)]

mod bounds;
mod counting;
mod frames;
mod golden;
mod messages;
mod registry;
mod scan;
mod signed;
