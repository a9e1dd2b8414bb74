//! What gets into the book, when, and what the store has then.
#![expect(clippy::arithmetic_side_effects, reason = "a test")]

mod cancelling;
mod durable;
mod restoring;
mod sorting;
mod support;
