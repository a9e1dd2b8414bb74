//! Payment channels: one direction between two accounts.

use std::fmt;

use ecdsa::{Address, hex_text, keccak256_of};

use crate::{Amount, Epoch, TicketIndex};

/// What names a channel: a hash of who pays and who is paid.
#[derive(Clone, Copy, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct ChannelId(pub [u8; 32]);

hex_text!(ChannelId);

impl ChannelId {
    /// The channel by which `source` pays `destination`. The other direction is another channel.
    pub fn between(source: &Address, destination: &Address) -> Self {
        Self(keccak256_of([&source.0, &destination.0]))
    }
}

/// A wall-clock time: seconds of Unix time. It enters as data.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct UnixTime(pub u64);

impl fmt::Display for UnixTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Whether a channel can be paid from.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum ChannelStatus {
    /// Nothing is in it, and no ticket of it is worth anything.
    #[default]
    Closed,
    /// Tickets are issued and redeemed.
    Open,
    /// Its source has asked for the rest; until it has it, tickets are redeemed.
    PendingToClose {
        /// When the source asked.
        since: UnixTime,
    },
}

/// A channel as the ledger has it.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Channel {
    /// Who pays.
    pub source: Address,
    /// Who is paid.
    pub destination: Address,
    /// What is in it.
    pub balance: Amount,
    /// The least index that the ledger still takes.
    pub index: TicketIndex,
    /// Whether it can be paid from.
    pub status: ChannelStatus,
    /// How often it was closed.
    pub epoch: Epoch,
}

impl Channel {
    /// Its name.
    pub fn id(&self) -> ChannelId {
        ChannelId::between(&self.source, &self.destination)
    }

    /// Whether the ledger takes tickets of it.
    pub const fn is_redeemable(&self) -> bool {
        matches!(self.status, ChannelStatus::Open | ChannelStatus::PendingToClose { .. })
    }
}
