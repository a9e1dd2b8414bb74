//! Which messages came before.

mod claim;
mod entry;
mod memory;
mod room;
mod row;
mod unwritten;
mod wheel;

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use libp2p_identity::PeerId;
use machine::UnixTime;

pub(crate) use self::claim::Claim;
pub(crate) use self::entry::Scope;
pub use self::row::SeenRow;

use self::entry::{Key, Mark};
use self::memory::{Memory, Wanted};
use crate::clock::Moment;
use crate::config::Params;
use crate::envelope::Identified;
use crate::letter::LetterId;
use crate::network::Network;
use crate::refusal::Refusal;

/// Which messages came before, and which letters the application has. Clones share it.
///
/// An entry lasts until its message expires, by both clocks: setting one of them makes nothing
/// acceptable again. Nothing is given up earlier to make room. Instead each link has a share:
/// when that is full, what *it* brings is refused, and nobody else suffers.
///
/// # Bounds
/// `seen.entries_max` messages and `seen.letters_max` letters. One link has at most
/// `seen.entries_per_link_max` of either, and never more than are free: so each that fills its
/// share leaves room for one more that does.
///
/// # Security
/// Only what a signature holds for is entered. Entries are 120 bits of a hash: to have another's
/// message refused takes a second message of the same hash.
#[derive(Clone)]
pub struct Seen {
    network: Network,
    memory: Arc<Mutex<Memory>>,
}

impl Seen {
    /// Knows of nothing, and forgets all when it is dropped.
    pub fn new(network: Network, params: &Params) -> Self {
        Self { network, memory: Arc::new(Mutex::new(Memory::new(params.seen()))) }
    }

    /// Knows of what the rows say, and keeps a journal of what comes to it:
    /// [`changes`](Self::changes) has to be written regularly, or everything is refused in the end.
    ///
    /// # Bounds
    /// The rows may be more than there is room for: then nothing new is let in until they expire.
    pub fn restored(
        network: Network,
        params: &Params,
        rows: impl IntoIterator<Item = SeenRow>,
        moment: Moment,
    ) -> Self {
        let memory = Memory::restored(params.seen(), rows, moment);
        Self { network, memory: Arc::new(Mutex::new(memory)) }
    }

    /// The network that messages are of.
    pub fn network(&self) -> &Network {
        &self.network
    }

    /// Remembers an own message, so that it is refused when others bring it; unless there is no
    /// room, in which case it would be carried once more.
    pub fn sent(&self, identified: &Identified, expires: UnixTime, moment: Moment) {
        self.lock().enter(
            Key::of(Scope::Carried, identified),
            Mark::of(identified),
            expires,
            moment,
        );
    }

    /// At most `max` rows that are not written yet, oldest first. A row replaces one with the same
    /// key, and is of no use any more when it has expired.
    pub fn changes(&self, max: usize) -> Vec<SeenRow> {
        self.lock().unwritten().take(max)
    }

    /// Takes rows back that could not be written.
    pub fn give_back(&self, rows: Vec<SeenRow>) {
        self.lock().unwritten().give_back(rows);
    }

    /// Waits until there are rows to write. One waits at a time: the last who did.
    pub fn poll_unwritten(&self, cx: &Context<'_>) -> Poll<()> {
        self.lock().unwritten().poll(cx)
    }

    /// What is remembered.
    pub fn gauges(&self) -> SeenGauges {
        self.lock().gauges()
    }

    /// Refuses what is here already, just as it is.
    pub(crate) fn check(
        &self,
        scope: Scope,
        identified: &Identified,
        short: bool,
    ) -> Result<(), Refusal> {
        self.lock().check(&Key::of(scope, identified), Mark::of(identified), short)
    }

    /// Reserves what has been verified.
    pub(crate) fn claim(&self, sighting: Sighting<'_>, moment: Moment) -> Result<Claim, Refusal> {
        let Sighting { link, scope, identified, short, expires, letter } = sighting;
        let wanted = Wanted {
            message: Key::of(scope, identified),
            mark: Mark::of(identified),
            letter: letter.map(|(sender, id)| Key::of_letter(sender, &id)),
            short,
            expires,
        };
        let held = self.lock().claim(link, &wanted, moment)?;
        Ok(Claim::new(Arc::clone(&self.memory), held))
    }

    fn lock(&self) -> MutexGuard<'_, Memory> {
        lock(&self.memory)
    }
}

/// What a panic elsewhere left is whole enough: an entry too many, or one too few in a share.
fn lock(memory: &Mutex<Memory>) -> MutexGuard<'_, Memory> {
    memory.lock().unwrap_or_else(PoisonError::into_inner)
}

impl fmt::Debug for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Seen").field("network", &self.network).finish_non_exhaustive()
    }
}

/// A verified copy of a message.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sighting<'a> {
    /// Who brought it.
    pub(crate) link: &'a PeerId,
    pub(crate) scope: Scope,
    pub(crate) identified: &'a Identified,
    /// Whether a copy with more hops left is still worth having.
    pub(crate) short: bool,
    pub(crate) expires: UnixTime,
    /// The letter in it that the application is to have: by whom, and which.
    pub(crate) letter: Option<(&'a PeerId, LetterId)>,
}

/// What is remembered.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct SeenGauges {
    /// Messages.
    pub messages: usize,
    /// Letters.
    pub letters: usize,
    /// Links of which something is remembered.
    pub links: usize,
    /// Rows that are not written yet.
    pub unwritten: usize,
}
