//! A ledger in this process.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::Poll;

use futures::future::{BoxFuture, FutureExt as _, poll_fn, ready};
use futures::lock::Mutex;
use futures::stream::{BoxStream, StreamExt as _};
use futures::task::AtomicWaker;
use thiserror::Error;

use super::call::SignedTransaction;
use super::entry::{Entry, Update};
use super::genesis::Params;
use super::replica::Replica;
use super::service::{Ledger, LedgerGone, Receipt, SubmitError};
use super::state::{Applied, Inconsistent, State};
use super::store::{Store, StoreError};
use crate::UnixTime;

/// A ledger in this process, kept in a [`Store`]. Clones share it.
///
/// One transaction after the other is checked, made durable and then shown: to the
/// [`replica`](Self::replica), to those who follow, to who submitted it. Checks are made where the
/// futures are polled, which should not be the task of a swarm.
///
/// A transaction whose future is dropped while it is made durable is shown only when somebody submits
/// the next one, or by [`tend`](Self::tend), which whoever serves others should run.
///
/// # Bounds
/// [`LocalLedger::WAITING_MAX`] transactions wait; more are refused with [`SubmitError::Busy`].
#[derive(Clone)]
pub struct LocalLedger(Arc<Inner>);

/// What tells the time.
pub type Clock = Box<dyn Fn() -> UnixTime + Send + Sync>;

struct Inner {
    replica: Replica,
    store: Arc<dyn Store>,
    clock: Clock,
    waiting: AtomicUsize,
    desk: Mutex<Desk>,
    /// Whether somebody has left the desk since it was tended.
    left: AtomicBool,
    tender: AtomicWaker,
}

/// Where one transaction at a time is dealt with.
#[derive(Default)]
struct Desk {
    /// What is being made durable. It stays here if whoever submitted it has gone away, and the next
    /// one waits for it first: the store may have it already.
    begun: Option<Begun>,
    /// Why nothing is taken any more.
    gone: Option<LedgerGone>,
}

struct Begun {
    commit: BoxFuture<'static, Result<(), StoreError>>,
    entry: Entry,
    applied: Applied,
}

/// Why a ledger was not opened.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
pub enum OpenLedgerError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// What the store has is no ledger of this genesis.
    #[error("store holds no ledger of this genesis: {0}")]
    Inconsistent(#[from] Inconsistent),
}

impl LocalLedger {
    /// Most transactions that wait to be taken.
    pub const WAITING_MAX: usize = 1024;

    /// Opens the ledger that `store` keeps; one that keeps nothing begins with the genesis.
    ///
    /// # Errors
    /// [`OpenLedgerError`].
    pub async fn open(
        params: Params,
        store: Arc<dyn Store>,
        clock: Clock,
    ) -> Result<Self, OpenLedgerError> {
        let state = State::restore(params, store.load().await?)?;
        Ok(Self(Arc::new(Inner {
            replica: Replica::of(state),
            store,
            clock,
            waiting: AtomicUsize::new(0),
            desk: Mutex::default(),
            left: AtomicBool::new(false),
            tender: AtomicWaker::new(),
        })))
    }

    /// The state, for all who read it.
    pub fn replica(&self) -> &Replica {
        &self.0.replica
    }

    /// Sees to the end of what those have begun who dropped their futures, for as long as it is
    /// polled. One at a time: of several, one would be woken. Ends only when the ledger takes nothing
    /// more.
    ///
    /// # Cancel safety
    /// May be dropped at any time, and called again.
    pub async fn tend(&self) -> LedgerGone {
        loop {
            poll_fn(|cx| {
                self.0.tender.register(cx.waker());
                let left = self.0.left.swap(false, Ordering::AcqRel);
                if left { Poll::Ready(()) } else { Poll::Pending }
            })
            .await;
            if let Err(gone) = self.0.desk.lock().await.settle(&self.0.replica).await {
                return gone;
            }
        }
    }
}

/// A place among those that wait, given back when dropped.
struct Place(Arc<Inner>);

impl Place {
    fn take(inner: &Arc<Inner>) -> Option<Self> {
        let place = Self(Arc::clone(inner));
        let before = inner.waiting.fetch_add(1, Ordering::Relaxed);
        (before < LocalLedger::WAITING_MAX).then_some(place)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::Relaxed);
        self.0.left.store(true, Ordering::Release);
        self.0.tender.wake();
    }
}

impl Desk {
    /// Sees to the end of what was begun. Whether it was kept; if nothing was begun, all is.
    async fn settle(&mut self, replica: &Replica) -> Result<bool, LedgerGone> {
        let mut all_kept = true;
        if let Some(begun) = &mut self.begun {
            let kept = (&mut begun.commit).await;
            let Some(Begun { entry, applied, .. }) = self.begun.take() else { return Ok(true) };
            // Whether a store that failed has the entry is not known: nothing can be built on it,
            // nor on what was before it.
            self.gone = match kept {
                Ok(()) => replica.advance(entry, &applied).err().map(|(version, expected)| {
                    format!("entry {version} is durable, somebody else has shown {expected}")
                }),
                Err(StoreError::Busy { .. }) => {
                    all_kept = false;
                    None
                }
                Err(failed @ StoreError::Failed { .. }) => Some(failed.to_string()),
            }
            .map(|message| LedgerGone { message });
        }
        self.gone.clone().map_or(Ok(all_kept), Err)
    }
}

impl Inner {
    async fn take(&self, transaction: SignedTransaction) -> Result<Receipt, SubmitError> {
        let mut desk = self.desk.lock().await;
        desk.settle(&self.replica).await?;
        let (entry, applied) = self.replica.read(|state| {
            let version = state.version().saturating_add(1);
            let (at, before) = ((self.clock)().max(state.at()), *state.chain());
            let entry = Entry { version, at, before, transaction };
            state.check(&entry).map(|applied| (entry, applied))
        })?;
        let receipt = Receipt { version: entry.version, at: entry.at };
        let commit = self.store.commit(applied.rows().to_vec());
        desk.begun = Some(Begun { commit, entry, applied });
        if desk.settle(&self.replica).await? { Ok(receipt) } else { Err(SubmitError::Busy) }
    }
}

impl Ledger for LocalLedger {
    fn submit(
        &self,
        transaction: SignedTransaction,
    ) -> BoxFuture<'static, Result<Receipt, SubmitError>> {
        let Some(place) = Place::take(&self.0) else {
            return ready(Err(SubmitError::Busy)).boxed();
        };
        async move { place.0.take(transaction).await }.boxed()
    }

    fn entries(&self, after: u64) -> BoxStream<'static, Result<Update, LedgerGone>> {
        self.0.replica.entries(after).map(Ok).boxed()
    }
}

impl fmt::Debug for LocalLedger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let version = self.0.replica.version();
        f.debug_struct("LocalLedger").field("version", &version).finish_non_exhaustive()
    }
}
