//! The store on a real disk: what it refuses, and what is there after a restart.
#![expect(clippy::unwrap_used, reason = "a test")]

mod old_files;
mod refusals;
mod restart;
