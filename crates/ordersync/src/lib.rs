//! Brings two sets of signed items together: negotiation, reconciliation, paging; speaks 0x-Mesh.
//!
//! The life of one exchange:
//! 1. a [`Service`] asks some of its peers ([`Service::get_orders`]); another serves what they open
//!    ([`Service::handle_stream`]). Each session has a core on either side, [`Requester`] and
//!    [`Provider`], in one of three envelopes: [`ID_BINARY`], or [`ID`] and [`ID_V4`] of 0x-Mesh;
//! 2. the first request offers [`Subprotocols`], best first; the provider takes the first one that
//!    it has. In [`riblt`] the two compare digests, then cells, and fetch only what differs; where
//!    that costs more than it saves they page ([`paging`]), several providers sharing the ids;
//! 3. what comes goes through the [`Intake`], whose [`intake::Driver`] the application runs: sorted
//!    out, verified on the pool, made durable, and only then shown in the [`Book`];
//! 4. at the end the requester says what it knows ([`requester::Outcome`]): *agreed* only if the
//!    digest of the provider is the one that its own items and what came add up to.
//!
//! An [`Item`] is anything with an id that is a hash; [`zeroex`] makes it the orders of 0x. What is on
//! the wire is specified in `docs/protocols/ordersync.md`.
//!
//! | quantity | unit | default | bound |
//! |---|---|---|---|
//! | [`service::Config::page`] | items in a response | 500 | 1 to 1,024 |
//! | [`service::Config::turn_timeout`] | time for one turn | 30 s | |
//! | [`service::Config::session_timeout`] | time for one session | 10 min | |
//! | [`service::Config::peer_timeout`] | time for one peer in one sync | 20 min | |
//! | [`service::Config::serving_max`] | sessions served at once | 64, 4 for one peer | |
//! | [`service::Config::peer_requests`] | requests of one peer | 100/s, burst 400 | |
//! | [`service::Config::peer_bytes`] | bytes to one peer | 32,000,000/s; 5,000,000/s in JSON | |
//! | [`service::Config::peer_compute`] | processors kept busy by one peer | 0.25, burst 2 s | |
//! | [`service::Config::peer_scans`] | looks at the book for one peer | 0.5/s, burst 8 | |
//! | [`service::Config::strangers`] | what strangers share of what all have | a quarter | a quarter |
//! | [`service::Config::sessions_bytes`] | what all compared sets take | 256 MiB | |
//! | [`book::LOOK_MAX`] | items in one look | | 65,536, fewer under a costly filter |
//! | [`requester::Limits::window`] | requests under way | 8; 1 in JSON | |
//! | [`requester::Limits::attempts_max`] | attempts to agree | 3 | |
//! | [`riblt::PUSH_MAX`] | items given to a provider in one session | | 10,000 |
//! | [`book::Config::items_max`] | items held | 200,000 | 4,194,304 |
//! | [`book::Config::cells`] | cells kept up to date | 16,384 | 32 to 1,048,576 |
//! | [`book::Config::epoch`] | time that their key is in use | 10 min | 1 s to 1 day |
//! | a frame of ours | bytes | | 1 MiB |
//! | [`json::REQUEST_BYTES_MAX`], [`json::RESPONSE_BYTES_MAX`] | bytes of a JSON message | | 64 KiB, 8 MB |
//! | [`riblt::CELLS_MAX`] | cells of one comparison | | 131,072 |
//!
//! Two cores, without a network: one lacks three orders, and gives one away.
//!
//! ```
//! use std::sync::Arc;
//!
//! use machine::{PeerId, UnixTime};
//! use meshwork_ordersync::requester::{self, Ended};
//! use meshwork_ordersync::zeroex::{Order, Wanted};
//! use meshwork_ordersync::*;
//! use orders::{Network, sample::SAMPLE_V3};
//!
//! let orders = SAMPLE_V3.lines().map(Order::read).collect::<Result<Vec<_>, _>>()?;
//! let node = |held: &[Order], secret| {
//!     let wanted = Wanted::new(Network::MAINNET, "{}").expect("a schema");
//!     let book = Book::new(book::Config::default().check()?, secret).holding_only(wanted.clone());
//!     let hold = |order: &Order| Holding {
//!         entry: Entry::new(order.clone()),
//!         received: UnixTime::from_millis(0),
//!         pinned: false,
//!     };
//!     book.insert(held.iter().map(hold).collect());
//!     Ok::<_, book::ConfigError>(Context {
//!         book: Arc::new(book),
//!         peer: PeerId::random(), // who is at the other end
//!         form: Form::Binary,
//!         filter: wanted,
//!         page: 500,
//!         secret,
//!         scans: Leave::fixed(true),
//!         push: true,
//!     })
//! };
//! let subprotocols = Subprotocols::new().with(riblt::Riblt)?.with(paging::V1::default())?;
//! // A node draws its secrets from the system.
//! let (ours, theirs) = (node(&orders[3..], [1; 32])?, node(&orders[..199], [2; 32])?);
//! let (here, there) = (Arc::clone(&ours.book), Arc::clone(&theirs.book));
//! let mut requester = Requester::start(subprotocols.clone(), requester::Limits::default(), ours);
//! let mut provider = Provider::new(subprotocols, provider::Limits::default(), theirs);
//!
//! // An intake would verify them and make them durable.
//! let admit = |book: &Book<Order>, entries: Vec<Entry<Order>>| {
//!     let received = UnixTime::from_millis(0);
//!     let hold = |entry: &Entry<_>| Holding { entry: entry.clone(), received, pinned: false };
//!     book.insert(entries.iter().map(hold).collect());
//!     let new = |entry: Entry<_>| Admission { id: entry.id, outcome: Ok(Admitted::New) };
//!     entries.into_iter().map(new).collect::<Vec<_>>()
//! };
//! let outcome = loop {
//!     while let Some(effect) = provider.poll_effect() {
//!         match effect {
//!             provider::Effect::Respond(response) => {
//!                 requester.handle(requester::Input::Received(response));
//!             }
//!             provider::Effect::Admit(given) => {
//!                 provider.handle(provider::Input::Admitted(admit(&there, given)));
//!             }
//!             _ => {}
//!         }
//!     }
//!     match requester.poll_effect().expect("it waits for nobody") {
//!         requester::Effect::Send(request) => provider.handle(provider::Input::Received(request)),
//!         requester::Effect::Admit(came) => {
//!             requester.handle(requester::Input::Admitted(admit(&here, came)));
//!         }
//!         requester::Effect::End(outcome) => break outcome,
//!         _ => {}
//!     }
//! };
//! assert_eq!(outcome.ended, Ended::Agreed);
//! assert_eq!((outcome.tally.new, outcome.tally.pushed, outcome.tally.round_trips), (3, 1, 2));
//! assert_eq!(here.summary(), there.summary());
//! # Ok::<_, Box<dyn std::error::Error>>(())
//! ```
//!
//! `examples/notes.rs` syncs two whole services, and something that is not an order.
//!
//! *Not here*: sockets ([`service::Network`] brings streams), the disk ([`Store`]), the live spread of
//! what is new, and what makes an item valid ([`Validator`]).
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
mod leave;
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
pub use self::leave::{Held, Leave, Room};
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
pub use self::subprotocol::{Context, Finding, Left, Next, Paging, Reaction, Subprotocol};
