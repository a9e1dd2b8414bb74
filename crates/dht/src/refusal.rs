//! Why a message was turned away, and who is to blame.

use std::time::Duration;

use machine::Verdict;

use crate::code::Code;
use crate::envelope::{BadEnvelope, BadSignature};

/// Why a message was turned away. One type for the whole pipeline and for the core behind it.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Refusal {
    /// It is no envelope.
    #[error("no envelope")]
    Malformed(#[source] BadEnvelope),
    /// It was here before.
    #[error("was here before")]
    Duplicate,
    /// Another copy is here, and what becomes of it is not known yet.
    #[error("another copy is under way")]
    UnderWay,
    /// It is not worth carrying any more.
    #[error("has expired")]
    Expired,
    /// Its author's clock is further ahead than is allowed.
    #[error("was made in the future")]
    FromTheFuture,
    /// It claims a longer life than is allowed.
    #[error("lives too long")]
    LivesTooLong,
    /// The link brings more than it may.
    #[error("too often, allowed again in {retry_after:?}")]
    TooOften {
        /// When this message would be let in.
        retry_after: Duration,
    },
    /// Some bit is not as its author left it.
    #[error(transparent)]
    BadSignature(#[from] BadSignature),
    /// A mailbox gave this node what is not its own.
    #[error("not for this node")]
    NotForUs,
    /// It was put here to be kept, which its author did not ask for.
    #[error("not to be kept")]
    NotToBeKept,
    /// It has been carried as often as it may be, and is for another.
    #[error("hops are spent")]
    HopsSpent,
    /// There is no room to remember or to keep it.
    #[error("no room")]
    Full,
    /// As much is under way as there is room for.
    #[error("too much is under way")]
    Busy,
    /// Others are closer to its recipient: it is for them to keep.
    #[error("not close enough to keep it")]
    NotClose,
    /// Nobody closer to its recipient took it on.
    #[error("recipient is not reachable")]
    NotReachable,
    /// This node does not do that.
    #[error("switched off")]
    Off,
}

impl Refusal {
    /// What honest implementations never do, as all of them check before they carry.
    const PRICE: Verdict = Verdict::Charge(50);

    /// Its name, in the metrics and in the log.
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::Malformed(_) => "malformed",
            Self::Duplicate => "duplicate",
            Self::UnderWay => "under_way",
            Self::Expired => "expired",
            Self::FromTheFuture => "from_the_future",
            Self::LivesTooLong => "lives_too_long",
            Self::TooOften { .. } => "too_often",
            Self::BadSignature(_) => "bad_signature",
            Self::NotForUs => "not_for_us",
            Self::NotToBeKept => "not_to_be_kept",
            Self::HopsSpent => "hops_spent",
            Self::Full => "full",
            Self::Busy => "busy",
            Self::NotClose => "not_close",
            Self::NotReachable => "not_reachable",
            Self::Off => "off",
        }
    }

    /// What the link is told.
    pub const fn code(&self) -> Code {
        match self {
            Self::Malformed(_) | Self::NotToBeKept => Code::Malformed,
            Self::Duplicate => Code::Duplicate,
            Self::UnderWay | Self::Busy => Code::Busy,
            Self::Expired => Code::Expired,
            Self::FromTheFuture => Code::FromTheFuture,
            Self::LivesTooLong => Code::LivesTooLong,
            Self::TooOften { .. } => Code::TooOften,
            Self::BadSignature(_) => Code::BadSignature,
            Self::NotForUs => Code::NotForUs,
            Self::HopsSpent => Code::HopsSpent,
            Self::Full => Code::Full,
            Self::NotClose => Code::NotClose,
            Self::NotReachable => Code::NotReachable,
            Self::Off => Code::Off,
        }
    }

    /// How long to wait before the same message is brought again; zero if that is not known.
    pub const fn retry_after(&self) -> Duration {
        match self {
            Self::TooOften { retry_after } => *retry_after,
            Self::Malformed(_)
            | Self::Duplicate
            | Self::UnderWay
            | Self::Expired
            | Self::FromTheFuture
            | Self::LivesTooLong
            | Self::BadSignature(_)
            | Self::NotForUs
            | Self::NotToBeKept
            | Self::HopsSpent
            | Self::Full
            | Self::Busy
            | Self::NotClose
            | Self::NotReachable
            | Self::Off => Duration::ZERO,
        }
    }

    /// What it costs the link that brought the message; `None` where honest ones do the same.
    ///
    /// Whoever carries an envelope has checked its shape and its signature. So a link pays for what
    /// fails those, though another wrote it. It does not pay for what two clocks, two
    /// configurations or two ways of one message explain.
    pub const fn verdict(&self) -> Option<Verdict> {
        match self {
            Self::Malformed(_) | Self::BadSignature(_) | Self::NotForUs | Self::NotToBeKept => {
                Some(Self::PRICE)
            }
            Self::Duplicate
            | Self::UnderWay
            | Self::Expired
            | Self::FromTheFuture
            | Self::LivesTooLong
            | Self::TooOften { .. }
            | Self::HopsSpent
            | Self::Full
            | Self::Busy
            | Self::NotClose
            | Self::NotReachable
            | Self::Off => None,
        }
    }
}
