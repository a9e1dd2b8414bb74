//! The live set of a node: what it holds, and what is kept up to date so that it can be compared.

mod config;
mod epoch;
mod holding;
mod notice;
mod rotation;
mod scan;
mod state;
#[cfg(test)]
mod tests;
mod updates;

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use machine::UnixTime;
use rand::SeedableRng;
use rand_chacha::ChaCha20Rng;
use reconcile::{Digest, Estimator, Summary};

pub use self::config::{Config, ConfigError, Params};
pub use self::epoch::Epoch;
pub use self::holding::{Counts, Holding, Inserted};
pub use self::notice::Changed;
pub use self::scan::{LOOK_MAX, Overview, Page, Snapshot, Survey};
pub use self::updates::{Lagged, UPDATES_MAX, Update, UpdateKind};

use self::notice::Notice;
use self::rotation::Keys;
use self::state::State;
use crate::{Entry, Filter, Item, ItemId};

/// Items that one hold of the lock deals with, so that nobody waits long for it.
const PART: usize = 512;

/// The items that a node holds, in memory, shared between all who read and change them.
///
/// Beside the items it keeps their [`Digest`], an [`Estimator`] and a sketch under the key of the
/// current [`Epoch`], each brought up to date with every change: to serve them costs nothing that
/// grows with the number of items.
///
/// Every method may be called from any thread. None holds the lock for longer than some
/// microseconds for each of at most 512 items; those that go through the whole set say so, and see
/// it part by part: an item that is held throughout is seen once, one that comes or goes meanwhile
/// may be.
///
/// # Bounds
/// At most [`Config::items_max`] items, and three names for each.
pub struct Book<I: Item> {
    params: Params,
    /// What the filter of the node lets in, if it has one.
    scope: Option<I::Filter>,
    state: RwLock<State<I>>,
    notice: Arc<Notice>,
    keys: Mutex<Keys>,
}

impl<I: Item> Book<I> {
    /// An empty book. The keys of its epochs are drawn from `seed`, which nobody else may know.
    pub fn new(params: Params, seed: [u8; 32]) -> Self {
        let mut keys = Keys::new(ChaCha20Rng::from_seed(seed));
        let state = State::new(&params, keys.draw());
        Self {
            params,
            scope: None,
            state: RwLock::new(state),
            notice: Arc::default(),
            keys: Mutex::new(keys),
        }
    }

    /// Has it hold only what `scope` wants, as whoever inserts sees to: whoever wants all of that is
    /// answered with what is kept up to date.
    #[must_use]
    pub fn holding_only(self, scope: I::Filter) -> Self {
        Self { scope: Some(scope), ..self }
    }

    /// Whether `filter` wants every item that it can hold.
    pub fn is_all(&self, filter: &I::Filter) -> bool {
        filter.is_everything() || self.scope.as_ref().is_some_and(|scope| filter.covers(scope))
    }

    /// Items held.
    pub fn len(&self) -> usize {
        self.read().len()
    }

    /// Whether none is held.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Most items that it holds.
    pub fn capacity(&self) -> usize {
        self.params.items_max
    }

    /// Hash and number of the items: equal for equal sets, and for no others.
    pub fn summary(&self) -> Summary {
        self.digest().finish()
    }

    /// The digest of the items.
    pub fn digest(&self) -> Digest {
        self.read().digest().clone()
    }

    /// What tells about how much another book differs.
    pub fn estimator(&self) -> Estimator {
        self.read().estimator().clone()
    }

    /// The current epoch, with the items as they are now.
    ///
    /// Costs as much as its sketch has blocks, whatever the number of items.
    pub fn epoch(&self) -> Epoch {
        self.read().epoch()
    }

    /// The item of this name.
    pub fn get(&self, id: &ItemId) -> Option<Entry<I>> {
        self.read().get(id).map(|holding| holding.entry.clone())
    }

