//! What becomes of an envelope, in one word: the same on the wire, in logs and in metrics.

use std::fmt;

use wire::proto::dht::v1 as proto;

/// Why an envelope was not taken on, or went no further.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Code {
    /// Not told, or a reason of a newer version.
    Unspecified,
    /// Too many envelopes of the link are under way, or there is no room in the pipeline.
    Busy,
    /// It is no envelope.
    Malformed,
    /// It came before.
    Duplicate,
    /// Its time is over.
    Expired,
    /// Its time has not come.
    FromTheFuture,
    /// It claims to live longer than is allowed.
    LivesTooLong,
    /// The link brings more than its share. Later is better.
    TooOften,
    /// The signature of its author does not hold.
    BadSignature,
    /// It is not for the receiver, and is not to be passed on.
    NotForUs,
    /// No more can be remembered or kept.
    Full,
    /// It passed as many carriers as it may.
    HopsSpent,
    /// Nobody is known who is closer to its recipient.
    NotReachable,
    /// The receiver is not close enough to the recipient to keep it.
    NotClose,
    /// The receiver does not do this.
    Off,
}

impl Code {
    /// Every one.
    pub const ALL: [Self; 15] = [
        Self::Unspecified,
        Self::Busy,
        Self::Malformed,
        Self::Duplicate,
        Self::Expired,
        Self::FromTheFuture,
        Self::LivesTooLong,
        Self::TooOften,
        Self::BadSignature,
        Self::NotForUs,
        Self::Full,
        Self::HopsSpent,
        Self::NotReachable,
        Self::NotClose,
        Self::Off,
    ];

    /// Its name in logs and metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unspecified => "unspecified",
            Self::Busy => "busy",
            Self::Malformed => "malformed",
            Self::Duplicate => "duplicate",
            Self::Expired => "expired",
            Self::FromTheFuture => "from_the_future",
            Self::LivesTooLong => "lives_too_long",
            Self::TooOften => "too_often",
            Self::BadSignature => "bad_signature",
            Self::NotForUs => "not_for_us",
            Self::Full => "full",
            Self::HopsSpent => "hops_spent",
            Self::NotReachable => "not_reachable",
            Self::NotClose => "not_close",
            Self::Off => "off",
        }
    }

    /// Its number on the wire. Never that of something else.
    #[must_use]
    pub fn number(self) -> u32 {
        // None is negative.
        i32::from(self.to_proto()).unsigned_abs()
    }

    /// The one with this number on the wire.
    #[must_use]
    pub fn of_number(number: u32) -> Option<Self> {
        Self::ALL.into_iter().find(|code| code.number() == number)
    }

    pub(crate) const fn to_proto(self) -> proto::Code {
        match self {
            Self::Unspecified => proto::Code::Unspecified,
            Self::Busy => proto::Code::Busy,
            Self::Malformed => proto::Code::Malformed,
            Self::Duplicate => proto::Code::Duplicate,
            Self::Expired => proto::Code::Expired,
            Self::FromTheFuture => proto::Code::FromTheFuture,
            Self::LivesTooLong => proto::Code::LivesTooLong,
            Self::TooOften => proto::Code::TooOften,
            Self::BadSignature => proto::Code::BadSignature,
            Self::NotForUs => proto::Code::NotForUs,
            Self::Full => proto::Code::Full,
            Self::HopsSpent => proto::Code::HopsSpent,
            Self::NotReachable => proto::Code::NotReachable,
            Self::NotClose => proto::Code::NotClose,
            Self::Off => proto::Code::Off,
        }
    }

    /// `Ok` if it says that the envelope is taken on.
    pub(crate) fn of_proto(code: i32) -> Result<(), Self> {
        Err(match proto::Code::try_from(code) {
            Ok(proto::Code::Accepted) => return Ok(()),
            Ok(proto::Code::Busy) => Self::Busy,
            Ok(proto::Code::Malformed) => Self::Malformed,
            Ok(proto::Code::Duplicate) => Self::Duplicate,
            Ok(proto::Code::Expired) => Self::Expired,
            Ok(proto::Code::FromTheFuture) => Self::FromTheFuture,
            Ok(proto::Code::LivesTooLong) => Self::LivesTooLong,
            Ok(proto::Code::TooOften) => Self::TooOften,
            Ok(proto::Code::BadSignature) => Self::BadSignature,
            Ok(proto::Code::NotForUs) => Self::NotForUs,
            Ok(proto::Code::Full) => Self::Full,
            Ok(proto::Code::HopsSpent) => Self::HopsSpent,
            Ok(proto::Code::NotReachable) => Self::NotReachable,
            Ok(proto::Code::NotClose) => Self::NotClose,
            Ok(proto::Code::Off) => Self::Off,
            Ok(proto::Code::Unspecified) | Err(_) => Self::Unspecified,
        })
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
