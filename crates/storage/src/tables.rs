//! The stores, each a table.

use crate::row;

mod bans;
mod book;
mod inbox;
mod ledger;
mod messages;
mod orders;
mod parts;
mod replay;
mod seeds;
mod sent;
mod tickets;

pub use self::bans::BanTable;
pub use self::book::BookTable;
pub use self::inbox::{InboxIndex, InboxTable, Received};
pub use self::ledger::LedgerTable;
pub use self::messages::MessageTable;
pub use self::orders::OrderTable;
pub use self::replay::ReplayTable;
pub use self::seeds::SeedTable;
pub use self::tickets::TicketTable;

/// Reads the bytes as a row of every table, for the fuzzers: whether those that take them as one of
/// theirs read the same again once they have written it.
#[doc(hidden)]
pub fn survive_as_rows(key: &[u8], value: &[u8]) -> bool {
    let tables = [
        row::survives::<handshake::Ban>,
        row::survives::<handshake::seed::SeedMemory>,
        row::survives::<book::Entry>,
        row::survives::<book::Anchor>,
        row::survives::<ordersync::Kept>,
        row::survives::<replay::Block>,
        row::survives::<replay::Extent>,
        row::survives::<::tickets::aggregation::Row>,
        row::survives::<::tickets::ledger::Row>,
        row::survives::<dht::Entry>,
        row::survives::<messages::Envelope>,
        row::survives::<messages::Seen>,
        row::survives::<Received>,
        row::survives::<dht::Sent>,
        row::survives::<sent::Letter>,
    ];
    tables.iter().all(|survives| survives(key, value).unwrap_or(true))
}
