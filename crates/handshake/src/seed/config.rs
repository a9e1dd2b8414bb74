//! What the operator sets, and the parameters the core is built from.

use std::time::Duration;

use libp2p_core::Multiaddr;
use libp2p_identity::PeerId;
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Where a seed is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Seed {
    /// Who it must prove to be.
    pub peer: PeerId,
    /// Where to dial it.
    pub addresses: Vec<Multiaddr>,
}

/// What the operator sets, not yet checked.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Seeds asked at once. 1 to 16.
    pub fan_out: usize,
    /// Records to ask one seed for. 1 to 250.
    pub wish: u32,
    /// Time for one visit, dial and handshake included. 100 ms to 60 s.
    #[serde(with = "humantime_serde")]
    pub visit_timeout: Duration,
    /// How long a seed rests after its first failure; doubled for each further one.
    #[serde(with = "humantime_serde")]
    pub retry_min: Duration,
    /// The longest rest. At least `retry_min`.
    #[serde(with = "humantime_serde")]
    pub retry_max: Duration,
    /// Shortest time between two visits of one node to one seed, kept by both.
    #[serde(with = "humantime_serde")]
    pub ask_gap: Duration,
    /// Most records in an answer that we give. 1 to 250.
    pub answer_max: u32,
    /// Nodes that a seed remembers. 1 to 65,536.
    pub book_max: usize,
    /// A seed visits a node again when it has not for this long.
    #[serde(with = "humantime_serde")]
    pub recheck: Duration,
    /// A visitor that has had its answer and does not hang up is cut off after this.
    #[serde(with = "humantime_serde")]
    pub linger: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            fan_out: 3,
            wish: 64,
            visit_timeout: Duration::from_secs(8),
            retry_min: Duration::from_secs(1),
            retry_max: Duration::from_mins(10),
            ask_gap: Duration::from_secs(1),
            answer_max: 250,
            book_max: 4096,
            recheck: Duration::from_mins(10),
            linger: Duration::from_secs(5),
        }
    }
}

/// A setting that the operator has to change.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
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
    /// The time-out is out of bounds.
    #[error("visit_timeout is {given:?}, must be 100ms to 60s")]
    VisitTimeout {
        /// The value found.
        given: Duration,
    },
    /// The shortest rest is longer than the longest, or none at all.
    #[error("retry_min is {min:?}, must be more than 0 and at most retry_max, {max:?}")]
    Retry {
        /// The shortest.
        min: Duration,
        /// The longest.
        max: Duration,
    },
    /// A seed would probe without a pause.
    #[error("recheck is {given:?}, must be at least 1s")]
    Recheck {
        /// The value found.
        given: Duration,
    },
}

/// Checked settings. Holding one proves that they are consistent.
#[derive(Clone, Debug)]
pub struct Params(Config);

impl std::ops::Deref for Params {
    type Target = Config;

    fn deref(&self) -> &Config {
        &self.0
    }
}

impl Config {
    /// Settings into parameters.
    ///
    /// # Errors
    ///
    /// The first [`ConfigError`] found.
    pub fn check(self) -> Result<Params, ConfigError> {
        let count = |number: u32| usize::try_from(number).unwrap_or(usize::MAX);
        let numbers = [
            ("fan_out", self.fan_out, 16),
            ("wish", count(self.wish), 250),
            ("answer_max", count(self.answer_max), 250),
            ("book_max", self.book_max, 65_536),
        ];
        for (key, given, max) in numbers {
            if !(1..=max).contains(&given) {
                return Err(ConfigError::Number { key, given, min: 1, max });
            }
        }
        if !(Duration::from_millis(100)..=Duration::from_mins(1)).contains(&self.visit_timeout) {
            return Err(ConfigError::VisitTimeout { given: self.visit_timeout });
        }
        if self.retry_min.is_zero() || self.retry_min > self.retry_max {
            return Err(ConfigError::Retry { min: self.retry_min, max: self.retry_max });
        }
        if self.recheck < Duration::from_secs(1) {
            return Err(ConfigError::Recheck { given: self.recheck });
        }
        Ok(Params(self))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(change: impl FnOnce(&mut Config)) -> String {
        let mut config = Config::default();
        change(&mut config);
        config.check().expect_err("out of bounds").to_string()
    }

    #[test]
    fn each_bound_is_named() {
        assert!(Config::default().check().is_ok());
        assert_eq!(refused(|c| c.fan_out = 0), "fan_out is 0, must be 1 to 16");
        assert_eq!(refused(|c| c.wish = 251), "wish is 251, must be 1 to 250");
        assert_eq!(
            refused(|c| c.visit_timeout = Duration::from_secs(61)),
            "visit_timeout is 61s, must be 100ms to 60s"
        );
        assert_eq!(
            refused(|c| c.retry_max = Duration::from_millis(1)),
            "retry_min is 1s, must be more than 0 and at most retry_max, 1ms"
        );
        assert_eq!(refused(|c| c.recheck = Duration::ZERO), "recheck is 0ns, must be at least 1s");
    }
}
