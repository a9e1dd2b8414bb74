//! What the application asks of the seed protocol and is told, and the slow work in between.

use std::time::Duration;

use bytes::Bytes;
use libp2p_core::Multiaddr;
use libp2p_identity::PeerId;
use machine::{JobError, Undelivered};
use thiserror::Error;
use transport::records::BadRecord;
use wire::signed::SignedRecord;

use super::{Fault, SeedMemory, SeedStoreError};
use crate::DialError;

/// A request of the application.
#[derive(Clone, Debug)]
pub enum Command {
    /// Visit seeds, if that is called for. Ends in one [`Event::Sought`].
    Seek {
        /// Peers at hand.
        have: usize,
        /// Peers wanted.
        want: usize,
    },
    /// A node introduced itself to this seed. Nobody is told of it before a probe has reached it.
    /// Ends in one [`Event::Probed`].
    Met(Box<SignedRecord>),
}

/// What the application is told.
#[derive(Clone, Debug)]
pub enum Event {
    /// The end of [`Command::Seek`].
    Sought {
        /// How many nodes were learned, all visits together.
        outcome: Result<usize, SeekError>,
    },
    /// One visit taught us something.
    Learned {
        /// Who told.
        seed: PeerId,
        /// What: each signed by its peer, none of them ours.
        records: Vec<SignedRecord>,
    },
    /// One visit came to nothing.
    Failed {
        /// Whom we visited.
        seed: PeerId,
        /// Why.
        error: VisitError,
    },
    /// The end of [`Command::Met`].
    Probed {
        /// Who introduced itself.
        peer: PeerId,
        /// Whether visitors are told of it from now on.
        outcome: Result<(), ProbeError>,
    },
}

/// Why visitors are not told of a node.
#[derive(Clone, Debug, Error)]
pub enum ProbeError {
    /// It is ourselves.
    #[error("this is ourselves")]
    Oneself,
    /// A probe of it is under way or waits already.
    #[error("already probing")]
    AlreadyProbing,
    /// Too many probes wait.
    #[error("too many probes wait")]
    Busy,
    /// It does not answer where it says.
    #[error("dial: {0}")]
    Dial(#[source] DialError),
    /// We ourselves were too busy.
    #[error("job: {0}")]
    Job(#[source] JobError),
}

/// Why a seek visited nobody, or learned nothing.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
pub enum SeekError {
    /// There are peers enough.
    #[error("{have} peers of {want} are enough")]
    Enough {
        /// Peers at hand.
        have: usize,
        /// Peers wanted.
        want: usize,
    },
    /// No seed is known.
    #[error("no seed is configured")]
    NoSeeds,
    /// An earlier seek is under way and visits every seed that does not rest, or as many as are
    /// visited at once.
    #[error("already seeking")]
    AlreadySeeking,
    /// Every seed rests after a visit or a failure.
    #[error("all seeds rest, retry in {retry_in:?}")]
    TooSoon {
        /// Until the first of them can be visited.
        retry_in: Duration,
    },
    /// All visits failed.
    #[error("no seed answered")]
    NoAnswer,
}

/// Why a visit came to nothing.
#[derive(Clone, Debug, Error)]
pub enum VisitError {
    /// The seed could not be reached, or refused us.
    #[error("dial: {0}")]
    Dial(#[source] DialError),
    /// We ourselves were too busy.
    #[error("job: {0}")]
    Job(#[source] JobError),
    /// The question came back.
    #[error("question: {0}")]
    Undelivered(#[source] Undelivered),
    /// The seed hung up before it answered.
    #[error("hung up")]
    HungUp,
    /// No answer in time.
    #[error("timed out")]
    TimedOut,
    /// The seed broke a rule; it has been reported.
    #[error("misbehaved: {0}")]
    Misbehaved(#[source] Fault),
}

/// Slow work.
#[derive(Clone, Debug)]
pub enum Job {
    /// Connect to a seed and pass its gate. Ends in [`Done::Dialled`].
    Dial {
        /// The seed.
        peer: PeerId,
        /// Where it is.
        addresses: Vec<Multiaddr>,
    },
    /// Check signed records. Ends in [`Done::Verified`].
    Verify {
        /// As they came.
        records: Vec<Bytes>,
    },
    /// See whether a node answers at the addresses of its record. Ends in [`Done::Probed`].
    Probe {
        /// It.
        record: SignedRecord,
    },
    /// Keep what a visit showed of a seed. Ends in [`Done::Remembered`].
    Remember {
        /// All that is known of it.
        memory: SeedMemory,
    },
}

/// The end of a [`Job`].
#[derive(Clone, Debug)]
pub enum Done {
    /// Of [`Job::Dial`].
    Dialled(Result<(), DialError>),
    /// Of [`Job::Verify`], in the same order.
    Verified(Vec<Result<SignedRecord, BadRecord>>),
    /// Of [`Job::Probe`].
    Probed(Result<(), DialError>),
    /// Of [`Job::Remember`]. The next visit to the seed makes up for what was not kept.
    Remembered(Result<(), SeedStoreError>),
}
