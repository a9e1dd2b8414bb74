//! The version handshake, the gate it puts in front of every other protocol, and the seed protocol.
//!
//! The life of a connection:
//! 1. the transport has authenticated the remote: it is a stranger, and may use what stands beside
//!    the [`Gate`] (identify, ping), nothing else;
//! 2. the dialer opens `/meshwork/handshake/1` and says [`Version`];
//! 3. the listener judges it, and answers with its own `Version` and [`Verack`], or with [`Reject`];
//! 4. the dialer judges in turn and says `Verack` or `Reject`: one round trip in all;
//! 5. each side that has both acceptances shows the connection to the inner behaviour. What arrives
//!    for it earlier, because it overtook an acceptance, waits;
//! 6. a refused side learns why, for how long, and whom to try instead ([`Refusal`]).
//!
//! | quantity | unit | default | bound |
//! |---|---|---|---|
//! | [`Config::deadline`] | time for the whole handshake | 6 s | 100 ms to 60 s |
//! | [`Version`], [`Verack`] | bytes | | 4 KiB |
//! | [`Reject`] | bytes | | 8 KiB, 16 alternatives |
//! | [`Config::inbound_max`] | peers that dialled us | 64 | ≥ 1 |
//! | [`Config::outbound_max`] | peers of the overlay that we dialled | 16 | |
//! | [`Config::strangers_max`] | remotes that have not opened a handshake | 16 | ≥ 1 |
//! | [`Config::pending_max`] | handshakes under way | 32 | ≥ 1 |
//! | early substreams | per connection, while the remote's acceptance is on its way | | what the swarm lets negotiate at once: 8 in `transport::Builder` |
//! | bans | | | 10,000 |
//!
//! ```
//! use meshwork_handshake::{Config, Exchange, Semver, SessionKind, Side, Turn, Version};
//! use bytes::Bytes;
//!
//! let version = |nonce, kind| {
//!     let Config { network, application, agent, version, .. } = Config::default();
//!     let (observed, features, record) = (None, Vec::new(), Bytes::new());
//!     Version { network, application, agent, version, nonce, observed, kind, features, record }
//! };
//! let mut dialer = Exchange::new(Side::Dialer, version(1, SessionKind::Outbound));
//! let mut listener = Exchange::new(Side::Listener, version(2, SessionKind::Inbound));
//!
//! let opening = dialer.opening().expect("the dialer speaks first");
//! let Ok(Turn::Judge(theirs)) = listener.hear(&opening) else { panic!("a version to judge") };
//! assert_eq!(theirs.kind, SessionKind::Outbound);
//!
//! let [their_version, their_verack] = &listener.accept(Vec::new())[..] else { panic!("both") };
//! assert!(matches!(dialer.hear(their_version), Ok(Turn::Listen)));
//! assert!(matches!(dialer.hear(their_verack), Ok(Turn::Judge(_))));
//!
//! let verack = dialer.accept(Vec::new()).remove(0);
//! assert!(matches!(listener.hear(&verack), Ok(Turn::Agreed)));
//! ```
//!
//! *Not here*: how many connections a node may hold at all (`transport::limits`), which peers it
//! looks for, and what it says to them (`session`, `gossip`).
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

mod admission;
mod bans;
mod config;
mod dialer;
mod event;
mod exchange;
mod gate;
mod handler;
mod kind;
mod messages;
mod refusal;
mod reject;
mod rivals;
pub mod seed;
mod sessions;
mod shake;
mod version;

pub use self::bans::{Ban, BanStore, BanStoreError, Banned, MemoryBans};
pub use self::config::{Config, ConfigError, Params};
pub use self::dialer::{DialError, Dialer};
pub use self::event::Event;
pub use self::exchange::{Breach, Exchange, Side, Turn};
pub use self::gate::{Gate, Setup};
pub use self::handler::{Admitted, Ajar, FromGate, Handler, Names, Offer, ToGate};
pub use self::kind::{SessionKind, SessionKinds};
pub use self::messages::{Handshake, Verack, Version};
pub use self::refusal::Refusal;
pub use self::reject::{ALTERNATIVES_MAX, Reject, RejectCode};
pub use self::sessions::{SessionInfo, Sessions};
pub use self::shake::Theirs;
pub use self::version::{Feature, Semver, shared_features};

/// The handshake's protocol name.
pub const NAME: libp2p_swarm::StreamProtocol =
    libp2p_swarm::StreamProtocol::new("/meshwork/handshake/1");
