//! How much each link may bring.

use serde::{Deserialize, Serialize};

use super::bounds::{count, numbers};
use crate::error::ConfigError;

/// What a message to be kept for somebody weighs, in messages: it is written to a disk.
pub(crate) const PUT_WEIGHT: u32 = 4;

/// How much each link may bring: token buckets, in messages, in bytes, and in what has to be
/// remembered. What is dearer to this node weighs more in the first.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct RatesConfig {
    /// Messages per second in the long run.
    pub messages_per_second: u32,
    /// Messages at once after a rest. One that is to be kept weighs as much as four.
    pub messages_burst: u32,
    /// Bytes per second in the long run.
    pub bytes_per_second: u32,
    /// Bytes at once after a rest.
    pub bytes_burst: u32,
    /// Messages of one link that are remembered in the long run: those that live a day are let in so
    /// many in a day, and so on. An hour's worth may come at once. Half of
    /// `seen.entries_per_link_max` or less: no link is then shut out for as long as its messages
    /// live, whatever it brings.
    pub lasting_max: u32,
    /// What a message to be carried or delivered weighs, in messages.
    pub routed_weight: u32,
    /// Links whose allowance is remembered, after they are gone as well.
    pub links_max: usize,
}

impl Default for RatesConfig {
    fn default() -> Self {
        Self {
            messages_per_second: 100,
            messages_burst: 500,
            bytes_per_second: 2 << 20,
            bytes_burst: 8 << 20,
            lasting_max: 65_536,
            routed_weight: 1,
            links_max: 4_096,
        }
    }
}

impl RatesConfig {
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        let burst = u64::from(self.messages_burst);
        numbers([
            ("rates.messages_per_second", self.messages_per_second.into(), 1, 1_000_000),
            ("rates.messages_burst", burst, PUT_WEIGHT.into(), 1_000_000),
            ("rates.bytes_per_second", self.bytes_per_second.into(), 1 << 10, 1 << 30),
            // The largest envelope has to fit.
            ("rates.bytes_burst", self.bytes_burst.into(), 96 << 10, 1 << 30),
            ("rates.lasting_max", self.lasting_max.into(), 1, 16_777_216),
            ("rates.routed_weight", self.routed_weight.into(), 1, burst),
            ("rates.links_max", count(self.links_max), 16, 1_000_000),
        ])
    }
}
