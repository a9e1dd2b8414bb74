//! Whom this node knows, and over whom messages go.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::bounds::{count, numbers, times};
use crate::error::ConfigError;

/// Whom this node knows, and over whom messages go.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct RoutingConfig {
    /// Contacts in one bucket: K.
    pub bucket_max: usize,
    /// Peers that wait for a place in one bucket.
    pub waiting_max: usize,
    /// Contacts of one subnet (IPv4 /24, IPv6 /48) in one bucket.
    pub subnet_per_bucket_max: usize,
    /// Contacts of one subnet in the whole table.
    pub subnet_total_max: usize,
    /// A contact that was heard from within this time is not probed.
    #[serde(with = "humantime_serde")]
    pub fresh: Duration,
    /// Failures in a row after which a contact goes although nobody waits for its place.
    pub failures_max: u8,
    /// Whether private addresses may be dialled. Then they do not count as subnets either.
    pub allow_private: bool,

    /// Peers that `Broadcast` goes to.
    pub broadcast_factor: usize,
    /// Peers that `Propagate` goes to.
    pub propagation_factor: usize,
    /// Most peers that `Closest`, `DirectOrClosest` and `Random` may ask for.
    pub fan_out_max: usize,

    /// Least carriers that a message starts with.
    pub hops_min: u8,
    /// Most carriers that a message starts with, and that one is taken on with.
    pub hops_max: u8,
    /// Envelopes of one link under way through the pipeline.
    pub under_way_max: usize,
    /// Bytes of the same.
    pub under_way_bytes_max: usize,
    /// Envelopes being carried at once.
    pub carried_max: usize,
    /// Bytes of the same.
    pub carried_bytes_max: usize,
    /// Neighbours that one envelope is offered to, one after the other.
    pub candidates_max: usize,
    /// How long the verdict of a neighbour is waited for.
    #[serde(with = "humantime_serde")]
    pub verdict_timeout: Duration,
    /// How long the way back of an envelope is remembered.
    #[serde(with = "humantime_serde")]
    pub way_back_lasts: Duration,
    /// Ways back that are remembered.
    pub ways_back_max: usize,

    /// Links opened for routing alone.
    pub links_max: usize,
    /// Such a link is given up after this long without use.
    #[serde(with = "humantime_serde")]
    pub link_idle: Duration,
    /// Dials under way.
    pub dials_max: usize,
    /// The rest after a failed dial of a peer, doubled for each further one.
    #[serde(with = "humantime_serde")]
    pub redial_min: Duration,
    /// The longest such rest.
    #[serde(with = "humantime_serde")]
    pub redial_max: Duration,
}

impl Default for RoutingConfig {
    fn default() -> Self {
        Self {
            bucket_max: 20,
            waiting_max: 20,
            subnet_per_bucket_max: 2,
            subnet_total_max: 10,
            fresh: Duration::from_mins(1),
            failures_max: 3,
            allow_private: false,
            broadcast_factor: 8,
            propagation_factor: 4,
            fan_out_max: 20,
            hops_min: 8,
            hops_max: 12,
            under_way_max: 4,
            under_way_bytes_max: 512 << 10,
            carried_max: 1_024,
            carried_bytes_max: 64 << 20,
            candidates_max: 3,
            verdict_timeout: Duration::from_secs(3),
            way_back_lasts: Duration::from_mins(1),
            ways_back_max: 16_384,
            links_max: 16,
            link_idle: Duration::from_secs(30),
            dials_max: 4,
            redial_min: Duration::from_secs(10),
            redial_max: Duration::from_mins(10),
        }
    }
}

impl RoutingConfig {
    pub(super) fn fast() -> Self {
        Self {
            fresh: Duration::from_secs(1),
            allow_private: true,
            verdict_timeout: Duration::from_secs(1),
            link_idle: Duration::from_secs(5),
            redial_min: Duration::from_millis(500),
            redial_max: Duration::from_secs(5),
            ..Self::default()
        }
    }

    pub(super) fn check(&self) -> Result<(), ConfigError> {
        const SHORT: Duration = Duration::from_millis(100);
        const SECOND: Duration = Duration::from_secs(1);
        const MINUTE: Duration = Duration::from_mins(1);
        const HOUR: Duration = Duration::from_hours(1);
        numbers([
            ("routing.bucket_max", count(self.bucket_max), 1, 20),
            ("routing.waiting_max", count(self.waiting_max), 1, 64),
            ("routing.subnet_per_bucket_max", count(self.subnet_per_bucket_max), 1, 20),
            ("routing.subnet_total_max", count(self.subnet_total_max), 1, 5_120),
            ("routing.failures_max", self.failures_max.into(), 1, 10),
            ("routing.broadcast_factor", count(self.broadcast_factor), 1, 64),
            ("routing.propagation_factor", count(self.propagation_factor), 1, 64),
            ("routing.fan_out_max", count(self.fan_out_max), 1, 64),
            ("routing.hops_max", self.hops_max.into(), 1, 32),
            ("routing.hops_min", self.hops_min.into(), 1, self.hops_max.into()),
            ("routing.under_way_max", count(self.under_way_max), 1, 256),
            ("routing.under_way_bytes_max", count(self.under_way_bytes_max), 96 << 10, 64 << 20),
            ("routing.carried_max", count(self.carried_max), 1, 65_536),
            ("routing.carried_bytes_max", count(self.carried_bytes_max), 96 << 10, 4 << 30),
            ("routing.candidates_max", count(self.candidates_max), 1, 20),
            ("routing.ways_back_max", count(self.ways_back_max), 16, 1_000_000),
            ("routing.links_max", count(self.links_max), 1, 256),
            ("routing.dials_max", count(self.dials_max), 1, 64),
        ])?;
        times([
            ("routing.fresh", self.fresh, Duration::ZERO, HOUR),
            ("routing.verdict_timeout", self.verdict_timeout, SHORT, MINUTE),
            ("routing.way_back_lasts", self.way_back_lasts, SECOND, HOUR),
            ("routing.link_idle", self.link_idle, SECOND, HOUR),
            ("routing.redial_max", self.redial_max, SHORT, HOUR),
            ("routing.redial_min", self.redial_min, SHORT, self.redial_max),
        ])
    }
}
