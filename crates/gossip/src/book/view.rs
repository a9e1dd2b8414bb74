//! Looking into the book.

use std::sync::Arc;
use std::time::Duration;

use libp2p_core::Multiaddr;
use libp2p_identity::PeerId;
use machine::Instant;
use wire::signed::SignedRecord;

use super::slab::Held;
use super::{Book, Colour, State, Table};

/// One entry, for people and for decisions of the owner.
#[derive(Clone, Debug)]
pub struct Entry<'a> {
    /// Who.
    pub peer: PeerId,
    /// Where, as it says itself.
    pub record: &'a Arc<SignedRecord>,
    /// What it is, in one word.
    pub colour: Colour,
    /// In which table.
    pub table: Table,
    /// What is being done about it.
    pub state: State,
    /// The address at which this node reached it, as long as its record names that.
    pub reached: Option<&'a Multiaddr>,
    /// Who told of it; `None` for the operator.
    pub source: Option<PeerId>,
    /// Failures in a row.
    pub failures: u16,
    /// How long ago it was last reached, in whole seconds.
    pub last_success: Option<Duration>,
    /// How long ago it was last tried, in whole seconds.
    pub last_attempt: Option<Duration>,
    /// How long until it may be tried again; `None` while it is in use, banned or out of reach.
    pub next_try: Option<Duration>,
    /// Whether it is kept whatever happens.
    pub protected: bool,
}

/// How many entries there are of each kind. The tables add up to all, and so do the colours.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Counts {
    /// Entries in [`Table::New`].
    pub new: usize,
    /// Entries in [`Table::Tried`].
    pub tried: usize,
    /// See [`Colour::Grey`].
    pub grey: usize,
    /// See [`Colour::White`].
    pub white: usize,
    /// See [`Colour::Gold`].
    pub gold: usize,
    /// See [`Colour::Black`].
    pub black: usize,
    /// See [`Colour::Dark`].
    pub dark: usize,
}

impl Book {
    /// Entries.
    pub fn len(&self) -> usize {
        self.slab.len()
    }

    /// Whether nobody is known.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The record of `peer`.
    pub fn record(&self, peer: &PeerId) -> Option<&Arc<SignedRecord>> {
        Some(&self.slab.get(self.find(peer)?)?.record)
    }

    /// What is known of `peer`.
    pub fn get(&self, peer: &PeerId, now: Instant) -> Option<Entry<'_>> {
        self.slab.get(self.find(peer)?).map(|held| self.entry(held, now))
    }

    /// All entries, in an order of no meaning.
    pub fn iter(&self, now: Instant) -> impl Iterator<Item = Entry<'_>> {
        self.slab.iter().map(move |held| self.entry(held, now))
    }

    /// How many there are of each kind. Looks at every entry.
    pub fn counts(&self) -> Counts {
        let mut counts =
            Counts { new: self.new.len(), tried: self.tried.len(), ..Counts::default() };
        for held in self.slab.iter() {
            let count = match Colour::of(held) {
                Colour::Grey => &mut counts.grey,
                Colour::White => &mut counts.white,
                Colour::Gold => &mut counts.gold,
                Colour::Black => &mut counts.black,
                Colour::Dark => &mut counts.dark,
            };
            *count = count.saturating_add(1);
        }
        counts
    }

    fn entry<'a>(&'a self, held: &'a Held, now: Instant) -> Entry<'a> {
        let reached = held.verified.map(usize::from);
        let next_try = match held.state {
            _ if held.banned || !held.dialable => None,
            State::Free => Some(Duration::ZERO),
            State::CoolingDown { until } => Some(until.since(now)),
            State::Dialling { .. } | State::Probing { .. } | State::Connected { .. } => None,
        };
        Entry {
            peer: held.record.peer(),
            record: &held.record,
            colour: Colour::of(held),
            table: held.table,
            state: held.state,
            reached: reached.and_then(|at| held.record.addresses().get(at)),
            source: self.sources.get(held.source).and_then(|teller| teller.peer),
            failures: held.failures,
            last_success: held.last_success.map(|moment| moment.age(now)),
            last_attempt: held.last_attempt.map(|moment| moment.age(now)),
            next_try,
            protected: held.protected,
        }
    }
}
