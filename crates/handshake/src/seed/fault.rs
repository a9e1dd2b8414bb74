//! Rules of the seed protocol that a remote can break, and their prices.

use machine::{Blame, Verdict};
use thiserror::Error;

/// A rule that a remote broke.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
pub enum Fault {
    /// Asked again before [`Config::ask_gap`](super::Config::ask_gap) had passed. Delay that
    /// changes on the way brings honest questions closer together, so a little of it is free.
    #[error("asked too soon")]
    AskedTooSoon,
    /// Answered what was not asked. Honest seeds do so when our time-out comes first.
    #[error("unsolicited answer")]
    Unsolicited,
    /// Answered another question than ours.
    #[error("answer with another nonce")]
    OtherNonce,
    /// Answered with more records than were wished for.
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
}

impl Blame for Fault {
    fn verdict(&self) -> Verdict {
        match self {
            Self::Unsolicited => Verdict::Note,
            Self::AskedTooSoon => Verdict::Charge(10),
            Self::OtherNonce => Verdict::Charge(20),
            Self::TooMany { .. } | Self::Forged { .. } => Verdict::Charge(50),
        }
    }
}
