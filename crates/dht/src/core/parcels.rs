//! Parcels: envelopes on their way, where each is going and what it waits for.

use std::collections::BTreeMap;

use bytes::Bytes;
use libp2p_identity::PeerId;

use super::room::Room;
use crate::code::Code;
use crate::config::RoutingConfig;
use crate::envelope::MessageId;
use crate::key::Key;
use crate::letter::LetterId;

/// An envelope on its way to the next neighbour.
#[derive(Clone, Debug)]
pub(super) struct Parcel {
    pub(super) id: MessageId,
    pub(super) envelope: Bytes,
    pub(super) goal: Goal,
    pub(super) origin: Origin,
    /// What the next carrier may pass it on with.
    pub(super) hops: u8,
    /// Who does not get it: who had it, and who would not take it.
    pub(super) exclude: Vec<PeerId>,
    /// Neighbours that it was offered to.
    pub(super) tried: usize,
    pub(super) stage: Stage,
    /// Why the last neighbour that had an answer would not take it.
    pub(super) refused: Option<Code>,
}

impl Parcel {
    /// One that was not offered to anybody yet, and that anybody may get.
    pub(super) fn new(
        id: MessageId,
        envelope: Bytes,
        goal: Goal,
        origin: Origin,
        hops: u8,
    ) -> Self {
        let (exclude, stage) = (Vec::new(), Stage::Idle);
        Self { id, envelope, goal, origin, hops, exclude, tried: 0, stage, refused: None }
    }

    /// Whether it is an own message.
    pub(super) const fn is_own(&self) -> bool {
        matches!(self.origin, Origin::Own(_))
    }
}

/// Where a parcel goes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Goal {
    /// Towards a peer, and there.
    Towards {
        peer: PeerId,
        key: Key,
        /// Whether it may be kept for the peer.
        keep: bool,
    },
    /// Towards a peer, and never there: it is the author.
    Around { peer: PeerId, key: Key },
    /// To this neighbour and no other.
    To(PeerId),
}

/// Where a parcel is from, and who hears of it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Origin {
    /// A link.
    Link(PeerId),
    /// An own message.
    Own(LetterId),
    /// The core's own, of whose fate nobody is told.
    Aside,
    /// The mailbox: the neighbour is asked to keep it.
    Mail,
}

/// What a parcel waits for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Stage {
    /// To be offered to somebody.
    Idle,
    /// The dial of this neighbour.
    Dialling(PeerId),
    /// A place with this neighbour.
    Queued(PeerId),
    /// The verdict of this neighbour.
    Offered { to: PeerId, number: u32 },
}

/// All parcels.
#[derive(Debug, Default)]
pub(super) struct Parcels {
    by_serial: BTreeMap<u64, Parcel>,
    next: u64,
    room: Room,
    /// Those of the core's own for which there was no room.
    pub(super) dropped: u64,
}

impl Parcels {
    pub(super) fn get(&self, serial: u64) -> Option<&Parcel> {
        self.by_serial.get(&serial)
    }

    pub(super) fn get_mut(&mut self, serial: u64) -> Option<&mut Parcel> {
        self.by_serial.get_mut(&serial)
    }

    pub(super) fn len(&self) -> usize {
        self.by_serial.len()
    }

    /// Adds a parcel and says which it is; `None` if there is no room for one of its origin.
    pub(super) fn insert(&mut self, parcel: Parcel, routing: &RoutingConfig) -> Option<u64> {
        let len = parcel.envelope.len();
        if !self.room.has_place(parcel.origin, len, routing) {
            return None;
        }
        self.room.take(parcel.origin, len);
        let serial = self.next;
        self.next = self.next.wrapping_add(1);
        self.by_serial.insert(serial, parcel);
        Some(serial)
    }

    pub(super) fn remove(&mut self, serial: u64) -> Option<Parcel> {
        let parcel = self.by_serial.remove(&serial)?;
        self.room.give_back(parcel.origin, parcel.envelope.len());
        Some(parcel)
    }
}
