//! Why a packet goes no further: what is said of it to others, and what is known of it here.

use std::fmt;

use tickets::{Amount, BadSignature, ChannelId, Epoch, TicketIndex, WinProbability};

use crate::error::Unproven;

/// What a node says of a packet that it, or one behind it, took no further. Travels back along the
/// packet's path in one byte; nobody proves it.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum FailureCode {
    /// The next node is not connected.
    Unreachable,
    /// A queue or table is full; later there may be room.
    Overloaded,
    /// The next node cannot be paid: no channel leads there, or too little is in it.
    NoRoute,
    /// The next node did not acknowledge the packet in time.
    TimedOut,
    /// The recipient takes no messages with this tag.
    NotTaken,
    /// The ticket was not taken.
    Refused(RefusalCode),
}

/// What is said of a ticket that is not taken. [`TicketRefusal`] is what is known of it.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum RefusalCode {
    /// Its challenge is not the packet's.
    Challenge,
    /// It is not of the channel from who sent it to who got it, or there is none.
    Channel,
    /// The channel is closed, or is being closed.
    Closed,
    /// It is of another of the channel's lives.
    Epoch,
    /// It is an aggregate, or its index is too low or was seen.
    Index,
    /// It wins too rarely.
    Probability,
    /// It is worth too little.
    Price,
    /// Its signature is not the source's.
    Signature,
    /// The channel has too little for it and for the tickets before it.
    Balance,
    /// It came with a packet for its recipient, where nothing is paid, and is not of the form that
    /// such a ticket has.
    Form,
}

impl RefusalCode {
    /// All of them, in the order of their bytes.
    pub const ALL: [Self; 10] = [
        Self::Challenge,
        Self::Channel,
        Self::Closed,
        Self::Epoch,
        Self::Index,
        Self::Probability,
        Self::Price,
        Self::Signature,
        Self::Balance,
        Self::Form,
    ];

    /// Its byte on the wire.
    const fn byte(self) -> u8 {
        match self {
            Self::Challenge => 16,
            Self::Channel => 17,
            Self::Closed => 18,
            Self::Epoch => 19,
            Self::Index => 20,
            Self::Probability => 21,
            Self::Price => 22,
            Self::Signature => 23,
            Self::Balance => 24,
            Self::Form => 25,
        }
    }

    /// Its name, for counters.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Challenge => "refused_challenge",
            Self::Channel => "refused_channel",
            Self::Closed => "refused_channel_closed",
            Self::Epoch => "refused_epoch",
            Self::Index => "refused_index",
            Self::Probability => "refused_probability",
            Self::Price => "refused_price",
            Self::Signature => "refused_signature",
            Self::Balance => "refused_balance",
            Self::Form => "refused_form",
        }
    }
}

impl FailureCode {
    /// Those that are not about a ticket.
    const PLAIN: [Self; 5] =
        [Self::Unreachable, Self::Overloaded, Self::NoRoute, Self::TimedOut, Self::NotTaken];

    /// Its byte on the wire.
    pub const fn byte(self) -> u8 {
        match self {
            Self::Unreachable => 1,
            Self::Overloaded => 2,
            Self::NoRoute => 3,
            Self::TimedOut => 4,
            Self::NotTaken => 5,
            Self::Refused(code) => code.byte(),
        }
    }

    /// The code of this byte.
    pub fn from_byte(byte: u8) -> Option<Self> {
        let refused = RefusalCode::ALL.into_iter().map(Self::Refused);
        Self::PLAIN.into_iter().chain(refused).find(|code| code.byte() == byte)
    }

    /// Its name, for counters.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Unreachable => "unreachable",
            Self::Overloaded => "overloaded",
            Self::NoRoute => "no_route",
            Self::TimedOut => "timed_out",
            Self::NotTaken => "not_taken",
            Self::Refused(code) => code.label(),
        }
    }
}

impl fmt::Display for RefusalCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.label().replace('_', " "))
    }
}

impl fmt::Display for FailureCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.label().replace('_', " "))
    }
}

