//! What goes into a core and what comes out.
//!
//! Both enums are exhaustive on purpose: a new variant has to be thought about in every core.

use crate::{JobError, JobId, Machine, PeerId, UnixTime};

/// Something that happened.
#[derive(Debug)]
pub enum Input<M: Machine> {
    /// The first link to `peer` is ready for messages.
    Joined {
        /// Who.
        peer: PeerId,
        /// The negotiated entry of [`Machine::NAMES`].
        name: &'static str,
    },
    /// The last link to `peer` is gone.
    Left {
        /// Who.
        peer: PeerId,
    },
    /// `peer` said something.
    Received {
        /// Who.
        peer: PeerId,
        /// What; its bounds are checked.
        message: M::Message,
    },
    /// A message given to [`Effect::Send`] was not delivered.
    Undelivered {
        /// For whom.
        peer: PeerId,
        /// The message, given back.
        message: M::Message,
        /// Why.
        cause: Undelivered,
    },
    /// The application asks.
    Command(M::Command),
    /// A job given to [`Effect::Start`] ended. Each does so once, whatever happens to it.
    Done {
        /// Which.
        id: JobId,
        /// What came of it.
        outcome: Result<M::Done, JobError>,
    },
    /// The wall clock's reading, for what expires on the wire. It may jump both ways.
    Wall(UnixTime),
}

/// Something to do.
#[derive(Debug)]
pub enum Effect<M: Machine> {
    /// Send; what is not delivered comes back as [`Input::Undelivered`].
    Send {
        /// To whom.
        peer: PeerId,
        /// What.
        message: M::Message,
    },
    /// Blame.
    Report {
        /// Whom.
        peer: PeerId,
        /// For what.
        fault: M::Fault,
    },
    /// Hang up, once what was sent before is on its way.
    Close {
        /// On whom.
        peer: PeerId,
    },
    /// Tell the application.
    Emit(M::Event),
    /// Start something slow: a store write, a signature check, a dial. It is answered by exactly
    /// one [`Input::Done`], which the runner's deadline forces if need be.
    Start {
        /// What the answer will name.
        id: JobId,
        /// What to do.
        job: M::Job,
    },
}

/// Why a message was not delivered.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, thiserror::Error)]
pub enum Undelivered {
    /// The outbox was at its bound in messages or bytes. Later is better.
    #[error("outbox full")]
    OutboxFull,
    /// There is no link, or it broke before the message left.
    #[error("not connected")]
    NotConnected,
    /// The peer does not speak the protocol.
    #[error("protocol not supported by the peer")]
    Unsupported,
    /// A question left, and no answer came in time.
    #[error("no answer")]
    Unanswered,
    /// The message is larger than the protocol allows: an error of ours.
    #[error("message over the frame bound")]
    TooLarge,
}
