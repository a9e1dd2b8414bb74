//! The way of items into the book: known?, room?, valid?, durable, then in.

mod config;
mod desk;
mod places;
mod restore;
#[cfg(test)]
mod tests;
mod verify;

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::sync::Arc;

use futures::future::BoxFuture;
use futures::lock::Mutex;
use machine::UnixTime;
use transport::clock::Clock;
use transport::pool::Pool;

pub use self::config::{Config, ConfigError, Params};
pub use self::restore::Restored;

use self::desk::{Desk, Ready};
use self::places::Places;
use crate::book::Holding;
use crate::{Book, Entry, Item, ItemId, Store, StoreError};

/// What became of an item that somebody offered.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Admission {
    /// Which.
    pub id: ItemId,
    /// Whether the book holds it now.
    pub outcome: Result<Admitted, Rejected>,
}

/// The book holds it.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Admitted {
    /// It did not before; now it does, durably.
    New,
    /// It did already.
    Known,
}

/// Why an item is not taken.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Rejected {
    /// Nobody can have made it in good faith: a forged signature, say.
    #[error("{detail} [{code}]")]
    Invalid {
        /// Stable name of the reason.
        code: &'static str,
        /// For people.
        detail: String,
    },
    /// It may be fine elsewhere, but this node does not want it.
    #[error("{detail} [{code}]")]
    Unwanted {
        /// Stable name of the reason.
        code: &'static str,
        /// For people.
        detail: String,
    },
    /// It is not wanted any more.
    #[error("expired")]
    Expired,
    /// There is no room, and it would be the first to go.
    #[error("the book is full and holds only items that end earlier")]
    Full,
    /// The work was refused or lost, or the disk failed: it may be offered again.
    #[error("not taken now: {reason}")]
    Later {
        /// Why.
        reason: String,
    },
}

/// Whose items are offered.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Origin {
    /// This node's own: they are pinned, and never give way to others.
    Own,
    /// A peer's.
    Peer,
}

/// Says which items are good. Called on the threads of the pool, where it may take its time.
pub trait Validator<I>: Send + Sync + 'static {
    /// Judges each of `items`, in their order; they are judged together, so that work can be
    /// shared.
    fn check(&self, items: &[Entry<I>], now: UnixTime) -> Vec<Result<(), Rejected>>;

    /// Whether an item that was good when it came may be in the book under the rules of today, which
    /// may be others since the last start. Quick: no signature is looked at. Default: it may.
    fn is_still_wanted(&self, _entry: &Entry<I>) -> bool {
        true
    }
}

/// Takes items into a book. Clones share everything.
///
/// The life of a batch:
/// 1. it waits until fewer than [`Config::batches_max`] others are under way;
/// 2. what the book holds, what has ended and what finds no room is sorted out;
/// 3. the rest is verified on all threads of the pool;
/// 4. what is valid is written to the store in one transaction, together with other batches that
///    wait for the disk, and with the removal of what gave way;
/// 5. only when that is durable, the book shows it.
///
/// An item is known by its id, which need not cover all of it: a signature, say. So an item is never
/// refused because of another of the same id, and two of one id in flight are both verified, unless
/// they are equal in every byte; the first that is durable is in, the other is known.
pub struct Intake<I: Item> {
    shared: Arc<Shared<I>>,
}

struct Shared<I: Item> {
    book: Arc<Book<I>>,
    store: Arc<dyn Store>,
    validator: Arc<dyn Validator<I>>,
    pool: Pool,
    params: Params,
    places: Places,
    desk: Arc<Desk<I>>,
    /// The transaction under way. One whose caller is gone stays here, and who comes next ends it.
    writing: Mutex<Option<Writing>>,
}

/// A transaction, and what follows from it.
type Writing = BoxFuture<'static, Result<(), StoreError>>;

/// What is known of an item of a batch before it is verified.
enum Triage {
    /// The end of it.
    Settled(Result<Admitted, Rejected>),
    /// It is the n-th of those to be verified.
    Candidate(usize),
    /// It equals the n-th of those to be verified.
    Twin(usize),
}

impl<I: Item> Intake<I> {
    /// The way into `book`, of which `store` keeps what has to survive. No other may insert into
    /// them.
    pub fn new(
        book: Arc<Book<I>>,
        store: Arc<dyn Store>,
        validator: Arc<dyn Validator<I>>,
        pool: Pool,
        params: Params,
    ) -> Self {
        let places = Places::new(params.batches_max);
        let desk = Arc::new(Desk::new(Arc::clone(&book), Arc::clone(&store), params.batch));
        let writing = Mutex::default();
        let shared = Shared { book, store, validator, pool, params, places, desk, writing };
        Self { shared: Arc::new(shared) }
    }

    /// The book that it fills.
    pub fn book(&self) -> &Arc<Book<I>> {
        &self.shared.book
    }

    /// Offers items, and says what became of each, in their order.
    ///
    /// # Bounds
    /// Goes on with [`Config::batch`] of them at a time, and waits while [`Config::batches_max`] such
    /// batches are under way.
    ///
    /// # Cancel safety
    /// When the future is dropped, each item was taken or was not; the book shows none that is not
    /// durable. What was with the store already gets into the book with the next call of this
    /// intake, [`sweep`](Self::sweep) at the latest.
    pub fn admit(
        &self,
        entries: Vec<Entry<I>>,
        origin: Origin,
    ) -> impl Future<Output = Vec<Admission>> + Send + use<I> {
        let shared = Arc::clone(&self.shared);
        async move {
            let mut admissions = Vec::with_capacity(entries.len());
            let mut entries = entries.into_iter();
            loop {
                let batch: Vec<_> = entries.by_ref().take(shared.params.batch).collect();
                if batch.is_empty() {
                    return admissions;
                }
                admissions.extend(shared.admit(batch, origin).await);
            }
        }
    }

