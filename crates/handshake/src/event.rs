//! What comes out of a gate.

use std::sync::Arc;

use libp2p_core::Multiaddr;
use libp2p_identity::PeerId;
use libp2p_swarm::ConnectionId;

use crate::{BanStoreError, Banned, Refusal, SessionInfo};

/// What comes out of a [`Gate`](crate::Gate).
#[derive(Debug)]
pub enum Event<E> {
    /// The inner behaviour's own event.
    Inner(E),
    /// Both sides accepted; the inner behaviour knows the connection.
    Opened(Arc<SessionInfo>),
    /// A connection that was open is gone.
    Closed(Arc<SessionInfo>),
    /// Both sides accepted a connection that we opened only to see whether they would.
    Probed(Arc<SessionInfo>),
    /// A connection stays outside.
    Refused {
        /// Whom to.
        peer: PeerId,
        /// Which.
        connection: ConnectionId,
        /// Where we dialled, or where the remote comes from.
        address: Multiaddr,
        /// Whether we dialled.
        dialled: bool,
        /// Why.
        refusal: Refusal,
    },
    /// An address that we dialled is our own.
    SelfDialled {
        /// It.
        address: Multiaddr,
    },
    /// A ban, or the end of one, is durable, or could not be made so.
    BanStored {
        /// Whom it names.
        banned: Banned,
        /// What the store says.
        outcome: Result<(), BanStoreError>,
    },
}
