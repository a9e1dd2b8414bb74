//! Going through the book part by part.

use std::collections::BTreeMap;
use std::ops::Bound;

use reconcile::{Digest, Estimator};

use super::updates::{Update, UpdateKind};
use super::{Book, PART};
use crate::{Entry, Filter, Item, ItemId};

/// What the items that a filter wants look like together.
#[derive(Clone, Debug)]
pub struct Overview {
    /// Their digest.
    pub digest: Digest,
    /// What tells about how much another set differs.
    pub estimator: Estimator,
    /// How many they are.
    pub count: u64,
}

/// The names of the items that a filter wants, and what they look like together: of one moment.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// Their names, ascending.
    pub ids: Vec<ItemId>,
    /// Their digest.
    pub digest: Digest,
    /// What tells about how much another set differs.
    pub estimator: Estimator,
}

/// Items in a row.
#[derive(Clone, Debug)]
pub struct Page<I> {
    /// Those that the filter wants, ascending.
    pub entries: Vec<Entry<I>>,
    /// The last item that was looked at: where the next page goes on. `None` if there was none.
    pub scanned: Option<ItemId>,
    /// Whether there is nothing more up to the end of the range.
    pub end: bool,
}

/// Most that one job goes through on behalf of a peer, in looks at an item ([`Filter::cost`]): some
/// 50 ms at most.
pub const LOOK_MAX: usize = 65_536;

/// Looks at an item that one takes to count in digest and estimator.
const COUNTED: usize = 3;

/// The items that a filter wants, as far as they have been gone through.
#[derive(Clone, Debug)]
pub struct Survey {
    /// Their digest.
    pub digest: Digest,
    /// What tells about how much another set differs.
    pub estimator: Estimator,
    /// Their names, ascending; those beyond the bound are left off.
    pub ids: Vec<ItemId>,
    ids_max: usize,
    from: Bound<ItemId>,
}

impl Survey {
    /// Nothing was looked at yet, and at most `ids_max` names are to be kept.
    pub fn new(ids_max: usize) -> Self {
        let (digest, estimator) = (Digest::new(), Estimator::new());
        Self { digest, estimator, ids: Vec::new(), ids_max, from: Bound::Unbounded }
    }

    fn count(&mut self, id: ItemId) {
        self.digest.insert(id.as_bytes());
        self.estimator.insert(id.as_bytes());
        if self.ids.len() < self.ids_max {
            self.ids.push(id);
        }
    }
}

impl<I: Item> Book<I> {
    /// Goes on with a survey of what `filter` wants until `effort` is spent, in looks at an item
    /// ([`Filter::cost`]), or until all was looked at; whether it was. At least one item is looked at,
    /// and nothing is locked between two parts.
    pub fn survey(&self, survey: &mut Survey, filter: &I::Filter, effort: usize) -> bool {
        let mut left = effort.max(1);
        loop {
            let part = self.part(survey.from, ItemId::MAX, PART.min(left));
            if part.is_empty() {
                return true;
            }
            for entry in part {
                let mut cost = filter.cost(&entry.item).max(1);
                survey.from = Bound::Excluded(entry.id);
                if filter.matches(&entry.item) {
                    survey.count(entry.id);
                    cost = cost.saturating_add(COUNTED);
                }
                left = left.saturating_sub(cost);
                if left == 0 {
                    return self.part(survey.from, ItemId::MAX, 1).is_empty();
                }
            }
        }
    }

    /// What the items that `filter` wants look like together.
    ///
    /// What is kept up to date answers a filter that wants everything; for any other the whole set
    /// is gone through.
    pub fn overview(&self, filter: &I::Filter) -> Overview {
        if self.is_all(filter) {
            let state = self.read();
            let (digest, estimator) = (state.digest().clone(), state.estimator().clone());
            drop(state);
            return Overview { count: digest.count(), digest, estimator };
        }
        let mut survey = Survey::new(0);
        self.survey(&mut survey, filter, usize::MAX);
        let Survey { digest, estimator, .. } = survey;
        Overview { count: digest.count(), digest, estimator }
    }

    /// The names of the items that `filter` wants, with the digest of exactly these. Goes through
    /// the whole set.
    pub fn snapshot(&self, filter: &I::Filter) -> Snapshot {
        if !self.is_all(filter) {
            let mut survey = Survey::new(usize::MAX);
            self.survey(&mut survey, filter, usize::MAX);
            let Survey { digest, estimator, ids, .. } = survey;
            return Snapshot { ids, digest, estimator };
        }
        let begun = self.version();
        let ids = self.all_ids();
        self.at_once(ids, begun)
    }

