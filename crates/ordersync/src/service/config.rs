//! What a service allows itself and others.

use std::time::Duration;

use crate::{provider, requester};

/// The bounds of a service.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// Items in one response of this node. Default 500, as in 0x-Mesh; 1 to 1,024, and in its
    /// envelopes 500 at most.
    pub page: usize,
    /// Time for one turn: for the next request of a requester, for the answer of a provider, for a
    /// message to be taken off our hands. Default 30 s.
    pub turn_timeout: Duration,
    /// Time for one session, of ours or of a peer's. Default 10 min.
    pub session_timeout: Duration,
    /// Time for all that one peer is asked in one sync, in however many sessions. After as long nobody
    /// else is begun with, so that a sync lasts no longer than twice that. Default 20 min: enough for
    /// 200,000 orders at 160 kbit/s in our own envelope (23 MB), at 1.5 Mbit/s in those of 0x-Mesh
    /// (220 MB).
    pub peer_timeout: Duration,
    /// How long a sync waits for another one to be through with a peer before it tries others. Default
    /// 60 s.
    pub lane_timeout: Duration,
    /// Whether to give away what a provider lacks, where the envelope can. Default true.
    pub push: bool,
    /// Sessions served at once, by anybody. Default 64.
    pub serving_max: usize,
    /// Sessions served at once, for one peer. Default 4.
    pub serving_per_peer_max: usize,
    /// Requests that one peer may make. Default 100 per second, burst 400.
    pub peer_requests: Allowance,
    /// Requests that all peers together may make. Default 1,000 per second, burst 2,000.
    pub requests: Allowance,
    /// Bytes that one peer may be sent in our own envelope. Default 32,000,000 per second, burst as
    /// much.
    pub peer_bytes: Allowance,
    /// The same in those of 0x-Mesh. Default 5,000,000 per second, burst as much: its nodes ban who
    /// sends them more than 5 MiB a second.
    pub foreign_bytes: Allowance,
    /// Seconds of a processor that one peer's requests may take. Default a quarter of one, burst 2.
    pub peer_compute: Allowance,
    /// Looks that one peer may have taken at the book for it, each at most
    /// [`LOOK_MAX`](crate::book::LOOK_MAX) items and 50 ms: a book of 200,000 takes four. Default
    /// one in two seconds, burst 8.
    pub peer_scans: Allowance,
    /// Bytes that all peers together may be sent. Default 125,000,000 per second, burst as much.
    pub bytes: Allowance,
    /// Seconds of a processor that the requests of all peers together may take. Default two of them,
    /// burst 8.
    pub compute: Allowance,
    /// Looks that are taken at the book for all peers together. Default two per second, burst 32.
    pub scans: Allowance,
    /// Of `requests`, `bytes`, `compute` and `scans` the part that all strangers share, to whom a name
    /// costs nothing; what members share is the rest. Default a quarter; above 0, at most a quarter.
    pub strangers: f64,
    /// Bytes that all sets take together that are compared under a key of their own, 72 for an item. A
    /// session holds its own until it begins another comparison, pages, or ends, and it ends where
    /// nothing is asked for a `turn_timeout`. Default 268,435,456.
    pub sessions_bytes: usize,
    /// Rounds of [`get_orders`](super::Service::get_orders) before it gives up on those who do not
    /// answer. Default 5, which takes about 4 s.
    pub rounds_max: u32,
    /// Pause after the first round; doubles. Default 250 ms.
    pub backoff_min: Duration,
    /// Longest pause between rounds. Default 60 s.
    pub backoff_max: Duration,
    /// What a session of a peer may have of this node.
    pub provider: provider::Limits,
    /// What a session of ours may take of this node.
    pub requester: requester::Limits,
}

/// So much per second, and so much at once.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Allowance {
    /// Per second.
    pub rate: f64,
    /// At once.
    pub burst: f64,
}

/// Most that strangers may share, as a part of all.
const STRANGERS_MAX: f64 = 0.25;

