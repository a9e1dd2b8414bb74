//! The control API: gRPC on a unix socket, served by the node and used by the command line.

mod client;
mod convert;
mod ledger;
mod listen;
mod messages;
mod orders;
mod parse;
mod payments;
mod server;
mod service;
mod socket;
mod telling;
#[cfg(test)]
mod tests;

pub use self::client::{Client, ClientError};
pub use self::ledger::LedgerServer;
pub(crate) use self::ledger::{LEDGER_REPLY_BYTES_MAX, LEDGER_REQUEST_BYTES_MAX};
pub use self::listen::{Listen, ListenError, SOCKET_PATH_MAX};
pub(crate) use self::messages::{INBOX_LIST_MAX, SENT_LIST_MAX};
pub use self::orders::Stream;
pub(crate) use self::orders::{ORDERS_LIST_MAX, PART_BYTES_MAX};
pub(crate) use self::parse::BOOK_ENTRIES_MAX;
pub(crate) use self::payments::CHANNELS_LIST_MAX;
pub use self::server::{BindError, ServeError, Server};

/// Most bytes in a request. None needs more than a few; the node reads no longer one.
const REQUEST_BYTES_MAX: usize = 16 << 10;

/// Most bytes in a reply: 4 MiB, which is some thousand peers.
const REPLY_BYTES_MAX: usize = 4 << 20;
