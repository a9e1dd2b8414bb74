//! The last changes of a book, for those who watch it.

use std::collections::VecDeque;

use crate::ItemId;

/// Changes that are remembered.
pub const UPDATES_MAX: usize = 1024;

/// One change of a book.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Update {
    /// Its number: one more than that of the change before.
    pub version: u64,
    /// Of which item.
    pub id: ItemId,
    /// What happened to it.
    pub kind: UpdateKind,
}

/// What happened to an item.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum UpdateKind {
    /// It came in.
    Added,
    /// It ended.
    Expired,
    /// It gave way to another.
    Evicted,
    /// It was given up on demand.
    Removed,
}

/// There were more changes than are remembered: what is held has to be looked at anew.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("the changes since {since} are not all remembered, the last is {version}")]
pub struct Lagged {
    /// The number that was asked about.
    pub since: u64,
    /// The number of the last change.
    pub version: u64,
}

/// The last changes, and how many there were.
#[derive(Debug, Default)]
pub(super) struct Updates {
    last: VecDeque<Update>,
    version: u64,
}

impl Updates {
    pub(super) fn version(&self) -> u64 {
        self.version
    }

    pub(super) fn push(&mut self, id: ItemId, kind: UpdateKind) {
        self.version = self.version.saturating_add(1);
        if self.last.len() >= UPDATES_MAX {
            self.last.pop_front();
        }
        self.last.push_back(Update { version: self.version, id, kind });
    }

    pub(super) fn since(&self, since: u64) -> Result<Vec<Update>, Lagged> {
        let missing = self.version.checked_sub(since).and_then(|n| usize::try_from(n).ok());
        let skipped = missing.and_then(|missing| self.last.len().checked_sub(missing));
        match skipped {
            Some(skipped) => Ok(self.last.iter().skip(skipped).copied().collect()),
            None => Err(Lagged { since, version: self.version }),
        }
    }
}
