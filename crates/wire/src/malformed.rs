//! Why bytes are not a message.

use std::fmt;

/// Bytes that are not a message, and the first field that is wrong.
///
/// Small and `Copy`: it is made for every bad frame, so a flood of them must cost nothing.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq, thiserror::Error)]
#[error("malformed {field}: {defect}")]
pub struct Malformed {
    /// Where: `message.field`, the name of the message alone, or `frame` for the length before it.
    pub field: &'static str,
    /// What is wrong there.
    pub defect: Defect,
}

impl Malformed {
    /// Names a field and its defect.
    pub const fn new(field: &'static str, defect: Defect) -> Self {
        Self { field, defect }
    }
}

/// What is wrong with a field.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Defect {
    /// More bytes than the field may have.
    TooLong,
    /// More elements than the field may have.
    TooMany,
    /// A field that may come once came twice, two members of one choice came together, or a list
    /// that holds no duplicates holds one.
    Repeated,
    /// The message ends inside the field.
    Truncated,
    /// Not the wire type of the field, or one that is no longer in use.
    WrongType,
    /// A string that is not UTF-8.
    NotUtf8,
    /// Decoded, the message would take far more memory than it took on the wire.
    Overgrown,
    /// The field has to be there and is not.
    Missing,
    /// A value without meaning, or not in its one shortest form.
    Invalid,
}

impl fmt::Display for Defect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TooLong => "too long",
            Self::TooMany => "too many",
            Self::Repeated => "repeated",
            Self::Truncated => "truncated",
            Self::WrongType => "wrong wire type",
            Self::NotUtf8 => "not utf-8",
            Self::Overgrown => "takes too much memory",
            Self::Missing => "missing",
            Self::Invalid => "invalid",
        })
    }
}
