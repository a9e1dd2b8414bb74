//! How sessions go wrong, by who has to act, and how they end.

use std::time::Duration;

use machine::{Blame, Verdict};

use crate::{BadMetadata, NoMatchingSubprotocols};

/// Why a provider ends a session: what the requester did, or what this node cannot do.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Refusal {
    /// There is no subprotocol in common.
    #[error(transparent)]
    NoMatch(#[from] NoMatchingSubprotocols),
    /// The metadata is not what the subprotocol expects.
    #[error(transparent)]
    Metadata(#[from] BadMetadata),
    /// It asks for what this session does not have, or no longer has. It may begin anew.
    #[error("{what} is not available in this session")]
    Unavailable {
        /// What.
        what: &'static str,
    },
    /// It asks for more than one session may have.
    #[error("{what} is {wanted}, must be at most {max}")]
    TooMuch {
        /// What.
        what: &'static str,
        /// As it asks.
        wanted: u64,
        /// As it may.
        max: u64,
    },
    /// Its budget or this node's is used up. Later is better.
    #[error("busy")]
    Busy {
        /// For how long, if that is known: until there is something of it again, which others may
        /// take.
        retry_after: Option<Duration>,
    },
}

/// What a peer did wrong in a session.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Fault {
    /// A message is not one.
    #[error("message: {problem}")]
    Message {
        /// What is wrong with it.
        problem: String,
    },
    /// The metadata is not what the subprotocol expects.
    #[error(transparent)]
    Metadata(#[from] BadMetadata),
    /// The provider picked a subprotocol that was not offered.
    #[error("answers with {name:?}, which was not offered")]
    NotOffered {
        /// Which.
        name: String,
    },
    /// An answer to nothing that was asked.
    #[error("unasked answer")]
    Unasked,
    /// The pages do not advance.
    #[error("the pages do not advance")]
    Stuck,
    /// A page is larger than was asked for.
    #[error("a page of {orders} orders, must be at most {max}")]
    PageTooLong {
        /// Orders in it.
        orders: usize,
        /// As it may have.
        max: usize,
    },
    /// Orders that the filter does not want.
    #[error("{orders} orders do not match the filter")]
    Unwanted {
        /// How many.
        orders: usize,
    },
    /// Orders that nobody can have made in good faith: a forged signature, not JSON.
    #[error("{orders} orders are invalid")]
    Invalid {
        /// How many.
        orders: usize,
    },
    /// Cells that no set has.
    #[error("cells: {problem}")]
    Cells {
        /// What is wrong with them.
        problem: String,
    },
    /// More of something than one session may have.
    #[error("{what} over the bound of {max}")]
    TooMuch {
        /// What.
        what: &'static str,
        /// The bound.
        max: u64,
    },
}

impl Blame for Fault {
    fn verdict(&self) -> Verdict {
        match self {
            Self::NotOffered { .. } | Self::Unasked | Self::PageTooLong { .. } => {
                Verdict::Charge(20)
            }
            Self::Message { .. } | Self::Metadata(_) | Self::TooMuch { .. } => Verdict::Charge(10),
            Self::Stuck | Self::Unwanted { .. } | Self::Cells { .. } => Verdict::Charge(10),
            Self::Invalid { .. } => Verdict::Charge(20),
        }
    }
}
