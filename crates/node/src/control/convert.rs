//! What the node says of itself, as messages.

use std::time::Duration;

use handshake::Ban;
use libp2p::PeerId;
use ordersync::ItemId;
use tonic::Code;

use crate::config::Role;
use crate::generated::control::v1 as proto;
use crate::handle::{
    AddError, BanError, BookEntry, BookView, Colour, Direction, Kind, NotTrusted, Peer, Status,
    UnbanError,
};

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
            swaps: status.swaps,
            orders: status.orders,
            orders_digest: prefix(&status.orders_digest),
            syncs: status.syncs,
            relay: status.relay,
        }
    }
}

/// The first 8 bytes, in hexadecimal digits.
fn prefix(digest: &[u8; 32]) -> String {
    ItemId(*digest).to_string().chars().skip("0x".len()).take(16).collect()
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
            trusted: peer.standing.trusted,
            anchor: peer.standing.anchor,
            provisional: peer.standing.provisional,
        }
    }
}

impl From<Vec<Ban>> for proto::PeersBansReply {
    fn from(mut bans: Vec<Ban>) -> Self {
        bans.sort_by_key(|ban| (ban.until, ban.banned));
        Self { bans: bans.into_iter().map(Into::into).collect() }
    }
}

impl From<Ban> for proto::Ban {
    fn from(Ban { banned, reason, until }: Ban) -> Self {
        Self { whom: banned.to_string(), reason, until_ms: until.as_millis() }
    }
}

impl From<BookView> for proto::BookListReply {
    fn from(BookView { entries, counts }: BookView) -> Self {
        let counts = counts.into_iter().map(|(colour, count)| (colour.as_str().to_owned(), count));
        let entries = entries.into_iter().map(Into::into).collect();
        Self { entries, counts: counts.collect() }
    }
}

impl From<BookEntry> for proto::BookEntry {
    fn from(entry: BookEntry) -> Self {
        Self {
            peer_id: entry.peer.to_string(),
            addresses: entry.addresses.iter().map(ToString::to_string).collect(),
            colour: proto::Colour::from(entry.colour).into(),
            source: entry.source.as_ref().map_or_else(String::new, PeerId::to_string),
            failures: entry.failures,
            reached_ms: entry.reached.map(milliseconds),
            retry_ms: entry.retry.map(milliseconds),
        }
    }
}

impl From<Colour> for proto::Colour {
    fn from(colour: Colour) -> Self {
        match colour {
            Colour::Gold => Self::Gold,
            Colour::White => Self::White,
            Colour::Grey => Self::Grey,
            Colour::Dark => Self::Dark,
            Colour::Black => Self::Black,
        }
    }
}

impl From<AddError> for tonic::Status {
    fn from(error: AddError) -> Self {
        let code = match error {
            AddError::Oneself(_) | AddError::Banned { .. } => Code::FailedPrecondition,
            AddError::TooMany { .. } => Code::ResourceExhausted,
        };
        Self::new(code, error.to_string())
    }
}

impl From<NotTrusted> for tonic::Status {
    fn from(error: NotTrusted) -> Self {
        Self::not_found(error.to_string())
    }
}

impl From<BanError> for tonic::Status {
    fn from(error: BanError) -> Self {
        let code = match error {
            BanError::Oneself(_) | BanError::Trusted(_) => Code::FailedPrecondition,
            BanError::Storing { .. } => Code::Aborted,
        };
        Self::new(code, error.to_string())
    }
}

impl From<UnbanError> for tonic::Status {
    fn from(error: UnbanError) -> Self {
        let code = match error {
            UnbanError::NotBanned(_) => Code::NotFound,
            UnbanError::Storing { .. } => Code::Aborted,
        };
        Self::new(code, error.to_string())
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
