//! Keeps the network together: whom to be linked to, whom to tell of whom, who is still there.
//!
//! The life of a link:
//! 1. there are too few links: the core picks a peer from its [`book`], spread over networks, and
//!    dials it ([`Job::Dial`]); if nobody is left it asks neighbours ([`Message::Bootstrap`]), and
//!    seeds when nobody answers ([`Event::SeedsWanted`]);
//! 2. the connection is open ([`Command::Opened`]) and gossip runs on it: the link counts;
//! 3. both ask each other for peers now and then, check every signature ([`Job::Verify`]), and pass
//!    on only what they have reached themselves;
//! 4. a neighbour that is silent is pinged ([`Message::Ping`]), and given up when it stays so;
//! 5. two neighbours exchange one link each ([`Message::SwapPropose`]), so that nobody's
//!    surroundings stay the same for ever, and nobody's number of links changes;
//! 6. there are too many links, or somebody ends: [`Message::Disconnect`] says why, and whom to try
//!    instead.
//!
//! | quantity | unit | default | bound |
//! |---|---|---|---|
//! | [`Config::min`], [`Config::expected`], [`Config::max`] | links | 8, 16, 64 | in order, at most 500 |
//! | [`Band::outbound_min`] | links | half of `expected` | at most 8 |
//! | [`Config::book_max`] | peers | 4,096 | 64 to 65,536 |
//! | [`RECORDS_MAX`] | records in an answer | 50 | 50 |
//! | [`Config::ask_gap`] | time between two questions to one peer | 10 s | up to `ask_period` |
//! | [`Config::swap_period`] | time between proposals | 2 min ± 20 % | 0 (never), 1 s to 1 day |
//! | [`Config::swap_share_max`] | of all links, gained by exchange within an hour | 250 ‰ | 1,000 ‰: no cap |
//! | [`Config::ping_period`] | silence before a ping | 30 s ± 20 % | 1 s to 1 day |
//! | [`Config::ping_misses_max`] | pings without an answer | 3 | 1 to 10 |
//! | a frame | bytes | | 16 KiB |
//!
//! ```
//! use machine::{Effect, Input, Instant, Machine, PeerId, UnixTime};
//! use meshwork_gossip::{Command, Config, Core, Direction, Message, Opened, Setup, Snapshot};
//! use std::time::Duration;
//!
//! let setup = Setup {
//!     local: PeerId::random(),
//!     transports: vec!["tcp".into()],
//!     trusted: Vec::new(),
//!     banned: Vec::new(),
//!     kept: Snapshot::default(),
//!     started: UnixTime::from_millis(0),
//! };
//! let mut core = Core::new(Config::default().check()?, setup, [7; 32]);
//!
//! // A peer dials us, and gossip runs on its connection.
//! let peer = PeerId::random();
//! let address = "/ip4/198.51.100.7/tcp/4001".parse()?;
//! let opened = Opened { peer, direction: Direction::Inbound, address, record: None };
//! core.handle(Input::Command(Command::Opened(Box::new(opened))), Instant::START);
//! core.handle(Input::Joined { peer, name: Core::NAMES[0] }, Instant::START);
//! assert_eq!(core.counted(), 1);
//!
//! // It is asked for others at once, and pinged when it is silent.
//! let minute = Instant::at(Duration::from_secs(60));
//! core.tick(minute);
//! let said: Vec<_> = std::iter::from_fn(|| core.poll_effect())
//!     .filter_map(|effect| match effect {
//!         Effect::Send { message, .. } => Some(message.name()),
//!         _ => None,
//!     })
//!     .collect();
//! assert!(said.starts_with(&["bootstrap"]) && said.contains(&"ping"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! *Not here*: who may come in at all (`handshake`), what seeds answer (`handshake::seed`), messages
//! of applications to one peer (`session`) and to many (`topics`).
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

mod band;
mod behaviour;
pub mod book;
mod config;
mod core;
mod error;
mod event;
mod messages;
mod reason;
mod store;
mod worker;

pub use self::band::Band;
pub use self::behaviour::Behaviour;
pub use self::config::{Config, ConfigError, Mode, Params};
pub use self::core::{Core, LinkView, Setup};
pub use self::error::Fault;
pub use transport::records::BadRecord;

pub use self::event::{Command, Direction, Done, Event, Job, Opened, Purpose, Swap, TrustError};
pub use self::messages::{ALTERNATIVES_MAX, Message, RECORDS_MAX};
pub use self::reason::{DisconnectReason, SwapRefusal};
pub use self::store::{BookStore, Change, MemoryBook, Snapshot, StoreError, Stored};
pub use self::worker::Worker;
