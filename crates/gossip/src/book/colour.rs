//! What an entry is, in one word.

use std::fmt;

use super::slab::Held;
use super::state::State;

/// What an entry is, in one word for people and for counts. It is derived from the entry, nothing
/// is decided by it, and nothing is kept in lists by it.
///
/// | colour | the entry | it leaves when |
/// |---|---|---|
/// | grey | was heard of and not reached yet, or failed lately | it is reached (white), connects (gold), or is forgotten: displaced, or failed for long enough |
/// | white | was reached by this node, and has not failed since | it connects (gold), fails (grey), or its record moves elsewhere (grey) |
/// | gold | has a connection, whoever dialled | the connection ends (white if it was ever reached, else grey) |
/// | black | is banned by the owner | the ban ends (what it was before) or it is displaced, for which it comes first |
/// | dark | has no address that this node has a transport for | a newer record names one (grey), it connects (gold), or it is displaced, for which it comes first |
///
/// The first that holds of black, gold, dark, white, grey is the colour.
///
/// A dark entry was never reached by this run of the node. It is passed on only if an earlier run
/// with more transports reached it, and not for longer than any other such report lasts.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Colour {
    /// Heard of, or lately failed.
    Grey,
    /// Reached, not connected.
    White,
    /// Connected.
    Gold,
    /// Banned.
    Black,
    /// Out of reach of our transports.
    Dark,
}

impl Colour {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Grey, Self::White, Self::Gold, Self::Black, Self::Dark];

    /// The name in logs, tables and metric labels.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Grey => "grey",
            Self::White => "white",
            Self::Gold => "gold",
            Self::Black => "black",
            Self::Dark => "dark",
        }
    }

    pub(super) fn of(held: &Held) -> Self {
        if held.banned {
            Self::Black
        } else if matches!(held.state, State::Connected { .. }) {
            Self::Gold
        } else if !held.dialable {
            Self::Dark
        } else if held.verified.is_some() && held.failures == 0 {
            Self::White
        } else {
            Self::Grey
        }
    }
}

impl fmt::Display for Colour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
