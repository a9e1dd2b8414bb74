//! Our own envelope: frames with numbered requests, pushes and explicit errors.
//!
//! A frame takes two steps. [`Packed`] is what the substream carries: its bounds are checked, its
//! items are bytes still, so reading and writing it is quick. [`Frame`] is what the cores hear:
//! making one of the other decodes every item and computes its id, which is work for the pool.
//!
//! Items that do not fit are left off at the end, and [`Pack::taken`] says how many went. A response
//! that is cut is not complete, whatever the subprotocol says: the requester goes on behind the last
//! item that it got. Of items without an order, it asks again for those that it misses.

mod batch;
mod denial;
mod names;
mod serial;
#[cfg(test)]
mod tests;

use std::fmt;

use bytes::{Bytes, BytesMut};
use wire::bounds::Bounded;
use wire::proto::ordersync::v1 as proto;
use wire::proto::ordersync::v1::ordersync::Body;
use wire::{Defect, Malformed};

pub use self::batch::ITEMS_MAX;
use self::batch::Items;
pub use self::denial::{DETAIL_MAX, Denial, Reason};
pub use self::names::NAME_LEN_MAX;
pub use self::serial::{OutOfOrder, Serial};
use crate::{
    BadItem, Fault, FirstRequestsForSubprotocols, Item, NAMES_MAX, Raw, RawRequest, RawResponse,
    RequestMetadata,
};

/// Most bytes of the metadata of one subprotocol: 512 KiB, so that half a frame is left for items.
/// The
/// largest is a block of 20,480 cells, 440 KiB at most.
pub const METADATA_MAX: usize = 512 << 10;

/// One frame of a session, as the substream carries it.
#[derive(Clone, PartialEq)]
pub struct Packed(Body);

/// One frame of a session.
#[derive(Clone, Debug, PartialEq)]
pub enum Frame<I> {
    /// From the requester.
    Request {
        /// See [`Serial`]. Not 0.
        id: u32,
        /// What is asked. Its metadata is binary.
        request: RawRequest<I>,
    },
    /// From the provider, in the order of the requests.
    Response {
        /// That of the request.
        id: u32,
        /// The answer. Its metadata is binary, and none of its items malformed.
        response: RawResponse<I>,
    },
    /// From the provider: nothing more is answered.
    Error {
        /// The request that it is about; 0 when it is about none.
        id: u32,
        /// Why.
        denial: Denial,
    },
    /// From the requester: everything was said. A stream that ends without it was cut.
    End,
}

/// A frame made ready to be sent.
#[derive(Clone, Debug, PartialEq)]
pub struct Pack {
    /// What to send.
    pub frame: Packed,
    /// How many items of the request or response are in it, counted from the first.
    pub taken: usize,
}

/// A frame that no receiver would take. The sender's own mistake.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Unpackable {
    /// Out of its bounds.
    #[error("{what} is {len}, must be {min} to {max}")]
    OutOfBounds {
        /// What.
        what: &'static str,
        /// As it is.
        len: usize,
        /// As little as it may be.
        min: usize,
        /// As much as it may be.
        max: usize,
    },
    /// Metadata in the form of the other envelope.
    #[error("metadata is json, must be binary")]
    Json,
}

