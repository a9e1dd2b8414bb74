//! The entries by number, and their numbers by peer.

use std::sync::Arc;

use transport::address::NetworkGroup;
use wire::signed::SignedRecord;

use super::moment::Moment;
use super::state::State;

/// Which of the two tables an entry is in.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Table {
    /// Heard of, or reached without there being room in the other table.
    New,
    /// Reached by this node.
    Tried,
}

/// What is known of one peer. Thousands of books of thousands of entries fit one process: kept
/// at 56 bytes.
#[derive(Clone, Debug)]
pub(super) struct Held {
    pub(super) record: Arc<SignedRecord>,
    pub(super) state: State,
    pub(super) last_success: Option<Moment>,
    pub(super) last_attempt: Option<Moment>,
    /// How long we had been online when the failures began, in seconds.
    pub(super) failing_since: u32,
    /// Failures in a row, those of our own network not counted.
    pub(super) failures: u16,
    pub(super) source: u16,
    pub(super) bucket: u16,
    /// Which address of the record was reached.
    pub(super) verified: Option<u8>,
    pub(super) table: Table,
    pub(super) banned: bool,
    pub(super) protected: bool,
    /// Whether we have a transport for one of its addresses.
    pub(super) dialable: bool,
}

const _: () = assert!(size_of::<Option<Held>>() <= 56, "see Held");

impl Held {
    /// Whether it may be drawn for a dial.
    pub(super) fn is_ready(&self) -> bool {
        self.state == State::Free && !self.banned && self.dialable
    }

    /// The network of the address that was reached.
    pub(super) fn network(&self) -> Option<NetworkGroup> {
        let reached = self.record.addresses().get(usize::from(self.verified?))?;
        NetworkGroup::of(reached)
    }
}

/// Entries by number, with a free list.
#[derive(Debug, Default)]
pub(super) struct Slab {
    list: Vec<Option<Held>>,
    vacant: Vec<u16>,
    index: Index,
}

/// Numbers by name, in the order of names. To move 10 bytes for each later name costs 1 µs in a
/// full book of 4,096, and saves half the memory of a tree.
#[derive(Debug, Default)]
struct Index {
    names: Vec<u64>,
    ids: Vec<u16>,
}

impl Index {
    fn find(&self, name: u64) -> Option<u16> {
        let at = self.names.binary_search(&name).ok()?;
        self.ids.get(at).copied()
    }

    fn insert(&mut self, name: u64, id: u16) {
        if let Err(at) = self.names.binary_search(&name) {
            self.names.insert(at, name);
            self.ids.insert(at, id);
        }
    }

    fn remove(&mut self, name: u64) -> Option<u16> {
        let at = self.names.binary_search(&name).ok()?;
        self.names.remove(at);
        Some(self.ids.remove(at))
    }
}

impl Slab {
    pub(super) fn len(&self) -> usize {
        self.index.ids.len()
    }

    pub(super) fn find(&self, name: u64) -> Option<u16> {
        self.index.find(name)
    }

    pub(super) fn get(&self, id: u16) -> Option<&Held> {
        self.list.get(usize::from(id))?.as_ref()
    }

    pub(super) fn get_mut(&mut self, id: u16) -> Option<&mut Held> {
        self.list.get_mut(usize::from(id))?.as_mut()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Held> {
        self.list.iter().flatten()
    }

    /// Keeps an entry whose name is not in use; `None` when all 65,536 numbers are taken.
    pub(super) fn insert(&mut self, name: u64, held: Held) -> Option<u16> {
        let id = if let Some(id) = self.vacant.pop() {
            id
        } else {
            let id = u16::try_from(self.list.len()).ok()?;
            self.list.push(None);
            id
        };
        *self.list.get_mut(usize::from(id))? = Some(held);
        self.index.insert(name, id);
        Some(id)
    }

    pub(super) fn remove(&mut self, name: u64) -> Option<(u16, Held)> {
        let id = self.index.remove(name)?;
        let held = self.list.get_mut(usize::from(id))?.take()?;
        self.vacant.push(id);
        Some((id, held))
    }
}
