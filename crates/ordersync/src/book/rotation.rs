//! From one epoch to the next, while the book goes on changing.

use std::sync::PoisonError;

use machine::Instant;
use rand::RngExt;
use rand_chacha::ChaCha20Rng;
use reconcile::Key;

use super::epoch::Live;
use super::{Book, PART};
use crate::Item;

/// Where the keys come from, and when the next one is due.
pub(super) struct Keys {
    rng: ChaCha20Rng,
    due: Option<Instant>,
}

impl Keys {
    pub(super) fn new(rng: ChaCha20Rng) -> Self {
        Self { rng, due: None }
    }

    pub(super) fn draw(&mut self) -> Key {
        Key::from_bytes(self.rng.random())
    }
}

/// Parts of the journal that are caught up with, at most. Each but the last is as long as what
/// changed while the one before was worked off, so that the first few are the only long ones.
const PARTS_MAX: usize = 1 << 16;

impl<I: Item> Book<I> {
    /// Begins a new epoch if the current one is old enough, under a key of the book's own. The first
    /// call only notes the time. Says whether it did.
    ///
    /// Takes time that grows with the number of items: to be called where that does no harm.
    pub fn rotate_if_due(&self, now: Instant) -> bool {
        let mut keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        let next = now.after(self.params.epoch);
        let due = *keys.due.get_or_insert(next);
        if now < due {
            return false;
        }
        keys.due = Some(next);
        let key = keys.draw();
        drop(keys);
        self.rotate(key)
    }

    /// Begins a new epoch under `key`. The current one goes on to live with those who have taken it.
    /// Says no if that is being done already, or if the book changed as a whole meanwhile.
    ///
    /// Takes time that grows with the number of items, of which it holds the lock only for parts.
    pub fn rotate(&self, key: Key) -> bool {
        self.build(key).is_some_and(Build::finish)
    }

    /// Builds the next epoch of the items as they are about now. From here on what changes is noted.
    pub(super) fn build(&self, key: Key) -> Option<Build<'_, I>> {
        if !self.write().begin_journal() {
            return None;
        }
        let under_way = UnderWay(self);
        let next = Live::new(key, self.params.cells, &self.all_ids());
        Some(Build { next, under_way })
    }
}

/// The next epoch, which lacks what has been noted since it was built.
pub(super) struct Build<'a, I: Item> {
    next: Live,
    under_way: UnderWay<'a, I>,
}

impl<I: Item> Build<'_, I> {
    /// Catches up with the book and takes the place of its current epoch.
    pub(super) fn finish(self) -> bool {
        let Self { mut next, under_way } = self;
        for _ in 0..PARTS_MAX {
            let mut state = under_way.0.write();
            let Some(part) = state.take_journal(PART) else { return false };
            let is_last = part.len() < PART;
            let held_back = is_last.then_some(state);
            // The book may go on changing meanwhile, unless this is the last part.
            for (id, held) in part {
                next.set(id, held);
            }
            if let Some(mut state) = held_back {
                let gone = state.begin_epoch(next);
                drop(state);
                // Its index is as large as the book was.
                drop(gone);
                return true;
            }
        }
        false
    }
}

/// A rotation. However it ends, nothing is noted for it any more.
struct UnderWay<'a, I: Item>(&'a Book<I>);

impl<I: Item> Drop for UnderWay<'_, I> {
    fn drop(&mut self) {
        self.0.write().end_journal();
    }
}
