//! Real swarms on real sockets.
#![expect(clippy::unwrap_used, reason = "a test")]

mod support;

mod limits;
mod swarms;
