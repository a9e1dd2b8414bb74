//! Gossip: the laws of its core, and stories.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test"
)]

mod laws;
mod records;
mod solo;
mod stories;
mod town;
