//! From a key to a swarm: transports, limits, and the three shapes of exchange that run a core in it.
//!
//! One node's life:
//! 1. [`identity::load_or_create`] yields its key, [`Builder`] a swarm over TCP, QUIC or memory;
//! 2. [`limits::Behaviour`] refuses connections over the caps before they cost anything;
//! 3. a protocol takes one of three shapes, and there is no fourth: a [`conversation`] or a
//!    [`question`], which run a core ([`machine::Machine`]), or a [`session`], a substream on which
//!    two sides take turns;
//! 4. slow work leaves the swarm task: signatures go to the [`pool`], the rest to a [`Worker`].
//!
//! | quantity | unit | default | bound |
//! |---|---|---|---|
//! | [`conversation::Config::outbox_messages_max`] | messages per link | 256 | |
//! | [`conversation::Config::outbox_bytes_max`] | bytes per link | 1 MiB | |
//! | [`question::Config::timeout`] | time | 10 s | |
//! | [`question::Config::waiting_max`] | questions of others | 256 | |
//! | [`session::Config::accepted_max`] | sessions per connection and name | 1 | |
//! | [`session::Config::opening_max`] | sessions being opened per connection | 16 | |
//! | [`session::Config::open_timeout`] | time | 10 s | |
//! | [`JobLimits::under_way_max`] | jobs per core | 64 | |
//! | [`JobLimits::deadline`] | time per job | 30 s | |
//! | [`conversation::Config::open_timeout`] | time until both directions are there | 10 s | 1 min |
//! | [`limits::Config`] | connections | see there | |
//!
//! ```
//! use futures::StreamExt;
//! use libp2p_swarm::{SwarmEvent, dummy};
//! use meshwork_transport::{Builder, identity};
//!
//! # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
//! let directory = tempfile::tempdir()?;
//! let key = identity::load_or_create(&directory.path().join("identity.key"))?;
//! let mut swarm = Builder::new(key.clone()).tcp().quic().build(dummy::Behaviour)?;
//! assert_eq!(*swarm.local_peer_id(), key.public().to_peer_id());
//!
//! swarm.listen_on("/ip4/127.0.0.1/tcp/0".parse()?)?;
//! let event = swarm.select_next_some().await;
//! assert!(matches!(event, SwarmEvent::NewListenAddr { .. }));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! *Not here*: who may connect and on which terms (`handshake`), what the protocols say.

pub mod address;
mod builder;
pub mod clock;
pub mod conversation;
mod driver;
pub mod identity;
pub mod limits;
pub mod negotiation;
pub mod pool;
pub mod question;
pub mod records;
pub mod session;
pub mod timer;
mod worker;

pub use self::builder::{BuildError, Builder};
pub use self::driver::Event;
pub use self::worker::{JobLimits, NoJobs, Worker};

/// A core that can hold a [`conversation`] in a swarm.
pub trait Runnable:
    machine::Machine<Message: wire::Frame + Send + Unpin, Event: Send, Fault: Send, Done: Send>
    + Send
    + 'static
{
}

impl<M> Runnable for M where
    M: machine::Machine<Message: wire::Frame + Send + Unpin, Event: Send, Fault: Send, Done: Send>
        + Send
        + 'static
{
}
