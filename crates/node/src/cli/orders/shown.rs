//! One order as it is shown.

use std::fmt::Write;
use std::time::Duration;

use machine::UnixTime;
use serde::Serialize;

use crate::generated::control::v1 as proto;
use crate::printable::Printable;

#[derive(Debug, Serialize)]
pub(super) struct Order {
    pub(super) hash: String,
    pub(super) maker: String,
    pub(super) maker_asset: String,
    pub(super) maker_amount: String,
    pub(super) taker_asset: String,
    pub(super) taker_amount: String,
    /// `null` if never.
    pub(super) expires_ms: Option<u64>,
    pub(super) received_ms: u64,
    pub(super) own: bool,
}

impl From<proto::Order> for Order {
    fn from(order: proto::Order) -> Self {
        Self {
            hash: hex(&order.hash),
            maker: hex(&order.maker),
            maker_asset: order.maker_asset,
            maker_amount: order.maker_amount,
            taker_asset: order.taker_asset,
            taker_amount: order.taker_amount,
            expires_ms: order.expires_ms,
            received_ms: order.received_ms,
            own: order.own,
        }
    }
}

impl Order {
    pub(super) fn offers(&self) -> String {
        Printable(&format!("{} {}", self.maker_amount, self.maker_asset)).to_string()
    }

    pub(super) fn asks(&self) -> String {
        Printable(&format!("{} {}", self.taker_amount, self.taker_asset)).to_string()
    }

    /// How long it goes on, to the largest unit of a clock or calendar that fits.
    pub(super) fn left(&self, now: UnixTime) -> String {
        let Some(expires) = self.expires_ms else { return "for ever".to_owned() };
        let left = UnixTime::from_millis(expires).since(now).as_secs();
        // Who reads days does not read seconds.
        let unit = [86_400, 3_600, 60, 1].into_iter().find(|unit| left >= *unit).unwrap_or(1);
        let whole = Duration::from_secs(left.div_euclid(unit).saturating_mul(unit));
        humantime::format_duration(whole).to_string()
    }
}

/// Bytes as `0x` and digits.
pub(super) fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(2 + 2 * bytes.len());
    text.push_str("0x");
    for byte in bytes {
        write!(text, "{byte:02x}").expect("a string takes all that fits in memory");
    }
    text
}
