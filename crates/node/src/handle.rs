//! How others ask the running node: a bounded queue of questions to its event loop.

use std::collections::BTreeMap;
use std::time::Duration;

use libp2p::{Multiaddr, PeerId};
use tokio::sync::{mpsc, oneshot};

use crate::config::{NetworkName, Role};

/// Most questions that wait for the event loop; who asks more waits for room.
const QUEUE_MAX: usize = 32;

/// A question to the event loop, with where to send the answer.
#[derive(Debug)]
pub enum Request {
    /// How is it?
    Status(oneshot::Sender<Status>),
    /// Who is connected?
    Peers(oneshot::Sender<Vec<Peer>>),
    /// Say goodbye and end. Answered at once.
    Shutdown(oneshot::Sender<()>),
}

/// The node as a whole, at the time of asking.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Status {
    /// Who the node is.
    pub peer: PeerId,
    /// Its network.
    pub network: NetworkName,
    /// Name of its application.
    pub application: String,
    /// Version of its application.
    pub version: [u32; 3],
    /// Name and version of its software.
    pub agent: String,
    /// What it does for the network.
    pub role: Role,
    /// Where it listens.
    pub listen: Vec<Multiaddr>,
    /// How long it has been running.
    pub uptime: Duration,
    /// Peers that dialled it and passed the handshake.
    pub inbound: u32,
    /// Peers that it dialled and that passed the handshake.
    pub outbound: u32,
    /// Connections that use only protocols open to anybody.
    pub strangers: u32,
    /// Connections that are being established or shaking hands.
    pub pending: u32,
    /// Peers of which it knows an address.
    pub known_addresses: u64,
    /// Connections refused since the start, by reason.
    pub refused: BTreeMap<String, u64>,
    /// Messages and events dropped since the start, by reason.
    pub dropped: BTreeMap<String, u64>,
}

/// One connected peer, at the time of asking.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Peer {
    /// Who it is.
    pub peer: PeerId,
    /// Where it is.
    pub address: Multiaddr,
    /// Who dialled.
    pub direction: Direction,
    /// What the connection is for.
    pub kind: Kind,
    /// How long ago the handshake ended.
    pub connected: Duration,
    /// Last measured round trip; `None` before the first.
    pub rtt: Option<Duration>,
    /// Name and version of its software, as the peer says.
    pub agent: String,
    /// Version of its application.
    pub version: [u32; 3],
    /// Features that both sides have, as `name/version`.
    pub features: Vec<String>,
    /// What carries the connection: `tcp`, `quic` or `memory`.
    pub transport: String,
}

/// Who dialled.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Direction {
    /// The peer did.
    Inbound,
    /// This node did.
    Outbound,
}

/// What a connection is for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Kind {
    /// Whatever the peer wants: it dialled.
    Inbound,
    /// A lasting link of the overlay.
    Outbound,
    /// A lasting link that the operator asked for.
    Manual,
    /// A short visit to a seed.
    Seed,
    /// A short probe that verifies an address.
    Refine,
    /// A link to one certain peer, for as long as it is of use.
    Direct,
}

/// The node has ended, or ends before it could answer.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("the node is ending")]
pub struct Ending;

/// Asks the event loop of a node. Clones ask the same one.
///
/// # Cancel safety
/// A question whose asker gave up is answered into the void.
#[derive(Clone, Debug)]
pub struct Handle {
    requests: mpsc::Sender<Request>,
}

impl Handle {
    /// A handle, and the end that the event loop reads.
    ///
    /// # Bounds
    /// At most 32 questions wait.
    pub fn new() -> (Self, mpsc::Receiver<Request>) {
        let (requests, queue) = mpsc::channel(QUEUE_MAX);
        (Self { requests }, queue)
    }

    /// How the node is.
    ///
    /// # Errors
    /// [`Ending`].
    pub async fn status(&self) -> Result<Status, Ending> {
        self.ask(Request::Status).await
    }

    /// Who is connected.
    ///
    /// # Errors
    /// [`Ending`].
    pub async fn peers(&self) -> Result<Vec<Peer>, Ending> {
        self.ask(Request::Peers).await
    }

    /// Has the node say goodbye and end.
    ///
    /// # Errors
    /// [`Ending`]: it is doing so already.
    pub async fn shut_down(&self) -> Result<(), Ending> {
        self.ask(Request::Shutdown).await
    }

    async fn ask<A>(&self, question: fn(oneshot::Sender<A>) -> Request) -> Result<A, Ending> {
        let (reply, answer) = oneshot::channel();
        self.requests.send(question(reply)).await.map_err(|_| Ending)?;
        answer.await.map_err(|_| Ending)
    }
}
