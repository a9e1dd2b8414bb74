//! What of a book survives a restart, and who keeps it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use futures::future::{BoxFuture, FutureExt, ready};
use machine::UnixTime;

use crate::ItemId;

/// One item, as it is kept.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Kept {
    /// Its name.
    pub id: ItemId,
    /// The item, as [`Item::encode_batch`](crate::Item::encode_batch) makes it of one. At most
    /// [`Kept::BYTES_MAX`].
    pub bytes: Bytes,
    /// When it was taken in.
    pub received: UnixTime,
    /// Whether it is this node's own: never evicted for lack of room.
    pub pinned: bool,
}

impl Kept {
    /// Most bytes of an item that is kept: 16 KiB.
    pub const BYTES_MAX: usize = 16 << 10;
}

/// One change of what is kept.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Change {
    /// Keep an item, in place of an earlier one of the same id.
    Put(Kept),
    /// Forget an item.
    Remove(ItemId),
}

/// The disk failed to keep or to return items.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("item store: {message}")]
pub struct StoreError {
    /// What the store says.
    pub message: String,
}

/// Takes what was kept, part by part.
pub type Loader = Box<dyn FnMut(Vec<Kept>) + Send>;

/// Keeps items over restarts. A future that ends well means that the changes are durable.
pub trait Store: Send + Sync + 'static {
    /// Hands over all that is kept, in parts of bounded size; says how many entries could not be
    /// read.
    fn load(&self, each: Loader) -> BoxFuture<'static, Result<usize, StoreError>>;

    /// Makes `changes` durable, all or none.
    fn apply(&self, changes: Vec<Change>) -> BoxFuture<'static, Result<(), StoreError>>;
}

/// Keeps items until the process ends. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct MemoryStore {
    kept: Arc<Mutex<BTreeMap<ItemId, Kept>>>,
}

/// Items handed over at once.
const PART: usize = 500;

impl Store for MemoryStore {
    fn load(&self, mut each: Loader) -> BoxFuture<'static, Result<usize, StoreError>> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let mut kept = kept.into_values().peekable();
        while kept.peek().is_some() {
            each(kept.by_ref().take(PART).collect());
        }
        ready(Ok(0)).boxed()
    }

    fn apply(&self, changes: Vec<Change>) -> BoxFuture<'static, Result<(), StoreError>> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        for change in changes {
            match change {
                Change::Put(item) => drop(kept.insert(item.id, item)),
                Change::Remove(id) => drop(kept.remove(&id)),
            }
        }
        ready(Ok(())).boxed()
    }
}
