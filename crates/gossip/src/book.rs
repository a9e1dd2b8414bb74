//! The address book: which peers there may be, what is known of them, and whom to dial next.
//!
//! Two tables of buckets. Whoever was only heard of is in `new`: its bucket is chosen by its
//! network and by who told of it, so that one source, with all its friends in one network, reaches
//! an eighth of the table, and from there on displaces its own. Whoever this node reached is in `tried`: its bucket is chosen by its
//! network, which reaches an eighth of that table, and nobody takes its place as long as it
//! answers. The hash is secret.
//!
//! | quantity | unit | default | bound |
//! |---|---|---|---|
//! | [`Setup::entries_max`] | entries, a quarter of them tried | 4,096 | 64 to 65,536 |
//! | bucket | entries | 16 | less in books under 512 |
//! | one source, or the sources of one network | entries in `new` | 384 | an eighth of `new` |
//! | peers of one network | buckets of `tried` | 8 | an eighth of `tried` |
//! | records accepted from one source | | 0.1/s, burst 1,000 | and as many as it was asked for |
//! | [`Setup::retry_min`], [`Setup::retry_max`] | rest after a failure, doubled for each | 1 s, 10 min | a fifth of jitter is added |
//! | failures until an entry is given up | in a row | 3 | and 1 h online since the first |
//! | tests before eviction that wait | pairs | | 16 |
//! | a reached peer is passed on for | | 3 h | since it was last reached |
//! | memory | bytes | 290,000 when full | and 150 for each source, 40 for each entry that rests; records not counted: they are shared |
//!
//! What an entry costs is in `Held`; what may happen to it is in [`State`]; what makes an entry go
//! is in `room.rs` (displaced), in `dials.rs` (failed) and nowhere else.

mod buckets;
mod colour;
mod contests;
mod dials;
mod insert;
mod keyed;
mod moment;
mod outcome;
mod persist;
mod room;
mod setup;
mod share;
mod slab;
mod sources;
mod state;
#[cfg(test)]
mod tests;
mod view;

use std::collections::{BTreeMap, BTreeSet};

use libp2p_core::Multiaddr;
use libp2p_identity::PeerId;
use machine::Instant;
use transport::address::NetworkGroup;
use wire::signed::SignedRecord;

pub use self::colour::Colour;
pub use self::moment::Wall;
pub use self::outcome::{Outcome, Refused, Source};
pub use self::setup::Setup;
pub use self::slab::Table;
pub use self::state::State;
pub use self::view::{Counts, Entry};

use self::buckets::Buckets;
use self::contests::Contests;
use self::keyed::Key;
use self::moment::Online;
use self::persist::Journal;
use self::slab::{Held, Slab};
use self::sources::Sources;

/// The address book. Plain data: no clock, no randomness and no socket of its own.
#[derive(Debug)]
pub struct Book {
    setup: Setup,
    key: Key,
    slab: Slab,
    new: Buckets,
    tried: Buckets,
    sources: Sources,
    marks: BTreeMap<u64, Marks>,
    /// Entries whose state ends by itself, by when.
    deadlines: BTreeSet<(Instant, u16)>,
    contests: Contests,
    online: Online,
    journal: Journal,
}

/// What the owner said of a peer, whether or not it is in the book.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
struct Marks {
    banned: bool,
    protected: bool,
}

impl Book {
    /// An empty book. `key` is its secret: 32 bytes that nobody can guess, kept over restarts.
    #[must_use]
    pub fn new(setup: Setup, key: [u8; 32], now: Instant) -> Self {
        let (width, tried, new) = setup.shape();
        Self {
            setup,
            key: Key::new(key),
            slab: Slab::default(),
            new: Buckets::new(new, width),
            tried: Buckets::new(tried, width),
            sources: Sources::default(),
            marks: BTreeMap::new(),
            deadlines: BTreeSet::new(),
            contests: Contests::default(),
            online: Online::new(now),
            journal: Journal::default(),
        }
    }

    /// Lets nobody in, dials or passes on, who is banned; what was known of it is kept as long as
    /// nobody else needs the room.
    ///
    /// # Bounds
    ///
    /// 16 bytes for each banned peer: the list is the caller's, and so is its bound.
    pub fn set_banned(&mut self, peer: &PeerId, banned: bool) {
        self.mark(peer, |marks| marks.banned = banned);
    }