    /// The item of this name, and how it is held.
    pub fn holding(&self, id: &ItemId) -> Option<Holding<I>> {
        self.read().get(id).cloned()
    }

    /// Whether an item of this name is held.
    pub fn contains(&self, id: &ItemId) -> bool {
        self.read().get(id).is_some()
    }

    /// Whether [`insert`](Self::insert) would refuse the item for lack of room, as things stand.
    pub fn would_take(&self, entry: &Entry<I>, pinned: bool) -> bool {
        self.read().would_take(entry, pinned)
    }

    /// Takes items in, and says of each what became of it, in their order.
    ///
    /// When the book is full, an item gives way whose end is the latest of those not pinned, by id
    /// among equals; a newcomer that would be the first to go itself is not taken. An item that is
    /// held already stays as it is, but becomes pinned if `pinned` is said now.
    pub fn insert(&self, newcomers: Vec<Holding<I>>) -> Vec<Inserted> {
        let mut inserted = Vec::with_capacity(newcomers.len());
        let mut newcomers = newcomers.into_iter();
        loop {
            let part: Vec<_> = newcomers.by_ref().take(PART).collect();
            if part.is_empty() {
                return inserted;
            }
            // What costs most is summed up before the lock is taken.
            let digest = part.iter().map(|newcomer| newcomer.entry.id.as_bytes()).collect();
            self.change(|state| inserted.extend(state.insert(part, digest)));
        }
    }

    /// Gives up items. Says which of them were held.
    pub fn remove(&self, ids: &[ItemId]) -> Vec<ItemId> {
        let parts = ids.chunks(PART);
        parts.flat_map(|part| self.leave(part, UpdateKind::Removed)).collect()
    }

    /// Gives up all items that have ended by `now`, pinned ones too. Says which.
    pub fn expire(&self, now: UnixTime) -> Vec<ItemId> {
        let mut expired = Vec::new();
        loop {
            let part = self.read().ended(now, PART);
            if part.is_empty() {
                return expired;
            }
            expired.extend(self.leave(&part, UpdateKind::Expired));
        }
    }

    /// When the next item ends. `None` if none ever does.
    pub fn next_expiry(&self) -> Option<UnixTime> {
        self.read().next_expiry()
    }

    /// The number of the last change: 0 at the start, one more for each item that comes or goes.
    pub fn version(&self) -> u64 {
        self.read().version()
    }

    /// The changes after the one of this number, the oldest first.
    ///
    /// # Errors
    /// [`Lagged`] if they are not all among the last [`UPDATES_MAX`].
    pub fn changes_since(&self, version: u64) -> Result<Vec<Update>, Lagged> {
        self.read().changes_since(version)
    }

    /// Waits until there is a change after the one of this number. Yields the number of the last.
    ///
    /// # Cancel safety
    /// May be dropped at any time; nothing is missed when it is asked for again.
    pub fn changed(&self, since: u64) -> Changed {
        Changed::new(Arc::clone(&self.notice), since)
    }

    /// What has happened since the start.
    pub fn counts(&self) -> Counts {
        self.read().counts()
    }

    fn leave(&self, ids: &[ItemId], kind: UpdateKind) -> Vec<ItemId> {
        let digest = ids.iter().map(ItemId::as_bytes).collect();
        self.change(|state| state.leave(ids, digest, kind))
    }

    fn change<T>(&self, change: impl FnOnce(&mut State<I>) -> T) -> T {
        let mut state = self.write();
        let result = change(&mut state);
        let version = state.version();
        drop(state);
        self.notice.tell(version);
        result
    }

    /// No foreign code runs while the state is locked, so it is whole even after a panic.
    fn read(&self) -> RwLockReadGuard<'_, State<I>> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, State<I>> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<I: Item> fmt::Debug for Book<I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Book")
            .field("len", &self.len())
            .field("version", &self.version())
            .finish_non_exhaustive()
    }
}
