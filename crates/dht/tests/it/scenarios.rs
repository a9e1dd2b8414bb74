//! What went wrong in the system that this one follows, and what its own tests play: scenarios and
//! defects by their numbers.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test"
)]

mod lasting;
mod matrix;
mod solo;
mod told;
mod ways;
