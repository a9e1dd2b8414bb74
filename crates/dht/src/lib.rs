//! Encrypted messages through tower pipelines, routed by distance, kept for peers that are offline.
//!
//! One message:
//! 1. a requester puts a [`DhtOutboundRequest`] into the outbound pipeline, which decides for whom it
//!    is, seals it and hands a [`Dispatch`] to the core;
//! 2. the [`Core`] gives it to a neighbour that is closer to the recipient, and if that does not take
//!    it, or nothing is heard, to another;
//! 3. there it arrives as an [`InboundMessage`] and goes through the inbound pipeline: what was here
//!    before, came too early or too late, or too often, is turned away before a signature is looked
//!    at, and nothing is remembered before that holds;
//! 4. what comes out goes to the core, to be carried on or kept, or to the application;
//! 5. who carries it says who keeps it, the recipient says that it has it: each message ends with
//!    one [`Outcome`].
//!
//! | quantity | unit | default | bound |
//! |---|---|---|---|
//! | [`PAYLOAD_MAX`] | bytes of a message | | 65,536 |
//! | [`ENVELOPE_MAX`] | bytes of its envelope | | 67,769 |
//! | [`PADDED_MIN`] | bytes that a sealed letter is padded to | | 256 |
//! | [`QUANTUM`] | time, in which lives are counted | 5 min | |
//! | [`Lifetime`] | quanta | | 1 to 288 |
//! | [`ServicePipeline::bounded`] | messages in a pipeline at once | 4,096 | 1 or more |
//! | [`DhtHandler`] | letters that the application has in hand | | 256 |
//! | [`Sending::history`] | news of one message | | 256 and the end |
//! | [`Config`] | all else | see there | see there |
//!
//! Both pipelines over plain channels, without links. `examples/two_pipelines.rs` has them, too:
//!
//! ```
//! use futures::StreamExt as _;
//! use libp2p_identity::Keypair;
//! use meshwork_dht::{
//!     BroadcastStrategy, Carriage, Dht, DhtInboundMessage, DhtOutboundRequest, InboundMessage,
//!     LetterId, SinkMiddleware, Ticket,
//! };
//! use tower::{Service as _, ServiceBuilder, ServiceExt as _, service_fn};
//!
//! # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
//! let alice = Dht::builder(Keypair::generate_ed25519()).build([1; 32]).await?;
//! let bob = Dht::builder(Keypair::generate_ed25519()).build([2; 32]).await?;
//!
//! let (sink, mut sent) = futures::channel::mpsc::channel(1);
//! let mut outbound = ServiceBuilder::new()
//!     .layer(alice.outbound_middleware_layer())
//!     .service(SinkMiddleware::new(sink));
//! let to_bob = BroadcastStrategy::Direct(bob.local());
//! let request = DhtOutboundRequest::new(to_bob, LetterId([7; 16]), "hello".into());
//! outbound.ready().await?.call(request).await?;
//! let dispatch = sent.next().await.expect("it came out of the pipeline");
//!
//! let mut inbound = ServiceBuilder::new().layer(bob.inbound_middleware_layer()).service(
//!     service_fn(async |letter: DhtInboundMessage| {
//!         assert_eq!(letter.payload, "hello");
//!         assert!(letter.sealed);
//!         Ok::<_, std::convert::Infallible>(())
//!     }),
//! );
//! let message = InboundMessage {
//!     from: alice.local(),
//!     ticket: Ticket::new(1),
//!     hops: 8,
//!     carriage: Carriage::Routed,
//!     envelope: dispatch.envelope().bytes().clone(),
//! };
//! inbound.ready().await?.call(message).await?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Each stage takes what only the one before it makes. Its layers can be put together by hand, with
//! others between them:
//!
//! ```
//! use meshwork_dht::{
//!     Admitted, DecryptLayer, Disposition, Gate, RecordLayer, Recorded, Refusal, VerifyLayer,
//! };
//! use tower::{Service, ServiceBuilder, service_fn};
//!
//! fn stages(gate: &Gate) -> impl Service<Admitted> {
//!     ServiceBuilder::new()
//!         .layer(VerifyLayer::default())
//!         .layer(DecryptLayer::new(gate.opener().clone()))
//!         .layer(RecordLayer::new(gate.seen().clone()))
//!         .service(service_fn(async |recorded: Recorded| {
//!             Ok::<_, Refusal>(Disposition::Carry(recorded))
//!         }))
//! }
//! ```
//!
//! and in a wrong order they do not compile: what is not verified is not recorded.
//!
//! ```compile_fail,E0277
//! use meshwork_dht::{
//!     Admitted, DecryptLayer, Disposition, Gate, RecordLayer, Recorded, Refusal, VerifyLayer,
//! };
//! use tower::{Service, ServiceBuilder, service_fn};
//!
//! fn stages(gate: &Gate) -> impl Service<Admitted> {
//!     ServiceBuilder::new()
//!         .layer(RecordLayer::new(gate.seen().clone())) // before it is verified
//!         .layer(VerifyLayer::default())
//!         .layer(DecryptLayer::new(gate.opener().clone()))
//!         .service(service_fn(async |recorded: Recorded| {
//!             Ok::<_, Refusal>(Disposition::Carry(recorded))
//!         }))
//! }
//! ```
//!
//! *Not here*: who may connect (`handshake`), how a core runs in a swarm (`transport`), where rows
//! are kept (`storage`).
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

