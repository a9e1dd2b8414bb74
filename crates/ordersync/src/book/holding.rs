//! What the book holds of one item, and what it says of it.

use machine::UnixTime;

use crate::{Entry, ItemId};

/// An item, and how it is held.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Holding<I> {
    /// Which.
    pub entry: Entry<I>,
    /// When it was taken in.
    pub received: UnixTime,
    /// Whether it is this node's own: never evicted for lack of room.
    pub pinned: bool,
}

/// What became of an item that was to be inserted.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Inserted {
    /// It is held now.
    New {
        /// What gave way for it.
        evicted: Option<ItemId>,
    },
    /// It was held already.
    Known,
    /// The book is full, and it would be the first to go.
    Full,
}

/// What has happened to a book since the start.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Counts {
    /// Items taken in.
    pub added: u64,
    /// Items offered that were held already.
    pub known: u64,
    /// Items refused for lack of room.
    pub refused: u64,
    /// Items that gave way to others.
    pub evicted: u64,
    /// Items that ended.
    pub expired: u64,
    /// Items given up on demand.
    pub removed: u64,
    /// Epochs begun after the first.
    pub rotations: u64,
}
