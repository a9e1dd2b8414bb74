//! What the application asks of gossip and is told, and the slow work in between.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use handshake::DialError;
use libp2p_core::Multiaddr;
use libp2p_identity::PeerId;
use thiserror::Error;
use transport::records::BadRecord;
use wire::signed::SignedRecord;

use crate::reason::{DisconnectReason, SwapRefusal};
use crate::store::{Change, StoreError};

/// Who dialled.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Direction {
    /// The peer did.
    Inbound,
    /// We did.
    Outbound,
}

/// A connection on which both sides accepted.
#[derive(Clone, Debug)]
pub struct Opened {
    /// The other side.
    pub peer: PeerId,
    /// Who dialled.
    pub direction: Direction,
    /// Where we dialled, or where the remote comes from.
    pub address: Multiaddr,
    /// Where the remote says that it can be dialled. Its signature holds; nobody has tried yet.
    pub record: Option<Arc<SignedRecord>>,
}

/// A request or news from the application.
#[derive(Clone, Debug)]
pub enum Command {
    /// A connection to a peer is open. Ends in [`Event::Linked`].
    Opened(Box<Opened>),
    /// A connection is open that the application keeps for a use of its own. Gossip runs on it, and
    /// otherwise leaves it alone: it takes no slot, and is not let go of for want of one. Only with too
    /// few links it counts as any other. Ends in [`Event::Linked`].
    OpenedAside(Box<Opened>),
    /// The last connection to a peer is gone. Ends in [`Event::Unlinked`].
    Closed {
        /// To whom.
        peer: PeerId,
    },
    /// Somebody told of peers; the signatures hold. Ends in [`Event::Learned`].
    Learned {
        /// Who told.
        source: PeerId,
        /// Where it spoke from, if that is known: those of one network share their part of the
        /// book.
        address: Option<Multiaddr>,
        /// Of whom.
        records: Vec<Arc<SignedRecord>>,
    },
    /// A round of visits to seeds is over. Ends in [`Event::Sought`].
    Sought {
        /// Whether it taught us anything; otherwise how long the seeds want to rest at least.
        outcome: Result<usize, Duration>,
    },
    /// Keep a link to this peer, whatever happens. Ends in [`Event::Trusted`].
    Trust {
        /// Whom.
        peer: PeerId,
        /// Where it is. Added to what is known already.
        addresses: Vec<Multiaddr>,
    },
    /// Treat this peer as any other. Ends in [`Event::Distrusted`].
    Distrust {
        /// Whom.
        peer: PeerId,
    },
    /// Say goodbye to a peer. Ends in [`Event::Dismissed`].
    Dismiss {
        /// To whom.
        peer: PeerId,
        /// Why.
        reason: DisconnectReason,
    },
    /// A peer is banned, or no longer. Ends in [`Event::BanNoted`].
    Banned {
        /// Who.
        peer: PeerId,
        /// Whether it is.
        banned: bool,
    },
    /// Say goodbye to everybody and write down what is known. Ends in [`Event::Ended`].
    Shutdown,
}

