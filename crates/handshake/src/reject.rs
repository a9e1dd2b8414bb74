//! Why a connection is refused, as it is said to the other side.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use wire::proto::handshake::v1 as proto;

/// Why a connection is refused. The same name stands on the wire, in logs and in metrics.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum RejectCode {
    /// The networks differ.
    Network,
    /// The applications differ.
    Application,
    /// The versions are not compatible.
    Version,
    /// No free slot.
    Full,
    /// The two are connected already, and the other connection stays.
    Duplicate,
    /// The node met itself.
    SelfDial,
    /// The peer or its address is banned.
    Banned,
    /// The handshake did not end in time.
    Timeout,
    /// The node accepts only peers that it was told of.
    Private,
    /// A frame was not a message, or not the one expected.
    Malformed,
    /// A protocol behind the gate does not want the connection.
    Denied,
    /// A reason that this version does not know.
    Unknown,
}

impl RejectCode {
    /// Every code.
    pub const EACH: [Self; 12] = [
        Self::Network,
        Self::Application,
        Self::Version,
        Self::Full,
        Self::Duplicate,
        Self::SelfDial,
        Self::Banned,
        Self::Timeout,
        Self::Private,
        Self::Malformed,
        Self::Denied,
        Self::Unknown,
    ];

    /// Its name, as logs, metrics and the command line write it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Network => "network",
            Self::Application => "application",
            Self::Version => "version",
            Self::Full => "full",
            Self::Duplicate => "duplicate",
            Self::SelfDial => "self_dial",
            Self::Banned => "banned",
            Self::Timeout => "timeout",
            Self::Private => "private",
            Self::Malformed => "malformed",
            Self::Denied => "denied",
            Self::Unknown => "unknown",
        }
    }

    pub(crate) const fn to_proto(self) -> proto::Code {
        match self {
            Self::Network => proto::Code::Network,
            Self::Application => proto::Code::Application,
            Self::Version => proto::Code::Version,
            Self::Full => proto::Code::Full,
            Self::Duplicate => proto::Code::Duplicate,
            Self::SelfDial => proto::Code::SelfDial,
            Self::Banned => proto::Code::Banned,
            Self::Timeout => proto::Code::Timeout,
            Self::Private => proto::Code::Private,
            Self::Malformed => proto::Code::Malformed,
            Self::Denied => proto::Code::Denied,
            Self::Unknown => proto::Code::Unspecified,
        }
    }

    pub(crate) fn of_proto(code: i32) -> Self {
        let same = |known: &Self| i32::from(known.to_proto()) == code;
        Self::EACH.into_iter().find(same).unwrap_or(Self::Unknown)
    }
}

impl fmt::Display for RejectCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A refusal as it is said to the other side.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Reject {
    /// Why.
    pub code: RejectCode,
    /// Why, in words. At most 128 bytes of the sender's choice: escape it before showing it.
    pub detail: String,
    /// Before this has passed, another attempt is refused as well. Zero when unknown.
    pub retry_after: Duration,
    /// Signed peer records of nodes to try instead, not yet verified. At most 16.
    pub alternatives: Vec<Bytes>,
}

/// Most alternatives in one refusal.
pub const ALTERNATIVES_MAX: usize = 16;

/// What alternatives may take of a refusal's 8 KiB; the rest is for code and detail.
const ALTERNATIVES_BYTES: usize = 7 * 1024 + 768;

/// The tag and the length in front of each alternative.
const PER_ALTERNATIVE: usize = 3;

impl Reject {
    /// A refusal with no alternatives and nothing to wait for. `detail` is cut to 128 bytes.
    pub fn new(code: RejectCode, detail: impl Into<String>) -> Self {
        let mut detail = detail.into();
        detail.truncate(detail.floor_char_boundary(128));
        Self { code, detail, retry_after: Duration::ZERO, alternatives: Vec::new() }
    }

    /// Asks the other side to stay away for `delay`.
    #[must_use]
    pub fn retry_after(mut self, delay: Duration) -> Self {
        self.retry_after = delay;
        self
    }

    /// Adds as many of `records` as fit: [`ALTERNATIVES_MAX`] of them, and the frame's 8 KiB.
    #[must_use]
    pub fn alternatives(mut self, records: impl IntoIterator<Item = Bytes>) -> Self {
        let mut room = ALTERNATIVES_BYTES;
        for record in records.into_iter().take(ALTERNATIVES_MAX) {
            let Some(left) = room.checked_sub(record.len().saturating_add(PER_ALTERNATIVE)) else {
                continue;
            };
            room = left;
            self.alternatives.push(record);
        }
        self
    }
}

impl fmt::Display for Reject {
    /// The detail is the remote's text: what cannot be printed is escaped.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.code)?;
        if self.detail.is_empty() {
            return Ok(());
        }
        f.write_str(" (")?;
        for part in self.detail.split_inclusive('"') {
            let (text, quote) = part.strip_suffix('"').map_or((part, ""), |text| (text, "\""));
            write!(f, "{}{quote}", text.escape_debug())?;
        }
        f.write_str(")")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_survives_the_wire() {
        for code in RejectCode::EACH {
            assert_eq!(RejectCode::of_proto(code.to_proto().into()), code);
        }
        assert_eq!(RejectCode::of_proto(4711), RejectCode::Unknown, "of a newer version");
    }

    #[test]
    fn alternatives_are_cut_to_fit_the_frame() {
        let record = |len: usize| Bytes::from(vec![7; len]);
        let many = Reject::new(RejectCode::Full, "").alternatives((0..40).map(|_| record(100)));
        assert_eq!(many.alternatives.len(), 16);
        let large = Reject::new(RejectCode::Full, "x".repeat(500))
            .alternatives((0..16).map(|_| record(2048)));
        assert_eq!((large.alternatives.len(), large.detail.len()), (3, 128));
        assert!(<crate::Handshake as wire::Frame>::decode(encode(large)).is_ok());
    }

    fn encode(reject: Reject) -> Bytes {
        let mut out = bytes::BytesMut::new();
        wire::Frame::encode(&crate::Handshake::Reject(reject), &mut out);
        out.freeze()
    }

    #[test]
    fn what_the_remote_writes_cannot_move_the_cursor() {
        let reject = Reject::new(RejectCode::Full, "\u{1b}[2Jgone");
        assert_eq!(reject.to_string(), "full (\\u{1b}[2Jgone)");
        let reject = Reject::new(RejectCode::Network, "this is \"n\"\n");
        assert_eq!(reject.to_string(), r#"network (this is "n"\n)"#, "quotes can be printed");
    }
}
