//! What goes wrong, by who has to act: the operator, the application, the remote.

use std::time::Duration;

use machine::{Blame, Undelivered, Verdict};
use thiserror::Error;

use super::ITEMS_LIMIT;

/// A setting the operator has to change.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
pub enum ConfigError {
    /// `items_max` is out of range.
    #[error("items_max is {given}, must be 1 to {ITEMS_LIMIT}")]
    ItemsMax {
        /// The value found.
        given: u16,
    },
    /// No answer could ever be in time.
    #[error("answer_timeout is zero, must be more")]
    AnswerTimeout,
    /// No pace could be remembered.
    #[error("paces_max is zero, must be at least 1")]
    PacesMax,
}

/// Why an ask came to nothing.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
pub enum AskError {
    /// More than we would take ourselves.
    #[error("{wanted} items wanted, may be at most {max}")]
    TooMany {
        /// How many were wanted.
        wanted: u16,
        /// [`Config::items_max`](super::Config::items_max).
        max: u16,
    },
    /// An earlier ask to this peer still waits.
    #[error("already asking")]
    AlreadyAsking,
    /// We keep to [`Config::ask_gap`](super::Config::ask_gap) ourselves.
    #[error("asked too recently, retry in {retry_in:?}")]
    TooSoon {
        /// How long to wait.
        retry_in: Duration,
    },
    /// The ask did not reach the peer, or the link broke before the answer.
    #[error("not delivered")]
    Undelivered(#[source] Undelivered),
    /// No answer within [`Config::answer_timeout`](super::Config::answer_timeout).
    #[error("timed out")]
    TimedOut,
    /// The peer cannot count its items now.
    #[error("peer is busy")]
    Busy,
    /// The answer broke a rule; the peer has been reported.
    #[error("peer misbehaved")]
    Misbehaved(#[source] Fault),
}

/// A rule that a remote broke.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
pub enum Fault {
    /// Asked before its pace allowed, or before its last ask was answered.
    #[error("asked too soon")]
    AskedTooSoon,
    /// Answered what was not asked. Honest peers do when our time-out fires first.
    #[error("unsolicited answer")]
    Unsolicited,
    /// Answered with more than was wanted.
    #[error("{count} items in an answer to {wanted} wanted")]
    TooManyItems {
        /// How many came.
        count: usize,
        /// How many were wanted.
        wanted: u16,
    },
}

impl Blame for Fault {
    fn verdict(&self) -> Verdict {
        match self {
            Self::AskedTooSoon => Verdict::Charge(10),
            Self::Unsolicited => Verdict::Note,
            Self::TooManyItems { .. } => Verdict::Ban,
        }
    }
}
