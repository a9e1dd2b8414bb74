//! One channel as it is shown.

use std::time::Duration;

use serde::Serialize;
use transport::clock::Clock;

use super::super::amounts::tokens;
use super::super::words::{given, hex};
use crate::generated::control::v1 as proto;
use crate::printable::Printable;

#[derive(Debug, Serialize)]
pub(super) struct Channel {
    pub(super) id: String,
    /// "outgoing" if this node pays, else "incoming".
    pub(super) direction: &'static str,
    pub(super) source: String,
    pub(super) destination: String,
    /// `null` if the other side has not announced itself.
    pub(super) peer_id: Option<String>,
    /// In tokens.
    pub(super) balance: String,
    pub(super) index: u64,
    pub(super) epoch: u32,
    pub(super) status: &'static str,
    /// When its notice ends; `null` if it was given none.
    pub(super) closes_ms: Option<u64>,
}

impl From<proto::PaymentChannel> for Channel {
    fn from(channel: proto::PaymentChannel) -> Self {
        let status = match channel.status() {
            proto::PaymentChannelStatus::Open => "open",
            proto::PaymentChannelStatus::PendingToClose => "pending",
            proto::PaymentChannelStatus::Closed => "closed",
            proto::PaymentChannelStatus::Unspecified => "unknown",
        };
        Self {
            id: hex(&channel.id),
            direction: if channel.outgoing { "outgoing" } else { "incoming" },
            source: hex(&channel.source),
            destination: hex(&channel.destination),
            peer_id: given(channel.peer_id),
            balance: tokens(&channel.balance),
            index: channel.index,
            epoch: channel.epoch,
            status,
            closes_ms: channel.closes_at.map(|seconds| seconds.saturating_mul(1000)),
        }
    }
}

impl Channel {
    /// Who is at the other end: the peer, or its account.
    pub(super) fn other(&self) -> String {
        let account = if self.direction == "outgoing" { &self.destination } else { &self.source };
        Printable(self.peer_id.as_ref().unwrap_or(account)).to_string()
    }

    /// Its status, with how long its notice goes on.
    pub(super) fn state(&self) -> String {
        let Some(ends) = self.closes_ms else { return self.status.to_owned() };
        let left = ends.saturating_sub(Clock::wall().as_millis()).div_ceil(1000);
        if left == 0 {
            return "notice is over".to_owned();
        }
        let left = humantime::format_duration(Duration::from_secs(left));
        format!("closes in {left}")
    }
}
