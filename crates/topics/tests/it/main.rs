//! Topic broadcast without a network: laws, and stories in the simulator.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    reason = "a test"
)]

mod alone;
mod broadcast;
mod churn;
mod crowd;
mod hostile;
mod judging;
mod single;
mod topics_laws;