mod clock;
mod code;
mod config;
mod core;
mod delivery;
mod dht;
pub mod domain_message;
mod envelope;
mod error;
mod event;
mod fault;
mod feed;
mod front;
mod inbound;
mod journal;
mod key;
mod layers;
mod letter;
mod mailbox;
mod messages;
mod metrics;
mod network;
mod outbound;
mod padding;
mod pipeline;
mod rates;
mod refusal;
mod requester;
mod seen;
mod sent;
mod store;
mod strategy;
mod table;
mod work;

pub use self::clock::{Clock, Moment, Randomness};
pub use self::code::Code;
pub use self::config::{
    Config, DeliveryConfig, DhtConfig, MailboxConfig, NetworkDiscoveryConfig, Params, RatesConfig,
    RoutingConfig, SeenConfig,
};
pub use self::core::{Core, CoreGauges, Setup};
pub use self::delivery::{
    Delivery, DhtInboundMessage, Handed, Local, Reception, Unstored, decide, forward, handle, store,
};
pub use self::dht::{
    Arrivals, Dht, DhtBuilder, DhtInitializationError, FromWire, Monitor, Requests, ToWire,
    WireGone,
};
pub use self::envelope::{
    BadEnvelope, BadSignature, Destination, ENVELOPE_MAX, Envelope, Fingerprint, Flags, Form,
    Identified, Lifetime, MessageId, NotEd25519, OpenError, Opened, Opener, QUANTUM, SealError,
    Sealer, Terms,
};
pub use self::error::ConfigError;
pub use self::event::{
    Command, DialError, DiscoverError, Done, Event, Job, LookUpError, Outcome, SendError,
};
pub use self::fault::Fault;
pub use self::front::Front;
pub use self::inbound::{
    Admitted, Carriage, Contents, Decrypted, Disposition, Fresh, Gate, InboundMessage, Parsed,
    Recorded, Rules, Ticket, Valid, Verified, Weighed, decrypt, deserialize, pass, rate_limit,
    record, seen, validate, verify, weigh,
};
pub use self::journal::Journal;
pub use self::key::{Distance, Key};
pub use self::layers::{
    Broadcast, BroadcastLayer, DecryptLayer, DedupLayer, DeserializeLayer, DhtHandler,
    DhtHandlerLayer, EncryptLayer, ForwardLayer, InboundLayer, InboundService, Opening,
    OutboundLayer, OutboundService, RateLimitLayer, RecordLayer, Replying, Screening,
    SerializeLayer, Settle, SettleLayer, Settlement, Settling, StoreLayer, ValidateLayer,
    VerifyLayer, WeighLayer,
};
pub use self::letter::{Kind, Letter, LetterId, PAYLOAD_MAX};
pub use self::mailbox::{
    Admission, Arrival, Entry, MailGauges, Mailboxes, NotKept, Page, Scope, Source,
};
pub use self::messages::{CURSOR_MAX, IDS_MAX, Message, News, RECORDS_MAX, Stored};
pub use self::metrics::Counts;
pub use self::network::{BadNetwork, Network};
pub use self::outbound::{
    Addressed, Addressee, DhtOutboundError, DhtOutboundRequest, Dispatch, Sealed, SendOptions,
    broadcast, encrypt, seal, serialize,
};
pub use self::padding::{PADDED_MIN, is_padded, padded};
pub use self::pipeline::{
    Hop, Next, OnPool, OnPoolLayer, Passed, ServicePipeline, SinkMiddleware, Stage, StageLayer,
};
pub use self::rates::Rates;
pub use self::refusal::Refusal;
pub use self::requester::{
    DhtActorError, DhtDiscoveryRequester, DhtRequester, OutboundMessageRequester, Restored, Sending,
};
pub use self::seen::{Seen, SeenGauges, SeenRow};
pub use self::sent::Sent;
pub use self::store::{Change, MemoryStore, Snapshot, Store, StoreError};
pub use self::strategy::{BroadcastStrategy, View, select};
pub use self::table::{Alive, Contact, Failed, Gauges, Links, NotTaken, Offered, Table};
pub use self::work::{Dialler, Worker};
