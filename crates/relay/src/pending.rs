//! What was sent and is waited for: by the peer that it went to, and the challenge on its ticket.
//!
//! A table with bounds and a timer wheel. Every operation takes a few steps, whatever is in the table;
//! what is due comes out at its time or one tick later, never before.
//!
//! ```
//! use machine::{Instant, PeerId};
//! use meshwork_relay::pending::{Config, Table};
//! use std::time::Duration;
//! use tickets::ChallengeAddress;
//!
//! let params = Config::default().check()?;
//! let mut table = Table::new(&params);
//! let (next, challenge) = (PeerId::random(), ChallengeAddress([1; 20]));
//! let due = Instant::START.after(params.ack_timeout());
//! assert!(table.insert((next, challenge), None, "a packet of ours", due).is_ok());
//!
//! assert_eq!(table.pop_due(Instant::START), None);
//! let end = table.next_deadline().expect("one waits");
//! assert_eq!(table.pop_due(end), Some(((next, challenge), "a packet of ours")));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod config;
#[cfg(test)]
mod tests;
mod wheel;

use std::collections::BTreeMap;
use std::collections::btree_map;
use std::fmt;

use libp2p_identity::PeerId;
use machine::Instant;
use tickets::ChallengeAddress;

pub use self::config::{Config, ConfigError, Params};
use self::wheel::Wheel;

/// The peer that a packet was sent to, and the challenge on the ticket that went with it.
pub type Key = (PeerId, ChallengeAddress);

/// Why something is not remembered.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq, thiserror::Error)]
pub enum Refused {
    /// A packet with this challenge waits for its acknowledgement by this peer.
    #[error("a packet with this challenge was sent to this peer already")]
    Duplicate,
    /// The table is full.
    #[error("{max} packets are waited for already")]
    Full {
        /// The most.
        max: usize,
    },
    /// The peer has its share, as who sends packets or as who is to acknowledge them.
    #[error("{max} packets of one peer are waited for already")]
    Share {
        /// The most.
        max: usize,
    },
}

/// What waits, each until it is due.
///
/// # Bounds
/// [`Config::entries_max`] in all, [`Config::share_max`] that went to one peer, and
/// [`Config::caused_max`] that one peer has caused.
pub struct Table<T> {
    entries_max: usize,
    share_max: usize,
    caused_max: usize,
    /// Where to find what was sent to a peer.
    sent: BTreeMap<PeerId, BTreeMap<ChallengeAddress, usize>>,
    /// How much is there because of a peer.
    caused: BTreeMap<PeerId, usize>,
    places: Vec<Option<Record<T>>>,
    free: Vec<usize>,
    wheel: Wheel,
}

struct Record<T> {
    key: Key,
    origin: Option<PeerId>,
    item: T,
}

impl<T> Table<T> {
    /// An empty one.
    pub fn new(params: &Params) -> Self {
        Self {
            entries_max: params.entries_max(),
            share_max: params.share_max(),
            caused_max: params.caused_max(),
            sent: BTreeMap::new(),
            caused: BTreeMap::new(),
            places: Vec::new(),
            free: Vec::new(),
            wheel: Wheel::new(),
        }
    }

    /// Remembers `item` until `due`. `origin` is the peer because of which it is there, if it is one.
    ///
    /// # Errors
    /// [`Refused`] and the item, if the key is taken or there is no room.
    pub fn insert(
        &mut self,
        key: Key,
        origin: Option<PeerId>,
        item: T,
        due: Instant,
    ) -> Result<(), (Refused, T)> {
        if let Err(refused) = self.may_insert(&key, origin.as_ref()) {
            return Err((refused, item));
        }
        let place = self.free.pop().unwrap_or(self.places.len());
        let record = Some(Record { key, origin, item });
        match self.places.get_mut(place) {
            Some(free) => *free = record,
            None => self.places.push(record),
        }
        self.sent.entry(key.0).or_default().insert(key.1, place);
        if let Some(origin) = origin {
            let caused = self.caused.entry(origin).or_default();
            *caused = caused.saturating_add(1);
        }
        self.wheel.link(place, due);
        Ok(())
    }

    /// What waits under `key`.
    pub fn get(&self, key: &Key) -> Option<&T> {
        let place = self.place(key)?;
        self.places.get(place)?.as_ref().map(|record| &record.item)
    }

    /// What waits under `key`.
    pub fn get_mut(&mut self, key: &Key) -> Option<&mut T> {
        let place = self.place(key)?;
        self.places.get_mut(place)?.as_mut().map(|record| &mut record.item)
    }

    /// Lets what is there under `key` wait until `due`.
    pub fn postpone(&mut self, key: &Key, due: Instant) {
        if let Some(place) = self.place(key) {
            self.wheel.unlink(place);
            self.wheel.link(place, due);
        }
    }

    /// Takes out what waits under `key`.
    pub fn remove(&mut self, key: &Key) -> Option<T> {
        let place = self.place(key)?;
        self.wheel.unlink(place);
        self.take(place).map(|(_, item)| item)
    }

    /// Takes out one that is due, until there is none. In the order of their time, by ticks.
    pub fn pop_due(&mut self, now: Instant) -> Option<(Key, T)> {
        let place = self.wheel.pop_due(now)?;
        self.take(place)
    }

    /// When to call [`Self::pop_due`] next. May be too early, never too late.
    pub fn next_deadline(&self) -> Option<Instant> {
        self.wheel.next_deadline()
    }

    /// How many wait.
    pub fn len(&self) -> usize {
        self.places.len().saturating_sub(self.free.len())
    }

    /// Whether none waits.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether there is room just now.
    ///
    /// # Errors
    /// What [`Self::insert`] would say.
    pub fn may_insert(&self, key: &Key, origin: Option<&PeerId>) -> Result<(), Refused> {
        let sent = self.sent.get(&key.0);
        if sent.is_some_and(|sent| sent.contains_key(&key.1)) {
            return Err(Refused::Duplicate);
        }
        if self.len() >= self.entries_max {
            return Err(Refused::Full { max: self.entries_max });
        }
        let caused = origin.and_then(|origin| self.caused.get(origin)).copied().unwrap_or(0);
        for (there, max) in
            [(sent.map_or(0, BTreeMap::len), self.share_max), (caused, self.caused_max)]
        {
            if there >= max {
                return Err(Refused::Share { max });
            }
        }
        Ok(())
    }

    fn place(&self, (peer, challenge): &Key) -> Option<usize> {
        self.sent.get(peer)?.get(challenge).copied()
    }

    /// Takes out what is in a place that is no longer in the wheel.
    fn take(&mut self, place: usize) -> Option<(Key, T)> {
        let Record { key, origin, item } = self.places.get_mut(place)?.take()?;
        self.free.push(place);
        if let btree_map::Entry::Occupied(mut sent) = self.sent.entry(key.0) {
            sent.get_mut().remove(&key.1);
            if sent.get().is_empty() {
                sent.remove();
            }
        }
        if let Some(btree_map::Entry::Occupied(mut caused)) =
            origin.map(|origin| self.caused.entry(origin))
        {
            *caused.get_mut() = caused.get().saturating_sub(1);
            if *caused.get() == 0 {
                caused.remove();
            }
        }
        Some((key, item))
    }
}

impl<T> fmt::Debug for Table<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Table").field("len", &self.len()).finish_non_exhaustive()
    }
}
