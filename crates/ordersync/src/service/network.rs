//! What a service needs of the network, and what it tells.

use std::fmt;

use futures::future::BoxFuture;
use futures::{AsyncRead, AsyncWrite};
use machine::PeerId;

use crate::requester::Outcome;
use crate::{Fault, ID, ID_BINARY, ID_V4, Refusal, json, provider};

/// How messages look on a substream: settled by the name that it was opened with.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Protocol {
    /// [`ID_BINARY`].
    Binary,
    /// [`ID`] or [`ID_V4`].
    Json(json::Envelope),
}

impl Protocol {
    /// Its name.
    pub const fn id(self) -> &'static str {
        match self {
            Self::Binary => ID_BINARY,
            Self::Json(envelope) => envelope.id(),
        }
    }

    /// That of a name.
    pub fn of(name: &str) -> Option<Self> {
        match name {
            ID_BINARY => Some(Self::Binary),
            ID => Some(Self::Json(json::Envelope::Negotiated)),
            ID_V4 => Some(Self::Json(json::Envelope::Bare)),
            _ => None,
        }
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.id())
    }
}

/// A substream could not be opened: the peer is gone, or speaks none of the protocols.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("cannot open a session: {reason}")]
pub struct OpenFailed {
    /// Why.
    pub reason: String,
}

/// What a node knows of a peer: whether its name cost it anything.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Standing {
    /// It was let in.
    Member,
    /// Anybody, perhaps under a name of this moment: nothing that is held against the name lasts.
    Stranger,
}

/// The peers that a service can ask.
pub trait Network: Send + Sync + 'static {
    /// An ordered, reliable stream of bytes to one peer.
    type Stream: AsyncRead + AsyncWrite + Send + Unpin + 'static;

    /// Those that are connected now.
    fn peers(&self) -> Vec<PeerId>;

    /// Opens a substream for a session in one of `protocols`, best first, as far as this node speaks
    /// them with that peer.
    fn open(
        &self,
        peer: PeerId,
        protocols: &[Protocol],
    ) -> BoxFuture<'static, Result<(Protocol, Self::Stream), OpenFailed>>;

    /// What is known of `peer`. Asked when a session begins, and holds for that session.
    fn standing(&self, _peer: PeerId) -> Standing {
        Standing::Member
    }

    /// Is told what happens. Must not block.
    fn tell(&self, event: Event);
}

/// A sync among others, as whoever asks for it names it
/// ([`Service::for_sync`](super::Service::for_sync)); 0 is for those who do not.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct SyncId(pub u64);

/// What a service tells.
#[derive(Clone, Debug)]
pub enum Event {
    /// A peer did something that counts for or against it.
    Scored {
        /// Who.
        peer: PeerId,
        /// What.
        score: Score,
    },
    /// A peer broke a rule; the fault knows its price.
    Fault {
        /// Who.
        peer: PeerId,
        /// As what, when the session began.
        standing: Standing,
        /// Which rule.
        fault: Fault,
    },
    /// A session of ours goes on.
    Progress {
        /// Of which sync.
        sync: SyncId,
        /// With whom.
        peer: PeerId,
        /// Counted so far.
        tally: crate::requester::Tally,
    },
    /// A session of ours ended.
    Fetched {
        /// Of which sync.
        sync: SyncId,
        /// With whom.
        peer: PeerId,
        /// In which envelope; `None` if none was opened.
        protocol: Option<Protocol>,
        /// How.
        outcome: Outcome,
    },
    /// A session of a peer's ended.
    Served {
        /// With whom.
        peer: PeerId,
        /// In which envelope.
        protocol: Protocol,
        /// What it had.
        tally: provider::Tally,
        /// How it ended.
        ended: Result<(), ServeError>,
    },
}

/// Why a session of a peer's ended before everything was said.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum ServeError {
    /// This node refuses.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// What came is not a request.
    #[error(transparent)]
    Fault(#[from] Fault),
    /// As many sessions are served as may be.
    #[error("no place for a session")]
    Full,
    /// Nothing was asked, or taken, in time.
    #[error("no turn in time")]
    TimedOut,
    /// The stream broke.
    #[error("the stream broke")]
    Broken,
}

/// What a peer did, as 0x-Mesh scores it.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Score {
    /// A message that is none.
    InvalidMessage,
    /// A message that is one.
    ValidMessage,
    /// No subprotocol in common.
    NegotiationFailed,
    /// The stream could not be opened or broke.
    UnexpectedDisconnect,
    /// A response was handled in full.
    ReceivedOrders,
    /// An order that the filter does not want.
    UnmatchedOrder,
}

impl Score {
    /// The name of the score in 0x-Mesh, and how it changes it.
    pub const fn in_0x_mesh(self) -> (&'static str, Change) {
        match self {
            Self::InvalidMessage => ("ordersync/invalid-message", Change::Add(-5)),
            Self::ValidMessage => ("ordersync/valid-message", Change::Set(5)),
            Self::NegotiationFailed => {
                ("ordersync/subprotocol-negotiation-failed", Change::Set(-5))
            }
            Self::UnexpectedDisconnect => ("ordersync/unexpected-disconnect", Change::Add(-1)),
            Self::ReceivedOrders => ("ordersync/received-orders", Change::Set(10)),
            Self::UnmatchedOrder => ("received-order-does-not-match-filter", Change::Set(-10)),
        }
    }
}

/// How a score changes.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Change {
    /// Adds up.
    Add(i32),
    /// Holds until it is set anew, so that it cannot be farmed.
    Set(i32),
}
