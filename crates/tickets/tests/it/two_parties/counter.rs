//! The indices that the issuer gives to tickets, over crashes and on a disk that fails.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures::FutureExt as _;
use futures::executor::block_on;
use futures::future::{BoxFuture, ready};
use meshwork_tickets::aggregation::{Change, Kept, Loader, MemoryStore, Store, StoreError};
use meshwork_tickets::issuing::Indices;
use meshwork_tickets::{ChannelId, Epoch, TicketIndex};

use crate::town::{ISSUER, chain_key, owner};

/// The disk of the issuer, as reservations of indices see it.
struct Disc {
    rows: MemoryStore,
    fails: AtomicBool,
}

impl Store for Disc {
    fn load(&self, each: Loader) -> BoxFuture<'static, Result<usize, StoreError>> {
        self.rows.load(each)
    }

    fn apply(&self, changes: Vec<Change>) -> BoxFuture<'static, Result<(), StoreError>> {
        if self.fails.load(Ordering::Relaxed) {
            return ready(Err(StoreError { message: "a test".to_owned() })).boxed();
        }
        self.rows.apply(changes)
    }
}

/// Who gives indices to the tickets of the issuer.
pub(super) struct Counter {
    disc: Arc<Disc>,
    pub(super) indices: Indices,
}

impl Counter {
    pub(super) fn new(rows: MemoryStore) -> Self {
        let kept = block_on(Kept::load(&rows, owner(&chain_key(ISSUER)))).unwrap();
        let disc = Arc::new(Disc { rows, fails: AtomicBool::new(false) });
        let indices = Indices::new(Arc::clone(&disc) as _, &kept);
        Self { disc, indices }
    }

    /// An index, unless there is none left and the disk fails.
    pub(super) fn take(&self, id: ChannelId, disk_fails: bool) -> Option<TicketIndex> {
        self.disc.fails.store(disk_fails, Ordering::Relaxed);
        let reserved = self.indices.reserve(&id, Epoch::default()).now_or_never();
        let taken = self.indices.take(&id, Epoch::default());
        assert!(taken.is_ok() || reserved.unwrap().is_err());
        taken.ok()
    }
}
