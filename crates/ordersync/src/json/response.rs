//! Responses as 0x-Mesh writes them, and as it reads them.

use super::BadMessage::{self, Missing};
use super::escape::escape;
use super::request::{decode_name, json, shape};
use super::{Elements, Envelope, Members, NotJson, ORDERS_MAX, RESPONSE_BYTES_MAX, text};
use crate::message::{ID_V4, RawResponse, TYPE_RESPONSE};
use crate::paging::V4Response;
use crate::{BadItem, Entry, Form, Item, ItemId, Metadata, Raw};

impl Envelope {
    /// A response as text, without a line feed.
    ///
    /// # Errors
    /// [`NotJson`].
    pub fn encode_response<I: Item>(self, response: &RawResponse<I>) -> Result<String, NotJson> {
        let orders = encode_orders(&response.orders);
        let text = match self {
            // An empty page is null there, and it is all that says that there is no other.
            Self::Bare if response.orders.is_empty() => r#"{"orders":null}"#.to_owned(),
            Self::Bare => format!(r#"{{"orders":{orders}}}"#),
            Self::Negotiated => {
                let name = serde_json::Value::from(response.subprotocol.as_str());
                let (complete, metadata) = (response.complete, json(&response.metadata)?);
                format!(
                    r#"{{"type":"{TYPE_RESPONSE}","subprotocol":{name},"orders":{orders},"complete":{complete},"metadata":{metadata}}}"#
                )
            }
        };
        Ok(escape(&text).into_owned())
    }

    /// Reads a response and computes the ids of its orders, which may be slow.
    ///
    /// An order that is none is counted as malformed and the others stay. The `type` is not looked
    /// at, as 0x-Mesh does not.
    ///
    /// # Errors
    /// [`BadMessage`].
    ///
    /// # Bounds
    /// Refuses what is over [`RESPONSE_BYTES_MAX`], and more than [`ORDERS_MAX`] orders.
    pub fn decode_response<I: Item>(self, object: &str) -> Result<RawResponse<I>, BadMessage> {
        if object.len() > RESPONSE_BYTES_MAX {
            return Err(BadMessage::TooLong { max: RESPONSE_BYTES_MAX });
        }
        let names = ["orders", "subprotocol", "complete", "metadata"];
        let [orders, name, complete, metadata] =
            Members::of(object, names).map_err(shape("response"))?.values;
        let orders = orders.map_or(Ok(Elements::default()), |list| Elements::of(list, ORDERS_MAX));
        let orders = orders.map_err(shape("orders"))?;
        if orders.count > ORDERS_MAX {
            return Err(BadMessage::PageTooLong { orders: orders.count, max: ORDERS_MAX });
        }
        let complete: Option<bool> = text(complete).map_err(shape("complete"))?;
        match self {
            Self::Bare => Ok(bare_response(&orders)),
            Self::Negotiated => {
                let subprotocol = decode_name(name.ok_or(Missing { field: "subprotocol" })?)?;
                let metadata = Raw::Json(metadata.ok_or(Missing { field: "metadata" })?.to_owned());
                let (orders, malformed) = decode_orders(&orders.kept);
                let complete = complete.unwrap_or(false);
                Ok(RawResponse { subprotocol, orders, malformed, complete, metadata })
            }
        }
    }
}

fn bare_response<I: Item>(list: &Elements<'_>) -> RawResponse<I> {
    let (orders, malformed) = decode_orders(&list.kept);
    let last = orders.last().map_or(ItemId::ZERO, |entry: &Entry<I>| entry.id);
    RawResponse {
        subprotocol: ID_V4.to_owned(),
        orders,
        malformed,
        complete: list.count == 0,
        metadata: V4Response { last }.to_raw(Form::Json),
    }
}

fn encode_orders<I: Item>(orders: &[Entry<I>]) -> String {
    let mut list = String::from("[");
    for (place, entry) in orders.iter().enumerate() {
        if place > 0 {
            list.push(',');
        }
        list.push_str(&entry.item.to_json());
    }
    list.push(']');
    list
}

fn decode_orders<I: Item>(orders: &[&str]) -> (Vec<Entry<I>>, Vec<BadItem>) {
    let mut entries = Vec::with_capacity(orders.len());
    let mut malformed = Vec::new();
    for order in orders {
        match decode_order(order) {
            Ok(entry) => entries.push(entry),
            Err(bad) => malformed.push(bad),
        }
    }
    (entries, malformed)
}

fn decode_order<I: Item>(order: &str) -> Result<Entry<I>, BadItem> {
    if order == "null" {
        return Err(BadItem::new("order", "is null"));
    }
    I::from_json(order).map(Entry::new)
}
