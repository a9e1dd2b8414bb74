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
    pub(crate) kind: SessionKind,
    pub(crate) reply: oneshot::Sender<Result<ConnectionId, DialError>>,
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
        let (reply, outcome) = oneshot::channel();
        let request = DialRequest { peer, addresses, kind, reply };
        self.requests.send(request).await.map_err(|_| DialError::Stopping)?;
        outcome.await.unwrap_or(Err(DialError::Stopping))
    }
}
