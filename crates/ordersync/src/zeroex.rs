//! Orders of the 0x protocol, versions 3 and 4, as items.

mod limit;
mod rules;
#[cfg(test)]
mod tests;
mod wanted;

use machine::UnixTime;
use orders::v3::SignedOrder;
use orders::{OrderHash, U256, batch};

pub use self::limit::{AllOrders, LimitRules};
pub use self::rules::Rules;
pub use self::wanted::Wanted;
use crate::{BadItem, Item, ItemId};

impl Item for SignedOrder {
    type Filter = Wanted;

    /// The EIP-712 hash. It does not cover the signature.
    fn id(&self) -> ItemId {
        let OrderHash(hash) = self.hash();
        ItemId(hash)
    }

    /// An order that ends later than 2⁶⁴ seconds after 1970 never does.
    fn expires(&self) -> Option<UnixTime> {
        expires(self.order.expiration_time_seconds)
    }

    fn to_json(&self) -> String {
        Self::to_json(self)
    }

    fn from_json(raw: &str) -> Result<Self, BadItem> {
        Self::from_json(raw).map_err(|error| BadItem::new("order", error))
    }

    fn encode_batch(items: &[&Self]) -> Vec<u8> {
        batch::encode(items)
    }

    fn decode_batch(bytes: &[u8], items_max: usize) -> Result<Vec<Self>, BadItem> {
        batch::decode(bytes, items_max).map_err(|error| BadItem::new("orders", error))
    }
}

fn expires(seconds: U256) -> Option<UnixTime> {
    let seconds = u64::try_from(seconds).ok()?;
    Some(UnixTime::from_millis(seconds.saturating_mul(1000)))
}
