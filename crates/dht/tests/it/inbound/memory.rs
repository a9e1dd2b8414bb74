//! How much is remembered, and for whom.

use meshwork_dht::{Config, InboundMessage, Lifetime, Refusal, Seen};

use super::{LIFE, MINUTE, Node, at, network, peer, routed, sealed, sealed_again};

fn small(entries: usize, per_link: usize) -> Config {
    let mut config = Config::default();
    config.seen.entries_max = entries;
    config.seen.entries_per_link_max = per_link;
    config
}

fn from(link: u8, number: u8) -> InboundMessage {
    InboundMessage { from: peer(link), ..routed(&sealed(number)) }
}

#[test]
fn a_link_that_fills_its_share_is_refused_and_nobody_else() {
    let node = Node::with(3, &small(32, 4));
    for number in 1..=4 {
        node.take(from(9, number), at(MINUTE)).unwrap();
    }
    for number in 10..15 {
        assert_eq!(node.refusal(from(9, number)), Some(Refusal::Full));
        node.take(from(number, number), at(MINUTE)).unwrap();
    }
    assert_eq!(node.gauges().links, 6);
    assert_eq!(node.refusal(from(9, 1)), Some(Refusal::Duplicate), "what it brought is known");
}

#[test]
fn each_that_floods_leaves_room_for_one_more_that_does() {
    let node = Node::with(3, &small(32, 32));
    let mut number = 0;
    let mut shares = Vec::new();
    for link in [9, 8, 7, 6] {
        let flooded = (0..40_usize).find(|_| {
            number += 1;
            node.take(from(link, number), at(MINUTE)).is_err()
        });
        shares.push(flooded.unwrap());
    }
    assert_eq!(shares, [16, 8, 4, 2]);
    node.take(from(5, 100), at(MINUTE)).unwrap();
}

#[test]
fn defect_6_no_flush_of_new_messages_makes_an_old_one_acceptable() {
    let node = Node::with(3, &small(16, 8));
    node.take(from(9, 1), at(MINUTE)).unwrap();
    for number in 2..=200 {
        drop(node.take(from(10 + number % 40, number), at(MINUTE)));
        assert!(node.gauges().messages <= 16);
    }
    for link in [9, 20, 77] {
        assert_eq!(node.refusal(from(link, 1)), Some(Refusal::Duplicate));
    }
}

#[test]
fn room_comes_back_when_messages_expire() {
    let node = Node::with(3, &small(16, 4));
    for number in 1..=4 {
        node.take(from(9, number), at(MINUTE)).unwrap();
    }
    let late =
        |number| InboundMessage { from: peer(9), ..routed(&sealed_again(number, Lifetime::MAX)) };
    let before = at(LIFE.saturating_sub(MINUTE));
    assert_eq!(node.take(late(5), before).err(), Some(Refusal::Full));
    for number in 5..=8 {
        node.take(late(number), at(LIFE)).unwrap();
    }
    assert_eq!(node.gauges().messages, 4);
}

#[test]
fn letters_have_their_own_bound() {
    let mut config = small(64, 64);
    config.seen.letters_max = 16;
    let node = Node::with(2, &config);
    let taken = (1..=30).filter(|number| node.take(from(9, *number), at(MINUTE)).is_ok()).count();
    assert_eq!((taken, node.gauges().letters), (8, 8), "half, as one link");
    assert_eq!(node.gauges().messages, 8, "a message whose letter finds no room leaves none");
    node.take(from(8, 31), at(MINUTE)).unwrap();
}

#[test]
fn own_messages_take_no_more_room_than_there_is() {
    let node = Node::with(1, &small(16, 16));
    for number in 1..=40 {
        let identified = sealed(number).identify(&network());
        node.gate.seen().sent(&identified, sealed(number).expires(), at(MINUTE));
        node.gate.seen().sent(&identified, sealed(number).expires(), at(MINUTE));
    }
    assert_eq!(node.gauges().messages, 16);
}

#[test]
fn defect_5_a_store_that_stands_still_lets_nothing_in() {
    let mut config = Config::default();
    config.seen.unwritten_max = 16;
    let params = config.clone().check().unwrap();
    let seen = Seen::restored(network(), &params, [], at(MINUTE));
    let node = Node::remembering(3, &config, seen);
    for number in 1..=16 {
        node.take(from(9, number), at(MINUTE)).unwrap();
    }
    assert_eq!(node.refusal(from(9, 17)), Some(Refusal::Full));
    assert_eq!(node.refusal(from(8, 18)), Some(Refusal::Full));
    let own = sealed(19);
    node.gate.seen().sent(&own.identify(&network()), own.expires(), at(MINUTE));
    assert_eq!(node.gate.seen().changes(usize::MAX).len(), 16);
    node.take(from(9, 17), at(MINUTE)).unwrap();
}

#[test]
fn more_rows_than_there_is_room_for_are_all_remembered() {
    let roomy = Config::default();
    let params = roomy.clone().check().unwrap();
    let before = Node::remembering(3, &roomy, Seen::restored(network(), &params, [], at(MINUTE)));
    for number in 1..=20 {
        before.take(from(9, number), at(MINUTE)).unwrap();
    }
    let rows = before.gate.seen().changes(usize::MAX);
    let config = small(16, 16);
    let params = config.clone().check().unwrap();
    let node = Node::remembering(3, &config, Seen::restored(network(), &params, rows, at(MINUTE)));
    for number in 1..=20 {
        assert_eq!(node.refusal(from(9, number)), Some(Refusal::Duplicate));
    }
    assert_eq!(node.refusal(from(9, 21)), Some(Refusal::Full));
    let late = routed(&sealed_again(21, Lifetime::MAX));
    node.take(late, at(LIFE)).unwrap();
}
