//! Application protocols in twenty lines: a registry, typed channels and jobs that end with their connection.
//!
//! The life of one protocol on one connection:
//! 1. A node [registers](Registry::register) a [`Protocol`] with the kinds of connection it is for.
//! 2. The gate lets a connection in; [`Behaviour`] looks up its kind. Who dialled opens a substream
//!    for each protocol of that kind, who was dialled accepts what it registered for inbound ones.
//! 3. Both sides run [`Protocol::run`], each on a task of its own, with a [`Channel`] and [`Jobs`].
//! 4. Messages are written and read one at a time: who does not receive makes the other wait. The
//!    sender keeps each message's [`Rate`]; on one that does not, the receiver delays, then closes.
//! 5. The end of `run` ends its jobs and closes its channel, and nothing else. [`Stop`] and a panic
//!    close the connection. When that closes, everything on it ends.
//! 6. [`Event::Ended`] is told when nothing is left, with how it came to that: [`Outcome`].
//!
//! | quantity | unit | default | bound |
//! |---|---|---|---|
//! | protocols | per node | | names of 1 to [`NAME_MAX`] bytes, no two equal |
//! | channels | per protocol and connection | | 1, once |
//! | messages held | per channel | | 1 being written, 1 being read, and 8 KiB |
//! | a message | bytes | | [`Frame::MAX`](wire::Frame::MAX) |
//! | [`Rate`] | per message type and channel | | one a day to a million a second |
//! | pace of reading | messages | | a burst, then twice the rate |
//! | messages received | since the connection opened | | 5 bursts, and 9/8 of the rate; then closed |
//! | [`Config::jobs_max`] | jobs per channel | 16 | |
//! | [`Config::grace`] | time to end | 1 s | |
//! | [`Config::open_timeout`] | time to open | 10 s | |
//!
//! ```
//! use bytes::{Bytes, BytesMut};
//! use meshwork_session::{Channel, Jobs, Message, Protocol, Rate, Registry, Stop};
//! # use std::{sync::Arc, time::Duration};
//! # use handshake::{Semver, SessionInfo, SessionKind, SessionKinds};
//! # use tokio_util::compat::TokioAsyncReadCompatExt;
//! use wire::{Frame, Malformed};
//!
//! struct Word(Bytes);
//!
//! impl Frame for Word {
//!     const MAX: usize = 64;
//!     fn encode(&self, out: &mut BytesMut) {
//!         out.extend_from_slice(&self.0);
//!     }
//!     fn decode(frame: Bytes) -> Result<Self, Malformed> {
//!         Ok(Self(frame))
//!     }
//! }
//!
//! impl Message for Word {
//!     fn rate(&self) -> Rate {
//!         Rate::per_second("word", 10, 50)
//!     }
//! }
//!
//! /// Says back what it hears.
//! struct Echo;
//!
//! impl Protocol for Echo {
//!     const NAME: &'static str = "/echo/1";
//!     type Message = Word;
//!
//!     async fn run(self, mut channel: Channel<Word>, _: Jobs) -> Result<(), Stop> {
//!         while let Some(word) = channel.recv().await? {
//!             channel.send(word).await?;
//!         }
//!         Ok(())
//!     }
//! }
//!
//! // In a node: for connections of these kinds, whatever else runs on them.
//! let mut registry = Registry::new();
//! registry.register(SessionKinds::DEFAULT, || Echo)?;
//! assert_eq!(registry.accepted(), ["/echo/1"]);
//!
//! // In a test: over a pipe.
//! # let session = Arc::new(SessionInfo {
//! #     peer: libp2p_identity::PeerId::random(),
//! #     connection: libp2p_swarm::ConnectionId::new_unchecked(1),
//! #     kind: SessionKind::Outbound,
//! #     declared: SessionKind::Outbound,
//! #     address: libp2p_core::Multiaddr::empty(),
//! #     agent: String::new(),
//! #     version: Semver::default(),
//! #     features: vec![],
//! #     record: None,
//! #     observed: None,
//! #     since: machine::Instant::START,
//! # });
//! # tokio::runtime::Builder::new_current_thread().enable_time().build()?.block_on(async {
//! let (near, far) = tokio::io::duplex(1024);
//! let mut channel = Channel::over(near.compat(), Arc::clone(&session));
//! let jobs = Jobs::new(4, Duration::from_secs(1));
//! let echo = Echo.run(Channel::over(far.compat(), session), jobs.clone());
//! let talk = async {
//!     channel.send(Word("hello".into())).await?;
//!     let heard = channel.recv().await?;
//!     assert_eq!(heard.map(|word| word.0), Some("hello".into()));
//!     channel.close().await?;
//!     Ok::<_, Stop>(())
//! };
//! let (echoed, talked) = tokio::join!(echo, talk);
//! jobs.stop().await;
//! echoed.and(talked)
//! # })?;
//! # Ok::<_, Box<dyn std::error::Error>>(())
//! ```
//!
//! *Not here*: who is let in and what kind a connection is (`handshake`); long-lived cores that the
//! simulator runs as well (`transport`'s conversations); what a refusal costs a peer.

mod behaviour;
mod channel;
mod jobs;
mod protocol;
mod rate;
mod registry;
mod runner;
#[cfg(test)]
mod sample;

pub use self::behaviour::{Behaviour, Config, Event, Refusal};
pub use self::channel::{Channel, ChannelError, Sender};
pub use self::jobs::{JobPanic, Jobs, SpawnError};
pub use self::protocol::{Message, Protocol, Stop};
pub use self::rate::{Overrun, Rate};
pub use self::registry::{NAME_MAX, RegisterError, Registry};
pub use self::runner::Outcome;
