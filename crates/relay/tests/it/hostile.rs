//! Packets that somebody changed or made up.

use curve25519_dalek::constants::EIGHT_TORSION;
use curve25519_dalek::edwards::CompressedEdwardsY;
use meshwork_relay::sphinx::{NODES_MAX, NodeKey, Opened, Packet};
use meshwork_relay::{BuildError, Refusal};
use proptest::prelude::*;

use crate::{build, message, node, nodes};

/// Where the parts of a packet end.
const ALPHA: usize = 32;
const PAYLOAD_FROM: usize = Packet::LEN - 1_044;

fn changed(packet: &Packet, change: impl FnOnce(&mut [u8])) -> Packet {
    let mut bytes = packet.to_bytes();
    change(&mut bytes);
    Packet::from_bytes(&bytes).unwrap()
}

/// What a node says of a packet.
fn open(number: u8, packet: Packet) -> Result<Opened, Refusal> {
    node(number).peel(packet)?.finish()
}

fn forwarded(number: u8, packet: Packet) -> Packet {
    match open(number, packet) {
        Ok(Opened::Forward(forward)) => forward.packet,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_bit_flipped_in_what_a_node_reads_is_noticed_by_that_node() {
    let (packet, _) = build(&nodes(2), &message(100));
    for at in 0..PAYLOAD_FROM {
        let flipped = changed(&packet, |bytes| bytes[at] ^= 1 << (at % 8));
        let refusal = open(0, flipped).unwrap_err();
        let expected = if at < ALPHA {
            matches!(refusal, Refusal::GroupElement | Refusal::Mac)
        } else {
            refusal == Refusal::Mac
        };
        assert!(expected, "byte {at}: {refusal}");
    }
}

#[test]
fn a_bit_flipped_in_the_payload_is_noticed_by_the_recipient() {
    let (packet, _) = build(&nodes(2), &message(100));
    let at_recipient = forwarded(0, packet.clone());
    for at in PAYLOAD_FROM..Packet::LEN {
        let flip = |bytes: &mut [u8]| bytes[at] ^= 1 << (at % 8);
        let before_relay = forwarded(0, changed(&packet, flip));
        assert_eq!(open(1, before_relay).unwrap_err(), Refusal::Payload, "byte {at}");
        let behind_relay = changed(&at_recipient, flip);
        assert_eq!(open(1, behind_relay).unwrap_err(), Refusal::Payload, "byte {at}");
    }
}

/// So that a changed payload is a replay of the packet, and not another.
#[test]
fn the_tag_is_that_of_the_header() {
    let (packet, _) = build(&nodes(1), &message(1));
    let other = changed(&packet, |bytes| bytes[PAYLOAD_FROM] ^= 1);
    let tag = |packet: &Packet| node(0).peel(packet.clone()).unwrap().tag();
    assert_eq!(tag(&packet), tag(&other));
}

/// A point plus one of small order leads to the same secret: it would be the packet once more.
#[test]
fn a_group_element_has_one_form() {
    let (packet, _) = build(&nodes(1), &message(1));
    let alpha: [u8; 32] = packet.to_bytes()[..ALPHA].try_into().unwrap();
    let point = CompressedEdwardsY(alpha).decompress().unwrap();
    for torsion in &EIGHT_TORSION[1..] {
        let other = (point + torsion).compress().to_bytes();
        let again = changed(&packet, |bytes| bytes[..ALPHA].copy_from_slice(&other));
        assert_eq!(open(0, again).unwrap_err(), Refusal::Mac);
    }
}

#[test]
fn a_group_element_of_small_order_is_refused() {
    let (packet, _) = build(&nodes(1), &message(1));
    for torsion in EIGHT_TORSION {
        let small = torsion.compress().to_bytes();
        let weak = changed(&packet, |bytes| bytes[..ALPHA].copy_from_slice(&small));
        assert_eq!(open(0, weak).unwrap_err(), Refusal::GroupElement);
    }
}

#[test]
fn a_packet_opens_only_at_its_node_and_only_in_its_turn() {
    let (packet, _) = build(&nodes(3), &message(1));
    for stranger in [1, 2, 9] {
        assert_eq!(open(stranger, packet.clone()).unwrap_err(), Refusal::Mac);
    }
    let second = forwarded(0, packet);
    assert_eq!(open(0, second).unwrap_err(), Refusal::Mac);
}

#[test]
fn no_packet_is_made_for_a_key_without_a_secret() {
    let weak: Vec<NodeKey> = EIGHT_TORSION
        .iter()
        .filter_map(|point| {
            let mut id = vec![0x00, 0x24, 0x08, 0x01, 0x12, 0x20];
            id.extend_from_slice(point.compress().as_bytes());
            NodeKey::of(&libp2p_identity::PeerId::from_bytes(&id).unwrap()).ok()
        })
        .collect();
    assert_eq!(weak.len(), 8);
    for key in weak {
        let refused = Packet::build(&[node(0).key(), key], &message(0), &[1; 32]);
        assert_eq!(refused.unwrap_err(), BuildError::Key { position: 1 });
    }
}

#[test]
fn only_one_length_is_a_packet() {
    for len in [0, 1, 31, 32, 393, 394, Packet::LEN - 1, Packet::LEN + 1, 2 * Packet::LEN] {
        let refusal = Packet::from_bytes(&vec![0; len]).unwrap_err();
        assert_eq!(refusal, Refusal::Length { given: len });
    }
}

proptest! {
    #[test]
    fn any_bytes_are_refused_without_a_panic(
        bytes in prop::collection::vec(any::<u8>(), Packet::LEN),
    ) {
        let refusal = open(0, Packet::from_bytes(&bytes).unwrap()).unwrap_err();
        prop_assert!(matches!(refusal, Refusal::GroupElement | Refusal::Mac));
    }

    #[test]
    fn any_message_arrives(
        relays in 0..NODES_MAX,
        tag in any::<u16>(),
        data in prop::collection::vec(any::<u8>(), 0..=1_024),
        seed in any::<[u8; 32]>(),
    ) {
        let count = u8::try_from(relays + 1).unwrap();
        let sent = meshwork_relay::sphinx::Message::new(tag, data).unwrap();
        let (mut packet, _) = Packet::build(&crate::keys(&nodes(count)), &sent, &seed).unwrap();
        for relay in 0..count - 1 {
            packet = forwarded(relay, packet);
        }
        let Ok(Opened::Deliver(delivery)) = open(count - 1, packet) else { panic!("no delivery") };
        prop_assert_eq!(delivery.message, sent);
    }
}
