//! Packets and what nodes say of them.

use std::sync::LazyLock;

use bytes::{Buf, Bytes};
use relay::por::{Proven, Secret};
use relay::sphinx::{Message, NodeSecret, Opened, Packet};
use relay::wire::{Entries, Msg};
use tickets::{Challenge, HalfKeyChallenge};
use wire::Frame;

use super::{chunk, round_trip};

/// Both frames. By the challenge in it a packet is known before it is read.
pub(crate) fn frame(data: &[u8]) {
    round_trip::<Msg>(data);
    round_trip::<Entries>(data);
    if let Ok(msg) = Msg::decode(Bytes::copy_from_slice(data)) {
        assert_eq!(Msg::challenge_in(data), Some(msg.ticket.body.challenge));
    }
}

/// The nodes of a path; the packet is for the first.
static NODES: LazyLock<[NodeSecret; 4]> =
    LazyLock::new(|| [1, 2, 3, 4].map(|seed| NodeSecret::from_seed(&[seed; 32])));

/// Bytes of a packet under its code, and the code: no bit of them can be changed unnoticed. A changed
/// payload is noticed by the recipient.
const HEADER: usize = 394;

/// What the first byte says: bytes as they are, or a good packet whose bits are changed at some node
/// of its path.
pub(crate) fn packet(mut data: &[u8]) {
    let Some((&kind, rest)) = data.split_first() else { return };
    data = rest;
    if kind % 2 == 0 {
        strange(data);
    } else {
        travel(usize::from(kind >> 1 & 3), usize::from(kind >> 3 & 3), data);
    }
}

/// A packet of nobody: no node takes it.
fn strange(data: &[u8]) {
    let Ok(packet) = Packet::from_bytes(data) else { return };
    assert_eq!(packet.to_bytes(), data);
    for node in NODES.iter() {
        if let Ok(peeled) = node.peel(packet.clone()) {
            drop(peeled.finish());
        }
    }
}

/// What is known of a packet before a node has it.
struct Expected {
    /// The challenge on the ticket that came along.
    ticket: Challenge,
    /// What its acknowledgement is known by.
    acknowledgement: HalfKeyChallenge,
}

impl Expected {
    fn check(&self, secret: &Secret) {
        assert_eq!(secret.ack().challenge(), self.acknowledgement);
    }
}

/// A message over so many relays. At one of the nodes bits are changed, by pairs of bytes: which
/// byte, in sixes, and how. It arrives as it was sent, or nowhere.
fn travel(relays: usize, at: usize, mut data: &[u8]) {
    let path: Vec<_> = NODES.iter().take(relays + 1).map(NodeSecret::key).collect();
    let message = Message::new(7, chunk(&mut data).to_vec()).expect("at most 255 bytes");
    let built = Packet::build(&path, &message, &[5; 32]);
    let (mut packet, sent) = built.expect("a good path");
    let mut expected = Expected { ticket: sent.ticket, acknowledgement: sent.acknowledgement };
    let mut spoilt = false;
    for (number, node) in NODES.iter().take(relays + 1).enumerate() {
        let before = packet.to_bytes();
        let mut came = before.clone();
        while number == at && data.len() >= 2 {
            let (place, bits) = (usize::from(data.get_u8()) * 6, data.get_u8());
            came[place % Packet::LEN] ^= bits;
        }
        let header = before[..HEADER] != came[..HEADER];
        spoilt |= before != came;
        let came = Packet::from_bytes(&came).expect("it is as long as before");
        let peeled = node.peel(came);
        assert_eq!(peeled.is_err(), header);
        let Ok(peeled) = peeled else { return };
        match peeled.finish() {
            Ok(Opened::Forward(forward)) => {
                assert_eq!(usize::from(forward.left), relays - number);
                assert_eq!(forward.next, path[number + 1].peer());
                expected.check(&forward.secret);
                let ticket = expected.ticket.address();
                let proven = forward.string.check(&forward.secret.own(), ticket);
                let Proven { next, hint } = proven.expect("its sender is honest");
                expected = Expected { ticket: next, acknowledgement: hint };
                packet = forward.packet;
            }
            Ok(Opened::Deliver(delivery)) => {
                assert!(number == relays && !spoilt && delivery.message == message);
                expected.check(&delivery.secret);
                assert_eq!(delivery.secret.ack().challenge(), sent.receipt);
            }
            Err(refusal) => {
                assert!(number == relays && spoilt, "{refusal}");
            }
        }
    }
}
