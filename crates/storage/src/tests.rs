//! What survives on a disk that fails, and the queue before it.
#![expect(
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::unwrap_in_result,
    clippy::panic_in_result_fn,
    reason = "a test"
)]

mod crash;
mod disk;
mod ledger;
mod model;
mod orders;
mod queue;
mod replay;
mod rows;
