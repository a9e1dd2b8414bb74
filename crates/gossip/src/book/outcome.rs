//! How an insert ends.

use libp2p_identity::PeerId;
use thiserror::Error;
use transport::address::NetworkGroup;

use super::sources::ACCEPT_BURST;

/// Who told of a record.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Source {
    /// The peer that sent it; `None` for the operator, to whom no quota applies.
    pub peer: Option<PeerId>,
    /// The network that it spoke from. Those without one count as one network.
    pub group: Option<NetworkGroup>,
}

impl Source {
    /// The operator of this node.
    pub const OPERATOR: Self = Self { peer: None, group: None };
}

/// What a record was good for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Outcome {
    /// A peer that was not in the book.
    Added,
    /// A newer record of one that was.
    Renewed,
    /// The book has this very record.
    Known,
}

/// Why a record was not taken. Nobody is to blame: an honest peer can send each of them.
#[derive(Clone, Copy, Debug, Eq, Error, Ord, PartialEq, PartialOrd)]
pub enum Refused {
    /// It is ours.
    #[error("it is this node's own record")]
    Own,
    /// Its peer is banned.
    #[error("its peer is banned")]
    Banned,
    /// None of its addresses may be kept.
    #[error("it names no address that may be kept")]
    NoAddress,
    /// The book has a newer one.
    #[error("its number {given} is older than {held}, which the book has")]
    Older {
        /// Its sequence number.
        given: u64,
        /// The one in the book.
        held: u64,
    },
    /// Its author signed two records with one number. The first is kept.
    #[error("its number {seq} is that of another record")]
    Conflict {
        /// The number.
        seq: u64,
    },
    /// Its source has sent too many lately.
    #[error("its source had {ACCEPT_BURST} records accepted ahead of its pace")]
    Rate,
    /// Nobody in its bucket gives way: all were reached, are in use or are protected.
    #[error("no entry gives way to it")]
    Full,
}

impl Refused {
    /// The name in metric labels.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Own => "own",
            Self::Banned => "banned",
            Self::NoAddress => "no_address",
            Self::Older { .. } => "older",
            Self::Conflict { .. } => "conflict",
            Self::Rate => "rate",
            Self::Full => "full",
        }
    }
}
