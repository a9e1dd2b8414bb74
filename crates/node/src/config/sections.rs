//! The smaller sections: how many connections, how long a handshake, the control API, the log.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::section::section;
use crate::control::Listen;
use crate::logging::Filter;

section! {
    /// How many connections the node holds. The first four keys count those that take part in the
    /// version handshake or need none; the others are the ceiling over all connections, and should
    /// leave room for those that are told politely that there is none.
    pub struct Limits("limits") {
        /// Most peers that dialled this node. 1 to `established_inbound_max`.
        pub inbound_max: usize = gate().inbound_max,
        /// Most peers that this node dialled. 1 to `established_outbound_max`; those of
        /// `network.peers` come on top. `gossip.expected` and some for links that are being exchanged
        /// must fit.
        pub outbound_max: usize = 24,
        /// Most connections that use only protocols open to anybody, such as ping. 1 to
        /// `established_inbound_max`.
        pub strangers_max: usize = gate().strangers_max,
        /// Most handshakes under way. 1 to `established_max`.
        pub handshakes_max: usize = gate().pending_max,
        /// Most connections, both ways. 1 to 65536.
        pub established_max: u32 = 160,
        /// Most connections that others opened. 0 to three quarters of `established_max`.
        pub established_inbound_max: u32 = ceiling().established_inbound_max,
        /// Most connections that this node opened. 0 to `established_max`. There is room for those of
        /// `outbound_max`, those for messages (`dht.links_max`), and some visits.
        pub established_outbound_max: u32 = 48,
        /// Most connections with one peer, both ways. 1 to 64; at 1 two nodes that dial each other
        /// at the same time may refuse each other.
        pub per_peer_max: u32 = ceiling().per_peer_max,
        /// Most connections with one IPv4 address or one IPv6 /56, both ways. 1 to 65536.
        pub per_subnet_max: u32 = ceiling().per_subnet_max,
        /// Most connections that others opened and that are still being secured. 1 to 4096.
        pub pending_inbound_max: u32 = ceiling().pending_inbound_max,
        /// Most dials under way. 1 to 4096.
        pub pending_outbound_max: u32 = ceiling().pending_outbound_max,
        /// Most connections from one IPv4 address or one IPv6 /56 that are still being secured. 1 to
        /// 4096.
        pub pending_per_subnet_max: u32 = ceiling().pending_per_subnet_max,
        /// Time for a connection, both ways, until it is secured, as "10s". 100 ms to 60 s.
        #[serde(with = "humantime_serde")]
        pub pending_timeout: Duration = Duration::from_secs(10),
        /// Most substreams that one peer may be opening at a time; also how many may wait for the
        /// end of its handshake. 1 to 256.
        pub negotiating_max: u32 = 8,
    }
}

/// What the gate asks for unless told otherwise.
fn gate() -> handshake::Config {
    handshake::Config::default()
}

/// What the seed protocol does unless told otherwise.
fn seed() -> handshake::seed::Config {
    handshake::seed::Config::default()
}

/// What the transport allows unless told otherwise.
fn ceiling() -> transport::limits::Config {
    transport::limits::Config::default()
}

section! {
    /// How patient the node is with a new connection.
    pub struct Handshake("handshake") {
        /// Time for the whole version handshake, as "6s". 100 ms to 60 s.
        #[serde(with = "humantime_serde")]
        pub deadline: Duration = gate().deadline,
        /// Time after which a connection that uses only protocols open to anybody is closed when
        /// nothing happens on it, as "30s". 1 s to 1 h.
        #[serde(with = "humantime_serde")]
        pub stranger_idle: Duration = Duration::from_secs(30),
        /// How long a peer is asked to stay away when there is no room for it, as "30s". At most
        /// 1 h.
        #[serde(with = "humantime_serde")]
        pub retry_after: Duration = gate().retry_after,
    }
}

section! {
    /// How the node asks seeds for peers, and how it answers when it is one itself.
    pub struct Seed("seed") {
        /// Seeds asked at once. 1 to 16.
        pub fan_out: usize = seed().fan_out,
        /// Addresses asked of one seed. 1 to 250.
        pub wish: u32 = seed().wish,
        /// Time for one visit, dial and handshake included, as "8s". 100 ms to 60 s.
        #[serde(with = "humantime_serde")]
        pub visit_timeout: Duration = seed().visit_timeout,
        /// How long a seed is left alone after its first failure, as "1s"; doubled for each
        /// further one. More than 0, at most `retry_max`.
        #[serde(with = "humantime_serde")]
        pub retry_min: Duration = seed().retry_min,
        /// The longest time that a seed is left alone, as "10m".
        #[serde(with = "humantime_serde")]
        pub retry_max: Duration = seed().retry_max,
        /// Shortest time between two visits of one node to one seed, as "1s"; a seed answers with
        /// nothing before.
        #[serde(with = "humantime_serde")]
        pub ask_gap: Duration = seed().ask_gap,
        /// As a seed: most addresses in an answer. 1 to 250.
        pub answer_max: u32 = seed().answer_max,
        /// As a seed: nodes remembered. 1 to 65536.
        pub book_max: usize = seed().book_max,
        /// As a seed: time after which a node is visited again to see whether it is still there,
        /// as "10m". At least 1 s.
        #[serde(with = "humantime_serde")]
        pub recheck: Duration = seed().recheck,
        /// As a seed: time after which a visitor that has its answer is cut off, as "5s".
        #[serde(with = "humantime_serde")]
        pub linger: Duration = seed().linger,
    }
}

section! {
    /// The control API, through which the other commands talk to a running node.
    pub struct Control("control") {
        /// Where it is served: "unix:PATH", a relative path being taken from the data directory, or
        /// "off". The path may have at most 107 bytes.
        pub listen: Listen = Listen::default(),
        /// Longest time for one request, as "5s". 100 ms to 60 s.
        #[serde(with = "humantime_serde")]
        pub request_timeout: Duration = Duration::from_secs(5),
        /// Most requests at a time on one connection. 1 to 1000.
        pub streams_max: u32 = 16,
    }
}

section! {
    /// What the node writes to standard error.
    pub struct Log("log") {
        /// Which messages: a level ("error", "warn", "info", "debug", "trace") or a list such as
        /// "info,meshwork=debug". `MESHWORK_LOG` and `RUST_LOG` set it too.
        pub filter: Filter = Filter::default(),
        /// How they look: "text" for people, "json" for programs.
        pub format: LogFormat = LogFormat::Text,
    }
}

/// How log messages look.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// One line of text for each message.
    Text,
    /// One JSON object for each message.
    Json,
}

impl LogFormat {
    /// Its name in the file.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Json => "json",
        }
    }
}
