//! The stores, each a table.

use crate::row;

mod bans;
mod book;
mod orders;
mod seeds;

pub use self::bans::BanTable;
pub use self::book::BookTable;
pub use self::orders::OrderTable;
pub use self::seeds::SeedTable;

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
    ];
    tables.iter().all(|survives| survives(key, value).unwrap_or(true))
}
