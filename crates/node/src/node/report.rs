//! What the node says of itself.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use handshake::{SessionInfo, SessionKind};
use libp2p::{Multiaddr, PeerId};
use transport::address::transport_name;

use super::Node;
use crate::config::Role;
use crate::handle::{Direction, Kind, Peer, Request, Status};

impl Node {
    /// Answers one question; breaks when it was the last.
    pub(super) fn answer(&self, request: Request) -> ControlFlow<()> {
        let (unheard, flow) = match request {
            Request::Status(reply) => {
                (reply.send(self.status()).is_err(), ControlFlow::Continue(()))
            }
            Request::Peers(reply) => (reply.send(self.peers()).is_err(), ControlFlow::Continue(())),
            Request::Shutdown(reply) => (reply.send(()).is_err(), ControlFlow::Break(())),
        };
        if unheard {
            tracing::debug!("who asked has given up waiting");
        }
        flow
    }

    fn status(&self) -> Status {
        let behaviour = self.swarm.behaviour();
        let (gate, limits) = (&behaviour.gate, &behaviour.limits);
        let (network, counts) = (&self.params.config().network, limits.counts());
        let dialled = |info: &SessionInfo| info.kind != SessionKind::Inbound;
        let (outbound, inbound): (Vec<_>, Vec<_>) =
            self.sessions.all().into_iter().partition(|info| dialled(info));
        let mut refused: BTreeMap<String, u64> = BTreeMap::new();
        for (reason, count) in gate.refused() {
            *refused.entry((*reason).to_owned()).or_default() += count;
        }
        for (limit, count) in limits.refused() {
            *refused.entry(limit.as_str().to_owned()).or_default() += count;
        }
        let shaking = counts.pending_inbound + counts.pending_outbound;
        let known = match network.role {
            Role::Node => self.overlay.known(),
            Role::Seed => gate.inner().seed.core().known(),
        };
        Status {
            peer: self.peer_id(),
            network: network.name.clone(),
            application: self.params.gate.application.clone(),
            version: parts(self.params.gate.version),
            agent: self.params.gate.agent.clone(),
            role: network.role,
            listen: self
                .record
                .listening()
                .iter()
                .cloned()
                .map(|a| named(a, self.peer_id()))
                .collect(),
            uptime: self.clock.now().elapsed(),
            inbound: count(inbound.len()),
            outbound: count(outbound.len()),
            strangers: count(gate.strangers()),
            pending: shaking.saturating_add(count(gate.pending())),
            known_addresses: known.try_into().unwrap_or(u64::MAX),
            refused,
            dropped: self.dropped.iter().map(|(why, n)| ((*why).to_owned(), *n)).collect(),
        }
    }

    fn peers(&self) -> Vec<Peer> {
        let mut sessions = self.sessions.all();
        sessions.sort_by_key(|info| (info.peer, info.connection));
        sessions.iter().map(|info| self.peer(info)).collect()
    }

    fn peer(&self, info: &SessionInfo) -> Peer {
        let (direction, kind) = match info.kind {
            SessionKind::Inbound => (Direction::Inbound, Kind::Inbound),
            SessionKind::Outbound => (Direction::Outbound, Kind::Outbound),
            SessionKind::Manual => (Direction::Outbound, Kind::Manual),
            SessionKind::Seed => (Direction::Outbound, Kind::Seed),
            SessionKind::Refine => (Direction::Outbound, Kind::Refine),
            SessionKind::Direct => (Direction::Outbound, Kind::Direct),
        };
        Peer {
            peer: info.peer,
            address: info.address.clone(),
            direction,
            kind,
            connected: self.swarm.behaviour().gate.now().since(info.since),
            rtt: self.round_trips.get(&info.connection).copied(),
            agent: info.agent.clone(),
            version: parts(info.version),
            features: info.features.iter().map(ToString::to_string).collect(),
            transport: transport_name(&info.address).to_owned(),
        }
    }
}

fn parts(version: handshake::Semver) -> [u32; 3] {
    [version.major, version.minor, version.patch]
}

fn count(count: usize) -> u32 {
    count.try_into().unwrap_or(u32::MAX)
}

/// The address as others have to give it, with the peer id.
fn named(address: Multiaddr, peer: PeerId) -> Multiaddr {
    address.with_p2p(peer).unwrap_or_else(|other| other)
}
