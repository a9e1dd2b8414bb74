//! Which entries expire when.

use std::collections::BTreeMap;
use std::time::Duration;

use machine::Instant;

use super::entry::{Expiry, Key};
use crate::clock::Moment;
use crate::envelope::{Lifetime, QUANTUM};

/// Keys by when they expire. As many slots as there are quanta in the longest life.
#[derive(Debug, Default)]
pub(super) struct Wheel {
    slots: BTreeMap<Expiry, Slot>,
    /// Keys in all of them; one that was added again counts again.
    len: usize,
}

#[derive(Debug, Default)]
struct Slot {
    /// When the last of them has expired by the clock that never goes back, as far as the other
    /// one was right when it came.
    until: Instant,
    keys: Vec<Key>,
}

impl Wheel {
    pub(super) fn add(&mut self, key: Key, expires: Expiry, moment: Moment) {
        let slot = self.slots.entry(expires).or_default();
        let until = moment.now.after(expires.time().since(moment.wall).min(longest()));
        slot.until = slot.until.max(until);
        slot.keys.push(key);
        self.len = self.len.saturating_add(1);
    }

    /// Takes one that has expired by both clocks.
    pub(super) fn take(&mut self, moment: Moment) -> Option<(Key, Expiry)> {
        loop {
            let mut first = self.slots.first_entry()?;
            let expires = *first.key();
            if expires.time() > moment.wall || first.get().until > moment.now {
                return None;
            }
            match first.get_mut().keys.pop() {
                Some(key) => {
                    self.len = self.len.saturating_sub(1);
                    return Some((key, expires));
                }
                None => drop(first.remove()),
            }
        }
    }

    /// How many keys it has, those that are there more than once as often.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Keeps what is wanted where it is, each key once in a slot.
    pub(super) fn retain(&mut self, is_wanted: impl Fn(&Key, Expiry) -> bool) {
        self.slots.retain(|expires, slot| {
            slot.keys.retain(|key| is_wanted(key, *expires));
            slot.keys.sort_unstable();
            slot.keys.dedup();
            slot.keys.shrink_to_fit();
            !slot.keys.is_empty()
        });
        self.len = self.slots.values().map(|slot| slot.keys.len()).sum();
    }

    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }
}

/// The longest that anything lives that comes when the clock is right: a full life, as much ahead
/// as two clocks may differ and more. If one expires later, the clock was wrong.
fn longest() -> Duration {
    Lifetime::MAX.duration().saturating_add(QUANTUM.saturating_mul(14))
}
