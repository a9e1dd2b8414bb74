//! Brings two sets of signed items together: negotiation, reconciliation, paging; speaks 0x-Mesh.
#![warn(
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::unwrap_in_result,
    clippy::panic_in_result_fn,
    clippy::wildcard_enum_match_arm,
    clippy::float_arithmetic
)]

#[cfg(test)]
extern crate self as meshwork_ordersync;

pub mod binary;
pub mod book;
pub mod intake;
mod item;
pub mod json;
mod message;
mod metadata;
mod negotiation;
mod outcome;
pub mod paging;
pub mod provider;
mod range;
pub mod requester;
pub mod riblt;
#[cfg(test)]
pub mod sample;
pub mod service;
mod store;
mod subprotocol;
pub mod zeroex;

pub use self::book::{Book, Epoch, Holding, Inserted};
pub use self::intake::{Admission, Admitted, Intake, Origin, Rejected, Validator};
pub use self::item::{BadItem, Entry, Filter, Item, ItemId};
pub use self::message::{
    FirstRequestsForSubprotocols, ID, ID_BINARY, ID_V4, NAMES_MAX, RawRequest, RawResponse,
    Request, RequestMetadata, Response, TYPE_REQUEST, TYPE_RESPONSE,
};
pub use self::metadata::{BadMetadata, Form, Metadata, Raw};
pub use self::negotiation::{BadSubprotocols, NoMatchingSubprotocols, Subprotocols};
pub use self::outcome::{Fault, Refusal};
pub use self::provider::Provider;
pub use self::range::Range;
pub use self::requester::Requester;
pub use self::service::{NoOrders, NoOrdersFromPeer, Service};
pub use self::store::{Change, Kept, Loader, MemoryStore, Store, StoreError};
pub use self::subprotocol::{Context, Finding, Leave, Next, Reaction, Subprotocol};
