//! Why a provider ends a session, as the requester hears it.

use std::fmt;
use std::time::Duration;

use wire::proto::ordersync::v1 as proto;

use super::names::NAME_LEN_MAX;
use crate::{NAMES_MAX, Refusal};

/// Most bytes of [`Denial::detail`].
pub const DETAIL_MAX: usize = 256;

/// What a provider says when it ends a session. A claim of the remote: nothing follows from it but
/// when to try again, and how.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Denial {
    /// Why.
    pub reason: Reason,
    /// The same in words, for a log. At most [`DETAIL_MAX`] bytes; what is longer is cut when it is
    /// sent.
    pub detail: String,
}

/// Why a provider ends a session.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Reason {
    /// There is no subprotocol in common.
    NoMatch {
        /// What it has. At most [`NAMES_MAX`] names of at most [`NAME_LEN_MAX`] bytes; others are
        /// left off when it is sent.
        supported: Vec<String>,
    },
    /// The metadata is not what the subprotocol expects.
    Metadata,
    /// The session does not have what is asked for. Another one may.
    Unavailable,
    /// More is asked for than one session may have.
    TooMuch,
    /// A budget is used up.
    Busy {
        /// For how long, if it says so. In whole milliseconds.
        retry_after: Option<Duration>,
    },
    /// The frame is not a message, or comes out of its order.
    Malformed,
    /// It failed, or does not say why.
    Internal,
}

impl From<&Refusal> for Denial {
    fn from(refusal: &Refusal) -> Self {
        let reason = match refusal {
            Refusal::NoMatch(no_match) => Reason::NoMatch { supported: no_match.supported.clone() },
            Refusal::Metadata(_) => Reason::Metadata,
            Refusal::Unavailable { .. } => Reason::Unavailable,
            Refusal::TooMuch { .. } => Reason::TooMuch,
            Refusal::Busy { retry_after } => Reason::Busy { retry_after: *retry_after },
        };
        // The requester knows what it asked for, and hears what there is apart.
        let detail = match refusal {
            Refusal::NoMatch(_) | Refusal::Busy { .. } => String::new(),
            Refusal::Metadata(_) | Refusal::Unavailable { .. } | Refusal::TooMuch { .. } => {
                cut(&refusal.to_string()).to_owned()
            }
        };
        Self { reason, detail }
    }
}

impl Denial {
    pub(super) fn to_proto(&self, id: u32) -> proto::Error {
        let (code, mut supported, mut retry_after_ms) = (self.reason.code(), Vec::new(), 0);
        match &self.reason {
            Reason::NoMatch { supported: names } => {
                let fits = |name: &&String| name.len() <= NAME_LEN_MAX;
                supported = names.iter().filter(fits).take(NAMES_MAX).cloned().collect();
            }
            Reason::Busy { retry_after: Some(wait) } => {
                retry_after_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
            }
            Reason::Metadata
            | Reason::Unavailable
            | Reason::TooMuch
            | Reason::Busy { retry_after: None }
            | Reason::Malformed
            | Reason::Internal => {}
        }
        let detail = cut(&self.detail).to_owned();
        proto::Error { id, code: code.into(), detail, supported, retry_after_ms }
    }

    pub(super) fn of_proto(error: proto::Error) -> Self {
        let reason = match error.code() {
            proto::Code::NoMatch => Reason::NoMatch { supported: error.supported },
            proto::Code::Metadata => Reason::Metadata,
            proto::Code::Unavailable => Reason::Unavailable,
            proto::Code::TooMuch => Reason::TooMuch,
            proto::Code::Busy => {
                let wait = Duration::from_millis(error.retry_after_ms);
                Reason::Busy { retry_after: (!wait.is_zero()).then_some(wait) }
            }
            proto::Code::Malformed => Reason::Malformed,
            proto::Code::Internal | proto::Code::Unspecified => Reason::Internal,
        };
        Self { reason, detail: error.detail }
    }
}

impl Reason {
    const fn code(&self) -> proto::Code {
        match self {
            Self::NoMatch { .. } => proto::Code::NoMatch,
            Self::Metadata => proto::Code::Metadata,
            Self::Unavailable => proto::Code::Unavailable,
            Self::TooMuch => proto::Code::TooMuch,
            Self::Busy { .. } => proto::Code::Busy,
            Self::Malformed => proto::Code::Malformed,
            Self::Internal => proto::Code::Internal,
        }
    }
}

impl fmt::Display for Denial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.reason {
            Reason::NoMatch { supported } => {
                write!(f, "no subprotocol in common, it has [{}]", supported.join(" "))?;
            }
            Reason::Metadata => f.write_str("metadata not understood")?,
            Reason::Unavailable => f.write_str("not available in this session")?,
            Reason::TooMuch => f.write_str("more than a session may have")?,
            Reason::Busy { retry_after: None } => f.write_str("busy")?,
            Reason::Busy { retry_after: Some(wait) } => write!(f, "busy for {wait:?}")?,
            Reason::Malformed => f.write_str("frame not understood")?,
            Reason::Internal => f.write_str("it failed")?,
        }
        if self.detail.is_empty() { Ok(()) } else { write!(f, ": {:?}", self.detail) }
    }
}

/// As much of `detail` as is sent: whole characters.
fn cut(detail: &str) -> &str {
    detail.get(..detail.floor_char_boundary(DETAIL_MAX)).unwrap_or_default()
}
