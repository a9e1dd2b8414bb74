//! Where a message goes that passed the inbound stages: to be kept, to be carried on, to the core,
//! or to the application.

use std::ops::ControlFlow;

use bytes::Bytes;
use libp2p_identity::PeerId;

use crate::envelope::{MessageId, Opened};
use crate::inbound::{Carriage, Contents, Disposition, Recorded, Ticket};
use crate::letter::{Kind, LetterId};
use crate::refusal::Refusal;

/// What the application is given: a letter, and whom it is from.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct DhtInboundMessage {
    /// Who wrote it, proven by a signature.
    pub sender: PeerId,
    /// What the sender knows it by.
    pub letter: LetterId,
    /// What those who carried it call it.
    pub message: MessageId,
    /// What it says, at most [`PAYLOAD_MAX`](crate::PAYLOAD_MAX) bytes.
    pub payload: Bytes,
    /// Whether it was sealed for this node: nobody else has read it.
    pub sealed: bool,
    /// How it came.
    pub carriage: Carriage,
}

/// What an application makes of a letter: what its service responds with. `()` is that it took it.
///
/// An error says that it does not take it now: then the letter comes again, as long as it lives.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Reception {
    /// It has it, and its sender is told so.
    Taken,
    /// It never wants it: the letter does not come again, and its sender is told nothing.
    Unwanted,
}

impl From<()> for Reception {
    fn from((): ()) -> Self {
        Self::Taken
    }
}

/// A message that this node is not to keep for another.
#[derive(Debug)]
pub struct Unstored(Recorded);

/// A message that ends at this node, or of which it has to know.
#[derive(Debug)]
pub struct Local(Recorded);

/// A letter on its way to the application.
///
/// Dropped before [`delivered`](Self::delivered) or [`unwanted`](Self::unwanted), the message may
/// come again.
#[derive(Debug)]
pub struct Delivery {
    recorded: Recorded,
    message: DhtInboundMessage,
}

impl Delivery {
    /// What the application is given.
    pub fn message(&self) -> &DhtInboundMessage {
        &self.message
    }

    /// The application took it: it does not come again.
    pub fn delivered(self) -> Disposition {
        self.recorded.settle();
        let DhtInboundMessage { sender, letter, sealed, .. } = self.message;
        Disposition::Delivered { sender, letter, sealed }
    }

    /// The application never wants it: it does not come again.
    pub fn unwanted(self) -> Disposition {
        self.recorded.settle_unwanted();
        Disposition::Unwanted
    }

    /// Who brought it.
    pub fn from(&self) -> PeerId {
        self.recorded.from()
    }

    /// The place that it takes up.
    pub fn ticket(&self) -> Ticket {
        self.recorded.ticket()
    }
}

/// Takes out what was put here to be kept for another.
pub fn store(recorded: Recorded) -> ControlFlow<Disposition, Unstored> {
    if recorded.carriage() == Carriage::Put && !recorded.is_ours() {
        return ControlFlow::Break(Disposition::Keep(recorded));
    }
    ControlFlow::Continue(Unstored(recorded))
}

/// Takes out what is for another, and what is for this node and does not open.
pub fn forward(Unstored(recorded): Unstored) -> ControlFlow<Disposition, Local> {
    match recorded.contents() {
        Contents::Others => ControlFlow::Break(Disposition::Carry(recorded)),
        Contents::Clear(opened) if is_for_another(&recorded, opened) => {
            ControlFlow::Break(Disposition::Carry(recorded))
        }
        Contents::Unreadable => {
            recorded.settle();
            ControlFlow::Break(Disposition::Unreadable)
        }
        Contents::Mine(_) | Contents::Clear(_) => ControlFlow::Continue(Local(recorded)),
    }
}

/// An announcement is for everybody on its way.
fn is_for_another(recorded: &Recorded, opened: &Opened) -> bool {
    let addressed = recorded.envelope().destination().is_some();
    addressed && !recorded.is_ours() && opened.letter.kind != Kind::Join
}

/// Parts what is for the application from what is for the core.
///
/// # Errors
/// [`Refusal::Duplicate`] for a clear letter that the application has: nobody waits for a receipt.
pub fn handle(Local(recorded): Local) -> ControlFlow<Result<Disposition, Refusal>, Delivery> {
    let (opened, sealed) = match recorded.contents() {
        Contents::Mine(opened) => (opened, true),
        Contents::Clear(opened) => (opened, false),
        // Taken out before.
        Contents::Others | Contents::Unreadable => {
            return ControlFlow::Break(Err(Refusal::NotForUs));
        }
    };
    let Opened { sender, letter } = opened;
    if letter.kind != Kind::Domain {
        return ControlFlow::Break(Ok(Disposition::Hear(recorded)));
    }
    let (sender, message) = (*sender, recorded.id());
    let message = DhtInboundMessage {
        sender,
        letter: letter.id,
        message,
        payload: letter.payload.clone(),
        sealed,
        carriage: recorded.carriage(),
    };
    if recorded.is_unwanted() {
        recorded.settle();
        return ControlFlow::Break(Ok(Disposition::Unwanted));
    }
    if recorded.is_known() {
        recorded.settle();
        let again = Disposition::Again { sender, letter: message.letter };
        return ControlFlow::Break(if sealed { Ok(again) } else { Err(Refusal::Duplicate) });
    }
    ControlFlow::Continue(Delivery { recorded, message })
}

/// All three: what is left to do for the core, or what the application is given.
///
/// # Errors
/// That of [`handle`].
pub fn decide(recorded: Recorded) -> ControlFlow<Result<Disposition, Refusal>, Delivery> {
    let unstored = store(recorded).map_break(Ok)?;
    handle(forward(unstored).map_break(Ok)?)
}
