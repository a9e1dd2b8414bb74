//! What becomes of packets: of those that were sent here, and of those that came.

use bytes::Bytes;
use libp2p_identity::PeerId;
use tickets::{AcknowledgedTicket, Amount, ChallengeAddress, HalfKey, TooUnlikely, WinProbability};

use crate::error::{BuildError, NotEd25519, Refusal};
use crate::failure::{FailureCode, RefusalCode, TicketRefusal};
use crate::pending;
use crate::sphinx::Message;
use crate::wire::Entry;

/// Names a packet of this node's own, so that its sender hears what became of it.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct SendId(pub u64);

/// How it ended for a packet of this node's own.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Outcome {
    /// The recipient has it: it showed a half key that only it can have.
    Delivered,
    /// The first node says that it did not take the ticket.
    Refused(RefusalCode),
    /// A node says that it went no further. Nobody proves that.
    Failed(FailureCode),
    /// Nothing was heard of it in time.
    TimedOut {
        /// Whether the first node had acknowledged it.
        acknowledged: bool,
    },
    /// It never left this node.
    Unsent(FailureCode),
}

/// Why no ticket can be issued to the next node.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Unpayable {
    /// The next node has no account, or no channel leads there that is open.
    #[error("no open channel leads to the next node")]
    NoChannel,
    /// Too little is in the channel.
    #[error("ticket of {amount} is more than the {balance} in the channel")]
    Balance {
        /// What the ticket would be worth if it wins.
        amount: Amount,
        /// What is in the channel.
        balance: Amount,
    },
    /// No ticket is worth so much.
    #[error("{hops} times a price of {price} is more than any ticket can carry")]
    Price {
        /// The price of one hop.
        price: Amount,
        /// How many are to be paid.
        hops: u8,
    },
    /// No ticket of this probability is worth so much on average.
    #[error(transparent)]
    TooUnlikely(#[from] TooUnlikely),
    /// No index may be used yet, because its reservation is not on disk.
    #[error("no ticket index is reserved yet")]
    NotReserved,
}

impl Unpayable {
    /// What is said of it to who sent the packet.
    pub const fn code(&self) -> FailureCode {
        match self {
            Self::NotReserved => FailureCode::Overloaded,
            Self::NoChannel | Self::Balance { .. } | Self::Price { .. } | Self::TooUnlikely(_) => {
                FailureCode::NoRoute
            }
        }
    }
}

