//! How many entries there may be, and how many of one link.

use std::collections::BTreeMap;

use super::entry::Link;

/// Counts entries, each for the link that brought it.
#[derive(Debug)]
pub(super) struct Room {
    max: usize,
    link_max: usize,
    used: usize,
    /// Entries of each link that has any. No more links than entries.
    shares: BTreeMap<Link, usize>,
}

impl Room {
    pub(super) fn new(max: usize, link_max: usize) -> Self {
        Self { max, link_max, used: 0, shares: BTreeMap::new() }
    }

    /// Whether there is room for one more of this link: it has neither its share nor as much as
    /// is left for all others.
    pub(super) fn is_there(&self, link: Link) -> bool {
        let free = self.max.saturating_sub(self.used);
        let share = self.shares.get(&link).copied().unwrap_or(0);
        share < self.link_max.min(free)
    }

    pub(super) fn take(&mut self, link: Link) {
        self.used = self.used.saturating_add(1);
        if link != Link::NONE {
            let share = self.shares.entry(link).or_default();
            *share = share.saturating_add(1);
        }
    }

    pub(super) fn give_back(&mut self, link: Link) {
        self.used = self.used.saturating_sub(1);
        if let Some(share) = self.shares.get_mut(&link) {
            *share = share.saturating_sub(1);
            if *share == 0 {
                self.shares.remove(&link);
            }
        }
    }

    /// Whether more than half is used.
    pub(super) fn is_crowded(&self) -> bool {
        self.used > self.max / 2
    }

    pub(super) fn used(&self) -> usize {
        self.used
    }

    pub(super) fn links(&self) -> usize {
        self.shares.len()
    }
}
