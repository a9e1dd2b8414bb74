//! What neighbours bring and say that is not as it should be, and who is blamed.

use std::collections::BTreeSet;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use meshwork_dht::{
    BadSignature, Code, Command, Config, Envelope, Event, Fault, Key, Kind, Message, Opener,
    Refusal,
};
use prost::Message as _;
use wire::Frame as _;
use wire::proto::dht::v1 as proto;

use super::matrix::let_in;
use super::solo::Solo;
use crate::core::world::{envelope, keys, network, peer, record};

fn config() -> Config {
    let mut config = Config::fast();
    config.mailbox.serve = false;
    config.mailbox.fetch_period = Duration::from_hours(24);
    config.discovery.refresh_period = Duration::from_hours(24);
    config.discovery.join = false;
    config
}

/// A node without look-ups of its own.
fn solo(number: u8) -> Solo {
    let mut config = config();
    config.discovery.enabled = false;
    Solo::new(number, &config)
}

fn carried(messages: &[Message]) -> Vec<(u32, u8, Bytes)> {
    let carry = |message: &Message| match message {
        Message::Carry { number, hops, envelope } => Some((*number, *hops, envelope.clone())),
        _ => None,
    };
    messages.iter().filter_map(carry).collect()
}

fn verdicts(messages: &[Message]) -> Vec<Result<(), Code>> {
    let verdict = |message: &Message| match message {
        Message::Verdict { outcome, .. } => Some(*outcome),
        _ => None,
    };
    messages.iter().filter_map(verdict).collect()
}

/// Who is closer to `target` than `own`, and who is farther.
fn near_and_far(own: u8, target: u8) -> (u8, u8) {
    let key = Key::of(&peer(target));
    let far = |number: u8| Key::of(&peer(number)).distance(&key);
    let others = || (100..=200).filter(|number| ![own, target].contains(number));
    let near = others().min_by_key(|number| far(*number)).unwrap();
    let farther = others().max_by_key(|number| far(*number)).unwrap();
    assert!(far(near) < far(own) && far(own) < far(farther));
    (near, farther)
}

/// B brings what A wrote to C with one bit changed: C refuses it, and B pays. A's own copy arrives.
#[test]
fn scenario_5_an_altered_copy_is_charged_and_the_genuine_one_arrives() {
    let (a, b, c) = (1, 2, 3);
    let mut node = solo(c);
    node.join(a);
    node.join(b);
    let genuine = envelope(a, c, Kind::Domain, b"hello");
    let mut bytes = genuine.bytes().to_vec();
    // In the middle of what is encrypted.
    bytes[200] ^= 1;
    let altered = Envelope::parse(bytes.into()).unwrap();
    node.carry(b, 1, &altered);
    assert_eq!(verdicts(&node.take_said(b)), [Err(Code::BadSignature)]);
    let fault = Fault::Envelope(Refusal::BadSignature(BadSignature));
    assert_eq!(node.faults, [(peer(b), fault)]);
    assert!(node.inbox.is_empty());

    node.carry(a, 1, &genuine);
    assert_eq!(verdicts(&node.take_said(a)), [Ok(())]);
    assert_eq!(node.inbox.len(), 1);
    assert_eq!(node.inbox[0].sender, peer(a));
    assert_eq!(node.faults.len(), 1, "A has done nothing wrong");
}

/// Tens of thousands of addresses in one join: B charges whoever brings it, and tells nobody.
#[test]
fn scenario_8_a_join_as_large_as_it_can_be_goes_no_further() {
    let (author, own) = (1, 2);
    let (near, _) = near_and_far(own, author);
    let mut node = solo(own);
    node.join(author);
    node.join(near);
    node.said.clear();
    // As a record is encoded, but for its length: one byte string after the other.
    let mut payload = record(&keys(author), author).encoded().to_vec();
    while payload.len() + 12 < 65_536 {
        payload.extend(b"\x12\x0a/ip4/1.2.3");
    }
    node.carry(author, 1, &envelope(author, author, Kind::Join, &payload));
    assert_eq!(node.faults, [(peer(author), Fault::ForeignJoin)]);
    assert!(carried(&node.take_said(near)).is_empty());
    assert!(node.core.table().get(&peer(author)).is_none());

    // The answer to a look-up cannot hold it at all.
    let mut frame = BytesMut::new();
    Message::Nodes { nonce: 1, records: vec![payload.into()] }.encode(&mut frame);
    assert!(Message::decode(frame.freeze()).is_err());
}

/// There is nothing on an envelope that a carrier could know it by again and that is not signed:
/// number and hops are all that goes along, and the number is another on each link.
#[test]
fn defect_8_no_mark_goes_along_unsigned() {
    let (own, to) = (2, 9);
    let mut node = solo(own);
    node.join(1);
    node.join(to);
    node.said.clear();
    let mut numbers = BTreeSet::from([77]);
    for sender in 10..18 {
        let message = envelope(sender, to, Kind::Domain, b"hello");
        node.carry(1, 77, &message);
        let said = carried(&node.take_said(to));
        let [(number, hops, bytes)] = &said[..] else { panic!("{said:?}") };
        assert_eq!((*hops, bytes), (7, message.bytes()));
        assert!(numbers.insert(*number), "drawn anew");
        let outcome = Ok(());
        node.hear(to, Message::Verdict { number: *number, outcome, retry_after: Duration::ZERO });
        let mut frame = BytesMut::new();
        Message::Carry { number: *number, hops: *hops, envelope: bytes.clone() }.encode(&mut frame);
        let rest = frame.len() - bytes.len();
        assert!(rest <= 16, "{rest} bytes hold a number and the hops");
    }
}

