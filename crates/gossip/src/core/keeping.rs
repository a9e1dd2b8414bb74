//! What survives a restart: the book, and the links to be dialled first.

use std::collections::{BTreeMap, BTreeSet};

use machine::{Instant, JobError};

use super::Core;
use super::desk::Errand;
use crate::book::Wall;
use crate::config::Config;
use crate::store::{Change, StoreError};
use crate::{Done, Event, Job};

/// Changes made at once. A store has to hold them all in memory to make all or none.
const CHANGES_MAX: usize = 4096;

impl Core {
    /// The links to be dialled first after a restart: the oldest that we dialled.
    pub(super) fn choose_anchors(&mut self, now: Instant) {
        let Config { anchors, anchor_age, .. } = *self.params.config();
        let mut old: Vec<_> = self
            .links
            .iter()
            .filter(|(_, link)| link.counts() && link.is_outbound() && link.age(now) >= anchor_age)
            .filter(|(peer, _)| self.book.record(peer).is_some())
            .map(|(peer, link)| (std::cmp::Reverse(link.age(now)), *peer))
            .collect();
        old.sort_unstable();
        let chosen = old.into_iter().map(|(_, peer)| peer);
        // A node that has lost them remembers whom it had until there are others.
        let before = self.upkeep.anchors.iter().copied();
        let mut unique = BTreeSet::new();
        let chosen: BTreeSet<_> =
            chosen.chain(before).filter(|peer| unique.insert(*peer)).take(anchors).collect();
        if chosen == self.upkeep.anchors {
            return;
        }
        for peer in self.upkeep.anchors.difference(&chosen) {
            self.book.protect(peer, self.trusted.contains(peer));
        }
        for peer in &chosen {
            self.book.protect(peer, true);
        }
        let peers = chosen.iter().copied().collect();
        self.upkeep.anchors = chosen;
        self.upkeep.unsaved.push(Change::Anchors { peers });
        self.save(now);
    }

    /// Writes what has changed.
    pub(super) fn save(&mut self, now: Instant) {
        if self.upkeep.saving {
            return;
        }
        let unsaved = std::mem::take(&mut self.upkeep.unsaved);
        let Wall { now: read, unix } = self.wall;
        let fresh = self.book.changes(Wall { now, unix: unix.after(now.since(read)) });
        let mut changes = merged(unsaved.into_iter().chain(fresh));
        self.upkeep.unsaved = changes.split_off(changes.len().min(CHANGES_MAX));
        if changes.is_empty() {
            return;
        }
        self.upkeep.saving = true;
        self.desk.start(Errand::Save(changes.clone()), Job::Save { changes });
    }

    /// A write has ended.
    pub(super) fn on_saved(
        &mut self,
        changes: Vec<Change>,
        outcome: Result<Done, JobError>,
        now: Instant,
    ) {
        self.upkeep.saving = false;
        let stored = match outcome {
            Ok(Done::Saved(stored)) => stored,
            Ok(Done::Dialled(_) | Done::Verified(_)) => {
                Err(StoreError { message: "answered with something else".to_owned() })
            }
            Err(error) => Err(StoreError { message: error.to_string() }),
        };
        if let Err(error) = &stored {
            let later = std::mem::take(&mut self.upkeep.unsaved);
            self.upkeep.unsaved = merged(changes.into_iter().chain(later));
            self.desk.emit(Event::StoreFailed { error: error.clone() });
        }
        if stored.is_ok() && !self.ending && !self.upkeep.unsaved.is_empty() {
            self.save(now);
        }
        if self.ending {
            // What came since the write began is written as well, if writing works.
            if stored.is_ok() {
                self.save(now);
            }
            if !self.upkeep.saving {
                self.finish(&stored);
            }
        }
    }
}

/// The last change of each entry, so that a disk that stays full does not fill the memory as well.
fn merged(changes: impl Iterator<Item = Change>) -> Vec<Change> {
    let mut last = BTreeMap::new();
    for change in changes {
        let peer = match &change {
            Change::Put { peer, .. } | Change::Remove { peer } => Some(*peer),
            Change::Anchors { .. } => None,
        };
        last.insert(peer, change);
    }
    last.into_values().collect()
}
