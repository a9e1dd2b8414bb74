//! The version handshake, the gate it puts in front of every other protocol, and the seed protocol.
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
