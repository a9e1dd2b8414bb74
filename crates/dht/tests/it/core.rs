//! The core: what several of them make of each other, and the laws.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test"
)]

mod faults;
mod finding;
mod laws;
mod lives;
mod news;
mod receipts;
mod routes;
mod shares;
mod vectors;
pub(crate) mod world;
