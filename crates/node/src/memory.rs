//! What a node remembers over restarts: one file in its data directory.

use std::cmp::Reverse;
use std::sync::Arc;

use gossip::{BookStore, Snapshot};
use handshake::seed::{SeedMemory, SeedStore, SeedStoreError};
use handshake::{Ban, BanStore, BanStoreError};
use rand::TryRng;
use rand::rngs::SysRng;
use storage::{BanTable, OpenError, SeedTable, Storage};
use wire::signed::SignedRecord;

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

    /// Where those peers of the address book are that were reached last, the last one first.
    pub(crate) fn reached(&self, max: usize) -> Vec<Arc<SignedRecord>> {
        let mut tried: Vec<_> =
            self.kept.book.entries.iter().map(|(_, entry)| entry).filter(|it| it.tried).collect();
        tried.sort_by_key(|entry| Reverse(entry.last_success));
        let records = tried.into_iter().take(max).map(|entry| SignedRecord::open(&entry.record));
        // The book says itself how many cannot be read.
        records.filter_map(Result::ok).map(Arc::new).collect()
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

#[cfg(test)]
mod tests {
    use gossip::{Change, Stored};
    use libp2p::identity::Keypair;
    use machine::UnixTime;

    use super::*;
    use crate::datadir::DataDir;

    #[tokio::test]
    async fn those_that_were_reached_are_told_the_last_one_first() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let dir = DataDir::at(dir.path()).expect("an absolute path");
        let memory = Memory::open(&dir.claim().expect("nobody's")).await.expect("a new file");
        let put = |tried: bool, at: Option<u64>| {
            let addresses = vec!["/ip4/127.0.0.1/tcp/1".parse().expect("a multiaddr")];
            let record = SignedRecord::seal(&Keypair::generate_ed25519(), 1, addresses);
            let record = record.expect("it can be signed");
            let entry = Stored {
                record: record.encoded().clone(),
                source: None,
                source_group: 0,
                tried,
                failures: 0,
                last_success: at.map(UnixTime::from_millis),
                last_attempt: None,
            };
            (record.peer(), Change::Put { peer: record.peer(), entry })
        };
        let all = [put(true, Some(1_000)), put(false, None), put(true, Some(3_000))];
        let last = put(true, Some(2_000));
        let [first, second] = [all[2].0, last.0];
        let changes = all.into_iter().chain([last]).map(|(_, change)| change).collect();
        memory.book.save(changes).await.expect("the disk works");
        memory.storage().close().await.expect("it is open");
        let memory = Memory::open(&dir.claim().expect("nobody's")).await.expect("our file");
        let told: Vec<_> = memory.reached(2).iter().map(|record| record.peer()).collect();
        assert_eq!(told, [first, second]);
        assert_eq!(memory.reached(9).len(), 3);
    }
}