/// Bytes that are not a frame.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum BadFrame {
    /// The frame itself.
    #[error(transparent)]
    Malformed(#[from] Malformed),
    /// The items in it.
    #[error(transparent)]
    Items(#[from] BadItem),
}

impl From<BadFrame> for Fault {
    fn from(bad: BadFrame) -> Self {
        Self::Message { problem: bad.to_string() }
    }
}

impl<I: Item> Frame<I> {
    /// Makes it ready to be sent. Encodes items, several times if they have to be cut: at most as
    /// long as for eight times as many.
    ///
    /// # Errors
    /// [`Unpackable`] if the frame has no room for even one of the items, or anything else in it is
    /// out of its bounds.
    pub fn pack(&self) -> Result<Pack, Unpackable> {
        let (body, taken) = match self {
            Self::Request { id, request } => {
                let offers = offers(request)?;
                let head = proto::Request { id: number(*id)?, offers, pushed: Bytes::new() };
                let items = Items::encode(&request.pushed, room(&head)?)?;
                (Body::Request(proto::Request { pushed: items.bytes, ..head }), items.taken)
            }
            Self::Response { id, response } => {
                let head = proto::Response {
                    id: number(*id)?,
                    name: Some(names::in_response(&response.subprotocol)?),
                    items: Bytes::new(),
                    complete: response.complete,
                    metadata: metadata_bytes(&response.metadata)?,
                };
                let items = Items::encode(&response.orders, room(&head)?)?;
                let complete = response.complete && items.taken == response.orders.len();
                let body = proto::Response { items: items.bytes, complete, ..head };
                (Body::Response(body), items.taken)
            }
            Self::Error { id, denial } => (Body::Error(denial.to_proto(*id)), 0),
            Self::End => (Body::End(proto::End {}), 0),
        };
        Ok(Pack { frame: Packed(body), taken })
    }

    /// Reads it: decodes the items and computes their ids.
    ///
    /// # Errors
    /// [`BadFrame`], for which the sender is at fault.
    ///
    /// # Bounds
    /// At most [`ITEMS_MAX`] items of the largest size.
    pub fn unpack(frame: Packed) -> Result<Self, BadFrame> {
        match frame.0 {
            Body::Request(request) => Ok(Self::Request {
                id: id(request.id, "request.id")?,
                request: RawRequest {
                    pushed: batch::decode(&request.pushed)?,
                    ..asked(request.offers)?
                },
            }),
            Body::Response(response) => Ok(Self::Response {
                id: id(response.id, "response.id")?,
                response: RawResponse {
                    subprotocol: names::of_response(response.name)?,
                    orders: batch::decode(&response.items)?,
                    malformed: Vec::new(),
                    complete: response.complete,
                    metadata: Raw::Binary(response.metadata),
                },
            }),
            Body::Error(error) => Ok(Self::Error { id: error.id, denial: Denial::of_proto(error) }),
            Body::End(proto::End {}) => Ok(Self::End),
        }
    }
}

impl Packed {
    /// How many bytes it takes, without its length prefix.
    pub fn encoded_len(&self) -> usize {
        self.0.encoded_len()
    }
}

impl wire::Frame for Packed {
    const MAX: usize = <proto::Ordersync as Bounded>::LEN_MAX;

    fn encode(&self, out: &mut BytesMut) {
        prost::Message::encode_raw(&proto::Ordersync { body: Some(self.0.clone()) }, out);
    }

    fn decode(frame: Bytes) -> Result<Self, Malformed> {
        let proto::Ordersync { body } = wire::bounds::decode(frame)?;
        body.map(Self).ok_or(Malformed::new("ordersync.body", Defect::Missing))
    }
}

impl fmt::Debug for Packed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Body::Request(request) => f
                .debug_struct("Request")
                .field("id", &request.id)
                .field("offers", &request.offers.len())
                .field("pushed_bytes", &request.pushed.len())
                .finish(),
            Body::Response(response) => f
                .debug_struct("Response")
                .field("id", &response.id)
                .field("items_bytes", &response.items.len())
                .field("complete", &response.complete)
                .finish(),
            Body::Error(error) => error.fmt(f),
            Body::End(_) => f.write_str("End"),
        }
    }
}

/// Bytes that items may take beside the rest of a message. What its length and that of the items
/// take is not in `head` yet: at most 4 bytes each.
fn room(head: &impl prost::Message) -> Result<usize, Unpackable> {
    let max = <Packed as wire::Frame>::MAX.saturating_sub(8);
    let len = prost::Message::encoded_len(head);
    within("frame without items", len, 0, max)?;
    Ok(max.saturating_sub(len))
}

fn within(what: &'static str, len: usize, min: usize, max: usize) -> Result<usize, Unpackable> {
    if len < min || len > max {
        return Err(Unpackable::OutOfBounds { what, len, min, max });
    }
    Ok(len)
}

fn number(id: u32) -> Result<u32, Unpackable> {
    let max = usize::try_from(u32::MAX).unwrap_or(usize::MAX);
    within("id", usize::try_from(id).unwrap_or(max), 1, max).map(|_| id)
}

fn id(id: u32, field: &'static str) -> Result<u32, Malformed> {
    if id == 0 { Err(Malformed::new(field, Defect::Missing)) } else { Ok(id) }
}

fn metadata_bytes(raw: &Raw) -> Result<Bytes, Unpackable> {
    let Raw::Binary(bytes) = raw else { return Err(Unpackable::Json) };
    within("metadata bytes", bytes.len(), 0, METADATA_MAX)?;
    Ok(bytes.clone())
}

/// One offer for each name that has metadata.
fn offers<I>(request: &RawRequest<I>) -> Result<Vec<proto::Offer>, Unpackable> {
    let mut offers = Vec::new();
    for (index, name) in request.subprotocols.iter().enumerate() {
        let raw = match &request.metadata {
            RequestMetadata::Bare(raw) => raw,
            RequestMetadata::First(first) => match first.metadata.get(index) {
                Some(raw) => raw,
                None => break,
            },
        };
        let (name, metadata) = (Some(names::in_offer(name)?), metadata_bytes(raw)?);
        offers.push(proto::Offer { name, metadata });
    }
    within("number of subprotocols with metadata", offers.len(), 1, NAMES_MAX)?;
    Ok(offers)
}

fn asked<I>(offers: Vec<proto::Offer>) -> Result<RawRequest<I>, Malformed> {
    let mut subprotocols = Vec::with_capacity(offers.len());
    let mut metadata = Vec::with_capacity(offers.len());
    for offer in offers {
        subprotocols.push(names::of_offer(offer.name)?);
        metadata.push(Raw::Binary(offer.metadata));
    }
    let metadata = match <[Raw; 1]>::try_from(metadata) {
        Ok([raw]) => RequestMetadata::Bare(raw),
        Err(none) if none.is_empty() => {
            return Err(Malformed::new("request.offers", Defect::Missing));
        }
        Err(metadata) => RequestMetadata::First(FirstRequestsForSubprotocols { metadata }),
    };
    Ok(RawRequest { subprotocols, metadata, pushed: Vec::new() })
}
