//! One message in a mailbox.

use machine::UnixTime;

use crate::envelope::{Destination, Envelope, Flags, MessageId};

/// When a message arrived at this node, as its number: a later one has a greater.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Arrival(pub u64);

/// What is known of a message that is kept, without the message.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Entry {
    /// When it arrived.
    pub arrival: Arrival,
    /// What it is known by.
    pub id: MessageId,
    /// Whom it is for.
    pub recipient: Destination,
    /// Whether others are given up before it.
    pub urgent: bool,
    /// From when on it is of no use.
    pub expires: UnixTime,
    /// Its length in bytes.
    pub len: usize,
}

impl Entry {
    /// That of an envelope; `None` if it is for nobody, or not to be kept.
    pub fn of(envelope: &Envelope, id: MessageId, arrival: Arrival) -> Option<Self> {
        let recipient = envelope.destination()?;
        envelope.flags().contains(Flags::MAILBOX).then(|| Self {
            arrival,
            id,
            recipient,
            urgent: envelope.flags().contains(Flags::URGENT),
            expires: envelope.expires(),
            len: envelope.bytes().len(),
        })
    }
}
