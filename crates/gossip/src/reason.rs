//! Why a link ends and why an exchange of links does not take place: one name each on the wire, in
//! logs and in metrics.

use std::fmt;

use wire::proto::gossip::v1 as proto;

/// Why one side hangs up.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum DisconnectReason {
    /// Not told, or a reason of a newer version.
    Unspecified,
    /// The sender has more links than it wants.
    TooMany,
    /// The link was given away in an exchange.
    Swapped,
    /// The exchange that the link was opened for did not come about.
    SwapAborted,
    /// The receiver does not answer.
    Unresponsive,
    /// The receiver broke too many rules.
    Banned,
    /// The sender ends.
    Shutdown,
    /// The sender's operator wishes it.
    Requested,
    /// The sender talks only to peers that its operator named.
    Private,
}

impl DisconnectReason {
    /// Every reason.
    pub const EACH: [Self; 9] = [
        Self::Unspecified,
        Self::TooMany,
        Self::Swapped,
        Self::SwapAborted,
        Self::Unresponsive,
        Self::Banned,
        Self::Shutdown,
        Self::Requested,
        Self::Private,
    ];

    /// Its name in logs and metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unspecified => "unspecified",
            Self::TooMany => "too_many",
            Self::Swapped => "swapped",
            Self::SwapAborted => "swap_aborted",
            Self::Unresponsive => "unresponsive",
            Self::Banned => "banned",
            Self::Shutdown => "shutdown",
            Self::Requested => "requested",
            Self::Private => "private",
        }
    }

    pub(crate) const fn to_proto(self) -> proto::DisconnectReason {
        match self {
            Self::Unspecified => proto::DisconnectReason::Unspecified,
            Self::TooMany => proto::DisconnectReason::TooMany,
            Self::Swapped => proto::DisconnectReason::Swapped,
            Self::SwapAborted => proto::DisconnectReason::SwapAborted,
            Self::Unresponsive => proto::DisconnectReason::Unresponsive,
            Self::Banned => proto::DisconnectReason::Banned,
            Self::Shutdown => proto::DisconnectReason::Shutdown,
            Self::Requested => proto::DisconnectReason::Requested,
            Self::Private => proto::DisconnectReason::Private,
        }
    }

    pub(crate) fn of_proto(reason: i32) -> Self {
        match proto::DisconnectReason::try_from(reason) {
            Ok(proto::DisconnectReason::TooMany) => Self::TooMany,
            Ok(proto::DisconnectReason::Swapped) => Self::Swapped,
            Ok(proto::DisconnectReason::SwapAborted) => Self::SwapAborted,
            Ok(proto::DisconnectReason::Unresponsive) => Self::Unresponsive,
            Ok(proto::DisconnectReason::Banned) => Self::Banned,
            Ok(proto::DisconnectReason::Shutdown) => Self::Shutdown,
            Ok(proto::DisconnectReason::Requested) => Self::Requested,
            Ok(proto::DisconnectReason::Private) => Self::Private,
            Ok(proto::DisconnectReason::Unspecified) | Err(_) => Self::Unspecified,
        }
    }
}

impl fmt::Display for DisconnectReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Why an exchange of links does not take place.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, thiserror::Error)]
pub enum SwapRefusal {
    /// Not told, or a reason of a newer version.
    #[error("not told")]
    Unspecified,
    /// The other side does not exchange links at all.
    #[error("switched off")]
    Off,
    /// Another exchange is under way.
    #[error("another exchange is under way")]
    Busy,
    /// Too soon after the last one.
    #[error("too soon after the last one")]
    TooSoon,
    /// The peer offered or given is a neighbour already, is being dialled, or is oneself.
    #[error("a neighbour already")]
    Neighbour,
    /// Too many neighbours are of that peer's network.
    #[error("too many neighbours of its network")]
    Subnet,
    /// There is no link to give.
    #[error("no link to give")]
    NothingToGive,
    /// The peer could not be reached.
    #[error("could not be reached")]
    Unreachable,
    /// The record is not usable.
    #[error("record not usable")]
    Record,
    /// It took too long.
    #[error("took too long")]
    TimedOut,
    /// Too many links were gained by exchange lately.
    #[error("too many links gained by exchange lately")]
    Share,
}

impl SwapRefusal {
    /// Every reason.
    pub const EACH: [Self; 11] = [
        Self::Unspecified,
        Self::Off,
        Self::Busy,
        Self::TooSoon,
        Self::Neighbour,
        Self::Subnet,
        Self::NothingToGive,
        Self::Unreachable,
        Self::Record,
        Self::TimedOut,
        Self::Share,
    ];

    /// Its name in logs and metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unspecified => "unspecified",
            Self::Off => "off",
            Self::Busy => "busy",
            Self::TooSoon => "too_soon",
            Self::Neighbour => "neighbour",
            Self::Subnet => "subnet",
            Self::NothingToGive => "nothing_to_give",
            Self::Unreachable => "unreachable",
            Self::Record => "record",
            Self::TimedOut => "timed_out",
            Self::Share => "share",
        }
    }

    pub(crate) const fn to_proto(self) -> proto::SwapRefusal {
        match self {
            Self::Unspecified => proto::SwapRefusal::Unspecified,
            Self::Off => proto::SwapRefusal::Off,
            Self::Busy => proto::SwapRefusal::Busy,
            Self::TooSoon => proto::SwapRefusal::TooSoon,
            Self::Neighbour => proto::SwapRefusal::Neighbour,
            Self::Subnet => proto::SwapRefusal::Subnet,
            Self::NothingToGive => proto::SwapRefusal::NothingToGive,
            Self::Unreachable => proto::SwapRefusal::Unreachable,
            Self::Record => proto::SwapRefusal::Record,
            Self::TimedOut => proto::SwapRefusal::TimedOut,
            Self::Share => proto::SwapRefusal::Share,
        }
    }

    pub(crate) fn of_proto(reason: i32) -> Self {
        match proto::SwapRefusal::try_from(reason) {
            Ok(proto::SwapRefusal::Off) => Self::Off,
            Ok(proto::SwapRefusal::Busy) => Self::Busy,
            Ok(proto::SwapRefusal::TooSoon) => Self::TooSoon,
            Ok(proto::SwapRefusal::Neighbour) => Self::Neighbour,
            Ok(proto::SwapRefusal::Subnet) => Self::Subnet,
            Ok(proto::SwapRefusal::NothingToGive) => Self::NothingToGive,
            Ok(proto::SwapRefusal::Unreachable) => Self::Unreachable,
            Ok(proto::SwapRefusal::Record) => Self::Record,
            Ok(proto::SwapRefusal::TimedOut) => Self::TimedOut,
            Ok(proto::SwapRefusal::Share) => Self::Share,
            Ok(proto::SwapRefusal::Unspecified) | Err(_) => Self::Unspecified,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_is_read_as_it_was_written_and_a_new_one_as_not_told() {
        for reason in DisconnectReason::EACH {
            assert_eq!(DisconnectReason::of_proto(reason.to_proto().into()), reason);
        }
        for reason in SwapRefusal::EACH {
            assert_eq!(SwapRefusal::of_proto(reason.to_proto().into()), reason);
        }
        assert_eq!(DisconnectReason::of_proto(77), DisconnectReason::Unspecified);
        assert_eq!(SwapRefusal::of_proto(77), SwapRefusal::Unspecified);
    }
}
