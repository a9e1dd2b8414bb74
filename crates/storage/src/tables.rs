//! The stores, each a table.

mod bans;
mod book;
mod seeds;

pub use self::bans::BanTable;
pub use self::book::BookTable;
pub use self::seeds::SeedTable;