    /// Gives up what has ended, in the book first and then durably. Says how many items.
    ///
    /// # Errors
    /// [`StoreError`]: the book does not show them any more, and the next sweep tries again to
    /// remove them durably.
    ///
    /// # Cancel safety
    /// May be dropped at any time; the next sweep does what is left.
    pub fn sweep(&self) -> impl Future<Output = Result<usize, StoreError>> + Send + use<I> {
        let shared = Arc::clone(&self.shared);
        async move {
            let (book, desk) = (Arc::clone(&shared.book), Arc::clone(&shared.desk));
            let expire = move || {
                let expired = book.expire(Clock::wall());
                desk.owe(&expired);
                expired.len()
            };
            let expired = shared.on_pool(expire).await.map_err(verify::no_pool)?;
            shared.flush().await?;
            Ok(expired)
        }
    }

    /// Gives up items, in the book first and then durably. Says which of them the book held.
    ///
    /// # Errors
    /// [`StoreError`], as with [`sweep`](Self::sweep).
    ///
    /// # Cancel safety
    /// May be dropped at any time; what the book does not show any more, the next sweep removes
    /// durably.
    pub fn forget(
        &self,
        ids: Vec<ItemId>,
    ) -> impl Future<Output = Result<Vec<ItemId>, StoreError>> + Send + use<I> {
        let shared = Arc::clone(&self.shared);
        async move {
            let (book, desk) = (Arc::clone(&shared.book), Arc::clone(&shared.desk));
            let forget = move || {
                let held = book.remove(&ids);
                // All of them: the store may have a row that the book could not read.
                desk.owe(&ids);
                held
            };
            let held = shared.on_pool(forget).await.map_err(verify::no_pool)?;
            shared.flush().await?;
            Ok(held)
        }
    }
}

impl<I: Item> Shared<I> {
    async fn admit(&self, batch: Vec<Entry<I>>, origin: Origin) -> Vec<Admission> {
        let _place = self.places.take().await;
        let now = Clock::wall();
        let ids: Vec<_> = batch.iter().map(|entry| entry.id).collect();
        let (triage, candidates) = self.sort(batch, origin, now);
        let verdicts = self.verify(&candidates, now).await;
        let mut outcomes = Vec::with_capacity(candidates.len());
        let mut ready = Vec::new();
        for (holding, verdict) in candidates.into_iter().zip(verdicts) {
            outcomes.push(verdict.map(|bytes| ready.push(Ready { holding, bytes })));
        }
        let mut written = self.write(ready).await.into_iter();
        let outcomes: Vec<_> = outcomes
            .into_iter()
            .map(|verdict| verdict.and_then(|()| written.next().unwrap_or_else(lost)))
            .collect();
        let outcome = |triage| match triage {
            Triage::Settled(outcome) => outcome,
            Triage::Candidate(index) => outcomes.get(index).cloned().unwrap_or_else(lost),
            Triage::Twin(index) => {
                outcomes.get(index).cloned().unwrap_or_else(lost).map(|_| Admitted::Known)
            }
        };
        let admissions = ids.into_iter().zip(triage.into_iter().map(outcome));
        admissions.map(|(id, outcome)| Admission { id, outcome }).collect()
    }

    /// Sorts out what need not be verified.
    fn sort(
        &self,
        batch: Vec<Entry<I>>,
        origin: Origin,
        now: UnixTime,
    ) -> (Vec<Triage>, Vec<Holding<I>>) {
        let pinned = origin == Origin::Own;
        let mut candidates: Vec<Holding<I>> = Vec::new();
        let mut first_of: BTreeMap<ItemId, usize> = BTreeMap::new();
        let mut sort = |entry: Entry<I>| {
            if let Some(held) = self.book.holding(&entry.id) {
                if held.pinned || !pinned {
                    return Triage::Settled(Ok(Admitted::Known));
                }
                // What is kept is what the book shows, not what is offered now.
                candidates.push(Holding { pinned, ..held });
                return Triage::Candidate(candidates.len().saturating_sub(1));
            }
            if entry.item.expires().is_some_and(|end| end <= now) {
                return Triage::Settled(Err(Rejected::Expired));
            }
            if !self.book.would_take(&entry, pinned) {
                return Triage::Settled(Err(Rejected::Full));
            }
            let index = candidates.len();
            let first = *first_of.entry(entry.id).or_insert(index);
            if candidates.get(first).is_some_and(|first| are_equal(&first.entry, &entry)) {
                return Triage::Twin(first);
            }
            candidates.push(Holding { entry, received: now, pinned });
            Triage::Candidate(index)
        };
        let triage = batch.into_iter().map(&mut sort).collect();
        (triage, candidates)
    }
}

/// Whether two items of one id are the same in all else.
fn are_equal<I: Item>(one: &Entry<I>, other: &Entry<I>) -> bool {
    Arc::ptr_eq(&one.item, &other.item)
        || I::encode_batch(&[&one.item]) == I::encode_batch(&[&other.item])
}

fn lost<T>() -> Result<T, Rejected> {
    Err(Rejected::Later { reason: "the work was lost".to_owned() })
}

impl<I: Item> Clone for Intake<I> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared) }
    }
}

impl<I: Item> fmt::Debug for Intake<I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Intake").field("book", &self.shared.book).finish_non_exhaustive()
    }
}
