//! One transaction for all batches that are verified, and what follows from it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::batch::{Ready, Verified};
use super::{Admitted, Rejected, Shared, lost};
use crate::book::{Holding, Inserted};
use crate::{Change, Item, ItemId, Kept, StoreError};

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
    /// Writes and shows what is valid in `batches`, and tells who waits; removes part of what is
    /// owed. Only one at a time, or an item could come into the book beside it.
    pub(super) async fn write(
        self: Arc<Self>,
        batches: Vec<Verified<I>>,
    ) -> Result<(), StoreError> {
        let mut draft = Draft { puts: Vec::new(), places: BTreeMap::new() };
        let mut waiting = Vec::with_capacity(batches.len());
        for mut batch in batches {
            let ready = std::mem::take(&mut batch.ready).into_iter();
            let fates: Vec<_> = ready.map(|ready| self.fate(ready, &mut draft)).collect();
            waiting.push((batch, fates));
        }
        let owed = self.desk.take_owed(self.params.batch);
        let gone = |id: &&ItemId| !draft.places.contains_key(id) && !self.book.contains(id);
        let removals = owed.iter().filter(gone).map(|id| Change::Remove(*id));
        let changes: Vec<_> = removals.chain(draft.puts.iter().map(Ready::put)).collect();
        let result = if changes.is_empty() { Ok(()) } else { self.store.apply(changes).await };
        let outcomes = match &result {
            Ok(()) => self.show(draft.puts),
            Err(error) => {
                self.desk.owe(&owed);
                let later = Rejected::Later { reason: error.to_string() };
                vec![Err(later); draft.puts.len()]
            }
        };
        for (batch, fates) in waiting {
            batch.tell(fates.into_iter().map(|fate| fate.outcome(&outcomes)));
        }
        result
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
    fn show(&self, puts: Vec<Ready<I>>) -> Vec<Result<Admitted, Rejected>> {
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
        self.desk.owe(&left.into_iter().collect::<Vec<_>>());
        outcomes
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
