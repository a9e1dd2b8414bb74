//! How a node opens a packet: first whether, then what.

use std::fmt;

use curve25519_dalek::edwards::EdwardsPoint;
use libp2p_identity::PeerId;
use zeroize::{Zeroize as _, Zeroizing};

use super::header::{EXTENDED, Entry, holds, mask};
use super::key::{NodeSecret, eightfold, multiple};
use super::keys::Keys;
use super::message::Message;
use super::packet::Packet;
use super::{RELAYS_MAX, payload};
use crate::error::Refusal;
use crate::por::{RelayString, Secret};

/// Tells a packet from all others that this node opens. Shown to a replay guard.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct PacketTag(pub [u8; 16]);

impl NodeSecret {
    /// Finds out whether a packet is for this node, and as its sender made it.
    ///
    /// # Errors
    /// [`Refusal::GroupElement`] or [`Refusal::Mac`], if not.
    pub fn peel(&self, packet: Packet) -> Result<Peeled, Refusal> {
        let point = eightfold(packet.0.alpha).ok_or(Refusal::GroupElement)?;
        let secret = Zeroizing::new(multiple(&point, &self.scalar));
        let keys = Keys::derive(&secret, &packet.0.alpha, &self.key);
        if !holds(&keys, &packet.0.header, &packet.0.mac) {
            return Err(Refusal::Mac);
        }
        Ok(Peeled { packet, point, keys })
    }
}

/// A packet for this node whose header is as its sender made it, not opened yet.
pub struct Peeled {
    packet: Packet,
    /// Eight times the group element.
    point: EdwardsPoint,
    keys: Keys,
}

impl Peeled {
    /// What a replay guard is to see before anything else is done with the packet.
    pub fn tag(&self) -> PacketTag {
        PacketTag(self.keys.tag)
    }

    /// Opens it.
    ///
    /// # Errors
    /// [`Refusal::Routing`] if the sender wrote no path; [`Refusal::Payload`] at the recipient, if
    /// the payload was changed at any node before.
    pub fn finish(self) -> Result<Opened, Refusal> {
        let Self { mut packet, point, keys } = self;
        let secret = Secret::new(keys.proof);
        let mut opened = [0; EXTENDED];
        opened.iter_mut().zip(packet.0.header).for_each(|(to, byte)| *to = byte);
        mask(&keys.stream, &mut opened);
        let left = opened.first().copied().unwrap_or(u8::MAX);
        if left > RELAYS_MAX {
            return Err(Refusal::Routing { left });
        }
        payload::open(&keys.rounds, &mut packet.0.payload);
        if left == 0 {
            let message = payload::unpack(&packet.0.payload);
            packet.0.payload.zeroize();
            let message = message.ok_or(Refusal::Payload)?;
            return Ok(Opened::Deliver(Delivery { message, secret }));
        }
        let (entry, header) = Entry::split(&opened).ok_or(Refusal::Routing { left })?;
        packet.0.alpha = multiple(&point, &keys.blinding).compress().to_bytes();
        packet.0.header = *header;
        packet.0.mac = entry.mac;
        let next = entry.next.peer();
        Ok(Opened::Forward(Forward { next, left, packet, string: entry.string, secret }))
    }
}

impl fmt::Debug for Peeled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Peeled").field("tag", &self.tag()).finish_non_exhaustive()
    }
}

/// What was in a packet.
#[derive(Debug)]
pub enum Opened {
    /// A packet for another node.
    Forward(Forward),
    /// A message for this one.
    Deliver(Delivery),
}

/// What a relay is asked to do.
#[derive(Debug)]
pub struct Forward {
    /// Who comes next. Nobody may have this key: the sender wrote it.
    pub next: PeerId,
    /// How many nodes follow, the recipient among them: 1 to [`RELAYS_MAX`]. What the ticket that
    /// came along must be worth is a multiple of it.
    pub left: u8,
    /// What to pass on.
    pub packet: Packet,
    /// With which the ticket that came along is checked, and the next one made.
    pub string: RelayString,
    /// Of which the relay's half keys are derived.
    pub secret: Secret,
}

/// What a recipient gets.
#[derive(Debug)]
pub struct Delivery {
    /// What was sent.
    pub message: Message,
    /// Of which the acknowledgement is derived.
    pub secret: Secret,
}

#[cfg(test)]
mod tests {
    use super::super::header::code;
    use super::*;

    fn node(number: u8) -> NodeSecret {
        NodeSecret::from_seed(&[number; 32])
    }

    fn peeled_at_the_end(relays: u8) -> Peeled {
        let path: Vec<_> = (0..=relays).map(|number| node(number).key()).collect();
        let message = Message::new(0, Vec::new()).unwrap();
        let mut packet = Packet::build(&path, &message, &[1; 32]).unwrap().0;
        for relay in 0..relays {
            let Ok(Opened::Forward(forward)) = node(relay).peel(packet).unwrap().finish() else {
                panic!("relay {relay} is not the last")
            };
            packet = forward.packet;
        }
        node(relays).peel(packet).unwrap()
    }

    /// Zeros, or bytes that come twice, would tell how many relays there were.
    #[test]
    fn a_recipient_cannot_count_the_relays() {
        for relays in 0..=RELAYS_MAX {
            let Peeled { packet, keys, .. } = peeled_at_the_end(relays);
            let mut opened = packet.0.header;
            mask(&keys.stream, &mut opened);
            assert_eq!(opened[0], 0);
            for (at, window) in opened[1..].windows(4).enumerate() {
                assert_ne!(window, [0; 4], "{relays} relays: zeros from {at}");
            }
        }
    }

    #[test]
    fn a_sender_that_writes_no_path_is_refused() {
        for left in [RELAYS_MAX + 1, 0xff] {
            let Peeled { mut packet, keys, .. } = peeled_at_the_end(0);
            // The stream is added, so the recipient's zero can be changed without opening it.
            packet.0.header[0] ^= left;
            packet.0.mac = code(&keys.mac, &packet.0.header);
            let refusal = node(0).peel(packet).unwrap().finish().unwrap_err();
            assert_eq!(refusal, Refusal::Routing { left });
        }
    }

    /// Whatever key a sender writes, there is somebody to look for, and nobody found.
    #[test]
    fn the_next_node_may_be_nobody() {
        let Peeled { mut packet, keys, .. } = peeled_at_the_end(0);
        packet.0.header[0] ^= 1;
        packet.0.mac = code(&keys.mac, &packet.0.header);
        let opened = node(0).peel(packet).unwrap().finish().unwrap();
        let Opened::Forward(forward) = opened else { panic!("there is a next node") };
        assert_eq!(
            forward.string.check(&forward.secret.own(), tickets::ChallengeAddress([0; 20])),
            Err(crate::Unproven::Point)
        );
    }
}