    /// Keeps an entry whatever happens: for peers that the operator trusts and for anchors. May be
    /// said before the peer is in the book.
    ///
    /// # Bounds
    ///
    /// As for [`set_banned`](Self::set_banned). Protected entries beyond a bucket's size that fall
    /// into one bucket are refused.
    pub fn protect(&mut self, peer: &PeerId, protected: bool) {
        self.mark(peer, |marks| marks.protected = protected);
    }

    fn mark(&mut self, peer: &PeerId, change: impl FnOnce(&mut Marks)) {
        let name = self.key.peer(peer);
        let marks = self.marks.entry(name).or_default();
        change(marks);
        let Marks { banned, protected } = *marks;
        if *marks == Marks::default() {
            self.marks.remove(&name);
        }
        if let Some(id) = self.find(peer)
            && let Some(held) = self.slab.get_mut(id)
        {
            held.banned = banned;
            held.protected = protected;
            self.settle(id);
        }
    }

    /// Says whether this node has a network at all. While it has none, failures count for nothing,
    /// and neither do those of attempts that began before.
    pub fn set_online(&mut self, online: bool, now: Instant) {
        self.online.set(online, now);
    }

    fn find(&self, peer: &PeerId) -> Option<u16> {
        let id = self.slab.find(self.key.peer(peer))?;
        self.slab.get(id).is_some_and(|held| held.record.peer() == *peer).then_some(id)
    }

    /// Brings the tables in line with an entry that has changed.
    fn settle(&mut self, id: u16) {
        let Some(held) = self.slab.get(id) else { return };
        let table = match held.table {
            Table::New => &mut self.new,
            Table::Tried => &mut self.tried,
        };
        table.set_ready(held.bucket, id, held.is_ready());
    }

    fn set_state(&mut self, id: u16, state: State) {
        let Some(held) = self.slab.get_mut(id) else { return };
        let before = std::mem::replace(&mut held.state, state);
        if let Some(deadline) = before.deadline(self.setup.attempt_max) {
            self.deadlines.remove(&(deadline, id));
        }
        if let Some(deadline) = state.deadline(self.setup.attempt_max) {
            self.deadlines.insert((deadline, id));
        }
        self.settle(id);
    }

    /// Forgets an entry, and with it all that pointed at it.
    fn remove(&mut self, id: u16) {
        let Some(held) = self.slab.get(id) else { return };
        let peer = held.record.peer();
        self.set_state(id, State::Free);
        let Some((_, held)) = self.slab.remove(self.key.peer(&peer)) else { return };
        self.take_out(id, &held);
        self.sources.drop(held.source);
        self.contests.drop(id);
        self.journal.removed(id, peer);
    }

    /// Takes an entry out of its bucket.
    fn take_out(&mut self, id: u16, held: &Held) {
        match held.table {
            Table::New => self.new.remove(held.bucket, id),
            Table::Tried => self.tried.remove(held.bucket, id),
        }
    }

    /// Puts an entry that is in no bucket into one that has room.
    fn put_in(&mut self, id: u16, table: Table, bucket: u16) {
        let Some(held) = self.slab.get_mut(id) else { return };
        held.table = table;
        held.bucket = bucket;
        let inserted = match table {
            Table::New => self.new.insert(bucket, id),
            Table::Tried => self.tried.insert(bucket, id),
        };
        debug_assert!(inserted, "the caller made room");
        self.settle(id);
        self.journal.changed(id);
    }

    /// The addresses of `record` that this node may keep and has a transport for: those to dial.
    pub fn addresses<'a>(
        &'a self,
        record: &'a SignedRecord,
    ) -> impl Iterator<Item = &'a Multiaddr> + 'a {
        record.addresses().iter().filter(|address| self.setup.dials(address))
    }

    /// The network in the name of which a peer competes for room: that of the first address that
    /// may be kept.
    fn group_of(&self, record: &SignedRecord) -> u64 {
        let mut kept = record.addresses().iter().filter(|address| self.setup.keeps(address));
        self.key.group(kept.next().and_then(NetworkGroup::of))
    }
}