/// A join is passed on as its author signed it, byte for byte.
#[test]
fn defect_9_a_join_is_passed_on_as_it_came() {
    let (author, own) = (1, 2);
    let (near, far) = near_and_far(own, author);
    let mut node = solo(own);
    for number in [far, near, author] {
        node.join(number);
    }
    node.said.clear();
    let join = envelope(author, author, Kind::Join, record(&keys(author), author).encoded());
    node.carry(far, 1, &join);
    let said = carried(&node.take_said(near));
    let [(_, _, bytes)] = &said[..] else { panic!("{said:?}") };
    assert_eq!(bytes, join.bytes());
    assert!(node.core.table().get(&peer(author)).is_some());
    assert!(node.faults.is_empty());
}

/// Whoever answers a search in another's name, or with another's record, achieves nothing, and nobody
/// pays for it: not the one who is looked for, and not the one who carried it.
#[test]
fn defect_10_a_false_answer_to_a_search_harms_nobody_who_is_not_its_author() {
    let (own, carrier, victim, liar) = (2, 3, 9, 7);
    let mut node = Solo::new(own, &config());
    node.join(carrier);
    node.command(Command::Discover { peer: peer(victim) });
    // Whoever is asked knows nobody: so a letter asks.
    let asked = node.take_said(carrier).into_iter().filter_map(|message| match message {
        Message::Find { nonce, .. } => Some(nonce),
        _ => None,
    });
    for nonce in asked.collect::<Vec<_>>() {
        node.hear(carrier, Message::Nodes { nonce, records: Vec::new() });
    }
    let said = carried(&node.take_said(carrier));
    let [(number, _, letter)] = &said[..] else { panic!("{said:?}") };
    node.hear(
        carrier,
        Message::Verdict { number: *number, outcome: Ok(()), retry_after: Duration::ZERO },
    );
    let opener = Opener::new(network(), &keys(victim)).unwrap();
    let opened = Envelope::parse(letter.clone()).unwrap().open(&opener).unwrap();
    assert_eq!((opened.letter.kind, opened.sender), (Kind::Discover, peer(own)));
    let nonce =
        <proto::Introduction as prost::Message>::decode(opened.letter.payload).unwrap().nonce;

    let mut numbers = 10..;
    let mut answer = |node: &mut Solo, from: u8, nonce: u64, of: u8| {
        let record = record(&keys(of), of).encoded().clone();
        let payload = proto::Introduction { nonce, record }.encode_to_vec();
        let message = envelope(from, own, Kind::DiscoverResponse, &payload);
        node.carry(carrier, numbers.next().unwrap(), &message);
        assert_eq!(verdicts(&node.take_said(carrier)), [Ok(())], "a carrier cannot know");
    };
    let discovered = |node: &Solo| {
        node.events.iter().any(|event| matches!(event, Event::Discovered { outcome: Ok(_), .. }))
    };
    answer(&mut node, liar, nonce, liar);
    answer(&mut node, liar + 1, nonce, victim);
    assert!(node.core.table().get(&peer(liar)).is_none(), "nobody asked it");
    assert!(!discovered(&node));
    assert!(node.faults.is_empty(), "{:?}", node.faults);

    answer(&mut node, victim, nonce, victim);
    assert!(discovered(&node));
    assert!(node.core.table().get(&peer(victim)).is_some());
    assert!(node.faults.is_empty(), "{:?}", node.faults);
}

/// However many are wished for, no more are given than fit an answer.
#[test]
fn defect_16_no_more_records_are_given_than_fit_an_answer() {
    let mut node = solo(1);
    for number in 2..=60 {
        node.join(number);
        node.met(number);
    }
    assert!(node.core.table().gauges().contacts > 20);
    node.said.clear();
    for (max, given) in [(u32::MAX, 20), (21, 20), (5, 5), (0, 0)] {
        let target = Key::of(&peer(99));
        node.hear(2, Message::Find { nonce: 7, target, max });
        let said = node.take_said(2);
        let [Message::Nodes { nonce: 7, records }] = &said[..] else { panic!("{said:?}") };
        assert_eq!(records.len(), given, "{max} are wished for");
    }
}

/// What a link may bring at once is a number that a flood reaches, with the defaults and with the
/// largest settings.
#[test]
fn defect_2_a_flood_reaches_its_limit_whatever_it_is_set_to() {
    let mut config = Config::default();
    assert_eq!(let_in(&config), 500);
    config.rates.messages_per_second = 1_000_000;
    config.rates.messages_burst = 1_000_000;
    // So that it is told in a few messages, each weighs as much as a thousand.
    config.rates.routed_weight = 1_000;
    config.rates.bytes_per_second = 1 << 30;
    config.rates.bytes_burst = 1 << 30;
    assert_eq!(let_in(&config), 1_000);
}
