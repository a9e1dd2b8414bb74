//! A packet and its ticket, as they travel.

use ::wire::{Defect, Frame, Malformed};
use bytes::{Bytes, BytesMut};
use tickets::{ChallengeAddress, Ticket};

use crate::sphinx::Packet;

/// A packet and the ticket that pays for it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Msg {
    /// The packet.
    pub packet: Packet,
    /// The ticket, of which nothing is known yet.
    pub ticket: Ticket,
}

/// Where the challenge stands in a ticket.
const CHALLENGE: usize = 64;

impl Msg {
    /// Bytes of one; there is no other length.
    pub const LEN: usize = Packet::LEN + Ticket::LEN;

    /// As it travels.
    pub fn to_frame(&self) -> Bytes {
        let mut frame = BytesMut::with_capacity(Self::LEN);
        self.encode(&mut frame);
        frame.freeze()
    }

    /// The challenge on the ticket in a frame, by which the packet is known on its link. Looks at
    /// nothing else.
    pub fn challenge_in(frame: &[u8]) -> Option<ChallengeAddress> {
        let (_, ticket) = frame.split_at_checked(Packet::LEN)?;
        let challenge = ticket.get(CHALLENGE..)?.first_chunk()?;
        (frame.len() == Self::LEN).then_some(ChallengeAddress(*challenge))
    }

    /// The bytes of the packet in a frame, and the ticket behind it.
    ///
    /// # Errors
    /// What is wrong with the frame.
    pub(crate) fn split(frame: &[u8]) -> Result<(&[u8], Ticket), Malformed> {
        if frame.len() > Self::LEN {
            return Err(Malformed::new("msg", Defect::TooLong));
        }
        let truncated = Malformed::new("msg", Defect::Truncated);
        let (packet, ticket) = frame.split_at_checked(Packet::LEN).ok_or(truncated)?;
        if ticket.len() < Ticket::LEN {
            return Err(truncated);
        }
        let ticket = Ticket::from_bytes(ticket);
        Ok((packet, ticket.map_err(|_| Malformed::new("msg.ticket", Defect::Invalid))?))
    }
}

impl Frame for Msg {
    const MAX: usize = Self::LEN;

    fn encode(&self, out: &mut BytesMut) {
        out.extend_from_slice(&self.packet.to_bytes());
        out.extend_from_slice(&self.ticket.to_bytes());
    }

    fn decode(frame: Bytes) -> Result<Self, Malformed> {
        let (packet, ticket) = Self::split(&frame)?;
        let packet = Packet::from_bytes(packet);
        let packet = packet.map_err(|_| Malformed::new("msg", Defect::Truncated))?;
        Ok(Self { packet, ticket })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Of the numbers in it only an offset that is too small, an amount, and an interval that are too
    /// large are refused.
    fn frame() -> Vec<u8> {
        let mut frame = vec![7; Msg::LEN];
        frame[Packet::LEN + 32..Packet::LEN + 44].fill(0);
        frame
    }

    #[test]
    fn a_frame_is_what_it_was_made_from() {
        let msg = Msg::decode(frame().into()).unwrap();
        assert_eq!(msg.to_frame(), frame());
        assert_eq!(Msg::challenge_in(&frame()), Some(msg.ticket.body.challenge));
        let mut frame = frame();
        frame[Packet::LEN + 83] = 9;
        let challenge = Msg::decode(frame.clone().into()).unwrap().ticket.body.challenge;
        assert_eq!(Msg::challenge_in(&frame), Some(challenge));
    }

    #[test]
    fn no_other_length_is_a_frame() {
        for len in [0, 1, Packet::LEN - 1, Packet::LEN, Msg::LEN - 1, Msg::LEN + 1] {
            let mut frame = frame();
            frame.resize(len, 7);
            let defect = if len > Msg::LEN { Defect::TooLong } else { Defect::Truncated };
            assert_eq!(Msg::decode(frame.clone().into()), Err(Malformed::new("msg", defect)));
            assert_eq!(Msg::challenge_in(&frame), None);
        }
        let mut frame = frame();
        frame[Packet::LEN + 50..Packet::LEN + 54].fill(0);
        let malformed = Malformed::new("msg.ticket", Defect::Invalid);
        assert_eq!(Msg::decode(frame.into()), Err(malformed));
    }

    proptest! {
        #[test]
        fn what_decodes_encodes_to_the_same(ticket in proptest::collection::vec(any::<u8>(), 148)) {
            let mut frame = frame();
            frame[Packet::LEN..].copy_from_slice(&ticket);
            if let Ok(msg) = Msg::decode(frame.clone().into()) {
                prop_assert_eq!(msg.to_frame(), frame);
            }
        }
    }
}
