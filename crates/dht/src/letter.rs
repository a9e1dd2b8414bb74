//! What an envelope holds.

use std::fmt;

use bytes::Bytes;
use rand::CryptoRng;

/// Most bytes of a payload.
pub const PAYLOAD_MAX: usize = 65_536;

/// What a sender says to a recipient, or to whoever hears it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Letter {
    /// The same however often, and in however many envelopes, the letter is sent.
    pub id: LetterId,
    /// What the payload is.
    pub kind: Kind,
    /// At most [`PAYLOAD_MAX`] bytes.
    pub payload: Bytes,
}

/// What a recipient knows a letter of one sender by.
///
/// Random, made once for each letter. It is inside the envelope: whoever carries a sealed one does
/// not see it, and two envelopes with one letter have nothing in common.
#[derive(Clone, Copy, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct LetterId(pub [u8; Self::LEN]);

impl LetterId {
    /// Its length in bytes.
    pub const LEN: usize = 16;

    /// A new one.
    pub fn random(rng: &mut impl CryptoRng) -> Self {
        let mut bytes = [0; Self::LEN];
        rng.fill_bytes(&mut bytes);
        Self(bytes)
    }
}

impl fmt::Debug for LetterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LetterId({self})")
    }
}

impl fmt::Display for LetterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// What a payload is.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Kind {
    /// The application's. Sealed or clear.
    Domain,
    /// The id of a letter that its recipient took. Sealed only.
    Receipt,
    /// A question for the recipient's record, with the asker's. Sealed only.
    Discover,
    /// The answer to [`Kind::Discover`]. Sealed only.
    DiscoverResponse,
    /// The author's own record, on its way to those near it. Clear only.
    Join,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::Domain, Self::Receipt, Self::Discover, Self::DiscoverResponse, Self::Join];

    /// The kind with this byte, if there is one.
    pub const fn from_byte(byte: u8) -> Option<Self> {
        Some(match byte {
            0 => Self::Domain,
            1 => Self::Receipt,
            2 => Self::Discover,
            3 => Self::DiscoverResponse,
            4 => Self::Join,
            _ => return None,
        })
    }

    /// Its byte in an envelope.
    pub const fn as_byte(self) -> u8 {
        match self {
            Self::Domain => 0,
            Self::Receipt => 1,
            Self::Discover => 2,
            Self::DiscoverResponse => 3,
            Self::Join => 4,
        }
    }

    /// Whether it may be in a sealed envelope.
    pub const fn may_be_sealed(self) -> bool {
        !matches!(self, Self::Join)
    }

    /// Whether it may be in a clear envelope.
    pub const fn may_be_clear(self) -> bool {
        matches!(self, Self::Domain | Self::Join)
    }
}
