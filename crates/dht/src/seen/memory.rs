//! The entries, and the rules by which they come and go.

use std::collections::HashMap;
use std::collections::hash_map::Entry::{Occupied, Vacant};
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher as _;

use libp2p_identity::PeerId;
use machine::UnixTime;

use super::SeenGauges;
use super::entry::{Entry, Expiry, Key, Link, Mark};
use super::room::Room;
use super::row::SeenRow;
use super::unwritten::Unwritten;
use super::wheel::Wheel;
use crate::clock::Moment;
use crate::config::SeenConfig;
use crate::delivery::Reception;
use crate::refusal::Refusal;

/// Entries forgotten at most for each that comes: the table shrinks faster than it grows, and
/// nobody waits for a quantum's worth of entries to go.
const SWEPT_AT_ONCE: usize = 64;

/// Keys on the wheel beyond twice the entries at which those that are released leave it.
const STALE_MAX: usize = 65_536;

/// All that is remembered. Looked up and never listed, so that nothing depends on how its keys are
/// hashed.
#[derive(Debug)]
pub(super) struct Memory {
    entries: HashMap<Key, Entry>,
    wheel: Wheel,
    messages: Room,
    letters: Room,
    unwritten: Unwritten,
    /// Of which links' quotas are counted.
    links: RandomState,
    /// The last moment at which anything came.
    latest: Moment,
}

/// What somebody wants to reserve.
#[derive(Debug)]
pub(super) struct Wanted {
    pub(super) message: Key,
    pub(super) mark: Mark,
    pub(super) letter: Option<Key>,
    pub(super) short: bool,
    pub(super) expires: UnixTime,
}

/// What is reserved, and by nobody else.
#[derive(Debug)]
pub(super) struct Held {
    message: Key,
    /// What was known of the message, if a short copy came before.
    before: Option<Entry>,
    letter: Letter,
}

#[derive(Clone, Copy, Debug)]
enum Letter {
    /// None that the application is to have.
    None,
    /// One that it has, or never wants.
    Known(Key, Reception),
    /// One that it is to have.
    New(Key),
}

impl Held {
    /// What the application made of the letter before.
    pub(super) fn known(&self) -> Option<Reception> {
        match self.letter {
            Letter::Known(_, reception) => Some(reception),
            Letter::None | Letter::New(_) => None,
        }
    }
}

impl Memory {
    pub(super) fn new(config: &SeenConfig) -> Self {
        let room = |max| Room::new(max, config.entries_per_link_max);
        Self {
            entries: HashMap::new(),
            wheel: Wheel::default(),
            messages: room(config.entries_max),
            letters: room(config.letters_max),
            unwritten: Unwritten::new(config.unwritten_max),
            links: RandomState::new(),
            latest: Moment::default(),
        }
    }

    pub(super) fn restored(
        config: &SeenConfig,
        rows: impl IntoIterator<Item = SeenRow>,
        moment: Moment,
    ) -> Self {
        let mut memory = Self::new(config);
        for row in rows {
            memory.insert(row.key(), row.entry(), moment);
        }
        // Rows outlast what they say. What has expired is to keep nobody out.
        while (memory.messages.is_crowded() || memory.letters.is_crowded())
            && memory.sweep_one(moment)
        {}
        memory.unwritten.keep();
        memory
    }

    pub(super) fn check(&self, key: &Key, mark: Mark, short: bool) -> Result<(), Refusal> {
        match self.entries.get(key) {
            // Another signature: whether it holds is to be seen.
            Some(entry) if entry.mark == mark => admit(entry, short),
            Some(_) | None => Ok(()),
        }
    }

    /// Reserves message and letter, or neither.
    pub(super) fn claim(
        &mut self,
        link: &PeerId,
        wanted: &Wanted,
        moment: Moment,
    ) -> Result<Held, Refusal> {
        let moment = self.latest(moment);
        self.sweep(moment);
        if wanted.expires <= moment.wall {
            return Err(Refusal::Expired);
        }
        // The digest is enough: no two peers have the same.
        let link = Link(self.links.hash_one(link.as_ref().digest()).max(1));
        let letter = self.find_letter(wanted.letter);
        let takes_letter = matches!(letter, Ok(Letter::New(_)));
        let is_full = self.unwritten.is_full() || takes_letter && !self.letters.is_there(link);
        let expires = Expiry::of(wanted.expires);
        let &Wanted { mark, short, .. } = wanted;
        let entry = Entry { mark, expires, link, reserved: true, short };
        let (before, letter) = match self.entries.entry(wanted.message) {
            Occupied(mut known) => {
                admit(known.get(), short)?;
                let letter = letter?;
                if is_full {
                    return Err(Refusal::Full);
                }
                let Entry { expires, link, .. } = *known.get();
                (Some(known.insert(Entry { expires, link, ..entry })), letter)
            }
            Vacant(place) => {
                let letter = letter?;
                if is_full || !self.messages.is_there(link) {
                    return Err(Refusal::Full);
                }
                place.insert(entry);
                self.wheel.add(wanted.message, expires, moment);
                self.messages.take(link);
                (None, letter)
            }
        };
        match letter {
            Letter::None => {}
            Letter::Known(key, _) => self.prolong(key, expires, moment),
            Letter::New(key) => {
                self.insert(key, Entry { mark: Mark::TAKEN, short: false, ..entry }, moment);
            }
        }
        Ok(Held { message: wanted.message, before, letter })
    }

