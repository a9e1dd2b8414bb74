//! What the operator sets, and the parameters the gate is built from.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::{Feature, Semver};

/// What the operator sets, not yet checked.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Name of the network; both sides must have the same. 1 to 64 bytes.
    pub network: String,
    /// Name of the application; both sides must have the same. 1 to 64 bytes.
    pub application: String,
    /// Name and version of the software, for people. At most 128 bytes.
    pub agent: String,
    /// Version of the application. See [`Semver::compatible`].
    pub version: Semver,
    /// Oldest minor version still spoken. At most the minor version.
    pub minor_min: u32,
    /// What this node can do beyond the base protocol. At most 32, names 1 to 32 bytes, no twins.
    pub features: Vec<Feature>,
    /// Time for the whole handshake. 100 ms to 60 s.
    #[serde(with = "humantime_serde")]
    pub deadline: Duration,
    /// Peers that dialled us and were accepted. At least 1.
    pub inbound_max: usize,
    /// Peers that we dialled for the overlay; manual and direct ones come on top.
    pub outbound_max: usize,
    /// Remotes that have not opened a handshake. At least 1; one more turns out the oldest.
    pub strangers_max: usize,
    /// Remotes whose handshake is under way. At least 1.
    pub pending_max: usize,
    /// How long a refused peer is asked to stay away.
    #[serde(with = "humantime_serde")]
    pub retry_after: Duration,
    /// Accept only peers that the operator named.
    pub private: bool,
    /// Believe loopback and private addresses that remotes tell.
    pub allow_private: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            network: "meshwork-dev".to_owned(),
            application: "meshwork".to_owned(),
            agent: concat!("meshwork/", env!("CARGO_PKG_VERSION")).to_owned(),
            version: Semver { major: 1, minor: 0, patch: 0 },
            minor_min: 0,
            features: Vec::new(),
            deadline: Duration::from_secs(6),
            inbound_max: 64,
            outbound_max: 16,
            strangers_max: 16,
            pending_max: 32,
            retry_after: Duration::from_secs(30),
            private: false,
            allow_private: false,
        }
    }
}

/// A setting that the operator has to change.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
pub enum ConfigError {
    /// A text is empty or too long.
    #[error("{key} has {given} bytes, must have {min} to {max}")]
    Length {
        /// Which.
        key: &'static str,
        /// Bytes found.
        given: usize,
        /// Fewest.
        min: usize,
        /// Most.
        max: usize,
    },
    /// `minor_min` is newer than the version itself.
    #[error("minor_min is {given}, must be at most the minor version {minor}")]
    MinorMin {
        /// The value found.
        given: u32,
        /// The bound.
        minor: u32,
    },
    /// Too many features.
    #[error("{given} features, must be at most 32")]
    TooManyFeatures {
        /// How many.
        given: usize,
    },
    /// Two features of one name.
    #[error("feature {name:?} is named twice")]
    TwinFeature {
        /// The name.
        name: String,
    },
    /// The deadline is out of bounds.
    #[error("deadline is {given:?}, must be 100ms to 60s")]
    Deadline {
        /// The value found.
        given: Duration,
    },
    /// A cap that would let nobody in.
    #[error("{key} is 0, must be at least 1")]
    Zero {
        /// Which.
        key: &'static str,
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
    /// The first [`ConfigError`] found: a value out of bounds, or two that contradict each other.
    pub fn check(self) -> Result<Params, ConfigError> {
        length("network", &self.network, 1, 64)?;
        length("application", &self.application, 1, 64)?;
        length("agent", &self.agent, 0, 128)?;
        if self.minor_min > self.version.minor {
            let (given, minor) = (self.minor_min, self.version.minor);
            return Err(ConfigError::MinorMin { given, minor });
        }
        check_features(&self.features)?;
        if !(Duration::from_millis(100)..=Duration::from_mins(1)).contains(&self.deadline) {
            return Err(ConfigError::Deadline { given: self.deadline });
        }
        let caps = [
            ("inbound_max", self.inbound_max),
            ("strangers_max", self.strangers_max),
            ("pending_max", self.pending_max),
        ];
        match caps.into_iter().find(|(_, cap)| *cap == 0) {
            Some((key, _)) => Err(ConfigError::Zero { key }),
            None => Ok(Params(self)),
        }
    }
}

fn length(key: &'static str, text: &str, min: usize, max: usize) -> Result<(), ConfigError> {
    let given = text.len();
    let fits = (min..=max).contains(&given);
    if fits { Ok(()) } else { Err(ConfigError::Length { key, given, min, max }) }
}

fn check_features(features: &[Feature]) -> Result<(), ConfigError> {
    if features.len() > 32 {
        return Err(ConfigError::TooManyFeatures { given: features.len() });
    }
    let mut seen = std::collections::BTreeSet::new();
    for feature in features {
        length("feature name", &feature.name, 1, 32)?;
        if !seen.insert(&feature.name) {
            return Err(ConfigError::TwinFeature { name: feature.name.clone() });
        }
    }
    Ok(())
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
        assert_eq!(refused(|c| c.network.clear()), "network has 0 bytes, must have 1 to 64");
        assert_eq!(
            refused(|c| c.agent = "x".repeat(129)),
            "agent has 129 bytes, must have 0 to 128"
        );
        assert_eq!(
            refused(|c| c.minor_min = 1),
            "minor_min is 1, must be at most the minor version 0"
        );
        assert_eq!(
            refused(|c| c.deadline = Duration::from_millis(99)),
            "deadline is 99ms, must be 100ms to 60s"
        );
        assert_eq!(refused(|c| c.strangers_max = 0), "strangers_max is 0, must be at least 1");
        let twin = Feature { name: "sync".to_owned(), version: 1 };
        assert_eq!(
            refused(|c| c.features = vec![twin.clone(), twin]),
            "feature \"sync\" is named twice"
        );
    }
}
