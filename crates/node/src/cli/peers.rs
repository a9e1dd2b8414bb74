//! `peers list`, `add` and `remove`: who is connected to the running node, and who shall be.

use std::time::Duration;

use libp2p::PeerId;
use serde::Serialize;

use super::arguments::Node;
use super::context::Context;
use super::failure::Failure;
use super::output::Report;
use super::table::table;
use crate::config::DialAddress;
use crate::generated::control::v1 as proto;
use crate::printable::Printable;

/// One peer as it is shown.
#[derive(Debug, Serialize)]
struct Shown {
    peer_id: String,
    address: String,
    direction: &'static str,
    kind: &'static str,
    connected_ms: u64,
    rtt_us: Option<u64>,
    agent: String,
    version: String,
    features: Vec<String>,
    transport: String,
    trusted: bool,
    anchor: bool,
    provisional: bool,
}

impl From<proto::Peer> for Shown {
    fn from(peer: proto::Peer) -> Self {
        let direction = match peer.direction() {
            proto::Direction::Inbound => "inbound",
            proto::Direction::Outbound => "outbound",
            proto::Direction::Unspecified => "unknown",
        };
        let kind = match peer.kind() {
            proto::Kind::Inbound => "inbound",
            proto::Kind::Outbound => "outbound",
            proto::Kind::Manual => "manual",
            proto::Kind::Seed => "seed",
            proto::Kind::Refine => "refine",
            proto::Kind::Direct => "direct",
            proto::Kind::Unspecified => "unknown",
        };
        Self {
            peer_id: peer.peer_id,
            address: peer.address,
            direction,
            kind,
            connected_ms: peer.connected_ms,
            rtt_us: peer.rtt_us,
            agent: peer.agent,
            version: peer.version,
            features: peer.features,
            transport: peer.transport,
            trusted: peer.trusted,
            anchor: peer.anchor,
            provisional: peer.provisional,
        }
    }
}

/// All of them.
#[derive(Debug, Serialize)]
#[serde(transparent)]
struct List(Vec<Shown>);

impl Report for List {
    fn text(&self) -> String {
        if self.0.is_empty() {
            return "no peers".to_owned();
        }
        let head = [
            "PEER",
            "DIRECTION",
            "KIND",
            "STATE",
            "VIA",
            "RTT",
            "CONNECTED",
            "VERSION",
            "AGENT",
            "ADDRESS",
        ];
        let rows: Vec<_> = self.0.iter().map(row).collect();
        table(head, &rows)
    }
}

fn row(peer: &Shown) -> [String; 10] {
    let shown = |text: &str| Printable(text).to_string();
    let connected = Duration::from_secs(peer.connected_ms / 1000);
    [
        shown(&peer.peer_id),
        peer.direction.to_owned(),
        peer.kind.to_owned(),
        state(peer),
        shown(&peer.transport),
        peer.rtt_us.map_or_else(|| "-".to_owned(), round_trip),
        humantime::format_duration(connected).to_string(),
        shown(&peer.version),
        shown(&peer.agent),
        shown(&peer.address),
    ]
}

/// How the node stands to a peer, beyond being connected.
fn state(peer: &Shown) -> String {
    let words =
        [(peer.trusted, "trusted"), (peer.anchor, "anchor"), (peer.provisional, "provisional")];
    let words: Vec<_> = words.into_iter().filter_map(|(is, word)| is.then_some(word)).collect();
    if words.is_empty() { "-".to_owned() } else { words.join(",") }
}

/// A round trip in milliseconds with three digits after the point, which is to the microsecond.
fn round_trip(rtt_us: u64) -> String {
    format!("{}.{:03}ms", rtt_us / 1000, rtt_us % 1000)
}

pub(super) fn list(context: &Context<'_>, node: &Node) -> Result<(), Failure> {
    let peers = context.talk(node, async |client| client.peers().await)?;
    context.output.report(&List(peers.into_iter().map(Into::into).collect()))
}

/// Whether a peer is trusted from now on.
#[derive(Debug, Serialize)]
struct Trusted {
    peer_id: String,
    trusted: bool,
}

impl Report for Trusted {
    fn text(&self) -> String {
        if self.trusted {
            format!("{} is kept until it is removed or the node ends", self.peer_id)
        } else {
            format!("{} is a peer as any other", self.peer_id)
        }
    }
}

pub(super) fn add(
    context: &Context<'_>,
    address: &DialAddress,
    node: &Node,
) -> Result<(), Failure> {
    context.talk(node, async |client| client.add(address).await)?;
    let peer_id = address.peer().to_string();
    context.output.report(&Trusted { peer_id, trusted: true })
}

pub(super) fn remove(context: &Context<'_>, peer: PeerId, node: &Node) -> Result<(), Failure> {
    context.talk(node, async |client| client.remove(peer).await)?;
    context.output.report(&Trusted { peer_id: peer.to_string(), trusted: false })
}
