//! The handshake and the seed protocol without a network.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test"
)]

mod exchange;
mod seed;
mod seed_laws;
