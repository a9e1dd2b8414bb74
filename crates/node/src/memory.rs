//! What a node remembers over restarts: one file in its data directory.

use std::sync::Arc;

use gossip::{BookStore, Snapshot};
use handshake::seed::{SeedMemory, SeedStore, SeedStoreError};
use handshake::{Ban, BanStore, BanStoreError};
use rand::TryRng;
use rand::rngs::SysRng;
use storage::{BanTable, OpenError, SeedTable, Storage};

use crate::datadir::Claim;

/// The stores of a node, and what was in them at the start.
pub(crate) struct Memory {
    /// Who is kept out.
    pub(crate) bans: BanTable,
    /// Which seeds were good.
    pub(crate) seeds: SeedTable,
    /// The address book.
    pub(crate) book: Arc<dyn BookStore>,
    /// What was in them.
    pub(crate) kept: Kept,
    storage: Storage,
}

/// What was in the stores.
#[derive(Debug)]
pub(crate) struct Kept {
    pub(crate) bans: Vec<Ban>,
    pub(crate) seeds: Vec<SeedMemory>,
    pub(crate) book: Snapshot,
}

/// Why a node cannot remember.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MemoryError {
    /// The file cannot be used.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The bans cannot be read.
    #[error("cannot read the bans")]
    Bans(#[from] BanStoreError),
    /// The seeds cannot be read.
    #[error("cannot read what is remembered of seeds")]
    Seeds(#[from] SeedStoreError),
    /// The address book cannot be read, or its secret not be written.
    #[error("cannot read the address book")]
    Book(#[from] gossip::StoreError),
    /// The system gives no random numbers.
    #[error("the system gives no random numbers")]
    Randomness,
}

impl Memory {
    /// Opens the file of a data directory, which is made if it is not there, and reads it.
    ///
    /// Blocks on the disk for a moment.
    ///
    /// # Errors
    /// [`MemoryError`]. A file that cannot be used is left as it is.
    ///
    /// # Cancel safety
    /// The file may have been made.
    pub(crate) async fn open(claim: &Claim) -> Result<Self, MemoryError> {
        let storage = Storage::open(&claim.dir().store_file())?;
        let (bans, seeds, book) = (storage.bans(), storage.seeds(), storage.book());
        let mut kept =
            Kept { bans: bans.load().await?, seeds: seeds.load().await?, book: book.load().await? };
        if kept.book.unreadable > 0 {
            let count = kept.book.unreadable;
            tracing::warn!(count, "entries of the address book cannot be read and are left out");
        }
        if kept.book.key.is_none() {
            let mut key = [0; 32];
            SysRng.try_fill_bytes(&mut key).map_err(|_| MemoryError::Randomness)?;
            book.put_key(key).await?;
            kept.book.key = Some(key);
        }
        Ok(Self { bans, seeds, book: Arc::new(book), kept, storage })
    }

    /// The file, to be closed when the node has ended.
    pub(crate) fn storage(&self) -> Storage {
        self.storage.clone()
    }
}

impl std::fmt::Debug for Memory {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Memory").field("storage", &self.storage).finish_non_exhaustive()
    }
}
