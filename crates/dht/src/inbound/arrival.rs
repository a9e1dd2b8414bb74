//! What a link brought.

use std::fmt;

use bytes::Bytes;
use libp2p_identity::PeerId;

/// An envelope as a link brought it; nothing about it is believed yet.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct InboundMessage {
    /// Who is at the other end of the link.
    pub from: PeerId,
    /// The place that it takes up.
    pub ticket: Ticket,
    /// How often it may still be carried on. Without meaning unless it is [`Carriage::Routed`].
    pub hops: u8,
    /// What it was brought for.
    pub carriage: Carriage,
    /// Its bytes.
    pub envelope: Bytes,
}

/// What an envelope was brought for.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Carriage {
    /// To be taken, or carried on.
    Routed,
    /// To be kept for its recipient.
    Put,
    /// Out of a mailbox, because this node asked for what is its own.
    Fetched,
}

/// The place that an envelope takes up while it is on its way through the stages.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Ticket(u64);

impl Ticket {
    /// The one with this number. Whoever numbers them gives each number once.
    #[must_use]
    pub const fn new(number: u64) -> Self {
        Self(number)
    }
}

impl fmt::Display for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ticket {}", self.0)
    }
}
