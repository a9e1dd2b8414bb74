//! What of the book survives a restart.

use std::collections::BTreeSet;
use std::sync::Arc;

use libp2p_identity::PeerId;
use wire::signed::SignedRecord;

use super::moment::Moment;
use super::room::Claim;
use super::slab::Held;
use super::{Book, Setup, State, Table, Wall};
use crate::store::{Change, Stored};

/// What the store does not know yet.
#[derive(Debug, Default)]
pub(super) struct Journal {
    /// Entries that changed.
    dirty: Flags,
    /// Entries that the store has.
    stored: Flags,
    /// Peers that the store has and the book no longer. No more than were ever stored between two
    /// calls: at most as many as the book holds.
    removed: BTreeSet<PeerId>,
}

/// A set of entries, one bit for each.
#[derive(Debug, Default)]
struct Flags(Vec<u64>);

impl Flags {
    fn insert(&mut self, id: u16) {
        let (word, bit) = Self::split(id);
        if self.0.len() <= word {
            self.0.resize(word.saturating_add(1), 0);
        }
        if let Some(bits) = self.0.get_mut(word) {
            *bits |= bit;
        }
    }

    /// False when it was not there.
    fn remove(&mut self, id: u16) -> bool {
        let (word, bit) = Self::split(id);
        let Some(bits) = self.0.get_mut(word) else { return false };
        let was = *bits & bit != 0;
        *bits &= !bit;
        was
    }

    fn iter(&self) -> impl Iterator<Item = u16> {
        let ids = (0..=u16::MAX).zip(self.0.iter().flat_map(|word| [*word; 64]));
        ids.filter(|(id, word)| word & Self::split(*id).1 != 0).map(|(id, _)| id)
    }

    /// The word and the bit in it.
    fn split(id: u16) -> (usize, u64) {
        (usize::from(id / 64), 1 << (id % 64))
    }
}

impl Journal {
    pub(super) fn changed(&mut self, id: u16) {
        self.dirty.insert(id);
    }

    pub(super) fn removed(&mut self, id: u16, peer: PeerId) {
        self.dirty.remove(id);
        if self.stored.remove(id) {
            self.removed.insert(peer);
        }
    }
}

impl Book {
    /// The book that was stored, and how many of its entries were not taken: unreadable, ours,
    /// without an address that may be kept, or without room since the book shrank.
    ///
    /// Who was tried still is, at the first address that can be dialled; when it was reached is
    /// known from the wall clock, and what lies in the future is not believed. All states are
    /// [`State::Free`].
    ///
    /// Checks one signature for each entry: a quarter of a second for 4,096.
    pub fn restore(
        setup: Setup,
        key: [u8; 32],
        entries: impl IntoIterator<Item = (PeerId, Stored)>,
        wall: Wall,
    ) -> (Self, usize) {
        let mut book = Self::new(setup, key, wall.now);
        let mut skipped = 0_usize;
        for (peer, stored) in entries {
            if book.recall(peer, &stored, wall).is_none() {
                skipped = skipped.saturating_add(1);
                book.journal.removed.insert(peer);
            }
        }
        book.journal.stored = std::mem::take(&mut book.journal.dirty);
        (book, skipped)
    }

    fn recall(&mut self, peer: PeerId, stored: &Stored, wall: Wall) -> Option<()> {
        let record = Arc::new(SignedRecord::open(&stored.record).ok()?);
        let name = self.key.peer(&peer);
        if record.peer() != peer || peer == self.setup.local || self.slab.find(name).is_some() {
            return None;
        }
        let dials = record.addresses().iter().position(|address| self.setup.dials(address));
        let keeps = record.addresses().iter().position(|address| self.setup.keeps(address))?;
        let reached = u8::try_from(dials.unwrap_or(keeps)).ok()?;
        let teller = stored.source.map_or(0, |source| self.key.peer(&source));
        let source = self.sources.enter(teller, stored.source, stored.source_group, wall.now)?;
        let bucket = self.tried_bucket(&peer, &record, reached);
        let tried = stored.tried && !self.tried.is_full(bucket);
        let (table, bucket) = if tried {
            (Table::Tried, bucket)
        } else {
            let place = self.place(&record, source, Claim::Hearsay).ok()?;
            // Whoever is in already is no worse.
            (Table::New, place.victim.is_none().then_some(place.bucket)?)
        };
        let time = |unix: Option<_>| unix.and_then(|unix| Moment::from_unix(unix, wall));
        let held = Held {
            record,
            state: State::Free,
            last_success: time(stored.last_success),
            last_attempt: time(stored.last_attempt),
            failing_since: 0,
            failures: stored.failures,
            source,
            bucket,
            verified: tried.then_some(reached),
            table,
            banned: false,
            protected: false,
            dialable: dials.is_some(),
        };
        self.sources.keep(source);
        let id = self.slab.insert(name, held)?;
        self.put_in(id, table, bucket);
        Some(())
    }

    /// What has changed since it was last asked, to be made in this order.
    ///
    /// # Bounds
    ///
    /// At most twice as many as the book has entries.
    pub fn changes(&mut self, wall: Wall) -> Vec<Change> {
        let removed = std::mem::take(&mut self.journal.removed);
        let dirty = std::mem::take(&mut self.journal.dirty);
        let mut changes: Vec<_> = removed.into_iter().map(|peer| Change::Remove { peer }).collect();
        for id in dirty.iter() {
            if let Some(held) = self.slab.get(id) {
                let (peer, entry) = (held.record.peer(), self.stored(held, wall));
                changes.push(Change::Put { peer, entry });
                self.journal.stored.insert(id);
            }
        }
        changes
    }

    fn stored(&self, held: &Held, wall: Wall) -> Stored {
        let source = self.sources.get(held.source);
        Stored {
            record: held.record.encoded().clone(),
            source: source.and_then(|source| source.peer),
            source_group: source.map_or(0, |source| source.group),
            tried: held.table == Table::Tried,
            failures: held.failures,
            last_success: held.last_success.map(|moment| moment.to_unix(wall)),
            last_attempt: held.last_attempt.map(|moment| moment.to_unix(wall)),
        }
    }
}
