//! Protocols between real swarms.
#![expect(clippy::unwrap_used, reason = "a test")]

mod jobs;
mod pair;
mod protocols;
mod remotes;
