//! Where a message goes that passed the inbound stages: to be kept, to be carried on, to the core,
//! or to the application.

use std::ops::ControlFlow;

use bytes::Bytes;
use libp2p_identity::PeerId;

use crate::envelope::{MessageId, Opened};
use crate::inbound::{Carriage, Contents, Disposition, Recorded, Ticket};
use crate::letter::{Kind, Letter, LetterId};
use crate::refusal::Refusal;
use crate::seen::Claim;

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
/// Dropped before [`delivered`](Self::delivered), the message may come again.
#[derive(Debug)]
pub struct Delivery {
    message: DhtInboundMessage,
    handed: Handed,
}

impl Delivery {
    /// What the application is given.
    pub fn message(&self) -> &DhtInboundMessage {
        &self.message
    }

    /// What the application is given, and what is left to tell when it has it.
    pub fn hand_over(self) -> (DhtInboundMessage, Handed) {
        (self.message, self.handed)
    }

    /// The application took it: it does not come again.
    pub fn delivered(self) -> Disposition {
        self.handed.delivered()
    }
}

/// A letter that the application was given.
///
/// Dropped before [`delivered`](Self::delivered) or [`unwanted`](Self::unwanted), the message may
/// come again.
#[derive(Debug)]
pub struct Handed {
    claim: Claim,
    sender: PeerId,
    letter: LetterId,
    sealed: bool,
    from: PeerId,
    ticket: Ticket,
    carriage: Carriage,
}

impl Handed {
    /// The application took it: it does not come again.
    pub fn delivered(self) -> Disposition {
        self.claim.settle(Reception::Taken);
        let Self { sender, letter, sealed, .. } = self;
        Disposition::Delivered { sender, letter, sealed }
    }

    /// The application never wants it: it does not come again.
    pub fn unwanted(self) -> Disposition {
        self.claim.settle(Reception::Unwanted);
        Disposition::Unwanted
    }

    /// Who wrote it.
    pub fn sender(&self) -> PeerId {
        self.sender
    }

    /// What the sender knows it by.
    pub fn letter(&self) -> LetterId {
        self.letter
    }

    /// Who brought it.
    pub fn from(&self) -> PeerId {
        self.from
    }

    /// The place that it takes up.
    pub fn ticket(&self) -> Ticket {
        self.ticket
    }

    /// How it came.
    pub fn carriage(&self) -> Carriage {
        self.carriage
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
    if let Contents::Mine(opened) | Contents::Clear(opened) = recorded.contents()
        && opened.letter.kind != Kind::Domain
    {
        return ControlFlow::Break(Ok(Disposition::Hear(recorded)));
    }
    let (from, ticket, carriage) = (recorded.from(), recorded.ticket(), recorded.carriage());
    let message = recorded.id();
    let (contents, claim) = recorded.into_parts();
    let (Opened { sender, letter }, sealed) = match contents {
        Contents::Mine(opened) => (opened, true),
        Contents::Clear(opened) => (opened, false),
        // Taken out before.
        Contents::Others | Contents::Unreadable => {
            return ControlFlow::Break(Err(Refusal::NotForUs));
        }
    };
    let Letter { id: letter, payload, .. } = letter;
    if let Some(known) = claim.known() {
        claim.settle(known);
        return ControlFlow::Break(match known {
            Reception::Unwanted => Ok(Disposition::Unwanted),
            Reception::Taken if sealed => Ok(Disposition::Again { sender, letter }),
            Reception::Taken => Err(Refusal::Duplicate),
        });
    }
    let message = DhtInboundMessage { sender, letter, message, payload, sealed, carriage };
    let handed = Handed { claim, sender, letter, sealed, from, ticket, carriage };
    ControlFlow::Continue(Delivery { message, handed })
}

/// All three: what is left to do for the core, or what the application is given.
///
/// # Errors
/// That of [`handle`].
pub fn decide(recorded: Recorded) -> ControlFlow<Result<Disposition, Refusal>, Delivery> {
    let unstored = store(recorded).map_break(Ok)?;
    handle(forward(unstored).map_break(Ok)?)
}
