//! What the application asks and is told, and the slow work in between.

use ecdsa::BadSignature;
use machine::PeerId;

use super::check::CheckRequest;
use super::requester::ProveBatch;
use super::{
    AggregateError, Change, EarnError, RedeemError, Refusal, Request, StoreError, ViewError,
};
use crate::ledger::SubmitError;
use crate::{
    AcknowledgedTicket, Address, Amount, Channel, ChannelId, Epoch, Interval, NotWinning, Response,
    Ticket, TicketIndex,
};

/// A request of the application.
#[derive(Clone, Debug)]
pub enum Command {
    /// What the ledger has of a channel, in either direction, and which peer the account at its other
    /// end has announced. Ends in one [`Event::Viewed`].
    View {
        /// The channel.
        channel: Channel,
        /// Who is at its other end.
        peer: Option<PeerId>,
    },
    /// Keep a ticket that won. Ends in one [`Event::Earned`]; to give the same again is harmless.
    Earn(Box<AcknowledgedTicket>),
    /// Ask the issuer of tickets for one in their place. Ends in one [`Event::Aggregated`].
    Aggregate {
        /// The channel that pays them.
        channel: ChannelId,
        /// Only tickets that end at or before this index: above it others may still be earned.
        below: Option<TicketIndex>,
        /// When it is worth the trouble.
        prerequisites: Prerequisites,
    },
    /// Redeem the tickets of a channel, the lowest index first. Ends in one [`Event::Redeemed`].
    Redeem {
        /// The channel that pays them.
        channel: ChannelId,
        /// Only tickets from this index on; those before it are worth nothing afterwards.
        from: Option<TicketIndex>,
        /// Only tickets that end at or before this index: those from it on may have others before
        /// them that are still to be earned, and would be worth nothing afterwards.
        below: Option<TicketIndex>,
    },
}

/// When an aggregate is worth the trouble: if any of these is met, or none is given.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Prerequisites {
    /// So many tickets.
    pub tickets_min: Option<usize>,
    /// Tickets that are no aggregates themselves are worth so many thousandths of what the channel
    /// holds.
    pub permille_min: Option<u16>,
}

/// What the application is told.
#[derive(Clone, Debug)]
pub enum Event {
    /// The end of [`Command::View`].
    Viewed {
        /// The channel.
        channel: ChannelId,
        /// Whether it is followed.
        outcome: Result<(), ViewError>,
    },
    /// The end of [`Command::Earn`].
    Earned {
        /// The channel.
        channel: ChannelId,
        /// The first index of the ticket.
        index: TicketIndex,
        /// Whether it is durable.
        outcome: Result<(), EarnError>,
    },
    /// The end of [`Command::Aggregate`].
    Aggregated {
        /// The channel.
        channel: ChannelId,
        /// What is durable now; nothing if there was nothing worth the trouble.
        outcome: Result<Option<Aggregated>, AggregateError>,
    },
    /// The end of [`Command::Redeem`].
    Redeemed {
        /// The channel.
        channel: ChannelId,
        /// What the ledger paid.
        paid: Redeemed,
        /// Why that is not all.
        outcome: Result<(), RedeemError>,
    },
    /// Tickets of a channel are not held any more: the ledger paid them, or never will.
    Released {
        /// The channel.
        channel: ChannelId,
        /// Their epoch.
        epoch: Epoch,
        /// What they were worth.
        amount: Amount,
        /// Where the last of them ends: as soon as the ledger shows this index, none of them counts.
        end: TicketIndex,
        /// Whether the ledger paid.
        paid: bool,
    },
    /// This node issued a ticket in place of others.
    Issued {
        /// The channel.
        channel: ChannelId,
        /// Its epoch.
        epoch: Epoch,
        /// The indices that it stands for; no other ticket may get one of them.
        interval: Interval,
    },
}

/// One ticket in place of many.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Aggregated {
    /// It.
    pub ticket: Ticket,
    /// How many it replaced.
    pub replaced: usize,
}

/// What the ledger paid.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Redeemed {
    /// For how many tickets.
    pub tickets: usize,
    /// How much; more than any amount counts as the largest.
    pub amount: Amount,
}

/// Slow work.
#[derive(Clone, Debug)]
pub enum Job {
    /// Make changes durable. Ends in [`Done::Written`].
    Write(Vec<Change>),
    /// Make a request of tickets. Ends in [`Done::Proven`].
    Prove(Box<ProveBatch>),
    /// Check a request, and sign what it asks for. Ends in [`Done::Checked`].
    Check(CheckRequest),
    /// Check who signed a ticket. Ends in [`Done::Verified`].
    Verify {
        /// The ticket.
        ticket: Ticket,
        /// Who has to be bound by it.
        issuer: Address,
    },
    /// Redeem a ticket. Ends in [`Done::Redeemed`].
    Redeem(Box<RedeemTicket>),
}

/// A ticket on its way to the ledger.
#[derive(Clone, Debug)]
pub struct RedeemTicket {
    /// The ticket.
    pub ticket: Ticket,
    /// Its response.
    pub response: Response,
    /// Who is bound by it.
    pub issuer: Address,
    /// For the proof of its luck.
    pub randomness: Randomness,
}

/// Bytes that nobody else knows.
#[derive(Clone)]
pub struct Randomness(pub [u8; 64]);

impl std::fmt::Debug for Randomness {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Randomness").finish_non_exhaustive()
    }
}

/// The end of a [`Job`].
#[derive(Clone, Debug)]
pub enum Done {
    /// Of [`Job::Write`].
    Written(Result<(), StoreError>),
    /// Of [`Job::Prove`].
    Proven(Box<Request>),
    /// Of [`Job::Check`].
    Checked(Result<Ticket, Refusal>),
    /// Of [`Job::Verify`].
    Verified(Result<(), BadSignature>),
    /// Of [`Job::Redeem`]. [`SubmitError::Gone`] may mean that it was taken.
    Redeemed(Result<(), SubmitError>),
    /// Of [`Job::Redeem`]: the ticket was not shown to the ledger, which would never take it.
    Worthless(NotWinning),
}
