//! How other nodes are found.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::bounds::{count, numbers, times};
use crate::error::ConfigError;

/// How other nodes are found: rounds of look-ups, the announcement of oneself, and the search for
/// one peer.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct NetworkDiscoveryConfig {
    /// Whether look-ups are made at all.
    pub enabled: bool,
    /// Questions of one look-up under way: α.
    pub parallel_max: usize,
    /// Look-ups under way; those that find no room are refused.
    pub lookups_max: usize,
    /// Records asked for and given at once.
    pub records_max: usize,
    /// How long one answer is waited for, the dial included.
    #[serde(with = "humantime_serde")]
    pub answer_timeout: Duration,
    /// A look-up ends after this long whatever it has found.
    #[serde(with = "humantime_serde")]
    pub lookup_timeout: Duration,
    /// A bucket in which nothing was looked up for this long is refreshed.
    #[serde(with = "humantime_serde")]
    pub refresh_period: Duration,
    /// Look-ups that this node starts by itself within an hour.
    pub lookups_per_hour_max: u32,
    /// Whether the node announces itself to those close to it.
    pub join: bool,
    /// Shortest time between two such announcements.
    #[serde(with = "humantime_serde")]
    pub join_gap: Duration,
    /// How long the answer to `discover_peer` is waited for.
    #[serde(with = "humantime_serde")]
    pub discover_timeout: Duration,
    /// Such searches under way.
    pub discoveries_max: usize,
}

impl Default for NetworkDiscoveryConfig {
    fn default() -> Self {
        Self {
            enabled: true,
            parallel_max: 3,
            lookups_max: 16,
            records_max: 20,
            answer_timeout: Duration::from_secs(5),
            lookup_timeout: Duration::from_mins(1),
            refresh_period: Duration::from_mins(30),
            lookups_per_hour_max: 120,
            join: true,
            join_gap: Duration::from_mins(10),
            discover_timeout: Duration::from_mins(2),
            discoveries_max: 64,
        }
    }
}

impl NetworkDiscoveryConfig {
    pub(super) fn fast() -> Self {
        Self {
            answer_timeout: Duration::from_secs(2),
            lookup_timeout: Duration::from_secs(10),
            refresh_period: Duration::from_secs(10),
            lookups_per_hour_max: 3_600,
            join_gap: Duration::from_secs(10),
            discover_timeout: Duration::from_secs(10),
            ..Self::default()
        }
    }

    pub(super) fn check(&self) -> Result<(), ConfigError> {
        const SHORT: Duration = Duration::from_millis(100);
        const SECOND: Duration = Duration::from_secs(1);
        const HOUR: Duration = Duration::from_hours(1);
        const DAY: Duration = Duration::from_hours(24);
        numbers([
            ("discovery.parallel_max", count(self.parallel_max), 1, 16),
            ("discovery.lookups_max", count(self.lookups_max), 1, 256),
            ("discovery.records_max", count(self.records_max), 1, 20),
            ("discovery.lookups_per_hour_max", self.lookups_per_hour_max.into(), 1, 100_000),
            ("discovery.discoveries_max", count(self.discoveries_max), 1, 512),
        ])?;
        times([
            ("discovery.lookup_timeout", self.lookup_timeout, SHORT, HOUR),
            ("discovery.answer_timeout", self.answer_timeout, SHORT, self.lookup_timeout),
            ("discovery.refresh_period", self.refresh_period, SECOND, DAY),
            ("discovery.join_gap", self.join_gap, SECOND, DAY),
            ("discovery.discover_timeout", self.discover_timeout, SECOND, HOUR),
        ])
    }
}