    /// Remembers what was reserved.
    pub(super) fn settle(&mut self, held: &Held, reception: Reception) {
        self.settle_one(held.message, None);
        if let Letter::New(key) = held.letter {
            self.settle_one(key, Some(Mark::of_letter(reception)));
        }
    }

    /// Forgets what was reserved.
    pub(super) fn release(&mut self, held: &Held) {
        match (held.before, self.entries.get_mut(&held.message)) {
            // Its place on the wheel may be another by now.
            (Some(before), Some(entry)) => *entry = Entry { expires: entry.expires, ..before },
            (_, _) => self.remove(held.message),
        }
        if let Letter::New(key) = held.letter {
            self.remove(key);
        }
        self.tidy_wheel();
    }

    /// Enters an own message.
    pub(super) fn enter(&mut self, key: Key, mark: Mark, expires: UnixTime, moment: Moment) {
        let moment = self.latest(moment);
        self.sweep(moment);
        let expires = Expiry::of(expires);
        let entry = Entry { mark, expires, link: Link::NONE, reserved: false, short: false };
        let is_room = self.messages.is_there(Link::NONE) && !self.unwritten.is_full();
        if is_room && !self.entries.contains_key(&key) {
            self.insert(key, entry, moment);
            self.unwritten.push(key, &entry);
        }
    }

    pub(super) fn unwritten(&mut self) -> &mut Unwritten {
        &mut self.unwritten
    }

    pub(super) fn gauges(&self) -> SeenGauges {
        SeenGauges {
            messages: self.messages.used(),
            letters: self.letters.used(),
            links: self.messages.links(),
            unwritten: self.unwritten.len(),
        }
    }

    fn find_letter(&self, key: Option<Key>) -> Result<Letter, Refusal> {
        let Some(key) = key else { return Ok(Letter::None) };
        match self.entries.get(&key) {
            None => Ok(Letter::New(key)),
            Some(entry) if entry.reserved => Err(Refusal::UnderWay),
            Some(entry) => Ok(Letter::Known(key, entry.mark.reception())),
        }
    }

    fn room(&mut self, key: Key) -> &mut Room {
        if key.is_letter() { &mut self.letters } else { &mut self.messages }
    }

    fn insert(&mut self, key: Key, entry: Entry, moment: Moment) {
        self.wheel.add(key, entry.expires, moment);
        self.room(key).take(entry.link);
        if let Some(old) = self.entries.insert(key, entry) {
            self.room(key).give_back(old.link);
        }
    }

    fn remove(&mut self, key: Key) {
        if let Some(entry) = self.entries.remove(&key) {
            self.room(key).give_back(entry.link);
        }
    }

    fn settle_one(&mut self, key: Key, mark: Option<Mark>) {
        let Some(entry) = self.entries.get_mut(&key) else { return };
        entry.reserved = false;
        entry.mark = mark.unwrap_or(entry.mark);
        self.unwritten.push(key, entry);
    }

    /// A letter is known for as long as the last envelope with it can come.
    fn prolong(&mut self, key: Key, expires: Expiry, moment: Moment) {
        let Some(entry) = self.entries.get_mut(&key) else { return };
        if entry.expires < expires {
            entry.expires = expires;
            self.wheel.add(key, expires, moment);
            self.unwritten.push(key, entry);
        }
    }

    /// What is released stays on the wheel until it expires, but for when there is much of it.
    fn tidy_wheel(&mut self) {
        let most = self.entries.len().saturating_mul(2).saturating_add(STALE_MAX);
        if self.wheel.len() > most {
            let entries = &self.entries;
            let is_there = |key: &Key, at| entries.get(key).is_some_and(|it| it.expires == at);
            self.wheel.retain(is_there);
        }
    }

    /// The later of both. What waited on the pool came earlier than others that were faster, at
    /// whose moments what it is a copy of may have been forgotten.
    fn latest(&mut self, moment: Moment) -> Moment {
        if moment.now >= self.latest.now {
            self.latest = moment;
        }
        self.latest
    }

    fn sweep(&mut self, moment: Moment) {
        for _ in 0..SWEPT_AT_ONCE {
            if !self.sweep_one(moment) {
                return;
            }
        }
    }

    /// Looks at one that has expired. False if there is none.
    fn sweep_one(&mut self, moment: Moment) -> bool {
        let Some((key, expires)) = self.wheel.take(moment) else { return false };
        match self.entries.get_mut(&key) {
            None => {}
            // Found again where it was moved to.
            Some(entry) if entry.expires > expires => {}
            // Nobody else is to have a copy until it is settled.
            Some(entry) if entry.reserved => {
                let later = Expiry::of(moment.wall).later();
                entry.expires = later;
                self.wheel.add(key, later, moment);
            }
            Some(_) => self.remove(key),
        }
        true
    }
}

/// Whether another copy may come.
fn admit(entry: &Entry, short: bool) -> Result<(), Refusal> {
    if entry.reserved {
        Err(Refusal::UnderWay)
    } else if entry.short && !short {
        Ok(())
    } else {
        Err(Refusal::Duplicate)
    }
}

#[cfg(test)]
mod tests;
