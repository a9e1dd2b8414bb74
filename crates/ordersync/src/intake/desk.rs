//! Where batches meet on their way to the disk: one transaction at a time, for all that wait.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use futures::FutureExt;
use futures::channel::oneshot;

use super::{Admitted, Rejected, Shared, Writing, lost};
use crate::book::{Holding, Inserted};
use crate::{Book, Change, Item, ItemId, Kept, Store, StoreError};

/// What became of the items of a batch, in their order.
type Outcomes = Vec<Result<Admitted, Rejected>>;

/// An item that was found valid, and the bytes that are kept of it.
#[derive(Clone, Debug)]
pub(super) struct Ready<I> {
    pub(super) holding: Holding<I>,
    pub(super) bytes: Bytes,
}

pub(super) struct Desk<I: Item> {
    book: Arc<Book<I>>,
    store: Arc<dyn Store>,
    /// Most items of one transaction, unless one batch has more.
    batch: usize,
    state: Mutex<State<I>>,
}

struct State<I> {
    /// At most one for each place of the intake, and some whose caller is gone.
    waiting: VecDeque<Batch<I>>,
    /// What the book has given up and the store may still have. At most what the book can hold and
    /// one transaction: while the store fails, nothing comes in that could be given up.
    owed: BTreeSet<ItemId>,
}

struct Batch<I> {
    ready: Vec<Ready<I>>,
    reply: oneshot::Sender<Outcomes>,
}

/// What a transaction is going to write.
struct Draft<I> {
    puts: Vec<Ready<I>>,
    /// Where each item is in `puts`.
    places: BTreeMap<ItemId, usize>,
}

/// How an item of a transaction fares before the disk is asked.
enum Fate {
    Settled(Result<Admitted, Rejected>),
    /// It is the n-th of those to be written.
    Put(usize),
    /// It has the id of the n-th of those to be written.
    Second(usize),
}

impl<I: Item> Shared<I> {
    /// Has items written and shown. Says what became of each.
    pub(super) async fn write(&self, ready: Vec<Ready<I>>) -> Outcomes {
        if ready.is_empty() {
            return Vec::new();
        }
        let count = ready.len();
        let (reply, mut outcomes) = oneshot::channel();
        self.desk.submit(Batch { ready, reply });
        loop {
            let mut writing = self.writing.lock().await;
            // Another may have written this batch with its own.
            match outcomes.try_recv() {
                Ok(Some(outcomes)) => return outcomes,
                Ok(None) => {}
                Err(oneshot::Canceled) => return vec![lost(); count],
            }
            // What the store says comes with the outcomes.
            drop(self.turn(&mut writing).await);
        }
    }

    /// Has what the book gave up removed from the store, and what a caller that is gone has left
    /// brought to its end.
    pub(super) async fn flush(&self) -> Result<(), StoreError> {
        // One turn may be taken by what was left; what is owed after these came later.
        let turns = self.desk.owed().div_ceil(self.params.batch).saturating_add(1);
        for _ in 0..turns {
            self.turn(&mut *self.writing.lock().await).await?;
        }
        Ok(())
    }

    async fn turn(&self, writing: &mut Option<Writing>) -> Result<(), StoreError> {
        let desk = &self.desk;
        let result = writing.get_or_insert_with(|| Arc::clone(desk).write().boxed()).await;
        *writing = None;
        result
    }
}

impl<I: Item> Desk<I> {
    pub(super) fn new(book: Arc<Book<I>>, store: Arc<dyn Store>, batch: usize) -> Self {
        let state = State { waiting: VecDeque::new(), owed: BTreeSet::new() };
        Self { book, store, batch, state: Mutex::new(state) }
    }

    /// Notes that the store need not keep these any more.
    pub(super) fn owe(&self, ids: &[ItemId]) {
        self.lock().owed.extend(ids);
    }

    pub(super) fn owed(&self) -> usize {
        self.lock().owed.len()
    }

    fn submit(&self, batch: Batch<I>) {
        let mut state = self.lock();
        state.waiting.retain(|batch| !batch.reply.is_canceled());
        state.waiting.push_back(batch);
    }

