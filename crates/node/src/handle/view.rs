//! What the node tells of itself, its peers and its address book.

use std::collections::BTreeMap;
use std::time::Duration;

use libp2p::{Multiaddr, PeerId};

use crate::config::{NetworkName, Role};

/// The node as a whole, at the time of asking.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Status {
    /// Who the node is.
    pub peer: PeerId,
    /// Its network.
    pub network: NetworkName,
    /// Name of its application.
    pub application: String,
    /// Version of its application.
    pub version: [u32; 3],
    /// Name and version of its software.
    pub agent: String,
    /// What it does for the network.
    pub role: Role,
    /// Where it listens.
    pub listen: Vec<Multiaddr>,
    /// How long it has been running.
    pub uptime: Duration,
    /// Peers that dialled it and passed the handshake.
    pub inbound: u32,
    /// Peers that it dialled and that passed the handshake.
    pub outbound: u32,
    /// Connections that use only protocols open to anybody.
    pub strangers: u32,
    /// Connections that are being established or shaking hands.
    pub pending: u32,
    /// Peers of which it knows an address.
    pub known_addresses: u64,
    /// Connections refused since the start, by reason.
    pub refused: BTreeMap<String, u64>,
    /// Messages and events dropped since the start, by reason.
    pub dropped: BTreeMap<String, u64>,
    /// Exchanges of links since the start, by outcome.
    pub swaps: BTreeMap<String, u64>,
    /// Orders that it keeps.
    pub orders: u64,
    /// What they add up to: equal on two nodes when their orders are.
    pub orders_digest: [u8; 32],
    /// What became of syncs and of what spreads, since the start, by name.
    pub syncs: BTreeMap<String, u64>,
    /// What became of packets, tickets and what is said about them, since the start, by name. Empty if
    /// it does not relay.
    pub relay: BTreeMap<String, u64>,
}

/// One connected peer, at the time of asking.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Peer {
    /// Who it is.
    pub peer: PeerId,
    /// Where it is.
    pub address: Multiaddr,
    /// Who dialled.
    pub direction: Direction,
    /// What the connection is for.
    pub kind: Kind,
    /// How long ago the handshake ended.
    pub connected: Duration,
    /// Last measured round trip; `None` before the first.
    pub rtt: Option<Duration>,
    /// Name and version of its software, as the peer says.
    pub agent: String,
    /// Version of its application.
    pub version: [u32; 3],
    /// Features that both sides have, as `name/version`.
    pub features: Vec<String>,
    /// What carries the connection: `tcp`, `quic` or `memory`.
    pub transport: String,
    /// How the node stands to it.
    pub standing: Standing,
}

/// How a node stands to a peer, beyond being connected.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Standing {
    /// The operator named it: the link is kept whatever happens.
    pub trusted: bool,
    /// It is dialled first after a restart.
    pub anchor: bool,
    /// The link stands by until an exchange of links is agreed, and takes no place yet.
    pub provisional: bool,
}

/// Who dialled.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Direction {
    /// The peer did.
    Inbound,
    /// This node did.
    Outbound,
}

/// What a connection is for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Kind {
    /// Whatever the peer wants: it dialled.
    Inbound,
    /// A lasting link of the overlay.
    Outbound,
    /// A lasting link that the operator asked for.
    Manual,
    /// A short visit to a seed.
    Seed,
    /// A short probe that verifies an address.
    Refine,
    /// A link to one certain peer, for as long as it is of use.
    Direct,
}

/// Which entries of the address book are asked for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct BookQuery {
    /// Only those of this colour; all if `None`.
    pub colour: Option<Colour>,
    /// At most so many.
    pub limit: usize,
}

/// The address book, at the time of asking.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct BookView {
    /// By colour, gold first, then by peer.
    pub entries: Vec<BookEntry>,
    /// How many entries of each colour there are in all.
    pub counts: BTreeMap<Colour, u64>,
}

/// What the node knows of one other.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct BookEntry {
    /// Who it is.
    pub peer: PeerId,
    /// Where it says that it is.
    pub addresses: Vec<Multiaddr>,
    /// What the node thinks of it.
    pub colour: Colour,
    /// Who told of it; `None` when it introduced itself or the operator named it.
    pub source: Option<PeerId>,
    /// Dials in a row that failed.
    pub failures: u32,
    /// How long ago it was last reached; `None` when it never was.
    pub reached: Option<Duration>,
    /// How long until it may be dialled again; `None` while it is connected, being dialled, banned or
    /// out of reach.
    pub retry: Option<Duration>,
}

/// What a node thinks of another, the best first.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd, clap::ValueEnum)]
pub enum Colour {
    /// Connected.
    Gold,
    /// Reached by this node, and not connected now.
    White,
    /// Heard of: never reached, or not lately.
    Grey,
    /// On transports only that this node cannot dial.
    Dark,
    /// Banned.
    Black,
}

impl Colour {
    /// Every colour.
    pub const EACH: [Self; 5] = [Self::Gold, Self::White, Self::Grey, Self::Dark, Self::Black];

    /// Its name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Gold => "gold",
            Self::White => "white",
            Self::Grey => "grey",
            Self::Dark => "dark",
            Self::Black => "black",
        }
    }
}
