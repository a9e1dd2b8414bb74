//! Ordersync from outside.
#![expect(clippy::unwrap_used, reason = "a test")]

mod golden;
mod mesh;
#[path = "../../src/sample.rs"]
mod sample;
mod sync;
