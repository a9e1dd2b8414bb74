//! What is remembered of a packet until its end is known.

use libp2p_identity::PeerId;
use machine::Instant;
use tickets::{ChallengeAddress, HalfKeyChallenge, UnacknowledgedTicket};
use zeroize::Zeroizing;

use crate::accounts::Reserved;
use crate::outcome::SendId;
use crate::por::Veil;
use crate::wire::Entry;

/// A packet that was sent.
#[derive(Debug)]
pub(crate) enum Waiting {
    /// One of this node's own.
    Sent(Sent),
    /// One of somebody else's.
    Relayed(Box<Relayed>),
}

/// A packet of this node's own.
#[derive(Debug)]
pub(crate) struct Sent {
    pub(crate) id: SendId,
    /// What the first node's half key makes.
    pub(crate) acknowledgement: HalfKeyChallenge,
    pub(crate) acknowledged: bool,
    /// What the recipient's half key makes: the same, if it is the first node.
    pub(crate) receipt: HalfKeyChallenge,
    /// What the relays put over a receipt.
    pub(crate) veil: Veil,
    /// Whether the recipient is the first node.
    pub(crate) direct: bool,
    /// When it is given up, once it is acknowledged.
    pub(crate) end: Instant,
}

/// A packet of somebody else's.
#[derive(Debug)]
pub(crate) struct Relayed {
    /// Who brought it, and the challenge that it came with.
    pub(crate) from: PeerId,
    pub(crate) challenge: ChallengeAddress,
    /// What the next node's half key makes.
    pub(crate) hint: HalfKeyChallenge,
    /// Whether the next node is the recipient.
    pub(crate) last: bool,
    /// Until it is acknowledged.
    pub(crate) ticket: Option<(UnacknowledgedTicket, Reserved)>,
    /// Whether who brought it knows how it ended.
    pub(crate) told: bool,
    /// What this node puts over a receipt.
    pub(crate) veil: Veil,
    /// When it is forgotten, once it is acknowledged.
    pub(crate) end: Instant,
}

impl Relayed {
    /// What who brought the packet is told, when it arrived: the receipt that the next node passed
    /// back, or the half key of the next node itself.
    pub(super) fn receipt(&self, half: Zeroizing<[u8; 32]>) -> Entry {
        Entry::Receipt { challenge: self.challenge, half: self.veil.over(half) }
    }
}

impl Waiting {
    /// What an acknowledgement has to make, if one is waited for.
    pub(super) const fn acknowledgement(&self) -> Option<HalfKeyChallenge> {
        match self {
            Self::Sent(sent) if !sent.acknowledged => Some(sent.acknowledgement),
            Self::Relayed(relayed) if relayed.ticket.is_some() => Some(relayed.hint),
            Self::Sent(_) | Self::Relayed(_) => None,
        }
    }

    /// The ticket that an acknowledgement opens.
    pub(super) fn ticket(&self) -> Option<&UnacknowledgedTicket> {
        match self {
            Self::Sent(_) => None,
            Self::Relayed(relayed) => relayed.ticket.as_ref().map(|(ticket, _)| ticket),
        }
    }
}
