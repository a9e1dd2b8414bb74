//! Rules that a link can break, and their prices.

use machine::{Blame, Verdict};
use thiserror::Error;

use crate::refusal::Refusal;

/// A rule that a link broke.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
pub enum Fault {
    /// Brought an envelope that no honest node passes on, since each checks what it carries.
    #[error("envelope: {0}")]
    Envelope(#[source] Refusal),
    /// Answered what was not asked. Honest nodes do so when our time-out comes first.
    #[error("unsolicited {0}")]
    Unsolicited(&'static str),
    /// Answered with more records than were wished for.
    #[error("{count} records, wished for {wish}")]
    TooMany {
        /// How many came.
        count: usize,
        /// How many were wished for.
        wish: usize,
    },
    /// Passed on records whose signature does not hold, or that are none.
    #[error("{count} records that are not signed by their peer")]
    Forged {
        /// How many.
        count: usize,
    },
    /// Gave another message out of a mailbox than the one asked for.
    #[error("another message than was asked for")]
    AnotherMessage,
    /// Passed on an announcement that is not its author's own record.
    #[error("join without the record of its author")]
    ForeignJoin,
}

impl Blame for Fault {
    fn verdict(&self) -> Verdict {
        match self {
            Self::Envelope(refusal) => refusal.verdict().unwrap_or(Verdict::Note),
            Self::Unsolicited(_) => Verdict::Note,
            Self::TooMany { .. }
            | Self::Forged { .. }
            | Self::AnotherMessage
            | Self::ForeignJoin => Verdict::Charge(50),
        }
    }
}
