//! What the operator sets, and the parameters that the core is built from.

use std::num::NonZeroU32;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::responder::Limits;
use crate::WinProbability;

/// What the operator sets, not yet checked.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Time for one attempt at an aggregate, from the command to its end. 100 ms to 5 min.
    #[serde(with = "humantime_serde")]
    pub timeout: Duration,
    /// Attempts under way at once, over all channels. 1 to 64.
    pub attempts_max: usize,
    /// Tickets held at once; one takes some 460 bytes of memory. 1 to 10,000,000.
    pub held_max: usize,
    /// Channels of ours that are followed, in both directions; of those that are closed, as many as
    /// there is room for. 1 to 65,536.
    pub channels_max: usize,
    /// The least probability of winning that a ticket has to have to be aggregated. 0 to 1.
    pub probability_min: f64,
    /// Requests of others that are checked at once. 1 to 64.
    pub checks_max: usize,
    /// Tickets that one peer may have checked per second in the long run. 1 to 1,000,000.
    pub tickets_per_second: u32,
    /// Tickets that one peer may have checked at once. 500 to 1,000,000.
    pub tickets_burst: u32,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(15),
            attempts_max: 16,
            held_max: 2_000_000,
            channels_max: 4_096,
            probability_min: 0.0,
            checks_max: 4,
            tickets_per_second: 100,
            tickets_burst: 2_000,
        }
    }
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
    /// The time-out is out of bounds.
    #[error("timeout is {given:?}, must be 100ms to 5min")]
    Timeout {
        /// The value found.
        given: Duration,
    },
    /// The probability is none.
    #[error("probability_min is {given}, must be 0 to 1")]
    Probability {
        /// The value found.
        given: f64,
    },
}

/// Checked settings. Holding one proves that they are within their bounds.
#[derive(Clone, Debug)]
pub struct Params {
    config: Config,
    probability_min: WinProbability,
}

impl std::ops::Deref for Params {
    type Target = Config;

    fn deref(&self) -> &Config {
        &self.config
    }
}

impl Params {
    /// What askers may take.
    pub(super) fn limits(&self) -> Limits {
        let positive = |number| NonZeroU32::new(number).unwrap_or(NonZeroU32::MIN);
        Limits {
            probability_min: self.probability_min,
            tickets_per_second: positive(self.config.tickets_per_second),
            tickets_burst: positive(self.config.tickets_burst),
            under_way_max: self.config.checks_max,
        }
    }

    /// [`Config::probability_min`] as tickets carry it.
    pub(super) const fn least_probability(&self) -> WinProbability {
        self.probability_min
    }
}

impl Config {
    /// Settings into parameters.
    ///
    /// # Errors
    /// The first [`ConfigError`] found.
    pub fn check(self) -> Result<Params, ConfigError> {
        let count = |number: u32| usize::try_from(number).unwrap_or(usize::MAX);
        let numbers = [
            ("attempts_max", self.attempts_max, 1, 64),
            ("held_max", self.held_max, 1, 10_000_000),
            ("channels_max", self.channels_max, 1, 65_536),
            ("checks_max", self.checks_max, 1, 64),
            ("tickets_per_second", count(self.tickets_per_second), 1, 1_000_000),
            ("tickets_burst", count(self.tickets_burst), 500, 1_000_000),
        ];
        for (key, given, min, max) in numbers {
            if !(min..=max).contains(&given) {
                return Err(ConfigError::Number { key, given, min, max });
            }
        }
        if !(Duration::from_millis(100)..=Duration::from_mins(5)).contains(&self.timeout) {
            return Err(ConfigError::Timeout { given: self.timeout });
        }
        let given = self.probability_min;
        let probability_min =
            WinProbability::from_f64(given).map_err(|_| ConfigError::Probability { given })?;
        Ok(Params { config: self, probability_min })
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
        assert_eq!(refused(|c| c.attempts_max = 0), "attempts_max is 0, must be 1 to 64");
        assert_eq!(
            refused(|c| c.tickets_burst = 499),
            "tickets_burst is 499, must be 500 to 1000000"
        );
        assert_eq!(
            refused(|c| c.timeout = Duration::from_secs(301)),
            "timeout is 301s, must be 100ms to 5min"
        );
        assert_eq!(refused(|c| c.probability_min = 1.5), "probability_min is 1.5, must be 0 to 1");
    }
}
