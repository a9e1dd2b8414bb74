//! What the operator sets, and the parameters the core is built from.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::messages::{PAYLOAD_MAX, SLICE};

/// The least room for one stream: two of the largest batches, the second of which is kept back
/// until the stream has stood still for a while.
const WINDOW_LEAST: u64 = 2 * SLICE;

/// Most bytes of any bound on memory.
const BYTES_LIMIT: u64 = 1024 * 1024 * 1024;

/// What the operator sets, not yet checked.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Topics subscribed to at once. 1 to 128.
    pub topics_max: usize,
    /// Streams of one topic that are under way at once: room for each is set aside. 1 to 4,096.
    pub publishers_max: usize,
    /// Streams of one topic that are remembered. `publishers_max` to 65,536.
    pub streams_max: usize,
    /// Bytes of one stream that have room whatever the others do. 139,776 to 1 GiB.
    pub window_min: u64,
    /// Bytes of one stream that may have room at all. `window_min` to 1 GiB.
    pub window_max: u64,
    /// Bytes of one topic that its streams share beyond `window_min` each. At most 1 GiB.
    pub pool_bytes_max: u64,
    /// Bytes per second of one stream that are asked for in the long run, after a burst of
    /// `window_max`. Who publishes faster has to wait. 65,536 to 1 GiB.
    pub publisher_rate: u64,
    /// How long what has to be announced waits for more of it. 1 ms to 1 s.
    #[serde(with = "humantime_serde")]
    pub announce_delay: Duration,
    /// When somebody has what is missed and whoever was asked does not give it for this long,
    /// somebody else is asked. 10 ms to 10 s, less than `stall_timeout`.
    #[serde(with = "humantime_serde")]
    pub repair_after: Duration,
    /// A neighbour for which something is kept and that takes none of it for this long is hung up
    /// on. 1 s to 10 min.
    #[serde(with = "humantime_serde")]
    pub stall_timeout: Duration,
    /// Time for the application to judge a message. 10 ms to `stall_timeout`.
    #[serde(with = "humantime_serde")]
    pub judge_timeout: Duration,
    /// A stream in which nothing happens is forgotten after this. At least `stall_timeout`.
    #[serde(with = "humantime_serde")]
    pub forget_after: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            topics_max: 16,
            publishers_max: 64,
            streams_max: 4096,
            window_min: 4 * SLICE,
            window_max: 1024 * 1024,
            pool_bytes_max: 8 * 1024 * 1024,
            publisher_rate: 32 * 1024 * 1024,
            announce_delay: Duration::from_millis(100),
            repair_after: Duration::from_millis(500),
            stall_timeout: Duration::from_secs(10),
            judge_timeout: Duration::from_secs(2),
            forget_after: Duration::from_mins(10),
        }
    }
}

/// What holds in one topic. All who take part have to agree on `payload_max`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Rules {
    /// Whether the application judges each message before it is passed on.
    pub judged: bool,
    /// Most bytes of one message, at most [`PAYLOAD_MAX`]. Who sends more is charged.
    pub payload_max: usize,
}

impl Default for Rules {
    fn default() -> Self {
        Self { judged: false, payload_max: PAYLOAD_MAX }
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
        given: u64,
        /// The least.
        min: u64,
        /// The most.
        max: u64,
    },
    /// A duration is out of bounds.
    #[error("{key} is {given:?}, must be {min:?} to {max:?}")]
    Time {
        /// Which.
        key: &'static str,
        /// The value found.
        given: Duration,
        /// The least.
        min: Duration,
        /// The most.
        max: Duration,
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

impl Params {
    /// When a stream that stands still is granted the last of its room.
    pub(crate) fn reserve_after(&self) -> Duration {
        half(self.stall_timeout)
    }
}

fn half(span: Duration) -> Duration {
    span.checked_div(2).unwrap_or_default()
}

impl Config {
    /// Settings into parameters.
    ///
    /// # Errors
    ///
    /// The first [`ConfigError`] found.
    pub fn check(self) -> Result<Params, ConfigError> {
        let wide = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
        let publishers = wide(self.publishers_max);
        let numbers = [
            ("topics_max", wide(self.topics_max), 1, 128),
            ("publishers_max", publishers, 1, 4096),
            ("streams_max", wide(self.streams_max), publishers, 65_536),
            ("window_min", self.window_min, WINDOW_LEAST, BYTES_LIMIT),
            ("window_max", self.window_max, self.window_min, BYTES_LIMIT),
            ("pool_bytes_max", self.pool_bytes_max, 0, BYTES_LIMIT),
            ("publisher_rate", self.publisher_rate, 65_536, BYTES_LIMIT),
        ];
        for (key, given, min, max) in numbers {
            if !(min..=max).contains(&given) {
                return Err(ConfigError::Number { key, given, min, max });
            }
        }
        let (ms, s) = (Duration::from_millis, Duration::from_secs);
        let day = Duration::from_hours(24);
        let times = [
            ("announce_delay", self.announce_delay, ms(1), s(1)),
            ("stall_timeout", self.stall_timeout, s(1), Duration::from_mins(10)),
            ("repair_after", self.repair_after, ms(10), s(10).min(half(self.stall_timeout))),
            ("judge_timeout", self.judge_timeout, ms(10), self.stall_timeout),
            ("forget_after", self.forget_after, self.stall_timeout, day),
        ];
        for (key, given, min, max) in times {
            if !(min..=max).contains(&given) {
                return Err(ConfigError::Time { key, given, min, max });
            }
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
        assert_eq!(refused(|c| c.topics_max = 0), "topics_max is 0, must be 1 to 128");
        assert_eq!(refused(|c| c.streams_max = 63), "streams_max is 63, must be 64 to 65536");
        let window = "window_min is 139775, must be 139776 to 1073741824";
        assert_eq!(refused(|c| c.window_min = 2 * SLICE - 1), window);
        let window = "window_max is 279551, must be 279552 to 1073741824";
        assert_eq!(refused(|c| c.window_max = 4 * SLICE - 1), window);
        let repair = "repair_after is 6s, must be 10ms to 5s";
        assert_eq!(refused(|c| c.repair_after = Duration::from_secs(6)), repair);
        let forget = "forget_after is 1s, must be 10s to 86400s";
        assert_eq!(refused(|c| c.forget_after = Duration::from_secs(1)), forget);
    }
}