/// What the application is told.
#[derive(Clone, Debug)]
pub enum Event {
    /// The end of [`Command::Opened`]: the link counts.
    Linked {
        /// To whom.
        peer: PeerId,
    },
    /// The end of [`Command::Closed`].
    Unlinked {
        /// From whom.
        peer: PeerId,
    },
    /// The end of [`Command::Learned`].
    Learned {
        /// Who told.
        source: PeerId,
        /// How many records were taken into the book.
        kept: usize,
    },
    /// The end of [`Command::Sought`].
    Sought {
        /// Until seeds are asked again, should it be called for.
        rest: Duration,
    },
    /// The end of [`Command::Trust`].
    Trusted {
        /// Whom.
        peer: PeerId,
        /// Whether there was room.
        outcome: Result<(), TrustError>,
    },
    /// The end of [`Command::Distrust`].
    Distrusted {
        /// Whom.
        peer: PeerId,
        /// Whether it was trusted before.
        was: bool,
    },
    /// The end of [`Command::Dismiss`].
    Dismissed {
        /// Whom.
        peer: PeerId,
        /// Whether there was a link.
        was: bool,
    },
    /// The end of [`Command::Banned`].
    BanNoted {
        /// Who.
        peer: PeerId,
    },
    /// The end of [`Command::Shutdown`]: everybody has been told, and the book is durable or could
    /// not be made so.
    Ended {
        /// How the last write went.
        stored: Result<(), StoreError>,
    },
    /// There are too few links and nobody is known whom to dial: visit seeds, if there are any, and
    /// say [`Command::Sought`] afterwards.
    SeedsWanted {
        /// Links at hand.
        have: usize,
        /// Links wanted.
        want: usize,
    },
    /// Hang up on a peer on whose connection gossip does not run.
    HangUp {
        /// On whom.
        peer: PeerId,
    },
    /// A link ends because one side wants it so.
    Disconnected {
        /// To whom.
        peer: PeerId,
        /// Why.
        reason: DisconnectReason,
        /// Whether the peer wants it; otherwise we do.
        theirs: bool,
    },
    /// There are fewer links than the lower threshold: peers are being dialled.
    TooFew {
        /// Links at hand.
        have: usize,
    },
    /// There are more links than the upper threshold: some are being closed.
    TooMany {
        /// Links at hand.
        have: usize,
    },
    /// An exchange of links that we took part in is over.
    Swapped {
        /// With whom.
        with: PeerId,
        /// Whether we proposed it.
        proposed: bool,
        /// How it ended.
        outcome: Result<Swap, SwapRefusal>,
    },
    /// A peer told of others.
    Advertised {
        /// Who.
        source: PeerId,
        /// How many it named.
        named: usize,
        /// How many were taken into the book.
        kept: usize,
    },
    /// The book could not be written.
    StoreFailed {
        /// What the store says.
        error: StoreError,
    },
}

/// An exchange of links that took place.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Swap {
    /// The neighbour that was given away.
    pub gave: PeerId,
    /// The neighbour that was won.
    pub got: PeerId,
    /// Whether the other side has confirmed its part. If it has not, its link broke before it
    /// could, and we keep both neighbours.
    pub confirmed: bool,
}

/// Why a peer is not trusted.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
pub enum TrustError {
    /// It is ourselves.
    #[error("this is ourselves")]
    Oneself,
    /// There are as many trusted peers as may be.
    #[error("{max} peers are trusted already")]
    TooMany {
        /// How many may be.
        max: usize,
    },
    /// No address of it is known.
    #[error("no address of it is known")]
    NoAddress,
}

/// What a dial is for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Purpose {
    /// A lasting link.
    Link,
    /// A lasting link to a peer that the operator named.
    Trusted,
    /// To see whether the peer is there; the connection ends at once.
    Feeler,
}

/// Slow work.
#[derive(Clone, Debug)]
pub enum Job {
    /// Connect to a peer and pass its gate. Ends in [`Done::Dialled`].
    Dial {
        /// Whom.
        peer: PeerId,
        /// Where.
        addresses: Vec<Multiaddr>,
        /// What for.
        purpose: Purpose,
    },
    /// Check signed records. Ends in [`Done::Verified`].
    Verify {
        /// As they came.
        records: Vec<Bytes>,
    },
    /// Make changes of the book durable. Ends in [`Done::Saved`].
    Save {
        /// All of them in one transaction.
        changes: Vec<Change>,
    },
}

/// The end of a [`Job`].
#[derive(Clone, Debug)]
pub enum Done {
    /// Of [`Job::Dial`].
    Dialled(Result<(), DialError>),
    /// Of [`Job::Verify`], in the same order.
    Verified(Vec<Result<Arc<SignedRecord>, BadRecord>>),
    /// Of [`Job::Save`].
    Saved(Result<(), StoreError>),
}
