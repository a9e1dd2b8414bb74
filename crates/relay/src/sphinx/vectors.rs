//! The test vectors of `docs/protocols/relay.md`, all of them, are what the code says.
#![expect(clippy::string_slice, clippy::arithmetic_side_effects, reason = "a test")]

use tickets::Response;
use zeroize::Zeroizing;

use super::header::{EXTENDED, mask};
use super::key::{eightfold, multiple};
use super::keys::Keys;
use super::{Message, NodeSecret, Opened, Packet};
use crate::por::Secret;

const PAGE: &str = include_str!("../../../../docs/protocols/relay.md");

/// What all lines of the section say that have nothing but digits.
fn page() -> Vec<u8> {
    let (_, section) = PAGE.split_once("\n## Test vectors\n").unwrap();
    let is_hex = |line: &&str| line.bytes().all(|it| matches!(it, b'0'..=b'9' | b'a'..=b'f'));
    let digits: String = section.lines().filter(is_hex).collect();
    let pair = |at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap();
    (0..digits.len()).step_by(2).map(pair).collect()
}

fn keys(node: &NodeSecret, packet: &Packet) -> ([u8; 32], Keys) {
    let secret = multiple(&eightfold(packet.0.alpha).unwrap(), &node.scalar);
    let keys = Keys::derive(&secret, &packet.0.alpha, &node.key());
    (secret.compress().to_bytes(), keys)
}

#[test]
fn the_vectors_of_the_page_are_what_is_computed() {
    let mut said: Vec<Vec<u8>> = Vec::new();
    let mut say = |bytes: &[u8]| said.push(bytes.to_vec());

    let [first, second] = [1, 2].map(|byte| Secret::new([byte; 32]));
    say(&*first.own().to_bytes());
    say(&*first.ack().to_bytes());
    say(&*Response::combine(&first.own(), &second.ack()).unwrap().to_bytes());

    let [relay, recipient] = [0, 1].map(|byte| NodeSecret::from_seed(&[byte; 32]));
    let message = Message::new(0x1234, b"hello".to_vec()).unwrap();
    let path = [relay.key(), recipient.key()];
    let (packet, sent) = Packet::build(&path, &message, &[0x63; 32]).unwrap();
    say(&packet.to_bytes());

    let (secret, of_relay) = keys(&relay, &packet);
    say(&secret);
    say(of_relay.blinding.as_bytes());
    say(&of_relay.mac);
    say(&of_relay.stream);
    say(&of_relay.tag);
    say(&of_relay.proof);
    let mut header = [0; EXTENDED];
    mask(&of_relay.stream, &mut header);
    assert_eq!(header[0] ^ packet.0.header[0], 1, "one node follows");
    let opened = relay.peel(packet).unwrap().finish().unwrap();
    let Opened::Forward(forward) = opened else { panic!("not the last") };
    let own = forward.secret.own();
    say(&*own.to_bytes());
    say(&*forward.secret.ack().to_bytes());
    say(&recipient.key().0);
    say(&forward.string.next);
    say(&forward.string.hint);

    say(&sent.ticket.to_bytes());
    say(&sent.ticket.address().0);
    say(&forward.packet.0.alpha);
    say(&forward.packet.0.mac);
    say(&forward.packet.0.payload[..32]);
    say(blake3::hash(&forward.packet.to_bytes()).as_bytes());

    let (_, of_recipient) = keys(&recipient, &forward.packet);
    say(&of_recipient.tag);
    let opened = recipient.peel(forward.packet).unwrap().finish().unwrap();
    let Opened::Deliver(delivery) = opened else { panic!("the last") };
    assert_eq!(delivery.message, message);
    let ack = delivery.secret.ack();
    say(&*ack.to_bytes());
    say(&*Response::combine(&own, &ack).unwrap().to_bytes());

    let veil = forward.secret.veil();
    say(&*veil.over(Zeroizing::new([0; 32])));
    say(&*veil.over(ack.to_bytes()));

    let mut page = page();
    for (number, value) in said.iter().enumerate() {
        let rest = page.split_off(value.len().min(page.len()));
        assert_eq!(page, *value, "value {number} of the page");
        page = rest;
    }
    assert!(page.is_empty(), "the page has more");
}
