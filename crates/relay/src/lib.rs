//! Packets of one size that go to their recipient over relays, none of which knows both ends, and
//! the proof by which each relay earns its ticket; and the runner that passes them on.
//!
//! The life of a packet:
//! 1. its sender agrees on a secret with each node of the path, wraps the message in as many layers
//!    ([`sphinx::Packet::build`]), and puts the challenge it is given on the ticket it sends along;
//! 2. a node takes what is as long as a packet, and [peels](sphinx::NodeSecret::peel) it: whoever
//!    changed a bit of the header is noticed here;
//! 3. it shows the [tag](sphinx::Peeled::tag) to its replay [guard](replay::Guard), before it does
//!    anything else, and [finishes](sphinx::Peeled::finish);
//! 4. a relay [checks](por::RelayString::check) that the next node's acknowledgement will open the
//!    ticket that came along, looks at what that is worth, issues one of its own
//!    ([`engine::Engine::inbound`]), lets the packet wait in its [mixer], and sends it on;
//! 5. the next node acknowledges with its [half key](por::Secret::ack), and the
//!    [sum](tickets::Response::combine) with the relay's own half is the ticket's response;
//! 6. the recipient's half key, under a [veil](por::Veil) of each relay, or a [`FailureCode`], goes
//!    back the way that the packet came, mixed like it, so that the sender hears of each message how
//!    it ended ([`engine::Outcome`]).
//!
//! [`run_msg_ack_protocol`] does all of this on tasks, over any two streams and sinks of frames;
//! [`pipe`] has the cores that bring frames from and to links. Each part can be used without it.
//!
//! | part of a packet | bytes | what it is |
//! |---|---|---|
//! | group element | 32 | a point of edwards25519, another at each node |
//! | header | 346 | three entries of 115, and one byte for the recipient |
//! | code | 16 | BLAKE3 with a key over the header |
//! | payload | 1,044 | 16 zeros, length 2, tag 2, and 1,024 for the message and zeros |
//! | **packet** | **1,438** | [`sphinx::Packet::LEN`], wherever it is and however far it goes |
//!
//! | part of an entry | bytes |
//! |---|---|
//! | how many nodes follow | 1 |
//! | the next node's key | 32 |
//! | the code of its header | 16 |
//! | proof of relay | 66, [`por::RelayString::LEN`] |
//!
//! | quantity | unit | value | bound |
//! |---|---|---|---|
//! | message | bytes | | [`sphinx::Message::BYTES_MAX`], 1,024 |
//! | relays before the recipient | nodes | 0 to 3 | [`sphinx::RELAYS_MAX`] |
//! | [`replay::Config::capacity`] | tags in each of two generations | 10,000,000 | 2³⁰, 9.2 bytes each |
//! | delay of [`mixer::Config`] | time | 0 to 200 ms | 20,000 packets, 64 MiB |
//! | [`config::DEFAULT_PRICE_PER_PACKET`] | base units, for each hop | 10¹⁶ | |
//! | [`config::Queue`], of packets and of acknowledgements each | items, bytes of one peer | 1,024, 2 MiB | 64 MiB of all |
//! | [`config::Msg::batch_max`], [`config::Msg::batches_max`] | packets of a job, jobs | 64, twice the processors | 256, 1,024 |
//! | [`config::Msg::delivered_max`], [`config::Ack::earned_max`] | messages, tickets that wait | 1,024 each | 1,000,000 |
//! | [`config::Ack::flush_interval`], [`config::Ack::entries_max`] | time, entries of a frame | 5 ms, 64 | 1 s, 64 |
//! | [`pending::Config::entries_max`], [`share_max`](pending::Config::share_max), [`caused_max`](pending::Config::caused_max) | packets waited for: all, by one peer, for one | 65,536, 32,768, 8,192 | 2²⁰ |
//! | [`pending::Config::ack_timeout`], [`end_timeout`](pending::Config::end_timeout) | time | 10 s, 30 s | 30 s |
//! | [`path::select`] | first relays, channels behind each | | 16, 1,000 |
//!
//! ```
//! use meshwork_relay::sphinx::{Message, NodeSecret, Opened, Packet};
//! use tickets::Response;
//!
//! let [relay, recipient] = [1, 2].map(|seed| NodeSecret::from_seed(&[seed; 32]));
//! let message = Message::new(7, b"over there".to_vec())?;
//! let path = [relay.key(), recipient.key()];
//! let (packet, sent) = Packet::build(&path, &message, &[3; 32])?;
//!
//! let came = Packet::from_bytes(&packet.to_bytes())?;
//! let Opened::Forward(forward) = relay.peel(came)?.finish()? else { panic!("not the last") };
//! assert_eq!((forward.next, forward.left), (recipient.key().peer(), 1));
//! forward.string.check(&forward.secret.own(), sent.ticket.address())?;
//!
//! let Opened::Deliver(delivery) = recipient.peel(forward.packet)?.finish()? else { panic!() };
//! assert_eq!(delivery.message, message);
//!
//! // The acknowledgement of the recipient completes the response to the relay's ticket.
//! let response = Response::combine(&forward.secret.own(), &delivery.secret.ack())?;
//! assert_eq!(response.challenge(), sent.ticket);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! *Not here*: tickets and what they are worth (`tickets`), and connections (`transport`);
//! nor who redeems what was earned, and when.
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

pub mod accounts;
pub mod acks;
pub mod config;
mod discovery;
pub mod engine;
mod error;
mod failure;
pub mod fair;
mod inbound;
mod liveness;
pub mod mixer;
mod outbound;
mod outcome;
pub mod path;
pub mod pending;
pub mod pipe;
pub mod por;
mod processes;
pub mod replay;
pub mod sphinx;
mod tag;
pub mod wire;

pub use self::discovery::{Discovery, PeerDiscovery};
pub use self::error::{BuildError, MessageTooLong, NotEd25519, Refusal, Unproven};
pub use self::failure::{FailureCode, MinAmount, RefusalCode, TicketRefusal};
pub use self::processes::{
    Link, LinkGone, Linked, Messages, Parts, ProtocolProcesses, Relay, Route, Running, SendError,
    run_msg_ack_protocol,
};
pub use self::tag::TagFilter;
pub use transport::timer::execute_on_tick;
