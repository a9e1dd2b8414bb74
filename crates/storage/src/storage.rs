//! A handle to the open file.

use std::path::Path;

use futures::future::BoxFuture;

use crate::error::{OpenError, Refusal, StoreError};
use crate::file;
use crate::tables::{
    BanTable, BookTable, InboxTable, LedgerTable, MessageTable, OrderTable, ReplayTable, SeedTable,
    TicketTable,
};
use crate::writer::Queue;

/// The durable stores of one node: one file, and the one thread that touches it. Clones share both.
///
/// What is asked for is done in the order of the calls, whichever handle or future it came by.
///
/// When the last clone is dropped, what was accepted is still written and the file is closed, but
/// nobody is told when: to open it again, wait for [`close`](Self::close).
#[derive(Clone, Debug)]
pub struct Storage {
    queue: Queue,
}

/// What a store has done since it was opened.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Stats {
    /// Change sets that are durable.
    pub writes: u64,
    /// Transactions that it took.
    pub commits: u64,
    /// Requests refused because too much waited.
    pub busy: u64,
    /// Change sets that the disk did not take.
    pub failed: u64,
    /// Entries that could not be read, each counted at every load.
    pub skipped: u64,
    /// Bytes of changes that wait or are being written.
    pub waiting_bytes: usize,
}

impl Storage {
    /// Opens the store at `path`; where there is no file, makes one with mode 0600. Blocks: the
    /// whole file is read and verified.
    ///
    /// # Errors
    /// [`OpenError`] with the [`Refusal`]. A file that is refused is not replaced.
    ///
    /// # Security
    /// A file that others may read is refused. The directory is the caller's to guard.
    pub fn open(path: &Path) -> Result<Self, OpenError> {
        let start = |database| {
            let failed = |source| Refusal::Io { doing: "start a thread for it", source };
            Queue::start(database).map_err(failed)
        };
        match file::open(path).and_then(start) {
            Ok(queue) => Ok(Self { queue }),
            Err(refusal) => Err(OpenError { path: path.to_owned(), refusal }),
        }
    }

    /// A store over something that only acts like a file.
    #[cfg(test)]
    pub(crate) fn over(backend: impl redb::StorageBackend) -> Result<Self, Refusal> {
        let database = file::open_backend(backend)?;
        let failed = |source| Refusal::Io { doing: "start a thread for it", source };
        Ok(Self { queue: Queue::start(database).map_err(failed)? })
    }

    /// Who is kept out.
    pub fn bans(&self) -> BanTable {
        BanTable(self.clone())
    }

    /// What is remembered of seeds.
    pub fn seeds(&self) -> SeedTable {
        SeedTable(self.clone())
    }

    /// The address book and the anchors.
    pub fn book(&self) -> BookTable {
        BookTable(self.clone())
    }

    /// The orders of this node and of others.
    pub fn orders(&self) -> OrderTable {
        OrderTable(self.clone())
    }

    /// The packets that passed.
    pub fn replay(&self) -> ReplayTable {
        ReplayTable(self.clone())
    }

    /// The tickets of this node, and what it has issued.
    pub fn tickets(&self) -> TicketTable {
        TicketTable(self.clone())
    }

    /// The ledger that this node keeps.
    pub fn ledger(&self) -> LedgerTable {
        LedgerTable(self.clone())
    }

    /// The messages that this node keeps for others, what it remembers of those that came, and its
    /// own.
    pub fn messages(&self) -> MessageTable {
        MessageTable(self.clone())
    }

    /// The messages for this node.
    pub fn inbox(&self) -> InboxTable {
        InboxTable(self.clone())
    }

    /// What has been done so far.
    pub fn stats(&self) -> Stats {
        self.queue.stats()
    }

    /// Closes the file for all clones, after everything that was asked before. Ends when another
    /// process may open it.
    ///
    /// # Errors
    /// [`StoreError::Closed`] when it was closed already, [`StoreError::Failed`] when the disk
    /// failed; the file is closed all the same.
    ///
    /// # Cancel safety
    /// It is closed even when the future is dropped.
    pub fn close(&self) -> BoxFuture<'static, Result<(), StoreError>> {
        self.queue.close()
    }

    pub(crate) fn queue(&self) -> &Queue {
        &self.queue
    }
}
