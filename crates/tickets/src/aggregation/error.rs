//! Why commands end without what was asked for, and which rules a remote can break.

use ecdsa::BadSignature;
use machine::{Blame, JobError, Undelivered, Verdict};
use thiserror::Error;

use super::{Refusal, RefusalCode};
use crate::ledger::SubmitError;
use crate::{
    Amount, ChallengeAddress, ChannelId, Epoch, Interval, NotWinning, TicketIndex, WinProbability,
};

/// Why the view of a channel is not followed.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
pub enum ViewError {
    /// It is between others.
    #[error("channel {0} is between others")]
    NotOurs(ChannelId),
    /// Too many are followed.
    #[error("{max} channels are followed already")]
    TooMany {
        /// The bound.
        max: usize,
    },
}

/// What is wrong with the channel that a command is about.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
pub enum ChannelError {
    /// The ledger has no such channel, or this node was not told of it.
    #[error("channel is not known")]
    Unknown,
    /// Others are paid by it.
    #[error("this account is not paid by the channel")]
    NotIncoming,
    /// Nobody is paid by it.
    #[error("channel is closed")]
    Closed,
}

/// A change was not made durable.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
pub enum Unwritten {
    /// Too much waits to be written. Later is better.
    #[error("too much waits to be written")]
    Busy,
    /// The store failed.
    #[error("the store failed")]
    Failed,
    /// The store did not answer. It is asked again until it does; nothing is lost either way.
    #[error("the store did not answer")]
    Unknown,
}

