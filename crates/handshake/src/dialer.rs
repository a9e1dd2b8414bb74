//! Asks the gate to dial, from any task.

use libp2p_core::Multiaddr;
use libp2p_identity::PeerId;
use libp2p_swarm::ConnectionId;
use thiserror::Error;
use tokio::sync::{mpsc, oneshot};

use crate::{Refusal, SessionKind};

/// Dials that may wait for the swarm's attention.
pub(crate) const WAITING_MAX: usize = 64;

/// Asks the gate to dial.
///
/// Cheap to clone. A dial ends when both sides have accepted, not when the transport is connected.
#[derive(Clone, Debug)]
pub struct Dialer {
    requests: mpsc::Sender<DialRequest>,
}

/// One dial, asked for.
#[derive(Debug)]
pub(crate) struct DialRequest {
    pub(crate) peer: PeerId,
    pub(crate) addresses: Vec<Multiaddr>,
    pub(crate) purpose: Purpose,
    pub(crate) reply: oneshot::Sender<Result<ConnectionId, DialError>>,
}

/// What a dial is for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Purpose {
    /// A connection that passes the handshake.
    Session(SessionKind),
    /// A connection without one.
    Outside,
}

/// Why a dial came to nothing.
#[derive(Clone, Debug, Error)]
pub enum DialError {
    /// There is a connection to this peer already, or a dial that is to make one.
    #[error("already connected, or about to be")]
    AlreadyConnected,
    /// That is our own peer id.
    #[error("this is ourselves")]
    Oneself,
    /// All outbound slots are taken.
    #[error("no outbound slot is free")]
    Full,
    /// No address is left after those that may not be dialled.
    #[error("no address to dial")]
    NoAddress,
    /// Too many dials are under way.
    #[error("too many dials under way")]
    Busy,
    /// The peer is banned, or an address of it.
    #[error("banned: {reason}")]
    Banned {
        /// Why.
        reason: String,
    },
    /// No address answered.
    #[error("unreachable: {reason}")]
    Unreachable {
        /// What the transport says.
        reason: String,
    },
    /// An address answered with another peer's key.
    #[error("another peer is at this address: {found}")]
    OtherPeer {
        /// Who.
        found: PeerId,
    },
    /// It answered, and the handshake ended in a refusal.
    #[error(transparent)]
    Refused(Refusal),
    /// The gate is gone.
    #[error("the node is stopping")]
    Stopping,
}

impl Dialer {
    pub(crate) fn new() -> (Self, mpsc::Receiver<DialRequest>) {
        let (requests, receiver) = mpsc::channel(WAITING_MAX);
        (Self { requests }, receiver)
    }

    /// Dials `peer` at `addresses`, all at once, and passes the handshake.
    ///
    /// Addresses that a remote must not make us dial (loopback and private ones, unless allowed)
    /// are left out, except for [`SessionKind::Manual`] and [`SessionKind::Seed`], whose addresses
    /// the operator gave.
    ///
    /// # Errors
    ///
    /// [`DialError`].
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves the dial going; its end is still an event of the gate.
    pub async fn dial(
        &self,
        peer: PeerId,
        addresses: Vec<Multiaddr>,
        kind: SessionKind,
    ) -> Result<ConnectionId, DialError> {
        self.request(peer, addresses, Purpose::Session(kind)).await
    }

    /// Dials `peer` at `addresses`, all at once, as a stranger does: there is no handshake, the
    /// connection stays outside the gate for what stands beside it, and is closed when nothing
    /// happens on it. For remotes that speak a protocol of ours and are no nodes of this network.
    /// Whatever connections to `peer` there are, this is one more.
    ///
    /// The operator gave the addresses, so all of them are dialled.
    ///
    /// # Errors
    ///
    /// [`DialError`], but for those that a handshake ends in.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves the dial going.
    pub async fn dial_outside(
        &self,
        peer: PeerId,
        addresses: Vec<Multiaddr>,
    ) -> Result<ConnectionId, DialError> {
        self.request(peer, addresses, Purpose::Outside).await
    }

    async fn request(
        &self,
        peer: PeerId,
        addresses: Vec<Multiaddr>,
        purpose: Purpose,
    ) -> Result<ConnectionId, DialError> {
        let (reply, outcome) = oneshot::channel();
        let request = DialRequest { peer, addresses, purpose, reply };
        self.requests.send(request).await.map_err(|_| DialError::Stopping)?;
        outcome.await.unwrap_or(Err(DialError::Stopping))
    }
}
