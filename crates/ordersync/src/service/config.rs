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
    /// Times that one peer may have the whole book gone through for it. Default one in ten seconds,
    /// burst 4.
    pub peer_scans: Allowance,
    /// Times that the book is gone through for all peers together. Default one in two seconds,
    /// burst 8.
    pub scans: Allowance,
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

impl Default for Config {
    fn default() -> Self {
        Self {
            page: 500,
            turn_timeout: Duration::from_secs(30),
            session_timeout: Duration::from_mins(10),
            push: true,
            serving_max: 64,
            serving_per_peer_max: 4,
            peer_requests: Allowance { rate: 100.0, burst: 400.0 },
            requests: Allowance { rate: 1_000.0, burst: 2_000.0 },
            peer_bytes: Allowance { rate: 32e6, burst: 32e6 },
            foreign_bytes: Allowance { rate: 5e6, burst: 5e6 },
            peer_compute: Allowance { rate: 0.25, burst: 2.0 },
            peer_scans: Allowance { rate: 0.1, burst: 4.0 },
            scans: Allowance { rate: 0.5, burst: 8.0 },
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
            ("scans", self.scans),
        ] {
            if !(allowance.rate > 0.0 && allowance.rate.is_finite()) {
                return wrong(field, allowance.rate.to_string(), "a rate above 0");
            }
            if !(allowance.burst >= 1.0 && allowance.burst.is_finite()) {
                return wrong(field, allowance.burst.to_string(), "a burst of at least 1");
            }
        }
        for (field, time) in [
            ("turn_timeout", self.turn_timeout),
            ("session_timeout", self.session_timeout),
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
