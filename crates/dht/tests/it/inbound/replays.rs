//! Messages that come again, later and otherwise.

use std::time::Duration;

use meshwork_dht::{
    Carriage, Config, Disposition, InboundMessage, Lifetime, Moment, Refusal, Seen, SeenRow,
};

use super::{
    LIFE, MINUTE, Node, START, at, clear, key, network, peer, routed, sealed, sealed_again,
};

const SECOND: Duration = Duration::from_secs(1);
const REPLAYS: [Duration; 3] =
    [Duration::from_mins(2), Duration::from_mins(61), LIFE.saturating_sub(SECOND)];

/// A node that keeps a journal.
fn journaling(number: u8, config: &Config, rows: Vec<SeenRow>, moment: Moment) -> Node {
    let params = config.clone().check().unwrap();
    Node::remembering(number, config, Seen::restored(network(), &params, rows, moment))
}

/// Every manner in which an envelope may be brought once more.
fn variants(message: &InboundMessage) -> [InboundMessage; 4] {
    let message = || message.clone();
    [
        message(),
        InboundMessage { from: peer(8), ..message() },
        InboundMessage { hops: 12, ..message() },
        InboundMessage { hops: 1, from: peer(7), ..message() },
    ]
}

#[test]
fn a_replay_is_refused_for_as_long_as_the_message_lives() {
    for number in [2, 3] {
        let node = Node::new(number);
        node.take(routed(&sealed(1)), at(MINUTE)).unwrap();
        for elapsed in REPLAYS {
            for replay in variants(&routed(&sealed(1))) {
                assert_eq!(node.take(replay, at(elapsed)).err(), Some(Refusal::Duplicate));
            }
        }
        for elapsed in [LIFE, LIFE + SECOND, LIFE * 100] {
            for replay in variants(&routed(&sealed(1))) {
                let refused = node.take(replay, at(elapsed)).err().unwrap();
                assert!(matches!(refused, Refusal::Duplicate | Refusal::Expired), "{refused}");
            }
        }
    }
}

#[test]
fn a_restart_makes_nothing_acceptable_again() {
    for number in [2, 3] {
        let config = Config::default();
        let node = journaling(number, &config, Vec::new(), at(MINUTE));
        node.take(routed(&sealed(1)), at(MINUTE)).unwrap();
        let rows = node.gate.seen().changes(usize::MAX);
        assert!(rows.iter().all(|row| row.expires() == START.after(LIFE)));
        for elapsed in REPLAYS {
            let node = journaling(number, &config, rows.clone(), at(elapsed));
            for replay in variants(&routed(&sealed(1))) {
                assert_eq!(node.take(replay, at(elapsed)).err(), Some(Refusal::Duplicate));
            }
            assert_eq!(node.gate.seen().changes(usize::MAX), [], "it was written before");
        }
    }
}

#[test]
fn rows_name_neither_the_link_nor_the_sender() {
    let rows = |from, number: u8, id| {
        let node = journaling(number, &Config::default(), Vec::new(), at(MINUTE));
        node.take(InboundMessage { from: peer(from), ..routed(&sealed(id)) }, at(MINUTE)).unwrap();
        node.gate.seen().changes(usize::MAX)
    };
    assert_eq!(rows(1, 3, 1), rows(9, 3, 1));
    assert_eq!(rows(9, 3, 1).len(), 1, "a carrier knows of no letter");
    assert_eq!(rows(9, 2, 1).len(), 2, "the recipient does");
    let public = peer(1).as_ref().digest()[4..].to_vec();
    for row in rows(1, 2, 1) {
        let bytes = [&row.key[..], &row.value[..]].concat();
        assert!(!public.windows(8).any(|part| bytes.windows(8).any(|there| there == part)));
    }
}

#[test]
fn setting_a_clock_makes_nothing_acceptable_again() {
    let node = Node::new(3);
    node.take(routed(&sealed(1)), at(MINUTE)).unwrap();
    let ahead = Moment { wall: START.after(LIFE * 2), ..at(2 * MINUTE) };
    node.take(routed(&sealed_again(2, Lifetime::MAX)), ahead).unwrap();
    assert_eq!(node.gauges().messages, 2);
    let set_right = at(3 * MINUTE);
    assert_eq!(node.take(routed(&sealed(1)), set_right).err(), Some(Refusal::Duplicate));
    let set_back = Moment { wall: START.after(4 * MINUTE), ..at(LIFE * 2) };
    node.take(routed(&sealed(3)), set_back).unwrap();
    assert_eq!(node.take(routed(&sealed(1)), set_back).err(), Some(Refusal::Duplicate));
}

