//! Which connections gossip has been told of.

use std::collections::{BTreeMap, BTreeSet};

use handshake::{SessionInfo, SessionKind};
use libp2p::PeerId;
use libp2p::swarm::ConnectionId;

/// Whether a connection is a link: visits and probes are nothing to gossip, nor to whoever syncs.
pub(crate) fn is_lasting(info: &SessionInfo) -> bool {
    match info.declared {
        SessionKind::Inbound
        | SessionKind::Outbound
        | SessionKind::Manual
        | SessionKind::Direct => true,
        SessionKind::Seed | SessionKind::Refine => false,
    }
}

/// The lasting connections to each peer. Bounded by the connection limits.
///
/// Two nodes that dial each other at the same time have two for a moment; gossip hears of the first
/// that comes and of the last that goes.
#[derive(Debug, Default)]
pub(super) struct Links {
    by_peer: BTreeMap<PeerId, BTreeSet<ConnectionId>>,
}

impl Links {
    pub(super) fn opened(&mut self, peer: PeerId, connection: ConnectionId) {
        self.by_peer.entry(peer).or_default().insert(connection);
    }

    /// Whether that was the last one to `peer`.
    pub(super) fn closed(&mut self, peer: PeerId, connection: ConnectionId) -> bool {
        let Some(connections) = self.by_peer.get_mut(&peer) else { return false };
        let last = connections.remove(&connection) && connections.is_empty();
        if last {
            self.by_peer.remove(&peer);
        }
        last
    }

    pub(super) fn contains(&self, peer: &PeerId) -> bool {
        self.by_peer.contains_key(peer)
    }

    pub(super) fn holds(&self, peer: &PeerId, connection: ConnectionId) -> bool {
        self.by_peer.get(peer).is_some_and(|connections| connections.contains(&connection))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.by_peer.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_is_gone_with_its_last_connection() {
        let (mut links, peer) = (Links::default(), PeerId::random());
        let [first, second] = [1, 2].map(ConnectionId::new_unchecked);
        links.opened(peer, first);
        links.opened(peer, second);
        assert!(!links.closed(peer, first) && links.contains(&peer));
        assert!(!links.closed(peer, first), "once is enough");
        assert!(links.holds(&peer, second) && !links.holds(&peer, first));
        assert!(links.closed(peer, second) && links.is_empty());
        assert!(!links.closed(PeerId::random(), first));
    }
}
