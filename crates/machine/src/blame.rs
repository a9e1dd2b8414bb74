//! Who is at fault, and what it costs them.

/// What the reputation layer does about a fault.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Verdict {
    /// Recorded, and free: a race that honest peers lose too.
    Note,
    /// Costs this many points of the peer's allowance.
    Charge(u16),
    /// The peer is banned at once: no honest implementation does this.
    Ban,
}

/// A remote misbehaviour that says what it costs.
///
/// Only a peer that is provably the author is blamed: a relay does not pay for bytes that it
/// merely passed on.
pub trait Blame: std::error::Error {
    /// The price. Total, so that no fault can be added without deciding on one.
    fn verdict(&self) -> Verdict;
}

impl Blame for std::convert::Infallible {
    fn verdict(&self) -> Verdict {
        match *self {}
    }
}
