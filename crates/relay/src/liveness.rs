//! Which peers answer, as far as packets tell.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use libp2p_identity::PeerId;
use machine::Instant;

use crate::config::Heartbeat;

/// Peers that owe an answer; more are taken for alive.
const PEERS_MAX: usize = 4_096;

/// Who answers packets and who does not. Traffic itself is the heartbeat: a peer to which nothing is
/// sent is not asked whether it lives.
///
/// A peer that was sent a packet and says nothing for [`Heartbeat::timeout`] counts as dead for
/// [`Heartbeat::rest`]; then it may show that it is not. At most 4,096 peers are watched at once.
///
/// # Security
/// Only packets of this node itself count: whoever sends others may have made them so that the next
/// node throws them away without a word.
pub(crate) struct Liveness {
    timeout: Duration,
    rest: Duration,
    /// Of those that owe an answer: from when on they count as dead.
    owing: Mutex<BTreeMap<PeerId, Instant>>,
}

impl Liveness {
    /// Takes everybody for alive.
    pub(crate) fn new(config: &Heartbeat) -> Self {
        let Heartbeat { timeout, rest } = *config;
        Self { timeout, rest, owing: Mutex::default() }
    }

    /// A packet was sent to `peer`, which is to acknowledge it.
    pub(crate) fn sent(&self, peer: PeerId, now: Instant) {
        let due = now.after(self.timeout);
        let mut owing = self.lock();
        let has_room = self.make_room(&mut owing, now);
        match owing.entry(peer) {
            Entry::Occupied(dead) if now < dead.get().after(self.rest) => {}
            Entry::Occupied(mut dead) => *dead.get_mut() = due,
            Entry::Vacant(place) if has_room => {
                place.insert(due);
            }
            Entry::Vacant(_) => {}
        }
    }

    /// `peer` said something about a packet.
    pub(crate) fn heard(&self, peer: &PeerId) {
        self.lock().remove(peer);
    }

    /// A packet for `peer` came back.
    pub(crate) fn failed(&self, peer: PeerId, now: Instant) {
        let mut owing = self.lock();
        if self.make_room(&mut owing, now) || owing.contains_key(&peer) {
            owing.insert(peer, now);
        }
    }

    /// Whether one more can be watched. Who has rested counts as alive whether it is watched or not.
    fn make_room(&self, owing: &mut BTreeMap<PeerId, Instant>, now: Instant) -> bool {
        if owing.len() >= PEERS_MAX {
            owing.retain(|_, dead| now < dead.after(self.rest));
        }
        owing.len() < PEERS_MAX
    }

    /// Whether a path may lead over `peer`.
    pub(crate) fn is_live(&self, peer: &PeerId, now: Instant) -> bool {
        let dead = self.lock().get(peer).copied();
        dead.is_none_or(|dead| now < dead || now >= dead.after(self.rest))
    }

    /// Nothing panics under the lock.
    fn lock(&self) -> MutexGuard<'_, BTreeMap<PeerId, Instant>> {
        self.owing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Liveness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Liveness").field("owing", &self.lock().len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(seconds: u64) -> Instant {
        Instant::at(Duration::from_secs(seconds))
    }

    fn liveness() -> Liveness {
        let (timeout, rest) = (Duration::from_secs(6), Duration::from_secs(30));
        Liveness::new(&Heartbeat { timeout, rest })
    }

    #[test]
    fn who_leaves_packets_unanswered_is_dead_for_a_while() {
        let (liveness, peer) = (liveness(), PeerId::random());
        liveness.sent(peer, at(10));
        liveness.sent(peer, at(15));
        assert!(liveness.is_live(&peer, at(15)));
        assert!(!liveness.is_live(&peer, at(16)), "the first is what counts");
        assert!(!liveness.is_live(&peer, at(45)));
        assert!(liveness.is_live(&peer, at(46)), "it may try again");
        liveness.sent(peer, at(46));
        assert!(!liveness.is_live(&peer, at(52)));
    }

    #[test]
    fn whatever_it_says_it_lives() {
        let (liveness, peer) = (liveness(), PeerId::random());
        liveness.sent(peer, at(0));
        liveness.heard(&peer);
        assert!(liveness.is_live(&peer, at(20)));
        liveness.failed(peer, at(20));
        assert!(!liveness.is_live(&peer, at(20)));
        liveness.heard(&peer);
        assert!(liveness.is_live(&peer, at(20)));
    }

    #[test]
    fn it_is_bounded() {
        let liveness = liveness();
        for _ in 0..=PEERS_MAX {
            liveness.sent(PeerId::random(), at(0));
            liveness.failed(PeerId::random(), at(0));
        }
        assert_eq!(liveness.lock().len(), PEERS_MAX);
        // Those who have rested make room.
        let peer = PeerId::random();
        liveness.failed(peer, at(40));
        assert!(!liveness.is_live(&peer, at(40)));
    }
}