    /// One transaction, and what follows from it.
    async fn write(self: Arc<Self>) -> Result<(), StoreError> {
        let mut draft = Draft { puts: Vec::new(), places: BTreeMap::new() };
        let mut batches = Vec::new();
        for Batch { ready, reply } in self.next_batches() {
            let fates = ready.into_iter().map(|ready| self.fate(ready, &mut draft));
            batches.push((reply, fates.collect::<Vec<_>>()));
        }
        let owed = self.next_owed();
        // Nothing else puts an item into the book while this is under way.
        let gone = |id: &&ItemId| !draft.places.contains_key(id) && !self.book.contains(id);
        let removals = owed.iter().filter(gone).map(|id| Change::Remove(*id));
        let changes: Vec<_> = removals.chain(draft.puts.iter().map(Ready::put)).collect();
        let result = if changes.is_empty() { Ok(()) } else { self.store.apply(changes).await };
        let outcomes = match &result {
            Ok(()) => self.show(draft.puts),
            Err(error) => {
                self.owe(&owed);
                let later = Rejected::Later { reason: error.to_string() };
                vec![Err(later); draft.puts.len()]
            }
        };
        for (reply, fates) in batches {
            let outcomes = fates.into_iter().map(|fate| fate.outcome(&outcomes)).collect();
            // Whoever has gone away does not care.
            drop(reply.send(outcomes));
        }
        result
    }

    /// The batches that wait the longest, for one transaction.
    fn next_batches(&self) -> Vec<Batch<I>> {
        let mut state = self.lock();
        let (mut batches, mut items) = (Vec::new(), 0_usize);
        while let Some(batch) = state.waiting.pop_front() {
            if batch.reply.is_canceled() {
                continue;
            }
            items = items.saturating_add(batch.ready.len());
            if items > self.batch && !batches.is_empty() {
                state.waiting.push_front(batch);
                break;
            }
            batches.push(batch);
        }
        batches
    }

    fn next_owed(&self) -> Vec<ItemId> {
        let mut state = self.lock();
        std::iter::from_fn(|| state.owed.pop_first()).take(self.batch).collect()
    }

    /// Decides about an item as things stand now: since it was verified another batch may have
    /// brought it, or filled the book.
    fn fate(&self, mut ready: Ready<I>, draft: &mut Draft<I>) -> Fate {
        let Holding { entry, pinned, .. } = &ready.holding;
        if let Some(index) = draft.places.get(&entry.id) {
            if let Some(first) = draft.puts.get_mut(*index) {
                first.holding.pinned |= *pinned;
            }
            return Fate::Second(*index);
        }
        match self.book.holding(&entry.id) {
            Some(held) if held.pinned || !pinned => return Fate::Settled(Ok(Admitted::Known)),
            // The copy that the book shows is kept, not the one that comes now.
            Some(held) => {
                let bytes = I::encode_batch(&[&held.entry.item]).into();
                ready = Ready { holding: Holding { pinned: true, ..held }, bytes };
            }
            None if !self.book.would_take(entry, *pinned) => {
                return Fate::Settled(Err(Rejected::Full));
            }
            None => {}
        }
        let index = draft.puts.len();
        draft.places.insert(ready.holding.entry.id, index);
        draft.puts.push(ready);
        Fate::Put(index)
    }

    /// Puts into the book what is durable now.
    fn show(&self, puts: Vec<Ready<I>>) -> Outcomes {
        let ids: Vec<_> = puts.iter().map(|ready| ready.holding.entry.id).collect();
        let holdings = puts.into_iter().map(|ready| ready.holding).collect();
        let inserted = self.book.insert(holdings);
        let mut left = BTreeSet::new();
        for (id, inserted) in ids.iter().zip(&inserted) {
            match inserted {
                Inserted::New { evicted } => left.extend(*evicted),
                Inserted::Full => drop(left.insert(*id)),
                Inserted::Known => {}
            }
        }
        let outcome = |(id, inserted): (&ItemId, &Inserted)| match inserted {
            Inserted::Known => Ok(Admitted::Known),
            // One may have given way to the next.
            Inserted::New { .. } | Inserted::Full if left.contains(id) => Err(Rejected::Full),
            Inserted::New { .. } | Inserted::Full => Ok(Admitted::New),
        };
        let outcomes = ids.iter().zip(&inserted).map(outcome).collect();
        self.lock().owed.append(&mut left);
        outcomes
    }

    fn lock(&self) -> MutexGuard<'_, State<I>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<I> Ready<I> {
    fn put(&self) -> Change {
        let Holding { entry, received, pinned } = &self.holding;
        Change::Put(Kept {
            id: entry.id,
            bytes: self.bytes.clone(),
            received: *received,
            pinned: *pinned,
        })
    }
}

impl Fate {
    /// `puts` are the outcomes of those that were to be written.
    fn outcome(self, puts: &[Result<Admitted, Rejected>]) -> Result<Admitted, Rejected> {
        let of = |index| puts.get(index).cloned().unwrap_or_else(lost);
        match self {
            Self::Settled(outcome) => outcome,
            Self::Put(index) => of(index),
            Self::Second(index) => of(index).map(|_| Admitted::Known),
        }
    }
}
