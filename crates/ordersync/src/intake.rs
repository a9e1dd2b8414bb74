//! The way of items into the book: known?, room?, valid?, durable, then in.

mod batch;
mod config;
mod desk;
mod driver;
mod restore;
#[cfg(test)]
mod tests;
mod writing;

use std::fmt;
use std::future::Future;
use std::sync::Arc;

use futures::channel::oneshot;
use machine::UnixTime;
use transport::clock::Clock;
use transport::pool::{Pool, PoolError};

pub use self::config::{Config, ConfigError, Params};
pub use self::driver::Driver;
pub use self::restore::Restored;

use self::desk::Desk;
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
/// The work is done by its [`Driver`], which has to run: who offers items only waits, and holds
/// nothing that others wait for.
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
    desk: Desk<I>,
}

impl<I: Item> Intake<I> {
    /// The way into `book`, of which `store` keeps what has to survive, and who does the work of it.
    /// No other may insert into them.
    pub fn new(
        book: Arc<Book<I>>,
        store: Arc<dyn Store>,
        validator: Arc<dyn Validator<I>>,
        pool: Pool,
        params: Params,
    ) -> (Self, Driver<I>) {
        let shared = Arc::new(Shared { book, store, validator, pool, params, desk: Desk::new() });
        (Self { shared: Arc::clone(&shared) }, Driver::new(shared))
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
    /// When the future is dropped, each item is taken or is not; the book shows none that is not
    /// durable, and all that the store was given.
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
                let ids: Vec<_> = batch.iter().map(|entry| entry.id).collect();
                let lost =
                    |_| ids.into_iter().map(|id| Admission { id, outcome: lost() }).collect();
                let told: Vec<_> = shared.desk.offer(batch, origin).await.unwrap_or_else(lost);
                admissions.extend(told);
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
            let of_job = Arc::clone(&shared);
            let expire = move || {
                let expired = of_job.book.expire(Clock::wall());
                of_job.desk.owe(&expired);
                expired.len()
            };
            let expired = shared.on_pool(expire).await.map_err(no_pool)?;
            flushed(shared.desk.flush().await)?;
            Ok(expired)
        }
    }

    /// Gives up items, in the book first and then durably. Says which of them the book held. For who
    /// knows more of an item than the item says: that an order was filled on the chain, for example.
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
            let of_job = Arc::clone(&shared);
            let forget = move || {
                let held = of_job.book.remove(&ids);
                // All of them: the store may have a row that the book could not read.
                of_job.desk.owe(&ids);
                held
            };
            let held = shared.on_pool(forget).await.map_err(no_pool)?;
            flushed(shared.desk.flush().await)?;
            Ok(held)
        }
    }
}

impl<I: Item> Shared<I> {
    /// Runs a job, and waits for a place in the queue as long as the configuration says.
    async fn on_pool<F, T>(&self, job: F) -> Result<T, PoolError>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        self.pool.run_patiently(self.params.patience, job).await
    }
}

/// The disk was not even asked.
fn no_pool(error: PoolError) -> StoreError {
    StoreError { message: error.to_string() }
}

/// What the driver says of a flush, or that it is gone.
fn flushed(result: Result<Result<(), StoreError>, oneshot::Canceled>) -> Result<(), StoreError> {
    result.unwrap_or_else(|oneshot::Canceled| {
        Err(StoreError { message: "the intake does not run any more".to_owned() })
    })
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
