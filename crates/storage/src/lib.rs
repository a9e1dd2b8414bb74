//! Everything that must outlive a node, in one file: who is banned, which seeds were good, the
//! address book and its anchors, the orders, the tickets, the packets that passed, the messages that
//! are kept for others, those of this node, and those for it.
//!
//! The life of a change:
//! 1. a store is asked for it ([`BanTable`], [`SeedTable`], [`BookTable`], [`OrderTable`],
//!    [`TicketTable`], [`ReplayTable`], [`MessageTable`], [`InboxTable`]), which lays it out as rows
//!    and queues them, or refuses: [`StoreError::Busy`];
//! 2. the one thread that touches the file takes all changes that wait;
//! 3. it writes them in one transaction and has the disk sync it, twice (`docs/decisions/011.md`);
//! 4. only then does each of their futures end. If the disk fails they all fail, and so does
//!    everything after them, until the file is opened anew: [`StoreError::Failed`];
//! 5. whatever moment the power goes at, at the next start all changes that were reported are there,
//!    and of each other one all or nothing, in the order in which they were asked for.
//!
//! | quantity | unit | value |
//! |---|---|---|
//! | what waits for the disk | change sets and loads | 1,024, and a part of each begun load |
//! | what waits for the disk | bytes | 32 MiB, or one change set |
//! | one change set | rows | 131,072 |
//! | one load | rows of each table | 65,536; of orders, tickets and messages all, in parts |
//! | one part of such a load | rows | 512, or those that reach 1 MiB |
//! | order | bytes | 16,384 |
//! | row of tickets | bytes | 3,104 |
//! | message | bytes | 67,769 |
//! | message for this node | bytes | 65,536 |
//! | one read of replay tags | tags | 64,000 |
//! | signed record | bytes | 2,048 |
//! | reason of a ban | bytes | 128, then it is cut |
//! | anchors | | 64 |
//! | memory for pages of the file | bytes | 16 MiB |
//!
//! ```
//! use futures::executor::block_on;
//! use handshake::{Ban, BanStore, Banned};
//! use machine::UnixTime;
//! use meshwork_storage::{Refusal, Storage};
//!
//! let dir = tempfile::tempdir()?;
//! let path = dir.path().join("meshwork.redb");
//! let ban = Ban {
//!     banned: Banned::Address([192, 0, 2, 1].into()),
//!     reason: "spam".to_owned(),
//!     until: UnixTime::from_millis(u64::MAX),
//! };
//!
//! let storage = Storage::open(&path)?;
//! block_on(storage.bans().put(ban.clone()))?; // durable
//! let second = Storage::open(&path).unwrap_err();
//! assert!(matches!(second.refusal, Refusal::InUse));
//! block_on(storage.close())?;
//!
//! let storage = Storage::open(&path)?;
//! assert_eq!(block_on(storage.bans().load())?, [ban]);
//! # Ok::<_, Box<dyn std::error::Error>>(())
//! ```
//!
//! *Not here*: what is kept and for how long, which is up to those who own it; the stores in memory,
//! which live beside their traits; the identity (`transport::identity`) and the lock of the data
//! directory (`node`). No store reads a clock.
#![warn(
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::unwrap_in_result,
    clippy::panic_in_result_fn,
    clippy::float_arithmetic
)]

mod error;
mod file;
mod row;
mod schema;
mod storage;
mod tables;
#[cfg(test)]
mod tests;
mod writer;

pub use self::error::{OpenError, Refusal, StoreError};
pub use self::storage::{Stats, Storage};
#[doc(hidden)]
pub use self::tables::survive_as_rows;
pub use self::tables::{
    BanTable, BookTable, InboxIndex, InboxTable, LedgerTable, MessageTable, OrderTable, Received,
    ReplayTable, SeedTable, TicketTable,
};
