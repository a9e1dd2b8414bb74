//! What a connection is opened for.

use std::fmt;
use std::ops::BitOr;

use wire::proto::handshake::v1 as proto;

/// What one side holds a connection for. Who accepted it holds it as [`Inbound`](Self::Inbound),
/// whatever it was dialled for.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[repr(u8)]
pub enum SessionKind {
    /// The remote dialled.
    Inbound = 1,
    /// A lasting link of the overlay.
    Outbound = 2,
    /// A lasting link that the operator asked for by address.
    Manual = 4,
    /// A short visit to a seed, to learn addresses.
    Seed = 8,
    /// A short probe that verifies an address; nothing but the handshake runs on it.
    Refine = 16,
    /// A link to one certain peer, for as long as it is of use.
    Direct = 32,
}

impl SessionKind {
    /// Every kind.
    pub const EACH: [Self; 6] =
        [Self::Inbound, Self::Outbound, Self::Manual, Self::Seed, Self::Refine, Self::Direct];

    /// Its name, as logs and the command line write it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Inbound => "inbound",
            Self::Outbound => "outbound",
            Self::Manual => "manual",
            Self::Seed => "seed",
            Self::Refine => "refine",
            Self::Direct => "direct",
        }
    }

    /// As a dialer declares it; a listener has nothing to declare.
    pub(crate) const fn declared(self) -> proto::SessionKind {
        match self {
            Self::Inbound => proto::SessionKind::Unspecified,
            Self::Outbound => proto::SessionKind::Outbound,
            Self::Manual => proto::SessionKind::Manual,
            Self::Seed => proto::SessionKind::Seed,
            Self::Refine => proto::SessionKind::Refine,
            Self::Direct => proto::SessionKind::Direct,
        }
    }

    /// What a remote declares. A kind that this version does not know is an ordinary link.
    pub(crate) fn of_declared(declared: i32) -> Self {
        match proto::SessionKind::try_from(declared) {
            Ok(proto::SessionKind::Manual) => Self::Manual,
            Ok(proto::SessionKind::Seed) => Self::Seed,
            Ok(proto::SessionKind::Refine) => Self::Refine,
            Ok(proto::SessionKind::Direct) => Self::Direct,
            Ok(proto::SessionKind::Outbound | proto::SessionKind::Unspecified) | Err(_) => {
                Self::Outbound
            }
        }
    }
}

impl fmt::Display for SessionKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A set of [`SessionKind`]s.
///
/// ```
/// use meshwork_handshake::{SessionKind, SessionKinds};
///
/// let lasting = SessionKind::Outbound | SessionKind::Manual;
/// assert!(lasting.contains(SessionKind::Manual));
/// assert!(!lasting.contains(SessionKind::Seed));
/// ```
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub struct SessionKinds(u8);

impl SessionKinds {
    /// None.
    pub const NONE: Self = Self(0);
    /// The kinds an application protocol runs on unless it says otherwise: the lasting ones.
    pub const DEFAULT: Self = Self(1 | 2 | 4 | 32);
    /// All.
    pub const ALL: Self = Self(63);

    /// Whether `kind` is in the set.
    #[must_use]
    #[expect(clippy::as_conversions, reason = "the discriminants are the bits")]
    pub const fn contains(self, kind: SessionKind) -> bool {
        self.0 & kind as u8 != 0
    }
}

impl From<SessionKind> for SessionKinds {
    #[expect(clippy::as_conversions, reason = "the discriminants are the bits")]
    fn from(kind: SessionKind) -> Self {
        Self(kind as u8)
    }
}

impl<T: Into<Self>> BitOr<T> for SessionKinds {
    type Output = Self;

    fn bitor(self, other: T) -> Self {
        Self(self.0 | other.into().0)
    }
}

impl<T: Into<SessionKinds>> BitOr<T> for SessionKind {
    type Output = SessionKinds;

    fn bitor(self, other: T) -> SessionKinds {
        SessionKinds::from(self) | other
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bits_are_those_of_the_kinds() {
        let all = SessionKind::EACH.into_iter().fold(SessionKinds::NONE, |set, kind| set | kind);
        assert_eq!(all, SessionKinds::ALL);
        let lasting =
            SessionKind::EACH.into_iter().filter(|kind| SessionKinds::DEFAULT.contains(*kind));
        assert_eq!(
            lasting.map(SessionKind::name).collect::<Vec<_>>(),
            ["inbound", "outbound", "manual", "direct"]
        );
    }

    #[test]
    fn what_a_dialer_declares_is_what_the_listener_reads() {
        for kind in SessionKind::EACH.into_iter().filter(|kind| *kind != SessionKind::Inbound) {
            assert_eq!(SessionKind::of_declared(kind.declared().into()), kind);
        }
        assert_eq!(SessionKind::of_declared(77), SessionKind::Outbound, "a kind of the future");
    }
}
