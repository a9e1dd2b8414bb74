//! What the lock of a book protects. Nothing here takes time that grows with the number of items.

use std::collections::{BTreeMap, BTreeSet};
use std::mem;
use std::ops::Bound;

use machine::UnixTime;
use reconcile::{Digest, Estimator, Key};

use super::epoch::{Epoch, Live};
use super::updates::{Lagged, Update, UpdateKind, Updates};
use super::{Counts, Holding, Inserted, PART, Params};
use crate::{Entry, Item, ItemId};

/// The end of what never ends.
const NEVER: UnixTime = UnixTime::from_millis(u64::MAX);

#[derive(Debug)]
pub(super) struct State<I> {
    items_max: usize,
    items: BTreeMap<ItemId, Row<I>>,
    /// The pinned ones that end, by when.
    pinned: BTreeSet<(UnixTime, ItemId)>,
    /// All others, by when they end: the last is the first to go.
    evictable: BTreeSet<(UnixTime, ItemId)>,
    digest: Digest,
    estimator: Estimator,
    live: Live,
    /// What has changed since the next epoch began to be built.
    journal: Option<Journal>,
    updates: Updates,
    counts: Counts,
}

#[derive(Debug)]
struct Row<I> {
    holding: Holding<I>,
    /// Asked for once, so that no foreign code runs in the middle of a change.
    end: UnixTime,
}

#[derive(Debug, Default)]
struct Journal {
    changed: BTreeSet<ItemId>,
    /// Whether it became too long: building anew is less work than catching up.
    lost: bool,
}

