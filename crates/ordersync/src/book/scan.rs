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

impl<I: Item> Book<I> {
    /// What the items that `filter` wants look like together.
    ///
    /// What is kept up to date answers a filter that wants everything; for any other the whole set
    /// is gone through.
    pub fn overview(&self, filter: &I::Filter) -> Overview {
        if filter.is_everything() {
            let state = self.read();
            let (digest, estimator) = (state.digest().clone(), state.estimator().clone());
            drop(state);
            return Overview { count: digest.count(), digest, estimator };
        }
        let (mut digest, mut estimator) = (Digest::new(), Estimator::new());
        for entry in self.entries().filter(|entry| filter.matches(&entry.item)) {
            digest.insert(entry.id.as_bytes());
            estimator.insert(entry.id.as_bytes());
        }
        Overview { count: digest.count(), digest, estimator }
    }

    /// The names of the items that `filter` wants, with the digest of exactly these. Goes through
    /// the whole set.
    pub fn snapshot(&self, filter: &I::Filter) -> Snapshot {
        if !filter.is_everything() {
            let ids = self.ids(filter);
            let digest = ids.iter().map(ItemId::as_bytes).collect();
            let mut estimator = Estimator::new();
            for id in &ids {
                estimator.insert(id.as_bytes());
            }
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
    /// at most `scan_max` that are looked at.
    ///
    /// Who goes on from [`Page::scanned`] until [`Page::end`] gets each wanted item that is held
    /// throughout exactly once. An empty page that is not the end means that `scan_max` items in a
    /// row are not wanted.
    pub fn page(
        &self,
        after: &ItemId,
        until: &ItemId,
        limit: usize,
        filter: &I::Filter,
        scan_max: usize,
    ) -> Page<I> {
        let mut page = Page { entries: Vec::new(), scanned: None, end: false };
        let mut left = scan_max;
        while page.entries.len() < limit && left > 0 {
            let wanted = if filter.is_everything() {
                limit.saturating_sub(page.entries.len()).min(PART)
            } else {
                PART
            };
            let from = Bound::Excluded(page.scanned.unwrap_or(*after));
            let part = self.part(from, *until, left.min(wanted));
            page.end = part.is_empty();
            if page.end {
                return page;
            }
            for entry in part {
                page.scanned = Some(entry.id);
                left = left.saturating_sub(1);
                if filter.matches(&entry.item) {
                    page.entries.push(entry);
                    if page.entries.len() >= limit {
                        break;
                    }
                }
            }
        }
        let rest = Bound::Excluded(page.scanned.unwrap_or(*after));
        page.end = self.read().part(rest, *until, 1).next().is_none();
        page
    }

    /// The names of all items that `filter` wants, ascending. Goes through the whole set.
    pub fn ids(&self, filter: &I::Filter) -> Vec<ItemId> {
        if filter.is_everything() {
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