    /// Makes a snapshot of ids that were collected part by part since the change `begun`.
    pub(super) fn at_once(&self, mut ids: Vec<ItemId>, begun: u64) -> Snapshot {
        let state = self.read();
        let (digest, estimator) = (state.digest().clone(), state.estimator().clone());
        if let Ok(changes) = state.changes_since(begun) {
            drop(state);
            catch_up(&mut ids, &changes);
        } else {
            // Rare enough to let the others wait.
            let all = state.part(Bound::Unbounded, ItemId::MAX, usize::MAX);
            ids = all.map(|entry| entry.id).collect();
        }
        Snapshot { ids, digest, estimator }
    }

    /// The next items above `after`, up to and with `until`: at most `limit` that `filter` wants, of
    /// those that are looked at until `effort` is spent, in looks at an item ([`Filter::cost`]).
    ///
    /// Who goes on from [`Page::scanned`] until [`Page::end`] gets each wanted item that is held
    /// throughout exactly once. An empty page that is not the end means that all of `effort` was spent
    /// on items that are not wanted.
    pub fn page(
        &self,
        after: &ItemId,
        until: &ItemId,
        limit: usize,
        filter: &I::Filter,
        effort: usize,
    ) -> Page<I> {
        let mut page = Page { entries: Vec::new(), scanned: None, end: false };
        let (all, mut left) = (self.is_all(filter), effort);
        while page.entries.len() < limit && left > 0 {
            let missing = limit.saturating_sub(page.entries.len());
            let wanted = if all { missing.min(PART) } else { PART };
            let from = Bound::Excluded(page.scanned.unwrap_or(*after));
            let part = self.part(from, *until, left.min(wanted));
            page.end = part.is_empty();
            if page.end {
                return page;
            }
            for entry in part {
                let cost = if all { 1 } else { filter.cost(&entry.item).max(1) };
                page.scanned = Some(entry.id);
                left = left.saturating_sub(cost);
                if filter.matches(&entry.item) {
                    page.entries.push(entry);
                }
                if left == 0 || page.entries.len() >= limit {
                    break;
                }
            }
        }
        let rest = Bound::Excluded(page.scanned.unwrap_or(*after));
        page.end = self.read().part(rest, *until, 1).next().is_none();
        page
    }

    /// The names of all items that `filter` wants, ascending. Goes through the whole set.
    pub fn ids(&self, filter: &I::Filter) -> Vec<ItemId> {
        if self.is_all(filter) {
            return self.all_ids();
        }
        let wanted = self.entries().filter(|entry| filter.matches(&entry.item));
        wanted.map(|entry| entry.id).collect()
    }

    pub(super) fn all_ids(&self) -> Vec<ItemId> {
        let mut ids = Vec::with_capacity(self.len());
        let mut from = Bound::Unbounded;
        loop {
            let before = ids.len();
            ids.extend(self.read().part(from, ItemId::MAX, PART).map(|entry| entry.id));
            match ids.last() {
                Some(last) if ids.len() > before => from = Bound::Excluded(*last),
                _ => return ids,
            }
        }
    }

    /// All items, ascending. Nothing is locked between two of them.
    fn entries(&self) -> impl Iterator<Item = Entry<I>> {
        let mut from = Bound::Unbounded;
        let parts = std::iter::from_fn(move || {
            let part = self.part(from, ItemId::MAX, PART);
            from = Bound::Excluded(part.last()?.id);
            Some(part)
        });
        parts.flatten()
    }

    fn part(&self, from: Bound<ItemId>, until: ItemId, max: usize) -> Vec<Entry<I>> {
        self.read().part(from, until, max).cloned().collect()
    }
}

/// Brings ids that were collected part by part to the moment after `changes`, each of which they may
/// show already.
fn catch_up(ids: &mut Vec<ItemId>, changes: &[Update]) {
    let held = |change: &Update| (change.id, change.kind == UpdateKind::Added);
    // Of several changes of one item the last one counts.
    let held: BTreeMap<_, _> = changes.iter().map(held).collect();
    if held.is_empty() {
        return;
    }
    ids.retain(|id| !held.contains_key(id));
    ids.extend(held.into_iter().filter(|(_, held)| *held).map(|(id, _)| id));
    ids.sort_unstable();
}
