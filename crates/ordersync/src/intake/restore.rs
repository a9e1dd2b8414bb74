//! From the store into the book, at the start.

use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};

use futures::FutureExt;
use futures::future::{BoxFuture, Either, join_all, select};
use transport::clock::Clock;
use transport::pool::PoolError;

use super::{Driver, Shared, flushed};
use crate::book::{Holding, Inserted};
use crate::{Entry, Item, Kept, StoreError};

/// What became of the rows of the store.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Restored {
    /// Items that came into the book.
    pub items: usize,
    /// Rows that are no item, or another one than they say. They are left alone.
    pub unreadable: usize,
    /// Items that have ended meanwhile. They are removed.
    pub expired: usize,
    /// Items for which the book has no room any more. They are removed.
    pub evicted: usize,
    /// Items that the rules of today do not want, and own ones for which the book has no room. They
    /// are left alone, and come back with other rules or more room.
    pub left_out: usize,
}

/// The parts that the pool is reading. At most as many as the store has parts.
type Parts = Arc<Mutex<Vec<BoxFuture<'static, Restored>>>>;

impl<I: Item> Driver<I> {
    /// Fills the book from the store. What is there was verified when it came, and is not verified
    /// again; a row is read only as the item whose id it has.
    ///
    /// # Errors
    /// [`StoreError`]: what was read until then is in the book.
    ///
    /// # Cancel safety
    /// When the future is dropped, part of the items are in the book.
    pub async fn restore(&mut self) -> Result<Restored, StoreError> {
        let restored = self.shared.load().await?;
        let flush = pin!(self.shared.desk.flush());
        match select(flush, pin!(self.run())).await {
            Either::Left((flush, _)) => flushed(flush).map(|()| restored),
            Either::Right((never, _)) => match never {},
        }
    }
}

impl<I: Item> Shared<I> {
    async fn load(self: &Arc<Self>) -> Result<Restored, StoreError> {
        let (shared, parts) = (Arc::clone(self), Parts::default());
        let under_way = Arc::clone(&parts);
        let each = move |part| {
            let restored = shared.read_on_pool(part);
            under_way.lock().unwrap_or_else(PoisonError::into_inner).push(restored);
        };
        let unreadable = self.store.load(Box::new(each)).await?;
        let parts = std::mem::take(&mut *parts.lock().unwrap_or_else(PoisonError::into_inner));
        let mut all = Restored { unreadable, ..Restored::default() };
        for part in join_all(parts).await {
            all.items = all.items.saturating_add(part.items);
            all.unreadable = all.unreadable.saturating_add(part.unreadable);
            all.expired = all.expired.saturating_add(part.expired);
            all.evicted = all.evicted.saturating_add(part.evicted);
            all.left_out = all.left_out.saturating_add(part.left_out);
        }
        Ok(all)
    }

    /// Has a part read by the pool; by the thread of the store if the pool has no place for it, so
    /// that the store goes no faster than both.
    fn read_on_pool(self: &Arc<Self>, part: Vec<Kept>) -> BoxFuture<'static, Restored> {
        let rows = part.len();
        let (part, shared) = (Arc::new(part), Arc::clone(self));
        let of_job = Arc::clone(&part);
        let mut result = self.pool.run(move || shared.read(&of_job)).boxed();
        match (&mut result).now_or_never() {
            Some(Err(PoolError::Full { .. })) => {
                let restored = self.read(&part);
                futures::future::ready(restored).boxed()
            }
            Some(done) => futures::future::ready(or_unreadable(done, rows)).boxed(),
            None => result.map(move |done| or_unreadable(done, rows)).boxed(),
        }
    }

    fn read(&self, part: &[Kept]) -> Restored {
        let now = Clock::wall();
        let mut restored = Restored::default();
        let (mut holdings, mut owed) = (Vec::with_capacity(part.len()), Vec::new());
        let mut own = Vec::new();
        for kept in part {
            match read_one::<I>(kept) {
                None => restored.unreadable = restored.unreadable.saturating_add(1),
                Some(entry) if entry.item.expires().is_some_and(|end| end <= now) => {
                    restored.expired = restored.expired.saturating_add(1);
                    owed.push(entry.id);
                }
                Some(entry) if !self.validator.is_still_wanted(&entry) => {
                    restored.left_out = restored.left_out.saturating_add(1);
                }
                Some(entry) => {
                    let Kept { received, pinned, .. } = *kept;
                    holdings.push(Holding { entry, received, pinned });
                }
            }
        }
        let ids: Vec<_> =
            holdings.iter().map(|holding| (holding.entry.id, holding.pinned)).collect();
        for ((id, pinned), inserted) in ids.into_iter().zip(self.book.insert(holdings)) {
            match inserted {
                Inserted::New { evicted: None } => {
                    restored.items = restored.items.saturating_add(1);
                }
                // One comes in, one goes.
                Inserted::New { evicted: Some(evicted) } => {
                    restored.evicted = restored.evicted.saturating_add(1);
                    owed.push(evicted);
                }
                Inserted::Full if pinned => {
                    restored.left_out = restored.left_out.saturating_add(1);
                    own.push(id);
                }
                Inserted::Full => {
                    restored.evicted = restored.evicted.saturating_add(1);
                    owed.push(id);
                }
                Inserted::Known => {}
            }
        }
        self.desk.owe(&owed);
        self.desk.leave_out(own);
        restored
    }
}

fn read_one<I: Item>(kept: &Kept) -> Option<Entry<I>> {
    let mut items = I::decode_batch(&kept.bytes, 1).ok()?.into_iter();
    let entry = Entry::new(items.next()?);
    (items.next().is_none() && entry.id == kept.id).then_some(entry)
}

/// A job that panicked leaves the rows of its part unread.
fn or_unreadable(result: Result<Restored, PoolError>, rows: usize) -> Restored {
    result.unwrap_or_else(|_| Restored { unreadable: rows, ..Restored::default() })
}
