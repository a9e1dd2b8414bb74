//! The orders, by their hash. Their bytes mean nothing here.

use bytes::Bytes;
use futures::future::{BoxFuture, FutureExt, ready};
use machine::UnixTime;
use ordersync::{Change as ItemChange, ItemId, Kept, Loader};

use super::parts::load_in_parts;
use crate::error::StoreError;
use crate::row::{BadRow, Change, Row};
use crate::schema::Table;
use crate::storage::Storage;

/// Keeps orders over restarts.
///
/// A load is made of parts, between which others read and write. An order that is kept all the
/// while is handed over once, one that comes or goes meanwhile once or not at all. The parts are
/// handed over where the future is polled, while the next one is read. A load that ends with an
/// error has handed over what it came to before.
///
/// # Bounds
/// At most 131,072 changes at once, each of an order of at most 16,384 bytes; a part of a load has
/// at most 512 orders, and ends with the one that reaches 1 MiB. How many orders there are is up to
/// the book, which removes those that it drops.
#[derive(Clone, Debug)]
pub struct OrderTable(pub(crate) Storage);

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct StoredOrder {
    #[prost(bytes = "bytes", tag = "1")]
    order: Bytes,
    /// Milliseconds since 1970.
    #[prost(uint64, tag = "2")]
    received: u64,
    #[prost(bool, tag = "3")]
    pinned: bool,
}

impl Row for Kept {
    const TABLE: Table = Table::Orders;
    const WHAT: &'static str = "an order with what is known of it";
    const LEN_MAX: usize = 1 + (4 + Self::BYTES_MAX) + 11 + 2;

    type Message = StoredOrder;

    fn key(&self) -> Vec<u8> {
        self.id.as_bytes().to_vec()
    }

    fn to_message(&self) -> Result<StoredOrder, StoreError> {
        let (given, max) = (self.bytes.len(), Self::BYTES_MAX);
        if given > max {
            return Err(StoreError::TooLong { what: "an order", given, max });
        }
        let (order, received) = (self.bytes.clone(), self.received.as_millis());
        Ok(StoredOrder { order, received, pinned: self.pinned })
    }

    fn from_message(key: &[u8], message: StoredOrder) -> Result<Self, BadRow> {
        let StoredOrder { order, received, pinned } = message;
        let id = key.try_into().map(ItemId).map_err(|_| BadRow::Field { field: "key" })?;
        if order.len() > Self::BYTES_MAX {
            return Err(BadRow::Field { field: "order" });
        }
        Ok(Self { id, bytes: order, received: UnixTime::from_millis(received), pinned })
    }
}

fn row_of(change: ItemChange) -> Result<Change, StoreError> {
    match change {
        ItemChange::Put(kept) => Change::put(&kept),
        ItemChange::Remove(ItemId(id)) => {
            Ok(Change::Remove { table: Table::Orders, key: id.to_vec() })
        }
    }
}

impl From<StoreError> for ordersync::StoreError {
    fn from(error: StoreError) -> Self {
        Self { message: error.to_string() }
    }
}

impl ordersync::Store for OrderTable {
    fn load(&self, each: Loader) -> BoxFuture<'static, Result<usize, ordersync::StoreError>> {
        let loaded = load_in_parts(self.0.queue(), each);
        loaded.map(|loaded| loaded.map_err(Into::into)).boxed()
    }

    fn apply(
        &self,
        changes: Vec<ItemChange>,
    ) -> BoxFuture<'static, Result<(), ordersync::StoreError>> {
        match changes.into_iter().map(row_of).collect::<Result<Vec<_>, _>>() {
            Ok(rows) => self.0.queue().write(rows).map(|kept| kept.map_err(Into::into)).boxed(),
            Err(error) => ready(Err(error.into())).boxed(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::row::{self, tests::check_round_trip};

    fn order(length: usize, received: u64, pinned: bool) -> Kept {
        let received = UnixTime::from_millis(received);
        Kept { id: ItemId([7; 32]), bytes: Bytes::from(vec![1; length]), received, pinned }
    }

    #[test]
    fn an_order_survives_from_the_least_to_the_longest() {
        check_round_trip(&order(0, 0, false));
        check_round_trip(&order(600, 1, true));
        let longest = order(Kept::BYTES_MAX, u64::MAX, true);
        let Ok(Change::Put { key, value, .. }) = Change::put(&longest) else { unreachable!() };
        assert_eq!(value.len(), Kept::LEN_MAX, "the bound is exact");
        assert_eq!(row::decode::<Kept>(&key, &value).unwrap(), longest);
    }

    #[test]
    fn an_order_that_is_too_long_is_refused_by_name() {
        let error = row_of(ItemChange::Put(order(Kept::BYTES_MAX + 1, 0, false)));
        let error = error.expect_err("too long");
        assert_eq!(error.to_string(), "an order has 16385 bytes, must have at most 16384");
    }
}
