//! The reference node: composes the protocol crates, serves the control API, and is the command line.
//!
//! The life of a node:
//! 1. [`DataDir::claim`] takes the data directory, so that no second node can use it;
//! 2. [`config::Layers::load`] lays flags over environment over file over defaults, and refuses the
//!    whole with every mistake in it;
//! 3. [`Service::start`] makes a new node of an empty directory, listens, and opens the control API;
//! 4. `gossip` decides whom to be linked to, seeds tell it of peers while it knows too few, and the
//!    node's loop carries what one protocol learns to the others;
//! 5. whoever asks does so through a [`Handle`], about orders through [`orders::Orders`], about
//!    payments through [`payments::Payments`], about messages through [`messaging::Messaging`]; from
//!    outside as a [`control::Client`];
//! 6. told to end, it lets the protocols finish, says goodbye to every peer, writes down what it has
//!    learned, closes every connection and removes its socket.
//!
//! | quantity | unit | default | bound |
//! |---|---|---|---|
//! | configuration | keys | [`Config`] | see [`Config::MANUAL`] |
//! | configuration file | bytes | | 1 MiB |
//! | links, dials, address book | | | `gossip::Config` |
//! | records passed on to refused peers | records | | 64 |
//! | questions that wait for the loop | questions | | 32 |
//! | [`config::Control::request_timeout`] | time | 5 s | 100 ms to 60 s |
//! | control request, reply | bytes | | 16 KiB, 4 MiB |
//! | orders kept | orders | 200,000 | 1 to 4,194,304 |
//! | part of an import | bytes | | 64 KiB |
//! | line of an import | bytes | | 32,000 |
//! | batch of an import | lines, bytes | 500, 1 MiB | two under way |
//! | changes remembered for those who watch | changes | | 1024 |
//! | syncs that wait to be run | syncs | | 4 |
//! | goodbye | time | | 3 s |
//! | wishes that wait for those who relay | wishes | | 16 |
//! | ledger that is served | connections, requests of one at a time | | 64, 16 |
//! | ledger that is served | requests a second, of one connection and of all | | 200, 1,000 |
//! | strangers that sync orders | connections | | 8, and half of the strangers; 2 of a subnet |
//! | inbox | messages, bytes | | 10,000, 64 MiB |
//! | own messages remembered | messages | | 1,024 |
//! | news of messages that a watcher may be behind | news | | 256 |
//! | own orders that wait to be published | orders | | 16,384 |
//!
//! ```
//! use meshwork::config::{Environment, Layers};
//! use meshwork::{DataDir, Service};
//! use session::Registry;
//!
//! # tokio::runtime::Runtime::new().unwrap().block_on(async {
//! let directory = tempfile::tempdir().unwrap();
//! let environment = Environment::from_iter([
//!     ("MESHWORK_NETWORK__NAME", "rivers"),
//!     ("MESHWORK_NETWORK__LISTEN", "/ip4/127.0.0.1/tcp/0"),
//! ]);
//! let settings = Layers { file: None, environment: &environment, flags: Vec::new() }.load().unwrap();
//!
//! let claim = DataDir::at(directory.path()).unwrap().claim().unwrap();
//! let node = Service::start(claim, settings.params, Registry::new(), None).await.unwrap();
//! let (me, handle) = (node.peer_id(), node.handle());
//! let ask = async {
//!     let status = handle.status().await.unwrap();
//!     handle.shut_down().await.unwrap();
//!     status
//! };
//! let ((), status) = tokio::join!(node.run(std::future::pending()), ask);
//! assert_eq!((status.peer, status.network.as_str()), (me, "rivers"));
//! assert_eq!(status.listen.len(), 1);
//! assert!(directory.path().join("identity.key").exists());
//! assert!(directory.path().join("meshwork.redb").exists());
//! # });
//! ```
//!
//! *Not here*: who may connect (`handshake`), how bytes travel (`transport`), what an application
//! says (`session`).

pub mod cli;
pub mod config;
pub mod control;
mod datadir;
#[expect(
    clippy::too_many_lines,
    reason = "a service is one function, however many requests it takes"
)]
#[path = "gen/mod.rs"]
mod generated;
mod handle;
pub mod logging;
mod memory;
pub mod messaging;
mod node;
pub mod orders;
pub mod payments;
mod printable;
mod relaying;
mod service;
mod syncing;
pub mod testnet;
mod whom;

pub use self::config::Config;
pub use self::datadir::{Claim, DataDir, DataDirError};
pub use self::handle::{
    AddError, BanError, BookEntry, BookQuery, BookView, Colour, Direction, Ending, Handle, Kind,
    NotTrusted, Peer, Reply, Request, Standing, Status, UnbanError,
};
pub use self::memory::MemoryError;
pub use self::messaging::MessagingError;
pub use self::node::StartError;
pub use self::printable::Printable;
pub use self::relaying::RelayingError;
pub use self::service::{Service, ServiceError};
