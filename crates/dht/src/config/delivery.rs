//! Own messages: how long they live and how hard they are tried; which of others' are too old.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::bounds::{count, numbers, times};
use crate::error::ConfigError;

/// Own messages: how long they live and how hard they are tried; which of others' are too old.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct DeliveryConfig {
    /// How long a message lives that nobody keeps.
    #[serde(with = "humantime_serde")]
    pub lifetime: Duration,
    /// How long a message lives that may be kept for an absent recipient.
    #[serde(with = "humantime_serde")]
    pub lifetime_mailbox: Duration,
    /// The longest life that a message of others may claim.
    #[serde(with = "humantime_serde")]
    pub lifetime_max: Duration,
    /// How far the clocks of others may be ahead.
    #[serde(with = "humantime_serde")]
    pub skew_max: Duration,
    /// Own messages without an end.
    pub messages_max: usize,
    /// Bytes of the same.
    pub bytes_max: usize,
    /// How long news of an attempt is waited for; doubled for each further one.
    #[serde(with = "humantime_serde")]
    pub attempt_timeout: Duration,
    /// The longest such wait.
    #[serde(with = "humantime_serde")]
    pub attempt_timeout_max: Duration,
    /// Ways on which a message that may not be kept goes no further, after which it is given up.
    pub stops_max: u32,
    /// A message that is stored and not delivered is tried again after this long.
    #[serde(with = "humantime_serde")]
    pub stored_retry: Duration,
    /// How long it is remembered what became of a message that ended.
    #[serde(with = "humantime_serde")]
    pub sent_lasts: Duration,
    /// Messages that ended of which it is remembered.
    pub sent_max: usize,
    /// Whether the sender is told that its letter was taken.
    pub receipts: bool,
    /// The longest that a receipt is held back, each for a random time.
    #[serde(with = "humantime_serde")]
    pub receipt_delay: Duration,
    /// Shortest time between two receipts for one letter.
    #[serde(with = "humantime_serde")]
    pub receipt_gap: Duration,
}

impl Default for DeliveryConfig {
    fn default() -> Self {
        Self {
            lifetime: Duration::from_hours(1),
            lifetime_mailbox: Duration::from_hours(24),
            lifetime_max: Duration::from_hours(24),
            skew_max: Duration::from_mins(10),
            messages_max: 1_024,
            bytes_max: 64 << 20,
            attempt_timeout: Duration::from_secs(4),
            attempt_timeout_max: Duration::from_mins(10),
            stops_max: 3,
            stored_retry: Duration::from_mins(10),
            sent_lasts: Duration::from_hours(7 * 24),
            sent_max: 4_096,
            receipts: true,
            receipt_delay: Duration::from_secs(1),
            receipt_gap: Duration::from_mins(1),
        }
    }
}

impl DeliveryConfig {
    pub(super) fn fast() -> Self {
        Self {
            attempt_timeout: Duration::from_secs(1),
            attempt_timeout_max: Duration::from_secs(5),
            stored_retry: Duration::from_secs(5),
            receipt_delay: Duration::from_millis(100),
            receipt_gap: Duration::from_secs(2),
            ..Self::default()
        }
    }

    pub(super) fn check(&self) -> Result<(), ConfigError> {
        const SHORT: Duration = Duration::from_millis(100);
        const SECOND: Duration = Duration::from_secs(1);
        const MINUTE: Duration = Duration::from_mins(1);
        const QUANTUM: Duration = Duration::from_mins(5);
        const HOUR: Duration = Duration::from_hours(1);
        const DAY: Duration = Duration::from_hours(24);
        numbers([
            ("delivery.messages_max", count(self.messages_max), 1, 65_536),
            ("delivery.bytes_max", count(self.bytes_max), 96 << 10, 4 << 30),
            ("delivery.sent_max", count(self.sent_max), 1, 32_768),
            ("delivery.stops_max", self.stops_max.into(), 1, 100),
        ])?;
        times([
            ("delivery.lifetime_max", self.lifetime_max, QUANTUM, DAY),
            ("delivery.lifetime", self.lifetime, QUANTUM, self.lifetime_max),
            ("delivery.lifetime_mailbox", self.lifetime_mailbox, QUANTUM, self.lifetime_max),
            ("delivery.skew_max", self.skew_max, Duration::ZERO, HOUR),
            ("delivery.attempt_timeout_max", self.attempt_timeout_max, SHORT, HOUR),
            ("delivery.attempt_timeout", self.attempt_timeout, SHORT, self.attempt_timeout_max),
            ("delivery.stored_retry", self.stored_retry, SECOND, DAY),
            ("delivery.sent_lasts", self.sent_lasts, SECOND, DAY.saturating_mul(30)),
            ("delivery.receipt_delay", self.receipt_delay, Duration::ZERO, MINUTE),
            ("delivery.receipt_gap", self.receipt_gap, SECOND, DAY),
        ])
    }
}
