//! Set reconciliation whose cost follows the difference: what two sides hold alike costs nothing.
//!
//! The life of one reconciliation:
//! 1. both sides keep a [`Digest`] and an [`Estimator`] of their set, item by item;
//! 2. one draws a [`Key`] and sends it with its estimator; if the [`Summary`] of both is one, all is
//!    done. Under the key, items are 64-bit short ids ([`Key::short_id`]), the symbols of the sets;
//! 3. the other estimates the difference and answers with the first cells of its set, as many as a
//!    [`Plan`] says, [packed] in 13 bytes each. It has them from a [`Sketch`], if it keeps
//!    one under this key, [frozen](Sketch::freeze); or from an [`Encoder`];
//! 4. the first takes its own cells from them ([`Decoder`]): what is left are the cells of the
//!    difference. A cell with one symbol gives it away, and taking it out of its other cells leaves
//!    more such cells. If that stops too early, it asks for the cells that follow;
//! 5. what is only on one side is fetched or sent, and the summaries are compared.
//!
//! | quantity | unit | value | bound |
//! |---|---|---|---|
//! | cells to decode *d* differences | cells | 1.35 *d* + √*d* on average | [`Limits::cells_max`] |
//! | symbols recovered | symbols | | [`Limits::recovered_max`], and the cells that came |
//! | work of a decoding | steps | | 64 for each cell, 1,024 beyond |
//! | a packed cell | bytes | 13 to 14 | [`packed::CELL_MIN`] to [`packed::CELL_MAX`] |
//! | first block | cells | [`Plan::first`] | [`Plan::FIRST_MIN`] at least |
//! | an estimator | bytes | [`Estimator::LEN`], 96 | |
//! | a digest | bytes | 2,048 kept, 40 sent | |
//!
//! ```
//! use meshwork_reconcile::{CheckWidth, Decoder, Encoder, Key, Limits, Status, packed};
//!
//! let key = Key::from_bytes(*b"drawn at random!");
//! let (theirs, ours) = (0..1_000_u64, 3..1_002_u64);
//!
//! // The remote sends 32 cells: three items are missing here, and two there.
//! let cells = Encoder::new(key, theirs).block(32);
//! let sent = packed::pack(&cells, 0, 1_000);
//! assert!(sent.len() < 32 * 14);
//!
//! let remote = packed::unpack(&sent, 0, 32, 1_000)?;
//! let local = Encoder::new(key, ours).block(32);
//! let limits = Limits { cells_max: 1_024, recovered_max: 500 };
//! let mut decoder = Decoder::new(key, CheckWidth::Low32, limits);
//! assert_eq!(decoder.extend(&remote, &local)?, Status::Complete);
//!
//! let mut missing = decoder.remote_only().to_vec();
//! missing.sort();
//! assert_eq!(missing, [0, 1, 2]);
//! assert_eq!(decoder.local_only().len(), 2);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! *Not here*: messages, sessions and limits for each peer (`ordersync`), and what an item is.
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

mod cell;
mod decoder;
mod digest;
mod encoder;
mod estimator;
mod key;
mod mapping;
pub mod packed;
mod plan;
mod sketch;
mod symbol;

pub use self::cell::Cell;
pub use self::decoder::{CheckWidth, DecodeError, Decoder, Limits, Status};
pub use self::digest::{Digest, Summary};
pub use self::encoder::{Encoder, Stream};
pub use self::estimator::Estimator;
pub use self::key::Key;
pub use self::mapping::Mapping;
pub use self::plan::Plan;
pub use self::sketch::{Frozen, Sketch};
pub use self::symbol::Symbol;
