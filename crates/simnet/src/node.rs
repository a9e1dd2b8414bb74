//! One node, and its ends of links.

use std::collections::{BTreeMap, VecDeque};

use machine::{Effect, Instant, Machine, PeerId};

/// The `n`th of a fixed series of peer ids, in ascending order: traces that name them are equal in
/// every process. They have the form of Ed25519 ids, but belong to no known key.
#[expect(clippy::missing_panics_doc, reason = "every such array is a peer id")]
pub fn peer(n: u64) -> PeerId {
    let mut bytes = [0; 38];
    bytes[..6].copy_from_slice(&[0, 36, 8, 1, 18, 32]);
    bytes[6..14].copy_from_slice(&n.to_be_bytes());
    PeerId::from_bytes(&bytes).expect("an identity multihash of 36 bytes is a peer id")
}

/// A core and what the network knows of it.
pub(crate) struct Node<M: Machine> {
    pub(crate) core: M,
    /// Tells this core from others that ran under the same id: answers for those are not for it.
    pub(crate) life: u64,
    /// When the core was built: the zero of its clock.
    pub(crate) born: Instant,
    /// The deadline under which the node is filed among the timers, in network time.
    pub(crate) armed: Option<Instant>,
    /// Its ends of its links.
    pub(crate) links: BTreeMap<PeerId, Pipe>,
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
            armed: None,
            links: BTreeMap::new(),
            jobs: 0,
            skew: 0,
            events: VecDeque::new(),
        }
    }

    /// Network time on the core's own clock.
    pub(crate) fn clock(&self, now: Instant) -> Instant {
        Instant::at(now.since(self.born))
    }

    /// The core's next deadline in network time.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.core.next_deadline().map(|due| self.born.after(due.elapsed()))
    }

    pub(crate) fn poll_effect(&mut self) -> Option<Effect<M>> {
        self.core.poll_effect()
    }
}

/// One end of a link: what this node sends into.
#[derive(Debug)]
pub(crate) struct Pipe {
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
