//! What the application asks of the core and is told, and the slow work in between.

use std::sync::Arc;

use bytes::Bytes;
use libp2p_core::Multiaddr;
use libp2p_identity::PeerId;
use machine::UnixTime;
use thiserror::Error;
use transport::records::BadRecord;
use wire::signed::SignedRecord;

use crate::code::Code;
use crate::envelope::{MessageId, SealError};
use crate::inbound::{Disposition, InboundMessage, Ticket};
use crate::key::Key;
use crate::letter::LetterId;
use crate::mailbox::Arrival;
use crate::messages::Stored;
use crate::outbound::{Addressed, Dispatch};
use crate::refusal::Refusal;
use crate::store::{Change, StoreError};
use crate::table::Offered;

/// A request or news from the application or the pipelines.
#[derive(Clone, Debug)]
pub enum Command {
    /// An own message, sealed. Its [`Event::Outcome`]s follow, of which exactly one
    /// [is the end](Outcome::is_end). One with a
    /// [`recipient`](crate::BroadcastStrategy::recipient) is tried over other first hops each time.
    Dispatch(Box<Dispatch>),
    /// What the inbound pipeline made of an [`Event::Arrived`]. Ends in [`Event::Freed`].
    Settled {
        /// That of the arrival.
        ticket: Ticket,
        /// What is left to do, or why nothing is.
        outcome: Result<Disposition, Refusal>,
    },
    /// A record whose signature holds came in another way, such as with a connection. Ends in
    /// [`Event::Met`].
    Met(Arc<SignedRecord>),
    /// Where this node itself is reached from now on. Ends in [`Event::Announced`].
    Announce(Arc<SignedRecord>),
    /// Look for the peers closest to a key. Ends in [`Event::LookedUp`].
    LookUp {
        /// The key.
        target: Key,
    },
    /// Find out where a peer is. Ends in [`Event::Discovered`].
    Discover {
        /// Which.
        peer: PeerId,
    },
    /// Forget a peer: it is banned. Ends in [`Event::Forgotten`].
    Forget {
        /// Which.
        peer: PeerId,
    },
}

/// What the application and the pipelines are told.
#[derive(Clone, Debug)]
pub enum Event {
    /// An envelope came, for the inbound pipeline. To be answered by a [`Command::Settled`]; until
    /// then it takes a place of its link. A letter that is given back its place while the
    /// application has it in hand is answered by another when that is done with it.
    Arrived(InboundMessage),
    /// The end of [`Command::Settled`].
    Freed {
        /// Its ticket.
        ticket: Ticket,
    },
    /// What became of an own message so far, or in the end.
    Outcome {
        /// Which.
        letter: LetterId,
        /// What.
        outcome: Outcome,
    },
    /// The end of [`Command::Met`].
    Met {
        /// Whose record it was.
        peer: PeerId,
        /// What became of it.
        offered: Offered,
    },
    /// The end of [`Command::Announce`].
    Announced {
        /// The number of the record that counts now: that of an older one is not taken.
        seq: u64,
    },
    /// The end of [`Command::LookUp`].
    LookedUp {
        /// The key.
        target: Key,
        /// Those that answered, the closest first; at most 20.
        outcome: Result<Vec<PeerId>, LookUpError>,
    },
    /// The end of [`Command::Discover`].
    Discovered {
        /// Who was looked for.
        peer: PeerId,
        /// Where it is.
        outcome: Result<Arc<SignedRecord>, DiscoverError>,
    },
    /// The end of [`Command::Forget`].
    Forgotten {
        /// Who.
        peer: PeerId,
    },
    /// The core has no more use for a link that was opened for it.
    Release {
        /// To whom.
        peer: PeerId,
    },
}

/// What became of an own message.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Outcome {
    /// News: a neighbour has taken it on.
    Sent {
        /// Which.
        via: PeerId,
    },
    /// News: somebody keeps it for the recipient, and has signed that.
    Stored {
        /// Who.
        by: PeerId,
        /// How many do by now.
        copies: usize,
        /// How many are asked to.
        of: usize,
    },
    /// News: it went no further this way. Another is tried.
    Stopped(Code),
    /// The end: the recipient has it, and has signed that.
    Delivered,
    /// The end of one that is for nobody in particular.
    Spread {
        /// Neighbours that took it on.
        taken: usize,
        /// Neighbours that it was offered to.
        of: usize,
    },
    /// The end: it will not be delivered.
    Refused(SendError),
    /// The end: its time is over, and whether it was delivered is not known.
    Expired {
        /// How many kept it for the recipient.
        copies: usize,
    },
}

impl Outcome {
    /// Whether nothing follows.
    pub const fn is_end(&self) -> bool {
        match self {
            Self::Sent { .. } | Self::Stored { .. } | Self::Stopped(_) => false,
            Self::Delivered | Self::Spread { .. } | Self::Refused(_) | Self::Expired { .. } => true,
        }
    }