/// Why a ticket that won was not taken.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
pub enum EarnError {
    /// It pays somebody else.
    #[error("ticket pays somebody else")]
    NotOurs,
    /// The ledger does not take it any more.
    #[error("ticket {index} of epoch {epoch:?} comes too late for the ledger")]
    TooLate {
        /// Its epoch.
        epoch: Epoch,
        /// Its first index.
        index: TicketIndex,
    },
    /// Another ticket has its index: the issuer gave it twice.
    #[error("another ticket has index {index}")]
    Taken {
        /// The index.
        index: TicketIndex,
    },
    /// It stands for several indices, of which others may have tickets: an aggregate is had by asking
    /// for it, and in no other way.
    #[error("ticket is an aggregate of {offset} indices, must be of one")]
    Aggregate {
        /// How many.
        offset: u32,
    },
    /// There is no room.
    #[error("{max} tickets are held already")]
    Full {
        /// The bound.
        max: usize,
    },
    /// It is not durable; to give it again is right.
    #[error(transparent)]
    Store(#[from] Unwritten),
}

/// Why there is no aggregate. Nothing is lost: the tickets are held as before, all of them.
#[derive(Clone, Debug, Error, PartialEq)]
#[non_exhaustive]
pub enum AggregateError {
    /// The channel.
    #[error(transparent)]
    Channel(#[from] ChannelError),
    /// The issuer has announced no peer that could be asked.
    #[error("the issuer has announced no peer")]
    NoPeer,
    /// Another command on the channel is under way, and goes on.
    #[error("the channel is busy with another command")]
    Busy,
    /// As many attempts as allowed are under way.
    #[error("{max} attempts are under way")]
    TooMany {
        /// The bound.
        max: usize,
    },
    /// The disk.
    #[error(transparent)]
    Store(#[from] Unwritten),
    /// We ourselves were too busy.
    #[error("job: {0}")]
    Job(#[source] JobError),
    /// The request came back.
    #[error("request: {0}")]
    Undelivered(#[source] Undelivered),
    /// No reply in time. The issuer may have signed; the next command asks for the same once more.
    #[error("no reply in time")]
    TimedOut,
    /// The issuer refused.
    #[error("refused: {refusal}")]
    Refused {
        /// As it was said.
        refusal: Refusal,
        /// The first index of the ticket at fault.
        index: Option<TicketIndex>,
    },
    /// The issuer replied with a ticket that is not what was asked for; it has been reported.
    #[error("bad reply: {0}")]
    BadReply(#[source] BadReply),
    /// The ledger took other tickets of these indices in the meantime.
    #[error("the ledger has passed index {index}")]
    Overtaken {
        /// The first index of the aggregate.
        index: TicketIndex,
    },
}

/// What is wrong with an aggregate, by the first check that it fails.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
pub enum BadReply {
    /// Another channel.
    #[error("channel is {found}, must be {expected}")]
    Channel {
        /// What it has.
        found: ChannelId,
        /// What was asked for.
        expected: ChannelId,
    },
    /// Another epoch.
    #[error("epoch is {found:?}, must be {expected:?}")]
    Epoch {
        /// What it has.
        found: Epoch,
        /// What was asked for.
        expected: Epoch,
    },
    /// It does not stand for the indices of the tickets.
    #[error("interval is {found:?}, must be {expected:?}")]
    Interval {
        /// What it has.
        found: Interval,
        /// What was asked for.
        expected: Interval,
    },
    /// It is worth less than the tickets; or more, and more than the channel holds beside all others.
    #[error("amount is {found}, must be {least} to {most}")]
    Amount {
        /// What it has.
        found: Amount,
        /// The sum of the tickets.
        least: Amount,
        /// What the channel holds beside all other tickets, but no less than the sum.
        most: Amount,
    },
    /// It may lose.
    #[error("win probability is {found}, must be 1")]
    Probability {
        /// What it has.
        found: WinProbability,
    },
    /// The response of the first ticket does not solve it.
    #[error("challenge is {found}, must be {expected}")]
    Challenge {
        /// What it has.
        found: ChallengeAddress,
        /// That of the first ticket.
        expected: ChallengeAddress,
    },
    /// The issuer is not bound by it.
    #[error("signature: {0}")]
    Signature(#[source] BadSignature),
}

/// Why not all tickets of a channel were redeemed. Those before it were.
#[derive(Clone, Debug, Error, PartialEq)]
#[non_exhaustive]
pub enum RedeemError {
    /// The channel.
    #[error(transparent)]
    Channel(#[from] ChannelError),
    /// Another command on the channel is under way, and goes on.
    #[error("the channel is busy with another command")]
    Busy,
    /// The disk.
    #[error(transparent)]
    Store(#[from] Unwritten),
    /// The ledger, or the way there, was too busy or does not answer. If it may have taken the
    /// ticket, that stays as it is until the ledger's view of the channel says so.
    #[error("ticket {index}: {error}")]
    Job {
        /// The first index of the ticket.
        index: TicketIndex,
        /// What happened.
        #[source]
        error: JobError,
    },
    /// No ledger will ever take the ticket, as this node found itself: the disk has changed it. It was
    /// set aside, and those after it were redeemed.
    #[error("ticket {index} is worth nothing: {error}")]
    Worthless {
        /// The first index of the ticket.
        index: TicketIndex,
        /// What is wrong with it.
        #[source]
        error: NotWinning,
    },
    /// The ledger did not take a ticket.
    #[error("ticket {index}: {error}")]
    Ledger {
        /// The first index of the ticket.
        index: TicketIndex,
        /// What it says.
        #[source]
        error: SubmitError,
    },
}

/// A rule that a remote broke.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
pub enum Fault {
    /// Replied to what was not asked. Honest issuers do when our time-out comes first.
    #[error("late or unasked reply")]
    Late,
    /// Replied with a ticket that is not what was asked for.
    #[error("bad reply: {0}")]
    BadReply(#[source] BadReply),
    /// Asked for what no honest redeemer asks for, at the cost of many signature checks.
    #[error("request was refused: {0}")]
    Cheating(RefusalCode),
}

impl Blame for Fault {
    fn verdict(&self) -> Verdict {
        match self {
            Self::Late => Verdict::Note,
            Self::BadReply(_) | Self::Cheating(_) => Verdict::Charge(50),
        }
    }
}
