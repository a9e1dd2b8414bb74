//! Ordersync from outside.
#![expect(clippy::unwrap_used, reason = "a test")]

mod attack;
mod busy;
mod giving;
mod golden;
mod hostile;
mod legacy;
mod mesh;
mod missing;
mod narrow;
mod page;
mod pair;
mod rounds;
#[path = "../../src/sample.rs"]
pub mod sample;
mod sessions;
mod sync;
mod versions;