    /// Its name in logs and metrics.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Sent { .. } => "sent",
            Self::Stored { .. } => "stored",
            Self::Stopped(_) => "stopped",
            Self::Delivered => "delivered",
            Self::Spread { .. } => "spread",
            Self::Refused(_) => "refused",
            Self::Expired { .. } => "expired",
        }
    }
}

/// Why an own message will not be delivered.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
pub enum SendError {
    /// As many own messages are on their way as may be.
    #[error("{count} messages of {bytes} bytes are on their way")]
    Full {
        /// How many.
        count: usize,
        /// Their payloads, in bytes.
        bytes: usize,
    },
    /// A letter with this id is on its way already.
    #[error("letter is on its way already")]
    Repeated,
    /// Nobody is known or linked over whom it could go, or it went no further over any of them.
    #[error("went no further: {0}")]
    Stopped(Code),
    /// No neighbour takes it on: what is wrong is the message.
    #[error("refused by neighbours: {0}")]
    Refused(Code),
    /// It could not be sealed anew.
    #[error("cannot be sealed: {0}")]
    Seal(#[source] SealError),
    /// It could not be written down, so it was not sent.
    #[error("cannot be written down")]
    Unwritten,
}

/// Why nothing was looked up.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
pub enum LookUpError {
    /// As many look-ups are under way as may be.
    #[error("{max} look-ups are under way")]
    Busy {
        /// How many.
        max: usize,
    },
    /// Switched off.
    #[error("look-ups are switched off")]
    Off,
    /// Nobody answered.
    #[error("nobody answered")]
    Unanswered,
}

/// Why it is not known where a peer is.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
pub enum DiscoverError {
    /// It is this node.
    #[error("this is ourselves")]
    Oneself,
    /// As many searches are under way as may be.
    #[error("{max} searches are under way")]
    Busy {
        /// How many.
        max: usize,
    },
    /// Its id holds no key that a letter could be sealed for, and nobody has its record.
    #[error("nobody has its record, and no letter can be sealed for it")]
    Recipient,
    /// This node has not said where it is itself: see [`Command::Announce`].
    #[error("nobody has its record, and there is none of our own to offer in return")]
    Unannounced,
    /// It did not answer in time.
    #[error("no answer")]
    Unanswered,
}

/// Why a peer was not reached.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
pub enum DialError {
    /// Nobody answers at its addresses.
    #[error("nobody answers")]
    Unreachable,
    /// It, or a rule of this node, does not want the connection.
    #[error("connection is not wanted")]
    Refused,
    /// No room for a connection here. Later is better.
    #[error("no room for a connection")]
    NoRoom,
    /// It is linked already: nothing was dialled, and nothing shows where it is.
    #[error("linked already")]
    Linked,
}

/// Slow work.
#[derive(Clone, Debug)]
pub enum Job {
    /// Connect to a peer. Ends in [`Done::Dialled`].
    Dial {
        /// The peer.
        peer: PeerId,
        /// Where it is.
        addresses: Vec<Multiaddr>,
    },
    /// Check signed records. Ends in [`Done::Verified`].
    Verify {
        /// As they came.
        records: Vec<Bytes>,
    },
    /// Put a letter into an envelope. Ends in [`Done::Sealed`].
    Seal(Box<Addressed>),
    /// See whether a server signed that it keeps an envelope. Ends in [`Done::Checked`].
    CheckStored {
        /// Which envelope.
        id: MessageId,
        /// What it signed.
        stored: Stored,
    },
    /// Change what survives a restart. Ends in [`Done::Kept`] once it does.
    Keep(Vec<Change>),
    /// Fetch envelopes that are kept. Ends in [`Done::Read`].
    Read(Vec<Arrival>),
    /// Sign that this node keeps these envelopes until then. Ends in [`Done::Signed`].
    Sign(Vec<(MessageId, UnixTime)>),
}

/// The end of a [`Job`].
#[derive(Clone, Debug)]
pub enum Done {
    /// Of [`Job::Dial`].
    Dialled(Result<(), DialError>),
    /// Of [`Job::Verify`], in the same order.
    Verified(Vec<Result<SignedRecord, BadRecord>>),
    /// Of [`Job::Seal`].
    Sealed(Result<Box<Dispatch>, SealError>),
    /// Of [`Job::CheckStored`].
    Checked(bool),
    /// Of [`Job::Keep`].
    Kept(Result<(), StoreError>),
    /// Of [`Job::Read`], in the same order; `None` for what is not there.
    Read(Result<Vec<Option<Bytes>>, StoreError>),
    /// Of [`Job::Sign`], in the same order.
    Signed(Vec<[u8; 64]>),
}
