//! Why a ledger does not take a transaction. The names in the contract's spelling are the contract's.

use libp2p_identity::PeerId;
use thiserror::Error;
use wire::Malformed;

use super::account::BadAnnouncement;
use crate::{
    Address, Amount, BadSignature, ChannelId, ChannelStatus, Epoch, Lost, TicketIndex, UnixTime,
};

/// Why a ledger does not take a transaction. Nothing is changed by one that is not taken.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
pub enum Rejected {
    /// The body is no transaction.
    #[error(transparent)]
    Malformed(#[from] Malformed),
    /// Its sender has not signed it.
    #[error("transaction is not signed by its sender: {0}")]
    InvalidSignature(#[source] BadSignature),
    /// It is not the next of its sender.
    #[error("nonce is {given}, must be {expected}")]
    InvalidNonce {
        /// What it has.
        given: u64,
        /// How many of the sender were taken.
        expected: u64,
    },
    /// The entry is not the next one.
    #[error("entry has version {given}, must be {expected}")]
    OutOfOrder {
        /// What it has.
        given: u64,
        /// What it would have.
        expected: u64,
    },
    /// The entry was taken after others than those that are known here: of the two histories one is
    /// false, or the ledger was put back to an earlier one.
    #[error("entry was taken after another history than that up to version {version}")]
    OtherHistory {
        /// The last version that is known here.
        version: u64,
    },
    /// The entry is older than the one before it.
    #[error("entry is of time {given}, must be at least {last}")]
    TimeRunsBack {
        /// What it has.
        given: UnixTime,
        /// When the one before was taken.
        last: UnixTime,
    },
    /// There are enough accounts.
    #[error("there are {max} accounts, must be at most that")]
    TooManyAccounts {
        /// How many.
        max: u32,
    },
    /// There are enough channels.
    #[error("there are {max} channels, must be at most that")]
    TooManyChannels {
        /// How many.
        max: u32,
    },
    /// The account has had its grant.
    #[error("{account} has had its grant")]
    AlreadyClaimed {
        /// Which.
        account: Address,
    },
    /// The announcement is not the peer's.
    #[error(transparent)]
    InvalidAnnouncement(#[from] BadAnnouncement),
    /// Another account is that peer.
    #[error("peer {peer} is account {account}")]
    PeerTaken {
        /// The peer.
        peer: PeerId,
        /// Whose it is.
        account: Address,
    },
    /// A channel to nobody.
    #[error("destination is the zero address")]
    ZeroAddress,
    /// A channel to oneself.
    #[error("source and destination are both {account}")]
    SourceEqualsDestination {
        /// Who.
        account: Address,
    },
    /// Nothing is put in.
    #[error("amount is 0, must be at least 1")]
    InvalidBalance,
    /// The channel would hold too much.
    #[error("channel holds {balance}, {amount} more would be above {}", Amount::MAX)]
    BalanceExceedsGlobalPerChannelAllowance {
        /// What is in it.
        balance: Amount,
        /// What was to be added.
        amount: Amount,
    },
    /// The account would hold too much. It can put some into channels and try again.
    #[error("{account} has {balance}, {amount} more would be above {}", Amount::MAX)]
    AccountFull {
        /// Which account.
        account: Address,
        /// What is in it.
        balance: Amount,
        /// What was to be added.
        amount: Amount,
    },
    /// The account has not that much.
    #[error("account has {balance}, must have {amount}")]
    TokenTransferFailed {
        /// What it has.
        balance: Amount,
        /// What is asked of it.
        amount: Amount,
    },
    /// The channel is not in a state for this. One that never was is closed.
    #[error("channel {channel} is {}", state(.status))]
    WrongChannelState {
        /// Which channel.
        channel: ChannelId,
        /// In which state it is.
        status: ChannelStatus,
    },
    /// Only the other side may ask for that, or somebody else altogether.
    #[error("channel {channel} is not one that {account} may ask this of")]
    NotParty {
        /// Which channel.
        channel: ChannelId,
        /// Who asked.
        account: Address,
    },
    /// The channel has been closed too often to be opened again.
    #[error("channel has epoch {epoch}, which is the last")]
    EpochsUsedUp {
        /// Its epoch.
        epoch: Epoch,
    },
    /// It is too early to end the closing.
    #[error("notice is due at {due}, it is {at}")]
    NoticePeriodNotDue {
        /// When it is over.
        due: UnixTime,
        /// When it was asked for.
        at: UnixTime,
    },
    /// The ticket is of another life of the channel. The contract says `WrongChannelState`.
    #[error("ticket has epoch {given}, the channel {expected}")]
    WrongEpoch {
        /// What the ticket has.
        given: Epoch,
        /// What the channel has.
        expected: Epoch,
    },
    /// What the ticket stands for has been redeemed, or passed over.
    #[error("ticket begins at index {first}, the channel takes {index} and above")]
    InvalidAggregatedTicketInterval {
        /// The first index of the ticket.
        first: TicketIndex,
        /// The least that is taken.
        index: TicketIndex,
    },
    /// The ticket is worth more than is in the channel.
    #[error("channel holds {balance}, the ticket is worth {amount}")]
    InsufficientChannelBalance {
        /// What is in it.
        balance: Amount,
        /// What was to be taken out.
        amount: Amount,
    },
    /// The ticket is not signed by the source of the channel, with the challenge that the response
    /// solves: the ledger looks at no other, so a wrong response shows here as well.
    #[error("ticket is not signed by the source of its channel: {0}")]
    InvalidTicketSignature(#[source] BadSignature),
    /// The proof of the ticket's luck does not hold.
    #[error("proof of the ticket's luck does not hold")]
    InvalidVrfProof,
    /// The ticket does not win.
    #[error(transparent)]
    TicketIsNotAWin(#[from] Lost),
}

fn state(status: &ChannelStatus) -> &'static str {
    match status {
        ChannelStatus::Closed => "closed",
        ChannelStatus::Open => "open",
        ChannelStatus::PendingToClose { .. } => "pending to close",
    }
}

/// Makes [`Code`] of numbers and names.
macro_rules! codes {
    ($($number:literal $name:ident,)*) => {
        /// Which of the variants of [`Rejected`], as it travels.
        #[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
        pub enum Code {
            $(#[doc = concat!("[`Rejected::", stringify!($name), "`].")] $name,)*
        }

        impl Code {
            /// Each of them.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// Its number on the wire. Never 0, and never used again for another.
            pub const fn number(self) -> u32 {
                match self { $(Self::$name => $number,)* }
            }

            /// The code of a number.
            pub const fn from_number(number: u32) -> Option<Self> {
                match number { $($number => Some(Self::$name),)* _ => None }
            }

            /// Its name.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => stringify!($name),)* }
            }
        }
    };
}

codes! {
    1 Malformed,
    2 InvalidSignature,
    3 InvalidNonce,
    4 OutOfOrder,
    5 TimeRunsBack,
    6 TooManyAccounts,
    7 TooManyChannels,
    8 AlreadyClaimed,
    9 InvalidAnnouncement,
    10 PeerTaken,
    11 ZeroAddress,
    12 SourceEqualsDestination,
    13 InvalidBalance,
    14 BalanceExceedsGlobalPerChannelAllowance,
    15 AccountFull,
    16 TokenTransferFailed,
    17 WrongChannelState,
    18 NotParty,
    19 EpochsUsedUp,
    20 NoticePeriodNotDue,
    21 WrongEpoch,
    22 InvalidAggregatedTicketInterval,
    23 InsufficientChannelBalance,
    24 InvalidTicketSignature,
    25 InvalidVrfProof,
    26 TicketIsNotAWin,
    27 OtherHistory,
}

impl Rejected {
    /// Which it is.
    pub const fn code(&self) -> Code {
        match self {
            Self::Malformed(_) => Code::Malformed,
            Self::InvalidSignature(_) => Code::InvalidSignature,
            Self::InvalidNonce { .. } => Code::InvalidNonce,
            Self::OutOfOrder { .. } => Code::OutOfOrder,
            Self::TimeRunsBack { .. } => Code::TimeRunsBack,
            Self::TooManyAccounts { .. } => Code::TooManyAccounts,
            Self::TooManyChannels { .. } => Code::TooManyChannels,
            Self::AlreadyClaimed { .. } => Code::AlreadyClaimed,
            Self::InvalidAnnouncement(_) => Code::InvalidAnnouncement,
            Self::PeerTaken { .. } => Code::PeerTaken,
            Self::ZeroAddress => Code::ZeroAddress,
            Self::SourceEqualsDestination { .. } => Code::SourceEqualsDestination,
            Self::InvalidBalance => Code::InvalidBalance,
            Self::BalanceExceedsGlobalPerChannelAllowance { .. } => {
                Code::BalanceExceedsGlobalPerChannelAllowance
            }
            Self::AccountFull { .. } => Code::AccountFull,
            Self::TokenTransferFailed { .. } => Code::TokenTransferFailed,
            Self::WrongChannelState { .. } => Code::WrongChannelState,
            Self::NotParty { .. } => Code::NotParty,
            Self::EpochsUsedUp { .. } => Code::EpochsUsedUp,
            Self::NoticePeriodNotDue { .. } => Code::NoticePeriodNotDue,
            Self::WrongEpoch { .. } => Code::WrongEpoch,
            Self::InvalidAggregatedTicketInterval { .. } => Code::InvalidAggregatedTicketInterval,
            Self::InsufficientChannelBalance { .. } => Code::InsufficientChannelBalance,
            Self::InvalidTicketSignature(_) => Code::InvalidTicketSignature,
            Self::InvalidVrfProof => Code::InvalidVrfProof,
            Self::TicketIsNotAWin(_) => Code::TicketIsNotAWin,
            Self::OtherHistory { .. } => Code::OtherHistory,
        }
    }
}