#[test]
fn what_comes_while_a_clock_is_wrong_shortens_no_memory() {
    let node = Node::new(3);
    node.take(routed(&sealed(1)), at(MINUTE)).unwrap();
    let ahead = |now, wall| Moment { wall: START.after(MINUTE * wall), ..at(MINUTE * now) };
    node.take(routed(&sealed(2)), ahead(2, 60)).unwrap();
    node.take(routed(&sealed_again(3, Lifetime::MAX)), ahead(8, 66)).unwrap();
    for number in [1, 2] {
        let again = node.take(routed(&sealed(number)), at(9 * MINUTE));
        assert_eq!(again.err(), Some(Refusal::Duplicate));
    }
}

#[test]
fn what_has_expired_is_forgotten() {
    let node = Node::new(2);
    node.take(routed(&sealed(1)), at(MINUTE)).unwrap();
    assert_eq!((node.gauges().messages, node.gauges().letters, node.gauges().links), (1, 1, 1));
    node.take(routed(&sealed_again(2, Lifetime::MAX)), at(LIFE)).unwrap();
    assert_eq!((node.gauges().messages, node.gauges().letters), (1, 1), "the other is there");
}

#[test]
fn a_letter_is_known_again_in_another_envelope_for_as_long_as_that_lives() {
    let node = Node::new(2);
    assert!(!node.take(routed(&sealed(1)), at(MINUTE)).unwrap().is_known());
    let longer = sealed_again(1, Lifetime::MAX);
    assert!(node.take(routed(&longer), at(2 * MINUTE)).unwrap().is_known());
    let third = sealed_again(1, Lifetime::new(200).unwrap());
    assert!(node.take(routed(&third), at(LIFE * 2)).unwrap().is_known(), "not only an hour");
    assert_eq!(node.gauges().letters, 1);
}

#[test]
fn a_restart_makes_no_letter_new_again() {
    let config = Config::default();
    let node = journaling(2, &config, Vec::new(), at(MINUTE));
    node.take(routed(&sealed(1)), at(MINUTE)).unwrap();
    node.take(routed(&sealed_again(1, Lifetime::MAX)), at(MINUTE)).unwrap();
    // As a store does: the last row of a key counts.
    let rows = node.gate.seen().changes(usize::MAX);
    assert_eq!(rows.len(), 4, "the letter's twice");
    let node = journaling(2, &config, rows, at(LIFE * 2));
    assert_eq!((node.gauges().messages, node.gauges().letters), (2, 1));
    let third = sealed_again(1, Lifetime::new(200).unwrap());
    assert!(node.take(routed(&third), at(LIFE * 2)).unwrap().is_known());
}

#[test]
fn an_own_message_is_refused_when_others_bring_it() {
    let node = Node::new(1);
    for own in [clear(None, 1), clear(Some(key(1)), 1), clear(Some(key(2)), 1)] {
        assert_eq!(node.refusal(routed(&own)), Some(Refusal::Duplicate), "its author is known");
    }
    let own = sealed(1);
    let identified = own.identify(&network());
    node.gate.seen().sent(&identified, own.expires(), at(MINUTE));
    assert_eq!(node.refusal(routed(&own)), Some(Refusal::Duplicate));
    assert_eq!(node.gauges().links, 0, "nobody's share is used");
}

#[test]
fn what_is_kept_and_what_is_carried_is_remembered_apart() {
    let node = Node::new(3);
    let put = InboundMessage { carriage: Carriage::Put, ..routed(&sealed(1)) };
    node.take(routed(&sealed(1)), at(MINUTE)).unwrap();
    let kept = node.take(put.clone(), at(MINUTE)).unwrap();
    assert_eq!(Disposition::Keep(kept).name(), "keep");
    for elapsed in REPLAYS {
        assert_eq!(node.take(put.clone(), at(elapsed)).err(), Some(Refusal::Duplicate));
    }
}

#[test]
fn a_recipient_takes_a_message_once_whether_it_is_carried_put_or_fetched() {
    let manners = [Carriage::Routed, Carriage::Put, Carriage::Fetched];
    for first in manners {
        let node = Node::new(2);
        node.take(InboundMessage { carriage: first, ..routed(&sealed(1)) }, at(MINUTE)).unwrap();
        for carriage in manners {
            let again = InboundMessage { carriage, ..routed(&sealed(1)) };
            assert_eq!(node.refusal(again), Some(Refusal::Duplicate));
        }
    }
}