impl<I: Item> State<I> {
    pub(super) fn new(params: &Params, key: Key) -> Self {
        Self {
            items_max: params.items_max,
            items: BTreeMap::new(),
            pinned: BTreeSet::new(),
            evictable: BTreeSet::new(),
            digest: Digest::new(),
            estimator: Estimator::new(),
            live: Live::new(key, params.cells, &[]),
            journal: None,
            updates: Updates::default(),
            counts: Counts::default(),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.items.len()
    }

    pub(super) fn digest(&self) -> &Digest {
        &self.digest
    }

    pub(super) fn estimator(&self) -> &Estimator {
        &self.estimator
    }

    pub(super) fn epoch(&self) -> Epoch {
        self.live.freeze(&self.digest, &self.estimator)
    }

    pub(super) fn get(&self, id: &ItemId) -> Option<&Holding<I>> {
        self.items.get(id).map(|row| &row.holding)
    }

    pub(super) fn version(&self) -> u64 {
        self.updates.version()
    }

    pub(super) fn changes_since(&self, version: u64) -> Result<Vec<Update>, Lagged> {
        self.updates.since(version)
    }

    pub(super) fn counts(&self) -> Counts {
        self.counts
    }

    pub(super) fn next_expiry(&self) -> Option<UnixTime> {
        let firsts = [self.pinned.first(), self.evictable.first()];
        firsts.into_iter().flatten().map(|(end, _)| *end).min().filter(|end| *end != NEVER)
    }

    /// At most `max` of the items that have ended by `now`.
    pub(super) fn ended(&self, now: UnixTime, max: usize) -> Vec<ItemId> {
        let ended = |(end, _): &&(UnixTime, ItemId)| *end <= now && *end != NEVER;
        let pinned = self.pinned.iter().take_while(ended);
        pinned.chain(self.evictable.iter().take_while(ended)).take(max).map(|(_, id)| *id).collect()
    }

    /// At most `max` items from `from` to `until`, in their order.
    pub(super) fn part(
        &self,
        from: Bound<ItemId>,
        until: ItemId,
        max: usize,
    ) -> impl Iterator<Item = &Entry<I>> {
        let past_all = match from {
            Bound::Included(from) => from > until,
            Bound::Excluded(after) => after >= until,
            Bound::Unbounded => false,
        };
        let range = (!past_all).then(|| self.items.range((from, Bound::Included(until))));
        range.into_iter().flatten().take(max).map(|(_, row)| &row.holding.entry)
    }

    pub(super) fn would_take(&self, entry: &Entry<I>, pinned: bool) -> bool {
        if self.items.len() < self.items_max || self.items.contains_key(&entry.id) {
            return true;
        }
        match self.evictable.last() {
            Some(first_to_go) => pinned || (end(entry), entry.id) < *first_to_go,
            None => false,
        }
    }

    /// `digest` is that of all the newcomers.
    #[expect(clippy::arithmetic_side_effects, reason = "the lanes of a digest wrap")]
    pub(super) fn insert(
        &mut self,
        newcomers: Vec<Holding<I>>,
        mut digest: Digest,
    ) -> Vec<Inserted> {
        let mut outcomes = Vec::with_capacity(newcomers.len());
        for newcomer in newcomers {
            let id = newcomer.entry.id;
            let outcome = self.insert_one(newcomer);
            if !matches!(outcome, Inserted::New { .. }) {
                digest.remove(id.as_bytes());
            }
            outcomes.push(outcome);
        }
        self.digest += &digest;
        outcomes
    }

    fn insert_one(&mut self, newcomer: Holding<I>) -> Inserted {
        let id = newcomer.entry.id;
        if let Some(held) = self.items.get_mut(&id) {
            if newcomer.pinned && !mem::replace(&mut held.holding.pinned, true) {
                let key = (held.end, id);
                self.evictable.remove(&key);
                if held.end != NEVER {
                    self.pinned.insert(key);
                }
            }
            count(&mut self.counts.known);
            return Inserted::Known;
        }
        if !self.would_take(&newcomer.entry, newcomer.pinned) {
            count(&mut self.counts.refused);
            return Inserted::Full;
        }
        let evicted = if self.items.len() < self.items_max { None } else { self.evict() };
        let end = end(&newcomer.entry);
        if !newcomer.pinned {
            self.evictable.insert((end, id));
        } else if end != NEVER {
            self.pinned.insert((end, id));
        }
        self.items.insert(id, Row { holding: newcomer, end });
        self.estimator.insert(id.as_bytes());
        self.changed(id, UpdateKind::Added);
        Inserted::New { evicted }
    }

    fn evict(&mut self) -> Option<ItemId> {
        let (_, id) = *self.evictable.last()?;
        self.drop_one(id, UpdateKind::Evicted);
        self.digest.remove(id.as_bytes());
        Some(id)
    }

    /// Gives up items, and says which of them were held. `digest` is that of all of them.
    #[expect(clippy::arithmetic_side_effects, reason = "the lanes of a digest wrap")]
    pub(super) fn leave(
        &mut self,
        ids: &[ItemId],
        mut digest: Digest,
        kind: UpdateKind,
    ) -> Vec<ItemId> {
        let mut left = Vec::with_capacity(ids.len());
        for id in ids {
            if self.drop_one(*id, kind) {
                left.push(*id);
            } else {
                digest.remove(id.as_bytes());
            }
        }
        self.digest -= &digest;
        left
    }

    /// All of giving up an item but the digest.
    fn drop_one(&mut self, id: ItemId, kind: UpdateKind) -> bool {
        let Some(gone) = self.items.remove(&id) else { return false };
        let key = (gone.end, id);
        self.pinned.remove(&key);
        self.evictable.remove(&key);
        self.estimator.remove(id.as_bytes());
        self.changed(id, kind);
        true
    }

    fn changed(&mut self, id: ItemId, kind: UpdateKind) {
        self.live.set(id, kind == UpdateKind::Added);
        self.note(id);
        let counter = match kind {
            UpdateKind::Added => &mut self.counts.added,
            UpdateKind::Expired => &mut self.counts.expired,
            UpdateKind::Evicted => &mut self.counts.evicted,
            UpdateKind::Removed => &mut self.counts.removed,
        };
        count(counter);
        self.updates.push(id, kind);
    }

    /// Notes a change for the next epoch, if one is being built.
    fn note(&mut self, id: ItemId) {
        let max = self.items_max.saturating_add(PART);
        let Some(journal) = self.journal.as_mut().filter(|journal| !journal.lost) else { return };
        journal.changed.insert(id);
        if journal.changed.len() > max {
            *journal = Journal { changed: BTreeSet::new(), lost: true };
        }
    }

    /// Begins to note what changes. Says no if that is going on already.
    pub(super) fn begin_journal(&mut self) -> bool {
        let idle = self.journal.is_none();
        self.journal.get_or_insert_default();
        idle
    }

    /// Ends noting what changes.
    pub(super) fn end_journal(&mut self) {
        self.journal = None;
    }

    /// At most `max` of the items that have changed, with whether they are held now: each change
    /// after this is noted anew. `None` if they became too many.
    pub(super) fn take_journal(&mut self, max: usize) -> Option<Vec<(ItemId, bool)>> {
        let journal = self.journal.as_mut().filter(|journal| !journal.lost)?;
        let mut part = Vec::with_capacity(journal.changed.len().min(max));
        while part.len() < max
            && let Some(id) = journal.changed.pop_first()
        {
            part.push((id, self.items.contains_key(&id)));
        }
        Some(part)
    }

    /// Puts the next epoch in place of the current one, which is returned.
    pub(super) fn begin_epoch(&mut self, next: Live) -> Live {
        count(&mut self.counts.rotations);
        mem::replace(&mut self.live, next)
    }
}

fn end<I: Item>(entry: &Entry<I>) -> UnixTime {
    entry.item.expires().unwrap_or(NEVER)
}

fn count(counter: &mut u64) {
    *counter = counter.saturating_add(1);
}