/// Why a packet of this node's own is not made. Nothing is remembered of it.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Unsent {
    /// A node of the path is none that packets can be made for.
    #[error("node {position} of the path: {cause}")]
    Node {
        /// Which, from 0.
        position: usize,
        /// Why.
        #[source]
        cause: NotEd25519,
    },
    /// The packet cannot be made.
    #[error(transparent)]
    Build(#[from] BuildError),
    /// The first node cannot be paid.
    #[error(transparent)]
    Unpayable(#[from] Unpayable),
    /// Too many are under way.
    #[error(transparent)]
    Pending(#[from] pending::Refused),
}

/// A packet of this node's own, to be sent.
#[derive(Debug)]
pub struct Outbound {
    /// The first node.
    pub to: PeerId,
    /// What to send it.
    pub frame: Bytes,
}

/// What to do with a packet that came.
#[derive(Debug)]
pub enum Verdict {
    /// It is a message for this node.
    Deliver(Box<Delivered>),
    /// It is to be sent on.
    Forward(Box<Onward>),
    /// It goes no further, and who sent it is told.
    Refuse {
        /// What it is told.
        reply: Entry,
        /// What is known here.
        reason: Rejection,
    },
    /// It is thrown away without a word.
    Drop(Dropped),
}

/// A message for this node.
#[derive(Debug)]
pub struct Delivered {
    /// What was sent.
    pub message: Message,
    /// What to tell who brought it.
    pub reply: Reply,
}

/// A packet for another node.
#[derive(Debug)]
pub struct Onward {
    /// Who that is.
    pub to: PeerId,
    /// What to send there.
    pub frame: Bytes,
    /// What to tell who brought it.
    pub reply: Reply,
}

/// What this node has to say about a packet to who sent it here.
#[derive(Debug)]
pub struct Reply {
    pub(crate) challenge: ChallengeAddress,
    pub(crate) half: HalfKey,
}

impl Reply {
    /// That the packet was taken: makes the ticket that came with it worth something.
    pub fn taken(&self) -> Entry {
        Entry::ack(self.challenge, &self.half)
    }

    /// That it was not.
    pub fn not_taken(&self, code: FailureCode) -> Entry {
        Entry::Failure { challenge: self.challenge, code }
    }
}

/// Why a packet that is as its sender made it goes no further.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Rejection {
    /// Its ticket is not taken.
    #[error(transparent)]
    Ticket(#[from] TicketRefusal),
    /// The next node cannot be paid.
    #[error(transparent)]
    Unpayable(#[from] Unpayable),
    /// It cannot be waited for.
    #[error(transparent)]
    Pending(#[from] pending::Refused),
}

impl Rejection {
    /// What is said of it to who sent the packet.
    pub const fn code(&self) -> FailureCode {
        match self {
            Self::Ticket(refusal) => FailureCode::Refused(refusal.code()),
            Self::Unpayable(unpayable) => unpayable.code(),
            // The challenge for the next node is the sender's choice.
            Self::Pending(pending::Refused::Duplicate) => {
                FailureCode::Refused(RefusalCode::Challenge)
            }
            Self::Pending(_) => FailureCode::Overloaded,
        }
    }
}

/// Why a packet is thrown away without a word: whoever sent it here may not have made it, and to say
/// anything would tell what this node knows.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Dropped {
    /// It is not a packet with a ticket.
    #[error(transparent)]
    Malformed(#[from] ::wire::Malformed),
    /// It cannot be opened.
    #[error(transparent)]
    Packet(#[from] Refusal),
    /// It came before.
    #[error("packet came before")]
    Replayed,
}

impl Dropped {
    /// Its name, for counters.
    pub const fn label(&self) -> &'static str {
        match self {
            Self::Malformed(_) => "dropped_malformed",
            Self::Packet(Refusal::Length { .. }) => "dropped_length",
            Self::Packet(Refusal::GroupElement) => "dropped_group_element",
            Self::Packet(Refusal::Mac) => "dropped_mac",
            Self::Packet(Refusal::Routing { .. }) => "dropped_routing",
            Self::Packet(Refusal::Payload) => "dropped_payload",
            Self::Replayed => "dropped_replayed",
        }
    }
}

/// What follows from what was heard, or from time.
#[derive(Debug, Default)]
pub struct News {
    /// Tickets that have won.
    pub earned: Vec<AcknowledgedTicket>,
    /// What to tell whom about packets that they sent here.
    pub pass_on: Vec<(PeerId, Entry)>,
    /// How it ended for packets of this node's own.
    pub outcomes: Vec<(SendId, Outcome)>,
}

/// What packets cost, and what their tickets have to be like.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Terms {
    /// What one hop costs. A relay asks it for each node that follows.
    pub price: Amount,
    /// How likely the tickets win that this node issues, unless those that came with the packets are
    /// likelier: then as likely as those. A sender with a probability that nobody else has can be
    /// told by it, as far as the relays' own are lower.
    pub probability: WinProbability,
    /// How likely tickets have to win at least that come here.
    pub probability_min: WinProbability,
}

impl Terms {
    /// What a ticket of this probability is worth that pays for so many hops.
    ///
    /// # Errors
    /// [`Unpayable::Price`] and [`Unpayable::TooUnlikely`], if there is no such ticket.
    pub fn amount(&self, hops: u8, probability: WinProbability) -> Result<Amount, Unpayable> {
        let price = self.price;
        let worth = price.checked_mul(hops.into()).ok_or(Unpayable::Price { price, hops })?;
        Ok(probability.divide(worth)?)
    }
}