impl Allowance {
    /// A part of it.
    #[expect(clippy::float_arithmetic, reason = "an allowance is a number of fractions")]
    pub(super) const fn part(self, part: f64) -> Self {
        Self { rate: self.rate * part, burst: self.burst * part }
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            page: 500,
            turn_timeout: Duration::from_secs(30),
            session_timeout: Duration::from_mins(10),
            peer_timeout: Duration::from_mins(20),
            lane_timeout: Duration::from_mins(1),
            push: true,
            serving_max: 64,
            serving_per_peer_max: 4,
            peer_requests: Allowance { rate: 100.0, burst: 400.0 },
            requests: Allowance { rate: 1_000.0, burst: 2_000.0 },
            peer_bytes: Allowance { rate: 32e6, burst: 32e6 },
            foreign_bytes: Allowance { rate: 5e6, burst: 5e6 },
            peer_compute: Allowance { rate: 0.25, burst: 2.0 },
            peer_scans: Allowance { rate: 0.5, burst: 8.0 },
            bytes: Allowance { rate: 125e6, burst: 125e6 },
            compute: Allowance { rate: 2.0, burst: 8.0 },
            scans: Allowance { rate: 2.0, burst: 32.0 },
            strangers: 0.25,
            sessions_bytes: 256 << 20,
            rounds_max: 5,
            backoff_min: Duration::from_millis(250),
            backoff_max: Duration::from_mins(1),
            provider: provider::Limits::default(),
            requester: requester::Limits::default(),
        }
    }
}

/// A bound that no service can be run with.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{field} is {value}, must be {bound}")]
pub struct ConfigError {
    /// Which.
    pub field: &'static str,
    /// As given.
    pub value: String,
    /// As it has to be.
    pub bound: &'static str,
}

/// Bounds that were checked.
#[derive(Clone, Debug, PartialEq)]
pub struct Params(Config);

impl Config {
    /// Checks it.
    ///
    /// # Errors
    /// [`ConfigError`] names the first field that is out of its bounds.
    pub fn check(self) -> Result<Params, ConfigError> {
        let wrong = |field, value: String, bound| Err(ConfigError { field, value, bound });
        if !(1..=crate::binary::ITEMS_MAX).contains(&self.page) {
            return wrong("page", self.page.to_string(), "1 to 1024");
        }
        for (field, allowance) in [
            ("peer_requests", self.peer_requests),
            ("requests", self.requests),
            ("peer_bytes", self.peer_bytes),
            ("foreign_bytes", self.foreign_bytes),
            ("peer_compute", self.peer_compute),
            ("peer_scans", self.peer_scans),
            ("bytes", self.bytes),
            ("compute", self.compute),
            ("scans", self.scans),
        ] {
            if !(allowance.rate > 0.0 && allowance.rate.is_finite()) {
                return wrong(field, allowance.rate.to_string(), "a rate above 0");
            }
            if !(allowance.burst >= 1.0 && allowance.burst.is_finite()) {
                return wrong(field, allowance.burst.to_string(), "a burst of at least 1");
            }
        }
        if !(self.strangers > 0.0 && self.strangers <= STRANGERS_MAX) {
            return wrong("strangers", self.strangers.to_string(), "above 0 and at most 0.25");
        }
        // Of less than one there is never one.
        for (field, all) in [("requests", self.requests), ("scans", self.scans)] {
            if all.part(self.strangers).burst < 1.0 {
                return wrong(field, all.burst.to_string(), "a burst of 1 for strangers");
            }
        }
        for (field, time) in [
            ("turn_timeout", self.turn_timeout),
            ("session_timeout", self.session_timeout),
            ("peer_timeout", self.peer_timeout),
            ("backoff_min", self.backoff_min),
        ] {
            if time.is_zero() {
                return wrong(field, "0 s".to_owned(), "more than 0 s");
            }
        }
        if self.backoff_max < self.backoff_min {
            let value = format!("{:?}", self.backoff_max);
            return wrong("backoff_max", value, "at least backoff_min");
        }
        Ok(Params(self))
    }
}

impl std::ops::Deref for Params {
    type Target = Config;

    fn deref(&self) -> &Config {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_that_nobody_could_be_served_under_are_named() {
        let default = Config::default;
        let few = Allowance { rate: 1.0, burst: 2.0 };
        for (field, config) in [
            ("page", Config { page: 0, ..default() }),
            ("strangers", Config { strangers: 0.0, ..default() }),
            ("strangers", Config { strangers: 0.3, ..default() }),
            ("strangers", Config { strangers: f64::NAN, ..default() }),
            ("scans", Config { scans: few, ..default() }),
            ("compute", Config { compute: Allowance { rate: 0.0, ..few }, ..default() }),
            ("bytes", Config { bytes: Allowance { burst: 0.5, ..few }, ..default() }),
            ("peer_timeout", Config { peer_timeout: Duration::ZERO, ..default() }),
            ("backoff_max", Config { backoff_max: Duration::ZERO, ..default() }),
        ] {
            assert_eq!(config.check().map_err(|error| error.field), Err(field));
        }
        assert!(default().check().is_ok());
    }
}