/// Why a relay does not take the ticket that came with a packet, in the order of the checks.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum TicketRefusal {
    /// The next node's acknowledgement would not open it.
    #[error(transparent)]
    Unproven(#[from] Unproven),
    /// Nothing is paid to a recipient, and this is not nothing.
    #[error("ticket for a recipient is of {amount}, must be the one that pays nothing")]
    Form {
        /// What it is worth if it wins.
        amount: Amount,
    },
    /// Who sent it has no account, or no channel leads from there.
    #[error("no channel leads here from who sent the ticket")]
    NoChannel,
    /// It is of a channel between others.
    #[error("ticket is of channel {found}, must be of {expected}")]
    Channel {
        /// What it has.
        found: ChannelId,
        /// The channel from who sent it.
        expected: ChannelId,
    },
    /// Nothing can be redeemed from it, or soon nothing can.
    #[error("channel is closed or is being closed")]
    Closed,
    /// The channel was closed since, or is not open as often yet.
    #[error("ticket is of epoch {found}, must be of {expected}")]
    Epoch {
        /// What it has.
        found: Epoch,
        /// What the channel has.
        expected: Epoch,
    },
    /// It stands for several tickets, and would put an end to them.
    #[error("ticket is an aggregate of {offset} indices, must be of one")]
    Aggregate {
        /// How many indices.
        offset: u32,
    },
    /// It wins too rarely.
    #[error("ticket wins with a probability of {found}, must be at least {min}")]
    Probability {
        /// What it has.
        found: WinProbability,
        /// The least that is taken.
        min: WinProbability,
    },
    /// It is worth less than what is asked, on average.
    #[error("ticket is worth {found}, must be at least {min}")]
    Price {
        /// What it is worth if it wins.
        found: Amount,
        /// The least that is taken with its probability.
        min: MinAmount,
    },
    /// Nobody is bound by it.
    #[error("ticket is not signed by the source of the channel: {0}")]
    Signature(#[source] BadSignature),
    /// The ledger takes it no more, or it could collide with an aggregate.
    #[error("ticket has index {found}, must be at least {min}")]
    Index {
        /// What it has.
        found: TicketIndex,
        /// The least that is taken.
        min: TicketIndex,
    },
    /// Another ticket with this index came before; only one of them could be redeemed.
    #[error("ticket has index {index}, which was seen before")]
    Seen {
        /// What it has.
        index: TicketIndex,
    },
    /// The channel could not pay it together with the tickets before it.
    #[error("ticket is worth {amount}, must be at most {left}")]
    Balance {
        /// What it is worth if it wins.
        amount: Amount,
        /// What the channel has besides what is outstanding.
        left: Amount,
    },
}

/// The least that a ticket must be worth if it wins; `None` if no amount would be enough.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct MinAmount(pub Option<Amount>);

impl fmt::Display for MinAmount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(amount) => amount.fmt(f),
            None => f.write_str("more than any ticket can carry"),
        }
    }
}

impl TicketRefusal {
    /// What is said of it to who sent the packet.
    pub const fn code(&self) -> RefusalCode {
        match self {
            Self::Unproven(_) => RefusalCode::Challenge,
            Self::Form { .. } => RefusalCode::Form,
            Self::NoChannel | Self::Channel { .. } => RefusalCode::Channel,
            Self::Closed => RefusalCode::Closed,
            Self::Epoch { .. } => RefusalCode::Epoch,
            Self::Aggregate { .. } | Self::Index { .. } | Self::Seen { .. } => RefusalCode::Index,
            Self::Probability { .. } => RefusalCode::Probability,
            Self::Price { .. } => RefusalCode::Price,
            Self::Signature(_) => RefusalCode::Signature,
            Self::Balance { .. } => RefusalCode::Balance,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_comes_back_from_its_byte_and_no_other_byte_is_one() {
        let codes: Vec<_> = (0..=u8::MAX).filter_map(FailureCode::from_byte).collect();
        assert_eq!(codes.len(), 15);
        for code in codes {
            assert_eq!(FailureCode::from_byte(code.byte()), Some(code));
        }
        assert_eq!(FailureCode::Refused(RefusalCode::Challenge).byte(), 16);
    }
}
