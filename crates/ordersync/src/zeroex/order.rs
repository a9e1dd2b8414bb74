//! An order of either version.

use machine::UnixTime;
use orders::{Address, OrderError, OrderHash, U256, Version, v3, v4};

use super::{Wanted, pages};
use crate::{BadItem, Item, ItemId};

/// A signed order.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Order {
    /// Of version 3.
    V3(v3::SignedOrder),
    /// A limit order of version 4.
    V4(v4::SignedOrder),
}

impl Order {
    /// Reads JSON, as strictly as the version that it is of: [`Item::from_json`] for whoever wants to
    /// know which kind of fault it has.
    ///
    /// # Errors
    /// [`OrderError`]. One that has the contracts of both versions is of neither.
    pub fn read(json: impl AsRef<[u8]>) -> Result<Self, OrderError> {
        let json = json.as_ref();
        match Version::of_json(json)? {
            Version::V3 => v3::SignedOrder::from_json(json).map(Self::V3),
            Version::V4 => v4::SignedOrder::from_json(json).map(Self::V4),
        }
    }

    /// Of which version it is.
    pub const fn version(&self) -> Version {
        match self {
            Self::V3(_) => Version::V3,
            Self::V4(_) => Version::V4,
        }
    }

    /// The EIP-712 hash. It does not cover the signature.
    pub fn hash(&self) -> OrderHash {
        match self {
            Self::V3(signed) => signed.hash(),
            Self::V4(signed) => signed.hash(),
        }
    }

    /// Who offers.
    pub const fn maker(&self) -> Address {
        match self {
            Self::V3(signed) => signed.order.maker,
            Self::V4(signed) => signed.order.maker,
        }
    }
}

impl From<v3::SignedOrder> for Order {
    fn from(signed: v3::SignedOrder) -> Self {
        Self::V3(signed)
    }
}

impl From<v4::SignedOrder> for Order {
    fn from(signed: v4::SignedOrder) -> Self {
        Self::V4(signed)
    }
}

impl Item for Order {
    type Filter = Wanted;

    /// The hash of the order. A domain of each version goes into it: no two versions share one.
    fn id(&self) -> ItemId {
        let OrderHash(hash) = self.hash();
        ItemId(hash)
    }

    /// An order that ends later than 2⁶⁴ seconds after 1970 never does.
    fn expires(&self) -> Option<UnixTime> {
        match self {
            Self::V3(signed) => expires(signed.order.expiration_time_seconds),
            Self::V4(signed) => expires(U256::from(signed.order.expiry)),
        }
    }

    fn to_json(&self) -> String {
        match self {
            Self::V3(signed) => signed.to_json(),
            Self::V4(signed) => signed.to_json(),
        }
    }

    fn from_json(raw: &str) -> Result<Self, BadItem> {
        Self::read(raw).map_err(|error| BadItem::new("order", error))
    }

    fn encode_batch(items: &[&Self]) -> Vec<u8> {
        pages::encode(items)
    }

    fn decode_batch(bytes: &[u8], items_max: usize) -> Result<Vec<Self>, BadItem> {
        pages::decode(bytes, items_max)
    }
}

pub(super) fn expires(seconds: U256) -> Option<UnixTime> {
    let seconds = u64::try_from(seconds).ok()?;
    Some(UnixTime::from_millis(seconds.saturating_mul(1000)))
}
