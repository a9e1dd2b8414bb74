//! The two envelopes of 0x-Mesh, byte for byte: JSON objects on one substream, in strict turns.
//!
//! A [`JsonStream`] cuts the bytes of a substream into objects without understanding them; an
//! [`Envelope`] makes a request or a response of one. Both are bounded on their own. What 0x-Mesh's
//! decoder forgives in the envelope is forgiven here: unknown members, names in another case, a
//! member that comes twice (the last counts), `null` for what is empty. What it repairs in an order
//! is not.

mod escape;
mod members;
mod request;
mod response;
mod scan;
mod stream;

pub use self::stream::{JsonStream, ReadError};
use crate::message::{ID, ID_V4};
use crate::outcome::Fault;

pub(crate) use self::members::{Elements, Members, text};

/// Most orders of this node in one response, as in 0x-Mesh: so many fit one when each is as long as it
/// may be.
pub const PAGE_MAX: usize = 500;
/// Most bytes of a request: 64 KiB. A filter is the most of it.
pub const REQUEST_BYTES_MAX: usize = 64 << 10;
/// Most bytes of a response: 500 orders of 16,000 bytes, and 64 KiB for the rest.
pub const RESPONSE_BYTES_MAX: usize = PAGE_MAX * 16_000 + (64 << 10);
/// Most objects and arrays inside each other.
pub const DEPTH_MAX: u8 = 64;
/// Most bytes of white space before an object.
pub const SPACE_MAX: usize = 1024;
/// Most orders in one response: eight times what 0x-Mesh sends, which has no bound of its own.
pub const ORDERS_MAX: usize = 8 * PAGE_MAX;
/// Most bytes of a subprotocol's name.
pub const NAME_BYTES_MAX: usize = 256;

/// One of the two envelopes of 0x-Mesh.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Envelope {
    /// That of [`ID`], whose requests name subprotocols.
    Negotiated,
    /// That of [`ID_V4`], which has one subprotocol, [`V4`](crate::paging::V4), and says no more
    /// than it needs.
    Bare,
}

impl Envelope {
    /// Its protocol name.
    pub const fn id(self) -> &'static str {
        match self {
            Self::Negotiated => ID,
            Self::Bare => ID_V4,
        }
    }
}

/// Why an object is not the message that it should be.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum BadMessage {
    /// It goes on for too long.
    #[error("is over {max} bytes")]
    TooLong {
        /// As it may.
        max: usize,
    },
    /// Too much white space before it.
    #[error("comes after over {max} bytes of white space")]
    Space {
        /// [`SPACE_MAX`].
        max: usize,
    },
    /// Too many objects and arrays inside each other.
    #[error("is over {max} levels deep")]
    TooDeep {
        /// [`DEPTH_MAX`].
        max: u8,
    },
    /// It does not begin with a brace.
    #[error("begins with byte {first:#04x}, not with a brace")]
    NotAnObject {
        /// What it begins with.
        first: u8,
    },
    /// Not text.
    #[error("is not UTF-8 from byte {at} on")]
    NotUtf8 {
        /// Where that shows.
        at: usize,
    },
    /// Not JSON, or JSON of another shape.
    #[error("{field} is not what it should be, at byte {at} of its line")]
    Shape {
        /// What.
        field: &'static str,
        /// Where in it.
        at: usize,
    },
    /// Its `type` does not say that it is a request.
    #[error("is not of type \"Request\"")]
    NotARequest,
    /// A required member is missing.
    #[error("has no {field}")]
    Missing {
        /// Which.
        field: &'static str,
    },
    /// It names too many subprotocols.
    #[error("names {names} subprotocols, must be at most {max}")]
    TooManyNames {
        /// How many.
        names: usize,
        /// As it may.
        max: usize,
    },
    /// It names a subprotocol whose name is too long.
    #[error("has a name of {bytes} bytes, must be at most {max}")]
    NameTooLong {
        /// How long.
        bytes: usize,
        /// [`NAME_BYTES_MAX`].
        max: usize,
    },
    /// It has too many orders.
    #[error("has {orders} orders, must be at most {max}")]
    PageTooLong {
        /// How many.
        orders: usize,
        /// [`ORDERS_MAX`].
        max: usize,
    },
}

impl From<BadMessage> for Fault {
    fn from(bad: BadMessage) -> Self {
        match bad {
            BadMessage::PageTooLong { orders, max } => Self::PageTooLong { orders, max },
            BadMessage::TooLong { max } => Self::TooMuch {
                what: "bytes of a message",
                max: u64::try_from(max).unwrap_or(u64::MAX),
            },
            bad @ (BadMessage::Space { .. }
            | BadMessage::TooDeep { .. }
            | BadMessage::NotAnObject { .. }
            | BadMessage::NotUtf8 { .. }
            | BadMessage::Shape { .. }
            | BadMessage::NotARequest
            | BadMessage::Missing { .. }
            | BadMessage::TooManyNames { .. }
            | BadMessage::NameTooLong { .. }) => Self::Message { problem: bad.to_string() },
        }
    }
}

/// Metadata in the binary form, which these envelopes do not carry.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("the metadata is binary, this envelope carries JSON")]
pub struct NotJson;

#[cfg(test)]
mod tests;
