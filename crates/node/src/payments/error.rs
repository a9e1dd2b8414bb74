//! Why something was not paid.

use tickets::ChannelId;
use tickets::ledger::{Code, LedgerGone, SubmitError};

use super::Whom;

/// Why nothing was changed on the ledger, or why it is not known.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum PaymentError {
    /// Nobody on the ledger is that peer.
    #[error("peer {0} has not announced an account on the ledger")]
    Unknown(libp2p::PeerId),
    /// There is no such channel, or none of this node's.
    #[error("this node has no channel {0}")]
    NoChannel(Whom),
    /// Only who pays can put something in.
    #[error("channel {0} pays this node, and is funded by its other end")]
    Incoming(ChannelId),
    /// Only who is paid holds tickets.
    #[error("channel {0} is paid by this node, which holds no tickets of it")]
    Outgoing(ChannelId),
    /// A channel has an id only once it is open.
    #[error("a channel is opened to a peer or an account, not to channel {0}")]
    NotAPayee(ChannelId),
    /// The ledger does not take it.
    #[error("{}: {reason}", code.name())]
    Rejected {
        /// The error of the ledger.
        code: Code,
        /// What it says.
        reason: String,
    },
    /// The ledger has too much to do.
    #[error("the ledger has too much to do")]
    Busy,
    /// Nobody knows whether it was done.
    #[error("cannot reach the ledger: {0}")]
    Gone(String),
    /// It was done, and the node does not see it.
    #[error("the ledger has taken it as entry {version}, which this node has not seen yet")]
    Unseen {
        /// The entry.
        version: u64,
    },
}

impl From<SubmitError> for PaymentError {
    fn from(error: SubmitError) -> Self {
        match error {
            SubmitError::Rejected { code, reason } => Self::Rejected { code, reason },
            SubmitError::Busy => Self::Busy,
            SubmitError::Gone(LedgerGone { message }) => Self::Gone(message),
        }
    }
}

/// Nobody relays, sends or trades tickets: the node does not, or is ending.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("the node sends and relays no packets now")]
pub struct NoRelaying;
