//! Frames, bounds and signed envelopes: what is on the wire, checked before it is believed.
//!
//! The life of one message:
//! 1. The sender encodes it. [`frame`] writes its length, then its bytes; one that is longer than
//!    [`Frame::MAX`] is an error and never sent.
//! 2. The receiver refuses a length over the same bound before it makes room.
//! 3. Memory is taken as bytes arrive, never for bytes that are only announced.
//! 4. [`bounds::scan`] walks the bytes once, without allocating: every length, count and wire type,
//!    every field that may come once, and what the whole would take decoded.
//! 5. Only then it is decoded; a signed part is opened with [`signed`] before anybody looks inside.
//! 6. What is wrong is one [`Malformed`]: which field, and which defect. Fields that a newer minor
//!    version added are skipped.
//!
//! | quantity | unit | default | bound |
//! |---|---|---|---|
//! | [`Frame::MAX`] of a message | bytes | `len_max` in its proto file | 1 MiB |
//! | memory of a decoded message | bytes | | 4 × its bytes on the wire + 64 KiB |
//! | memory taken ahead of arrival | bytes | 8 KiB | what has arrived + 8 KiB |
//! | slots (fields, oneofs) of a message | fields | | [`bounds::SLOTS`], 32 |
//! | [`SignedRecord`](signed::SignedRecord) | bytes | | 2,048 |
//! | addresses of a record | addresses | | 16 |
//! | application payload | bytes | its [`Entry`](registry::Entry) | [`registry::PAYLOAD_MAX`] |
//!
//! ```
//! use futures::executor::block_on;
//! use futures::io::Cursor;
//! use meshwork_wire::frame::{self, ReadError};
//! use meshwork_wire::proto::seed::v1::GetAddrs;
//! use meshwork_wire::{Defect, Malformed};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let question = GetAddrs { nonce: 7, max: 50, transports: vec!["tcp".into()] };
//! let mut stream = Cursor::new(Vec::new());
//! block_on(frame::write(&mut stream, &question))?;
//! stream.set_position(0);
//! assert_eq!(block_on(frame::read::<GetAddrs>(&mut stream))?, question);
//!
//! // A name that is too long is named, and nothing is made of it.
//! let question = GetAddrs { transports: vec!["x".repeat(17)], ..question };
//! let mut stream = Cursor::new(Vec::new());
//! block_on(frame::write(&mut stream, &question))?;
//! stream.set_position(0);
//! let answer = block_on(frame::read::<GetAddrs>(&mut stream));
//! let too_long = Malformed::new("get_addrs.transports", Defect::TooLong);
//! assert!(matches!(answer, Err(ReadError::Malformed(found)) if found == too_long));
//! # Ok(())
//! # }
//! ```
//!
//! *Not here*: what a message means (each protocol's `messages.rs`), and what a malformed one costs
//! its sender (each protocol's `Fault`).
#![warn(
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::unwrap_in_result,
    clippy::panic_in_result_fn,
    clippy::wildcard_enum_match_arm,
    clippy::float_arithmetic
)]

pub mod bounds;
pub mod frame;
mod malformed;
#[path = "gen/mod.rs"]
pub mod proto;
pub mod registry;
pub mod signed;
mod varint;

pub use self::frame::Frame;
pub use self::malformed::{Defect, Malformed};
