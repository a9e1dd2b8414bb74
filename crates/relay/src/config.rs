//! What the operator sets for the four protocols of a paid relay, and what passes the check.

mod params;
mod text;

use std::time::Duration;

use serde::{Deserialize, Serialize};
use thiserror::Error;
use tickets::{Amount, BadProbability};

pub use self::params::Params;
use crate::{mixer, pending, replay};

/// What a relay is paid for one packet and one hop, unless it is set otherwise: 10¹⁶ base units, a
/// hundredth of a token.
pub const DEFAULT_PRICE_PER_PACKET: Amount = match Amount::new(10_000_000_000_000_000) {
    Ok(price) => price,
    Err(_) => Amount::MAX,
};

/// The settings of all four protocols, not yet checked.
///
/// ```
/// use meshwork_relay::config::{DEFAULT_PRICE_PER_PACKET, ProtocolConfig};
///
/// let params = ProtocolConfig::default().check()?;
/// assert_eq!(params.price_per_packet(), DEFAULT_PRICE_PER_PACKET);
///
/// let mut config = ProtocolConfig::default();
/// config.ack.entries_max = 65;
/// let error = config.check().unwrap_err();
/// assert_eq!(error.to_string(), "ack.entries_max is 65, must be 1 to 64");
/// # Ok::<(), meshwork_relay::config::ConfigError>(())
/// ```
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct ProtocolConfig {
    /// Packets.
    pub msg: Msg,
    /// What is said about packets.
    pub ack: Ack,
    /// Who counts as alive.
    pub heartbeat: Heartbeat,
    /// Many tickets for one.
    pub ticket_aggregation: TicketAggregation,
}

/// Packets: what they cost, how many wait, how long they are mixed.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Msg {
    /// What each relay gets for a packet, in base units. Default [`DEFAULT_PRICE_PER_PACKET`].
    #[serde(with = "text::amount")]
    pub price_per_packet: Amount,
    /// How likely the tickets win that this node issues; a ticket that wins seldom is worth as much
    /// more. Default 1; above 0, to 1.
    pub outgoing_probability: f64,
    /// Tickets that win more seldom are not taken. Default 1; 0 to 1.
    pub incoming_probability_min: f64,
    /// What waits to be opened.
    pub queue: Queue,
    /// Own messages that wait to be packed. Default 256; 1 to 65,536.
    pub sending_max: usize,
    /// Messages that wait for the application, of 1 KiB at most each; of one peer no more than it
    /// leaves room for. Those that find no room are refused, and their senders told. Default 1,024; 1
    /// to 1,000,000.
    pub delivered_max: usize,
    /// Most packets opened in one job of the pool, which never waits for more than are there. Default
    /// 64, from which on signatures are checked together in less time; 1 to 256.
    pub batch_max: usize,
    /// Jobs under way at once. Default twice the processors; 1 to 1,024.
    pub batches_max: usize,
    /// How long packets wait among others.
    pub mixer: mixer::Config,
    /// Which packets came before.
    pub replay: replay::Config,
}

/// What is said about packets: how long it is collected, and how long waited for.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Ack {
    /// How long the first entry for a peer waits for others. Default 5 ms; 0 to 1 s.
    #[serde(with = "humantime_serde")]
    pub flush_interval: Duration,
    /// Most entries of one frame. Default and most [`Ack::ENTRIES_MAX`].
    pub entries_max: usize,
    /// How much is waited for, and how long.
    pub pending: pending::Config,
    /// Frames that wait to be checked.
    pub queue: Queue,
    /// Earned tickets that wait for the application; when there are more, acknowledgements wait.
    /// Default 1,024; 1 to 1,000,000.
    pub earned_max: usize,
}

impl Ack {
    /// Most entries of a frame.
    pub const ENTRIES_MAX: usize = crate::wire::Entries::LEN_MAX;
}

/// Who counts as alive.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Heartbeat {
    /// A peer that leaves a packet unanswered for this long, and says nothing meanwhile, is not
    /// chosen for paths. Default 6 s; 100 ms to 10 min.
    #[serde(with = "humantime_serde")]
    pub timeout: Duration,
    /// For how long it is not. Default 30 s; 100 ms to 1 h.
    #[serde(with = "humantime_serde")]
    pub rest: Duration,
}

/// Many tickets for one. This crate only keeps what the node hands on to `tickets`.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct TicketAggregation {
    /// How long the issuer has to answer. Default 15 s; 1 s to 10 min.
    #[serde(with = "humantime_serde")]
    pub timeout: Duration,
}

/// What may wait of what peers send.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Queue {
    /// Items of one peer. Default 1,024; 1 to 1,000,000.
    pub items_per_peer: usize,
    /// Bytes of one peer. Default 2 MiB; 64 KiB to 1 GiB.
    pub bytes_per_peer: usize,
    /// Bytes of all. Default 64 MiB; 64 KiB to 16 GiB.
    pub bytes_total: usize,
}

/// A setting that the operator has to change.
#[derive(Clone, Debug, Error, PartialEq)]
pub enum ConfigError {
    /// A number is out of bounds.
    #[error("{key} is {given}, must be {min} to {max}")]
    Number {
        /// Which.
        key: &'static str,
        /// The value found.
        given: usize,
        /// The least.
        min: usize,
        /// The most.
        max: usize,
    },
    /// A time is out of bounds.
    #[error("{key} is {given:?}, must be {min:?} to {max:?}")]
    Time {
        /// Which.
        key: &'static str,
        /// The value found.
        given: Duration,
        /// The shortest.
        min: Duration,
        /// The longest.
        max: Duration,
    },
    /// A probability is none.
    #[error("{key}: {source}")]
    Probability {
        /// Which.
        key: &'static str,
        /// Why.
        source: BadProbability,
    },
    /// Tickets that never win would be issued.
    #[error("msg.outgoing_probability is {given}, of which no ticket can be worth its price")]
    NeverWins {
        /// The value found.
        given: f64,
    },
    /// Of the mixer.
    #[error("msg.mixer.{0}")]
    Mixer(#[from] mixer::ConfigError),
    /// Of the replay guard.
    #[error("msg.replay.{0}")]
    Replay(#[from] replay::ConfigError),
    /// Of what is waited for.
    #[error("ack.pending.{0}")]
    Pending(#[from] pending::ConfigError),
}

impl Default for Msg {
    fn default() -> Self {
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            price_per_packet: DEFAULT_PRICE_PER_PACKET,
            outgoing_probability: 1.0,
            incoming_probability_min: 1.0,
            queue: Queue::default(),
            sending_max: 256,
            delivered_max: 1_024,
            batch_max: 64,
            batches_max: threads.saturating_mul(2).min(1_024),
            mixer: mixer::Config::default(),
            replay: replay::Config::default(),
        }
    }
}

impl Default for Ack {
    fn default() -> Self {
        Self {
            flush_interval: Duration::from_millis(5),
            entries_max: Self::ENTRIES_MAX,
            pending: pending::Config::default(),
            queue: Queue::default(),
            earned_max: 1_024,
        }
    }
}

impl Default for Heartbeat {
    fn default() -> Self {
        Self { timeout: Duration::from_secs(6), rest: Duration::from_secs(30) }
    }
}

impl Default for TicketAggregation {
    fn default() -> Self {
        Self { timeout: Duration::from_secs(15) }
    }
}

impl Default for Queue {
    fn default() -> Self {
        Self { items_per_peer: 1_024, bytes_per_peer: 2 << 20, bytes_total: 64 << 20 }
    }
}
