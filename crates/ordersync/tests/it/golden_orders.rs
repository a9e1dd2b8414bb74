//! Orders as the transcripts have them.

use std::fmt::Debug;

use machine::UnixTime;
use meshwork_ordersync::{BadItem, Filter, Item, ItemId};

/// An order of 0x.
#[derive(Clone, Debug)]
pub(super) struct Order<O>(O);

/// What a kind of order can do.
pub(super) trait Json: Clone + Debug + Send + Sync + 'static {
    fn read(json: &str) -> Result<Self, orders::OrderError>;
    fn write(&self) -> String;
    fn hash(&self) -> [u8; 32];
}

impl Json for orders::v3::SignedOrder {
    fn read(json: &str) -> Result<Self, orders::OrderError> {
        Self::from_json(json)
    }

    fn write(&self) -> String {
        self.to_json()
    }

    fn hash(&self) -> [u8; 32] {
        Self::hash(self).0
    }
}

impl Json for orders::v4::SignedOrder {
    fn read(json: &str) -> Result<Self, orders::OrderError> {
        Self::from_json(json)
    }

    fn write(&self) -> String {
        self.to_json()
    }

    fn hash(&self) -> [u8; 32] {
        Self::hash(self).0
    }
}

impl<O: Json> Item for Order<O> {
    type Filter = Whole;

    fn id(&self) -> ItemId {
        ItemId(self.0.hash())
    }

    fn expires(&self) -> Option<UnixTime> {
        None
    }

    fn to_json(&self) -> String {
        self.0.write()
    }

    fn from_json(raw: &str) -> Result<Self, BadItem> {
        O::read(raw).map(Self).map_err(|error| BadItem::new("order", error))
    }

    fn encode_batch(items: &[&Self]) -> Vec<u8> {
        items.iter().flat_map(|item| (item.to_json() + "\n").into_bytes()).collect()
    }

    fn decode_batch(bytes: &[u8], items_max: usize) -> Result<Vec<Self>, BadItem> {
        let text = std::str::from_utf8(bytes).map_err(|error| BadItem::new("batch", error))?;
        text.lines().take(items_max).map(Self::from_json).collect()
    }
}

/// A filter that wants everything and is written as it was read.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Whole(pub(super) String);

impl<O: Json> Filter<Order<O>> for Whole {
    fn matches(&self, _item: &Order<O>) -> bool {
        true
    }

    fn is_everything(&self) -> bool {
        true
    }

    fn to_json(&self) -> String {
        self.0.clone()
    }

    fn from_json(raw: &str) -> Result<Self, BadItem> {
        Ok(Self(raw.to_owned()))
    }
}
