//! The dials under way, and what each is for.

use std::collections::BTreeMap;
use std::time::Duration;

use libp2p_core::Multiaddr;
use libp2p_identity::PeerId;
use machine::Instant;

use super::pace::Pace;
use crate::Purpose;

/// How long the news of an open connection may come after the end of its dial.
const NEWS: Duration = Duration::from_secs(5);

/// Time for one dial that only fills up. A peer that fills our book with the addresses of a victim
/// makes us dial it no faster.
const PACE: Duration = Duration::from_millis(125);

/// Dials that may be ahead of that pace: a node that starts finds its peers at once.
const AHEAD_MAX: u32 = 32;

/// What a dial is for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Aim {
    /// To have enough links.
    Fill,
    /// A trusted peer.
    Trusted,
    /// To see whether an address is good.
    Feeler,
    /// The exchange of this number, by our count.
    Swap(u64),
}

impl Aim {
    pub(super) const fn purpose(self) -> Purpose {
        match self {
            Self::Fill | Self::Swap(_) => Purpose::Link,
            Self::Trusted => Purpose::Trusted,
            Self::Feeler => Purpose::Feeler,
        }
    }
}

/// Bounded by the most dials at a time and the trusted peers.
#[derive(Debug, Default)]
pub(super) struct Dials {
    by_peer: BTreeMap<PeerId, Dial>,
    pace: Pace,
}

#[derive(Clone, Debug)]
struct Dial {
    aim: Aim,
    /// The one address that a feeler tries.
    probed: Option<Multiaddr>,
    /// When the dial went well and the news of the connection has not come yet: how long it may
    /// still take.
    arrived: Option<Instant>,
}

impl Dials {
    pub(super) fn contains(&self, peer: &PeerId) -> bool {
        self.by_peer.contains_key(peer)
    }

    pub(super) fn len(&self) -> usize {
        self.by_peer.len()
    }

    /// Whether there are as many as may be; those of trusted peers come on top.
    pub(super) fn is_full(&self, max: usize) -> bool {
        self.by_peer.values().filter(|dial| dial.aim != Aim::Trusted).count() >= max
    }

    /// Dials of trusted peers.
    pub(super) fn trusted(&self) -> usize {
        self.by_peer.values().filter(|dial| dial.aim == Aim::Trusted).count()
    }

    /// How long to wait before one more dial that fills up.
    pub(super) fn wait(&self, now: Instant) -> Duration {
        self.pace.wait(PACE, AHEAD_MAX, now)
    }

    /// Counts one dial that fills up.
    pub(super) fn keep_pace(&mut self, now: Instant) {
        self.pace.take(PACE, AHEAD_MAX, now);
    }

    /// Dials that are to fill up.
    pub(super) fn filling(&self) -> usize {
        self.by_peer.values().filter(|dial| dial.aim == Aim::Fill).count()
    }

    /// Dials that may become links of ours, whatever for.
    pub(super) fn peers(&self) -> impl Iterator<Item = &PeerId> {
        let links = |dial: &Dial| dial.aim != Aim::Feeler;
        self.by_peer.iter().filter(move |(_, dial)| links(dial)).map(|(peer, _)| peer)
    }

    pub(super) fn begin(&mut self, peer: PeerId, aim: Aim, probed: Option<Multiaddr>) {
        self.by_peer.insert(peer, Dial { aim, probed, arrived: None });
    }

    /// The address that a feeler tries.
    pub(super) fn probed(&self, peer: &PeerId) -> Option<Multiaddr> {
        self.by_peer.get(peer)?.probed.clone()
    }

    /// A dial came to nothing, or was a feeler.
    pub(super) fn end(&mut self, peer: &PeerId) -> Option<Aim> {
        self.by_peer.remove(peer).map(|dial| dial.aim)
    }

    pub(super) fn aim(&self, peer: &PeerId) -> Option<Aim> {
        self.by_peer.get(peer).map(|dial| dial.aim)
    }

    /// A dial went well; what it was for is kept until the connection is told of.
    pub(super) fn arrived(&mut self, peer: &PeerId, now: Instant) {
        if let Some(dial) = self.by_peer.get_mut(peer) {
            dial.arrived = Some(now.after(NEWS));
        }
    }

    pub(super) fn tick(&mut self, now: Instant) {
        self.by_peer.retain(|_, dial| dial.arrived.is_none_or(|until| until > now));
    }

    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.by_peer.values().filter_map(|dial| dial.arrived).min()
    }
}
