//! One order as it is shown.

use machine::UnixTime;
use serde::Serialize;

use super::super::words::hex;
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
    /// Of the protocol: 3 or 4.
    pub(super) version: u32,
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
            version: order.version,
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

    /// How long it goes on, rounded down.
    pub(super) fn left(&self, now: UnixTime) -> String {
        let Some(expires) = self.expires_ms else { return "for ever".to_owned() };
        let left = UnixTime::from_millis(expires).since(now).as_secs();
        let fits = |&&(unit, _): &&(u64, &str)| left >= 2_u64.saturating_mul(unit);
        let (unit, name) = UNITS.iter().find(fits).copied().unwrap_or((1, "s"));
        format!("{}{name}", left.div_euclid(unit))
    }
}

/// Units of time in seconds, the largest first: one is used from two of it on, so that at most a
/// third is lost. A year is the mean one of the calendar.
const UNITS: [(u64, &str); 4] = [(31_556_952, "y"), (86_400, "d"), (3_600, "h"), (60, "m")];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_is_told_in_one_unit() {
        let left = |seconds: Option<u64>| {
            let expires_ms = seconds.map(|seconds| 1000 * (1_700_000_000 + seconds));
            let order = Order::from(proto::Order { expires_ms, ..Default::default() });
            order.left(UnixTime::from_millis(1_700_000_000_000))
        };
        let told = [0, 119, 120, 7_199, 7_200, 172_800, 63_113_904].map(|it| left(Some(it)));
        assert_eq!(told, ["0s", "119s", "2m", "119m", "2h", "2d", "2y"]);
        assert_eq!(left(None), "for ever");
    }
}
