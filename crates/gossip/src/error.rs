//! Rules of gossip that a remote can break, and their prices.

use machine::{Blame, Verdict};
use thiserror::Error;

/// A rule that a remote broke.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
pub enum Fault {
    /// Asked for peers again before the gap had passed. Delay that changes on the way brings honest
    /// questions closer together, so a little of it is free.
    #[error("asked for peers too soon")]
    AskedTooSoon,
    /// Named peers to a question that we have given up. Honest peers do so when our time-out comes
    /// first.
    #[error("late answer")]
    LateAnswer,
    /// Named peers without having been asked.
    #[error("unsolicited answer")]
    Unsolicited,
    /// Named more peers than were wished for.
    #[error("{count} records, wished for {wish}")]
    TooMany {
        /// How many came.
        count: usize,
        /// How many were wished for.
        wish: u32,
    },
    /// Passed on records whose signature does not hold, or that are none.
    #[error("{count} records that are not signed by their peer")]
    Forged {
        /// How many.
        count: usize,
    },
    /// Proposed an exchange again before the gap had passed.
    #[error("proposed an exchange too soon")]
    ProposedTooSoon,
    /// Said something about an exchange that is not under way. Honest peers do so when our time-out
    /// comes first.
    #[error("no such exchange")]
    NoSuchExchange,
    /// Said that its link replaces one that does not exist. Honest peers do so when that link has
    /// just broken.
    #[error("replaces no link of ours")]
    ReplacesNothing,
    /// Pinged more often than anybody needs.
    #[error("pinged too often")]
    PingedTooOften,
    /// Said more out of order than any race explains.
    #[error("too much out of order")]
    Babbles,
    /// Answered a ping that was not sent. Honest peers do so when our time-out comes first.
    #[error("unasked pong")]
    UnaskedPong,
}

impl Blame for Fault {
    fn verdict(&self) -> Verdict {
        match self {
            Self::LateAnswer | Self::NoSuchExchange | Self::ReplacesNothing | Self::UnaskedPong => {
                Verdict::Note
            }
            Self::AskedTooSoon | Self::ProposedTooSoon | Self::PingedTooOften | Self::Babbles => {
                Verdict::Charge(10)
            }
            Self::Unsolicited => Verdict::Charge(20),
            Self::TooMany { .. } | Self::Forged { .. } => Verdict::Charge(50),
        }
    }
}
