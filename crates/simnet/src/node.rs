//! One node, and its ends of links.

use std::collections::VecDeque;

use machine::{Instant, Machine, PeerId};

/// The `n`th of a fixed series of peer ids, in ascending order: traces that name them are equal in
/// every process. They have the form of Ed25519 ids, but belong to no known key.
#[expect(clippy::missing_panics_doc, reason = "every such array is a peer id")]
pub fn peer(n: u64) -> PeerId {
    let mut bytes = [0; 38];
    bytes[..6].copy_from_slice(&[0, 36, 8, 1, 18, 32]);
    bytes[6..14].copy_from_slice(&n.to_be_bytes());
    PeerId::from_bytes(&bytes).expect("an identity multihash of 36 bytes is a peer id")
}

/// Where a peer sits. Given when it first runs, and its own for ever.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) struct Place(u32);

impl Place {
    pub(crate) fn new(index: usize) -> Self {
        Self(u32::try_from(index).expect("memory ends before the numbers do"))
    }

    pub(crate) const fn index(self) -> usize {
        self.0 as usize
    }

    /// Timers of one moment fire in order of place, after all that arrives then.
    pub(crate) const fn rank(self) -> u64 {
        1 << 63 | self.0 as u64
    }
}

/// A core and what the network knows of it.
pub(crate) struct Node<M: Machine> {
    pub(crate) core: M,
    /// Tells this core from others that ran under the same id: answers for those are not for it.
    pub(crate) life: u64,
    /// When the core was built: the zero of its clock.
    pub(crate) born: Instant,
    /// The core's next deadline, in network time.
    pub(crate) due: Option<Instant>,
    /// When the wheel next looks at this node: at its deadline, or earlier if that was put off.
    pub(crate) filed: Option<Instant>,
    /// Its ends of its links, in order of the peers.
    links: Vec<Pipe>,
    /// Jobs under way.
    pub(crate) jobs: usize,
    /// How far its wall clock is off, in milliseconds.
    pub(crate) skew: i64,
    pub(crate) events: VecDeque<M::Event>,
}

impl<M: Machine> Node<M> {
    pub(crate) fn new(core: M, life: u64, born: Instant) -> Self {
        Self {
            core,
            life,
            born,
            due: None,
            filed: None,
            links: Vec::new(),
            jobs: 0,
            skew: 0,
            events: VecDeque::new(),
        }
    }

    /// Network time on the core's own clock.
    pub(crate) fn clock(&self, now: Instant) -> Instant {
        Instant::at(now.since(self.born))
    }

    /// Asks the core when it next has something to do.
    pub(crate) fn ask_due(&mut self) -> Option<Instant> {
        self.due = self.core.next_deadline().map(|due| self.born.after(due.elapsed()));
        self.due
    }

    /// Its ends of its links, in order of the peers.
    pub(crate) fn links(&self) -> &[Pipe] {
        &self.links
    }

    /// The link to `peer`.
    pub(crate) fn link(&self, peer: &PeerId) -> Option<&Pipe> {
        self.find(peer).ok().map(|at| &self.links[at])
    }

    pub(crate) fn link_mut(&mut self, peer: &PeerId) -> Option<&mut Pipe> {
        self.find(peer).ok().map(|at| &mut self.links[at])
    }

    /// The link of this session, whose other end is at `place`.
    pub(crate) fn session(&mut self, place: Place, session: u64) -> Option<&mut Pipe> {
        self.links.iter_mut().find(|pipe| pipe.session == session && pipe.place == place)
    }

    pub(crate) fn add_link(&mut self, pipe: Pipe) {
        match self.find(&pipe.peer) {
            Ok(at) => self.links[at] = pipe,
            Err(at) => self.links.insert(at, pipe),
        }
    }

    pub(crate) fn remove_link(&mut self, peer: &PeerId) -> Option<Pipe> {
        self.find(peer).ok().map(|at| self.links.remove(at))
    }

    fn find(&self, peer: &PeerId) -> Result<usize, usize> {
        self.links.binary_search_by(|pipe| pipe.peer.cmp(peer))
    }
}

/// One end of a link: what this node sends into.
#[derive(Debug)]
pub(crate) struct Pipe {
    /// Whom it leads to.
    pub(crate) peer: PeerId,
    /// Where that peer sits.
    pub(crate) place: Place,
    /// Tells this link from earlier ones between the same two.
    pub(crate) session: u64,
    /// When the last thing sent arrives; nothing overtakes it on an ordered link.
    pub(crate) last_arrival: Instant,
    /// Messages sent and not arrived yet.
    pub(crate) in_flight: usize,
    /// Hung up: nothing more is sent, and what arrives is heard until the link is gone.
    pub(crate) closing: bool,
}

/// What travels on a link.
#[derive(Debug)]
pub(crate) enum Parcel<T> {
    Message(T),
    /// The sender has hung up.
    Hangup,
}
