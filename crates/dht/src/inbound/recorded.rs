//! What comes out of the stages, and what becomes of it.

use libp2p_identity::PeerId;

use super::arrival::{Carriage, Ticket};
use super::stages::Known;
use crate::delivery::Reception;
use crate::envelope::{Envelope, MessageId, Opened};
use crate::letter::LetterId;
use crate::seen::Claim;

/// What is in an envelope, as far as this node can tell.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Contents {
    /// A letter sealed for this node.
    Mine(Opened),
    /// A letter for all to read.
    Clear(Opened),
    /// Something sealed for another.
    Others,
    /// Something sealed for this node that does not open. Whoever brought it could not know.
    Unreadable,
}

/// A message that passed all stages, reserved until it is known what becomes of it.
///
/// When its last clone is dropped without [`settle`](Self::settle), it is forgotten and may come
/// again: so a message is not lost because somebody had no room for it, or gave up halfway.
#[derive(Clone, Debug)]
pub struct Recorded {
    known: Box<Known>,
    contents: Contents,
    claim: Claim,
}

impl Recorded {
    pub(super) fn new(known: Box<Known>, contents: Contents, claim: Claim) -> Self {
        Self { known, contents, claim }
    }

    /// Who brought it.
    pub fn from(&self) -> PeerId {
        self.known.carried.from
    }

    /// The place that it takes up.
    pub fn ticket(&self) -> Ticket {
        self.known.carried.ticket
    }

    /// How often it may still be carried on, `routing.hops_max` at most.
    pub fn hops(&self) -> u8 {
        self.known.carried.hops
    }

    /// What it was brought for.
    pub fn carriage(&self) -> Carriage {
        self.known.carried.carriage
    }

    /// What those who carry it call it.
    pub fn id(&self) -> MessageId {
        self.known.identified.id
    }

    /// The envelope.
    pub fn envelope(&self) -> &Envelope {
        &self.known.carried.envelope
    }

    /// What is in the envelope.
    pub fn contents(&self) -> &Contents {
        &self.contents
    }

    /// Whether it is addressed to this node.
    pub fn is_ours(&self) -> bool {
        self.known.carried.ours
    }

    /// Whether the application has its letter already, out of another envelope.
    pub fn is_known(&self) -> bool {
        self.claim.known().is_some()
    }

    /// Remembers the message until it expires, and its letter as delivered if that was for the
    /// application.
    pub fn settle(&self) {
        self.claim.settle(Reception::Taken);
    }

    /// What is in the envelope, and what is reserved.
    pub(crate) fn into_parts(self) -> (Contents, Claim) {
        (self.contents, self.claim)
    }

    /// What is in the envelope. Forgets the message unless it was settled before.
    pub fn into_contents(self) -> Contents {
        self.contents
    }
}

/// What became of a message that passed the stages, or what is left to do for the core.
#[derive(Clone, Debug)]
pub enum Disposition {
    /// To be kept for its recipient.
    Keep(Recorded),
    /// To be carried on.
    Carry(Recorded),
    /// Said to this node's core and not to its application.
    Hear(Recorded),
    /// The application took the letter.
    Delivered {
        /// Who wrote it.
        sender: PeerId,
        /// What the sender knows it by.
        letter: LetterId,
        /// Whether it was sealed: then the sender is told.
        sealed: bool,
    },
    /// The application had the letter already.
    Again {
        /// Who wrote it.
        sender: PeerId,
        /// What the sender knows it by.
        letter: LetterId,
    },
    /// The application never wants the letter.
    Unwanted,
    /// The application has it in hand, and takes its time. What it makes of it is told later.
    InHand,
    /// Sealed for this node, and it does not open.
    Unreadable,
}

impl Disposition {
    /// Its name, in the metrics and in the log.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Keep(_) => "keep",
            Self::Carry(_) => "carry",
            Self::Hear(_) => "hear",
            Self::Delivered { .. } => "delivered",
            Self::Again { .. } => "again",
            Self::Unwanted => "unwanted",
            Self::InHand => "in_hand",
            Self::Unreadable => "unreadable",
        }
    }
}
