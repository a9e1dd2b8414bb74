//! Messages kept for peers that are away.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::bounds::{count, numbers, times};
use crate::error::ConfigError;

/// Messages kept for peers that are away.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct MailboxConfig {
    /// Whether this node keeps messages for others.
    pub serve: bool,
    /// Nodes that a message is put to: k.
    pub copies: usize,
    /// Nodes that have to keep it until it is tried once in
    /// `delivery.stored_retry` only: r.
    pub redundancy: usize,
    /// A message is kept only by a node that is one of this many closest to its recipient.
    pub region: usize,
    /// Bytes kept for one recipient.
    pub recipient_bytes_max: usize,
    /// Messages kept for one recipient.
    pub recipient_messages_max: usize,
    /// Bytes kept of those that one link brought.
    pub link_bytes_max: usize,
    /// Bytes kept in all.
    pub bytes_max: usize,
    /// Messages kept in all.
    pub messages_max: usize,
    /// Messages named in one page.
    pub page_max: usize,
    /// Nodes closer than before get copies once in this time.
    #[serde(with = "humantime_serde")]
    pub republish_period: Duration,
    /// Copies sent in one such time.
    pub republish_max: usize,
    /// Own mail is asked for once in this time.
    #[serde(with = "humantime_serde")]
    pub fetch_period: Duration,
    /// How long an answer about mail is waited for.
    #[serde(with = "humantime_serde")]
    pub answer_timeout: Duration,
}

impl Default for MailboxConfig {
    fn default() -> Self {
        Self {
            serve: true,
            copies: 5,
            redundancy: 3,
            region: 10,
            recipient_bytes_max: 4 << 20,
            recipient_messages_max: 4_096,
            link_bytes_max: 16 << 20,
            bytes_max: 256 << 20,
            messages_max: 65_536,
            page_max: 64,
            republish_period: Duration::from_mins(10),
            republish_max: 1_024,
            fetch_period: Duration::from_mins(3),
            answer_timeout: Duration::from_secs(10),
        }
    }
}

impl MailboxConfig {
    pub(super) fn fast() -> Self {
        Self {
            republish_period: Duration::from_secs(5),
            fetch_period: Duration::from_secs(2),
            answer_timeout: Duration::from_secs(2),
            ..Self::default()
        }
    }

    pub(super) fn check(&self) -> Result<(), ConfigError> {
        const SHORT: Duration = Duration::from_millis(100);
        const SECOND: Duration = Duration::from_secs(1);
        const MINUTE: Duration = Duration::from_mins(1);
        const DAY: Duration = Duration::from_hours(24);
        let (copies, bytes) = (count(self.copies), count(self.bytes_max));
        numbers([
            ("mailbox.copies", copies, 1, 20),
            ("mailbox.redundancy", count(self.redundancy), 1, copies),
            ("mailbox.region", count(self.region), copies, 64),
            ("mailbox.bytes_max", bytes, 96 << 10, 1 << 40),
            ("mailbox.recipient_bytes_max", count(self.recipient_bytes_max), 96 << 10, bytes),
            ("mailbox.recipient_messages_max", count(self.recipient_messages_max), 1, 65_536),
            ("mailbox.link_bytes_max", count(self.link_bytes_max), 96 << 10, bytes),
            ("mailbox.messages_max", count(self.messages_max), 1, 16_777_216),
            ("mailbox.page_max", count(self.page_max), 1, 64),
            ("mailbox.republish_max", count(self.republish_max), copies, 65_536),
        ])?;
        times([
            ("mailbox.republish_period", self.republish_period, SECOND, DAY),
            ("mailbox.fetch_period", self.fetch_period, SECOND, DAY),
            ("mailbox.answer_timeout", self.answer_timeout, SHORT, MINUTE),
        ])
    }
}
