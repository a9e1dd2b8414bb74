//! v4 orders as items, as far as a transcript needs.

use machine::UnixTime;
use meshwork_ordersync::{BadItem, Filter, Item, ItemId};
use orders::v4::SignedOrder;

/// A v4 order.
#[derive(Clone, Debug)]
pub(super) struct Limit(SignedOrder);

/// All of them: their protocol has no filter.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct All;

impl Item for Limit {
    type Filter = All;

    fn id(&self) -> ItemId {
        ItemId(self.0.hash().0)
    }

    fn expires(&self) -> Option<UnixTime> {
        None
    }

    fn to_json(&self) -> String {
        self.0.to_json()
    }

    fn from_json(raw: &str) -> Result<Self, BadItem> {
        SignedOrder::from_json(raw).map(Self).map_err(|error| BadItem::new("order", error))
    }

    fn encode_batch(_items: &[&Self]) -> Vec<u8> {
        Vec::new()
    }

    fn decode_batch(_bytes: &[u8], _items_max: usize) -> Result<Vec<Self>, BadItem> {
        Err(BadItem::new("batch", "goes as JSON only"))
    }
}

impl Filter<Limit> for All {
    fn matches(&self, _item: &Limit) -> bool {
        true
    }

    fn is_everything(&self) -> bool {
        true
    }

    fn to_json(&self) -> String {
        "null".to_owned()
    }

    fn from_json(_raw: &str) -> Result<Self, BadItem> {
        Ok(Self)
    }
}
