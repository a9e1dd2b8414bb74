//! What the node says of itself, as messages.

use std::time::Duration;

use crate::config::Role;
use crate::generated::control::v1 as proto;
use crate::handle::{Direction, Kind, Peer, Status};

impl From<Status> for proto::StatusReply {
    fn from(status: Status) -> Self {
        Self {
            peer_id: status.peer.to_string(),
            network: status.network.into(),
            application: status.application,
            version: dotted(status.version),
            agent: status.agent,
            role: match status.role {
                Role::Node => proto::Role::Node,
                Role::Seed => proto::Role::Seed,
            }
            .into(),
            listen_addresses: status.listen.iter().map(ToString::to_string).collect(),
            uptime_ms: milliseconds(status.uptime),
            inbound: status.inbound,
            outbound: status.outbound,
            strangers: status.strangers,
            pending: status.pending,
            known_addresses: status.known_addresses,
            refused: status.refused,
            dropped: status.dropped,
        }
    }
}

impl From<()> for proto::ShutdownReply {
    fn from((): ()) -> Self {
        Self {}
    }
}

impl From<Vec<Peer>> for proto::PeersListReply {
    fn from(peers: Vec<Peer>) -> Self {
        Self { peers: peers.into_iter().map(Into::into).collect() }
    }
}

impl From<Peer> for proto::Peer {
    fn from(peer: Peer) -> Self {
        Self {
            peer_id: peer.peer.to_string(),
            address: peer.address.to_string(),
            direction: match peer.direction {
                Direction::Inbound => proto::Direction::Inbound,
                Direction::Outbound => proto::Direction::Outbound,
            }
            .into(),
            kind: match peer.kind {
                Kind::Inbound => proto::Kind::Inbound,
                Kind::Outbound => proto::Kind::Outbound,
                Kind::Manual => proto::Kind::Manual,
                Kind::Seed => proto::Kind::Seed,
                Kind::Refine => proto::Kind::Refine,
                Kind::Direct => proto::Kind::Direct,
            }
            .into(),
            connected_ms: milliseconds(peer.connected),
            rtt_us: peer.rtt.map(|rtt| whole(rtt.as_micros())),
            agent: peer.agent,
            version: dotted(peer.version),
            features: peer.features,
            transport: peer.transport,
        }
    }
}

fn dotted([major, minor, patch]: [u32; 3]) -> String {
    format!("{major}.{minor}.{patch}")
}

fn milliseconds(time: Duration) -> u64 {
    whole(time.as_millis())
}

fn whole(count: u128) -> u64 {
    count.try_into().unwrap_or(u64::MAX)
}
