//! What the operator sets, and the sizes that follow.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Tags for each block of a full generation, on average. The documentation of the module has the
/// arithmetic.
const TAGS_PER_BLOCK: u64 = 14;

/// What the operator sets, not yet checked.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Tags of one generation; between this many and twice as many are remembered, in 9.2 bytes of
    /// memory for each of these, and 32 of a journal at most. Default 10,000,000; 1 to
    /// [`Config::CAPACITY_MAX`].
    pub capacity: u64,
    /// Parts that can be used at once, each behind a lock. Default 64; 1 to 1,024.
    pub shards: u16,
    /// Most tags, in 24 bytes each, that wait for the journal; those that find no room are remembered,
    /// but not over a restart. Default 65,536; 1 to 16,777,216.
    pub unflushed_max: u32,
    /// How often the journal is written: what a crash loses. Default 100 ms; 1 ms to 1 min.
    #[serde(with = "humantime_serde")]
    pub flush_interval: Duration,
}

impl Config {
    /// Largest [`capacity`](Self::capacity): 2³⁰, which take 9.8 GB.
    pub const CAPACITY_MAX: u64 = 1 << 30;
}

impl Default for Config {
    fn default() -> Self {
        Self {
            capacity: 10_000_000,
            shards: 64,
            unflushed_max: 65_536,
            flush_interval: Duration::from_millis(100),
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
        given: u64,
        /// The most.
        max: u64,
    },
    /// The interval is out of bounds.
    #[error("flush_interval is {given:?}, must be 1ms to 60s")]
    FlushInterval {
        /// The value found.
        given: Duration,
    },
    /// The processor cannot address that much memory.
    #[error("capacity is {given}, more than this processor can address")]
    AddressSpace {
        /// The value found.
        given: u64,
    },
}

/// Settings that were checked, and what follows from them.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Params {
    pub(super) capacity: u64,
    pub(super) shards: usize,
    /// Pairs of blocks in each shard.
    pub(super) pairs: usize,
    /// Tags of one shard that may wait for the journal.
    pub(super) unflushed_max: usize,
    flush_interval: Duration,
}

impl Params {
    /// How often to call [`Keeper::flush`](super::Keeper::flush).
    pub const fn flush_interval(&self) -> Duration {
        self.flush_interval
    }

    /// Bytes of memory that the filter has in the end, both generations together.
    pub const fn bytes(&self) -> usize {
        // Of what `check` lets pass no product is over 10¹¹, or over what can be addressed.
        self.shards.saturating_mul(self.pairs).saturating_mul(128)
    }
}

impl Config {
    /// Checks it.
    ///
    /// # Errors
    /// [`ConfigError`] names the first field that is out of its bounds.
    pub fn check(&self) -> Result<Params, ConfigError> {
        for (key, given, max) in [
            ("capacity", self.capacity, Self::CAPACITY_MAX),
            ("shards", u64::from(self.shards), 1_024),
            ("unflushed_max", u64::from(self.unflushed_max), 1 << 24),
        ] {
            if given == 0 || given > max {
                return Err(ConfigError::Number { key, given, max });
            }
        }
        let given = self.flush_interval;
        if !(Duration::from_millis(1)..=Duration::from_mins(1)).contains(&given) {
            return Err(ConfigError::FlushInterval { given });
        }
        let tags_per_pair = TAGS_PER_BLOCK.saturating_mul(u64::from(self.shards));
        let pairs = self.capacity.div_ceil(tags_per_pair);
        let too_large = |_| ConfigError::AddressSpace { given: self.capacity };
        let shards = usize::from(self.shards);
        let unflushed = usize::try_from(self.unflushed_max).map_err(too_large)?;
        Ok(Params {
            capacity: self.capacity,
            shards,
            pairs: usize::try_from(pairs).map_err(too_large)?,
            unflushed_max: unflushed.div_ceil(shards),
            flush_interval: given,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_out_of_bounds_is_named() {
        let default = Config::default;
        for (text, config) in [
            ("capacity is 0, must be 1 to 1073741824", Config { capacity: 0, ..default() }),
            ("shards is 0, must be 1 to 1024", Config { shards: 0, ..default() }),
            ("shards is 1025, must be 1 to 1024", Config { shards: 1_025, ..default() }),
            (
                "flush_interval is 0ns, must be 1ms to 60s",
                Config { flush_interval: Duration::ZERO, ..default() },
            ),
        ] {
            assert_eq!(config.check().expect_err(text).to_string(), text);
        }
        assert!(Config { capacity: Config::CAPACITY_MAX, ..default() }.check().is_ok());
        assert!(Config { capacity: 1, shards: 1, ..default() }.check().is_ok());
    }

    #[test]
    fn ten_million_tags_take_less_than_ten_bytes_each() {
        let params = Config::default().check().expect("the default");
        assert_eq!(params.bytes(), 91_430_912);
    }
}
