//! Which entries expire when.

use std::collections::BTreeMap;

use machine::Instant;

use super::entry::{Expiry, Key};
use crate::clock::Moment;

/// Keys by when they expire. As many slots as there are quanta in the longest life.
#[derive(Debug, Default)]
pub(super) struct Wheel {
    slots: BTreeMap<Expiry, Slot>,
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
        let until = moment.now.after(expires.time().since(moment.wall));
        slot.until = slot.until.max(until);
        slot.keys.push(key);
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
                Some(key) => return Some((key, expires)),
                None => drop(first.remove()),
            }
        }
    }

    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }
}
