//! Packets that nobody touches.

use std::collections::BTreeSet;

use libp2p_identity::{Keypair, PeerId};
use meshwork_relay::sphinx::{Message, NodeKey, NodeSecret, Opened, Packet};
use meshwork_relay::{BuildError, MessageTooLong, NotEd25519};

use crate::{build, keys, message, node, nodes};

/// Takes a packet along a path; what is on the way is shown to `see`.
fn travel(nodes: &[NodeSecret], packet: Packet, mut see: impl FnMut(&Packet)) -> Message {
    let mut packet = packet;
    let (recipient, relays) = nodes.split_last().unwrap();
    for (position, relay) in relays.iter().enumerate() {
        see(&packet);
        let Opened::Forward(forward) = relay.peel(packet).unwrap().finish().unwrap() else {
            panic!("relay {position} is not the last")
        };
        assert_eq!(forward.next, nodes[position + 1].key().peer());
        assert_eq!(usize::from(forward.left), relays.len() - position);
        packet = forward.packet;
    }
    see(&packet);
    let Opened::Deliver(delivery) = recipient.peel(packet).unwrap().finish().unwrap() else {
        panic!("the last does not forward")
    };
    delivery.message
}

#[test]
fn a_message_arrives_over_any_number_of_relays() {
    for count in 1..=4 {
        for len in [0, 1, 500, Message::BYTES_MAX - 1, Message::BYTES_MAX] {
            let (nodes, message) = (nodes(count), message(len));
            let (packet, _) = build(&nodes, &message);
            let packet = Packet::from_bytes(&packet.to_bytes()).unwrap();
            let mut sizes = BTreeSet::new();
            let arrived = travel(&nodes, packet, |seen| {
                sizes.insert(seen.to_bytes().len());
            });
            assert_eq!(arrived, message);
            assert_eq!(sizes, BTreeSet::from([Packet::LEN]));
        }
    }
}

#[test]
fn what_leaves_a_node_has_nothing_in_common_with_what_came() {
    let nodes = nodes(4);
    let (packet, _) = build(&nodes, &Message::new(0, vec![0; 1_024]).unwrap());
    let mut seen: BTreeSet<Vec<u8>> = BTreeSet::new();
    travel(&nodes, packet, |packet| {
        // A window of eight bytes that comes twice by chance does so once in 10^13 runs.
        for window in packet.to_bytes().windows(8) {
            assert!(seen.insert(window.to_vec()), "{window:02x?} came before");
        }
    });
}

#[test]
fn a_packet_is_a_function_of_what_it_is_made_of() {
    let (nodes, message) = (nodes(3), message(10));
    let make = |seed: u8| Packet::build(&keys(&nodes), &message, &[seed; 32]).unwrap();
    assert_eq!(make(1), make(1));
    assert_ne!(make(1).0, make(2).0);
    assert_ne!(make(1).1.ticket, make(2).1.ticket);
}

#[test]
fn a_path_has_one_to_four_nodes() {
    let five = nodes(5);
    for (nodes, given) in [(&five[..0], 0), (&five[..], 5)] {
        let refused = Packet::build(&keys(nodes), &message(0), &[0; 32]);
        assert_eq!(refused.unwrap_err(), BuildError::PathLength { nodes: given });
    }
}

#[test]
fn a_message_has_a_bound() {
    let refused = Message::new(0, vec![0; 1_025]).unwrap_err();
    assert_eq!(refused, MessageTooLong { given: 1_025 });
    assert_eq!(refused.to_string(), "message is 1025 bytes, must be at most 1024");
}

#[test]
fn a_peer_and_its_key_are_one() {
    let pair = Keypair::ed25519_from_bytes([7; 32]).unwrap();
    let peer = pair.public().to_peer_id();
    let secret = NodeSecret::of(&pair).unwrap();
    assert_eq!(secret.key(), node(7).key());
    assert_eq!(NodeKey::of(&peer), Ok(secret.key()));
    assert_eq!(secret.key().peer(), peer);
    // The hash of something, as the ids of long keys are.
    let hashed: Vec<u8> = [0x12, 0x20].into_iter().chain([5; 32]).collect();
    assert_eq!(NodeKey::of(&PeerId::from_bytes(&hashed).unwrap()), Err(NotEd25519));
}

#[test]
fn no_secret_is_in_a_debug_line() {
    let secret = node(7);
    let shown = format!("{secret:?}");
    assert!(shown.starts_with("NodeSecret { key: NodeKey(") && shown.ends_with(", .. }"));
    let (packet, _) = build(&[secret], &message(3));
    let Opened::Deliver(delivery) = node(7).peel(packet).unwrap().finish().unwrap() else {
        panic!("the only node")
    };
    assert_eq!(format!("{:?}", delivery.message), "Message { tag: 4660, bytes: 3, .. }");
    assert_eq!(format!("{:?}", delivery.secret), "Secret");
    assert_eq!(format!("{:?}", delivery.secret.own()), "HalfKey { .. }");
}
