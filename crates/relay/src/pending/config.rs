//! How much is waited for, and how long.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// What the operator sets, not yet checked.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Most packets that are waited for, some 1,100 bytes each. Default 65,536; 1 to 1,048,576.
    pub entries_max: u32,
    /// Most of them that one peer is to acknowledge. Default 32,768; 1 to `entries_max`.
    pub share_max: u32,
    /// Most of them that one peer has caused: it alone can then use up neither the share of another
    /// nor, with packets that wait, the room of the mixer. Default 8,192; 1 to `entries_max`.
    pub caused_max: u32,
    /// How long the next node may take to acknowledge a packet, our mixer's delay included. Default
    /// 10 s; 100 ms to `end_timeout`.
    #[serde(with = "humantime_serde")]
    pub ack_timeout: Duration,
    /// How long after a packet was taken in it may still be heard of. Default 30 s; at most 30 s.
    #[serde(with = "humantime_serde")]
    pub end_timeout: Duration,
}

impl Config {
    const ENTRIES_MAX: u32 = 1 << 20;
    const TIMEOUT_MIN: Duration = Duration::from_millis(100);
    const TIMEOUT_MAX: Duration = Duration::from_secs(30);

    /// Checks it.
    ///
    /// # Errors
    /// [`ConfigError`] names the first field that is out of its bounds.
    pub fn check(&self) -> Result<Params, ConfigError> {
        for (key, given, max) in [
            ("entries_max", self.entries_max, Self::ENTRIES_MAX),
            ("share_max", self.share_max, self.entries_max),
            ("caused_max", self.caused_max, self.entries_max),
        ] {
            if given == 0 || given > max {
                return Err(ConfigError::Number { key, given, max });
            }
        }
        for (key, given, max) in [
            ("end_timeout", self.end_timeout, Self::TIMEOUT_MAX),
            ("ack_timeout", self.ack_timeout, self.end_timeout),
        ] {
            if !(Self::TIMEOUT_MIN..=max).contains(&given) {
                return Err(ConfigError::Timeout { key, given, max });
            }
        }
        Ok(Params(self.clone()))
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            entries_max: 65_536,
            share_max: 32_768,
            caused_max: 8_192,
            ack_timeout: Duration::from_secs(10),
            end_timeout: Self::TIMEOUT_MAX,
        }
    }
}

/// A setting that the operator has to change.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
pub enum ConfigError {
    /// A number is out of bounds.
    #[error("{key} is {given}, must be 1 to {max}")]
    Number {
        /// Which.
        key: &'static str,
        /// The value found.
        given: u32,
        /// The most.
        max: u32,
    },
    /// A time is out of bounds.
    #[error("{key} is {given:?}, must be 100ms to {max:?}")]
    Timeout {
        /// Which.
        key: &'static str,
        /// The value found.
        given: Duration,
        /// The longest.
        max: Duration,
    },
}

/// Settings that were checked.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Params(Config);

impl Params {
    /// How long the next node may take to acknowledge a packet.
    pub const fn ack_timeout(&self) -> Duration {
        self.0.ack_timeout
    }

    /// How long a packet may still be heard of.
    pub const fn end_timeout(&self) -> Duration {
        self.0.end_timeout
    }

    pub(super) fn entries_max(&self) -> usize {
        usize::try_from(self.0.entries_max).unwrap_or(usize::MAX)
    }

    pub(super) fn share_max(&self) -> usize {
        usize::try_from(self.0.share_max).unwrap_or(usize::MAX)
    }

    pub(super) fn caused_max(&self) -> usize {
        usize::try_from(self.0.caused_max).unwrap_or(usize::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_out_of_bounds_is_named() {
        let default = Config::default;
        let second = Duration::from_secs;
        for (text, config) in [
            ("entries_max is 0, must be 1 to 1048576", Config { entries_max: 0, ..default() }),
            ("share_max is 0, must be 1 to 65536", Config { share_max: 0, ..default() }),
            ("share_max is 65537, must be 1 to 65536", Config { share_max: 65_537, ..default() }),
            ("caused_max is 0, must be 1 to 65536", Config { caused_max: 0, ..default() }),
            (
                "end_timeout is 31s, must be 100ms to 30s",
                Config { end_timeout: second(31), ..default() },
            ),
            (
                "ack_timeout is 10s, must be 100ms to 9s",
                Config { end_timeout: second(9), ..default() },
            ),
            (
                "ack_timeout is 0ns, must be 100ms to 30s",
                Config { ack_timeout: second(0), ..default() },
            ),
        ] {
            assert_eq!(config.check().expect_err(text).to_string(), text);
        }
        assert!(default().check().is_ok());
    }
}
