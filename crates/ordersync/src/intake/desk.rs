//! Where those who offer items meet the driver, which does all the work.

use std::collections::{BTreeSet, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::Waker;

use futures::channel::oneshot;
use futures::task::AtomicWaker;

use super::{Admission, Origin};
use crate::{Entry, ItemId, StoreError};

/// What callers have handed in. Nobody holds any of it while he waits, so that one who stops asking
/// for his answer stands in nobody's way.
pub(super) struct Desk<I> {
    state: Mutex<State<I>>,
    driver: AtomicWaker,
}

struct State<I> {
    /// At most one of each caller, and some whose caller is gone.
    offers: VecDeque<Offer<I>>,
    /// Likewise.
    flushes: Vec<Flush>,
    /// What the book has given up and the store may still have. At most what the book can hold and
    /// one transaction: while the store fails, nothing comes in that could be given up.
    owed: BTreeSet<ItemId>,
    /// Own items that the store has and the book had no room for when it was filled.
    own: BTreeSet<ItemId>,
    is_closed: bool,
}

/// A batch of items, and who waits to hear what became of them.
pub(super) struct Offer<I> {
    pub(super) entries: Vec<Entry<I>>,
    pub(super) origin: Origin,
    pub(super) reply: oneshot::Sender<Vec<Admission>>,
}

/// Who waits until what is owed now has left the store.
pub(super) type Flush = oneshot::Sender<Result<(), StoreError>>;

impl<I> Desk<I> {
    pub(super) fn new() -> Self {
        let state = State {
            offers: VecDeque::new(),
            flushes: Vec::new(),
            owed: BTreeSet::new(),
            own: BTreeSet::new(),
            is_closed: false,
        };
        Self { state: Mutex::new(state), driver: AtomicWaker::new() }
    }

    /// Hands in a batch. What became of it comes when it is known; nothing, if there is no driver any
    /// more.
    pub(super) fn offer(
        &self,
        entries: Vec<Entry<I>>,
        origin: Origin,
    ) -> oneshot::Receiver<Vec<Admission>> {
        let (reply, admissions) = oneshot::channel();
        let mut state = self.lock();
        state.offers.retain(|offer| !offer.reply.is_canceled());
        if !state.is_closed {
            state.offers.push_back(Offer { entries, origin, reply });
        }
        drop(state);
        self.driver.wake();
        admissions
    }

    /// Asks that what is owed leaves the store.
    pub(super) fn flush(&self) -> oneshot::Receiver<Result<(), StoreError>> {
        let (reply, done) = oneshot::channel();
        let mut state = self.lock();
        state.flushes.retain(|flush| !flush.is_canceled());
        if !state.is_closed {
            state.flushes.push(reply);
        }
        drop(state);
        self.driver.wake();
        done
    }

    /// Notes that the store need not keep these any more.
    pub(super) fn owe(&self, ids: &[ItemId]) {
        let mut state = self.lock();
        state.owed.extend(ids);
        for id in ids {
            state.own.remove(id);
        }
    }

    pub(super) fn owed(&self) -> usize {
        self.lock().owed.len()
    }

    /// The first `max` of what is owed, which is owed no longer.
    pub(super) fn take_owed(&self, max: usize) -> Vec<ItemId> {
        let mut state = self.lock();
        std::iter::from_fn(|| state.owed.pop_first()).take(max).collect()
    }

    /// Notes own items that are only in the store.
    pub(super) fn leave_out(&self, own: impl IntoIterator<Item = ItemId>) {
        self.lock().own.extend(own);
    }

    /// Which of a batch the store has as own items that the book had no room for.
    pub(super) fn left_out(&self, batch: &[Entry<I>]) -> BTreeSet<ItemId> {
        let state = self.lock();
        if state.own.is_empty() {
            return BTreeSet::new();
        }
        let ids = batch.iter().map(|entry| entry.id);
        ids.filter(|id| state.own.contains(id)).collect()
    }

    /// The batch that waits the longest of those that somebody still waits for.
    pub(super) fn next_offer(&self) -> Option<Offer<I>> {
        let mut state = self.lock();
        loop {
            let offer = state.offers.pop_front()?;
            if !offer.reply.is_canceled() {
                return Some(offer);
            }
        }
    }

    pub(super) fn take_flushes(&self) -> Vec<Flush> {
        std::mem::take(&mut self.lock().flushes)
    }

    /// Whom to wake when something is handed in. There is one driver.
    pub(super) fn wake_then(&self, driver: &Waker) {
        self.driver.register(driver);
    }

    /// Nothing is worked off any more: tells all who wait, and all who come.
    pub(super) fn close(&self) {
        let mut state = self.lock();
        state.is_closed = true;
        let waiting = (std::mem::take(&mut state.offers), std::mem::take(&mut state.flushes));
        drop(state);
        // Whoever waits hears that his answer was dropped.
        drop(waiting);
    }

    /// Each change of the state is one step, so it is whole even after a panic.
    fn lock(&self) -> MutexGuard<'_, State<I>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
