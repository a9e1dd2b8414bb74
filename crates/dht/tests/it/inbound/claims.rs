//! Messages of which it is not known yet what becomes of them.

use meshwork_dht::{Config, Disposition, Lifetime, Refusal, Seen, decide};

use super::{LIFE, MINUTE, Node, at, clear, key, network, routed, sealed, sealed_again};

#[test]
fn a_message_that_is_given_up_may_come_again() {
    let node = Node::new(2);
    for _ in 0..3 {
        let given_up = node.pass(routed(&sealed(1)), at(MINUTE)).unwrap();
        assert!(!given_up.is_known());
        drop(given_up);
        assert_eq!((node.gauges().messages, node.gauges().letters, node.gauges().links), (0, 0, 0));
    }
    node.take(routed(&sealed(1)), at(MINUTE)).unwrap();
    assert_eq!(node.refusal(routed(&sealed(1))), Some(Refusal::Duplicate));
}

#[test]
fn while_it_is_under_way_no_other_copy_is() {
    let node = Node::new(3);
    let first = node.pass(routed(&sealed(1)), at(MINUTE)).unwrap();
    assert_eq!(node.refusal(routed(&sealed(1))), Some(Refusal::UnderWay));
    let carry = Disposition::Carry(first);
    let clone = carry.clone();
    drop(carry);
    assert_eq!(node.refusal(routed(&sealed(1))), Some(Refusal::UnderWay), "a clone is left");
    let Disposition::Carry(recorded) = clone else { panic!("{clone:?}") };
    recorded.settle();
    recorded.settle();
    drop(recorded);
    assert_eq!(node.refusal(routed(&sealed(1))), Some(Refusal::Duplicate));
    assert_eq!(node.gauges().messages, 1);
}

#[test]
fn one_letter_in_two_envelopes_is_under_way_once() {
    let node = Node::new(2);
    let again = || routed(&sealed_again(1, Lifetime::HOUR));
    let first = node.pass(routed(&sealed(1)), at(MINUTE)).unwrap();
    assert_eq!(node.refusal(again()), Some(Refusal::UnderWay));
    assert_eq!(node.gauges().messages, 1, "the second is not remembered");
    drop(first);
    assert!(!node.take(again(), at(MINUTE)).unwrap().is_known());
    assert!(node.take(routed(&sealed(1)), at(MINUTE)).unwrap().is_known(), "delivered by now");
}

#[test]
fn a_letter_is_only_of_whom_it_is_for() {
    let node = Node::new(3);
    node.take(routed(&sealed(1)), at(MINUTE)).unwrap();
    node.take(routed(&clear(Some(key(2)), 1)), at(MINUTE)).unwrap();
    assert_eq!(node.gauges().letters, 0, "for another");
    node.take(routed(&clear(None, 1)), at(MINUTE)).unwrap();
    assert_eq!(node.gauges().letters, 1, "for all");
}

#[test]
fn what_was_only_under_way_is_not_written() {
    let params = Config::default().check().unwrap();
    let seen = Seen::restored(network(), &params, [], at(MINUTE));
    let node = Node::remembering(2, &Config::default(), seen);
    let under_way = node.pass(routed(&sealed(1)), at(MINUTE)).unwrap();
    assert_eq!(node.gate.seen().changes(usize::MAX), []);
    under_way.settle();
    assert_eq!(node.gauges().unwritten, 2);
    assert_eq!(node.gate.seen().changes(1).len(), 1);
    let rest = node.gate.seen().changes(usize::MAX);
    assert_eq!(rest.len(), 1);
    node.gate.seen().give_back(rest.clone());
    assert_eq!(node.gate.seen().changes(usize::MAX), rest, "a store that failed is asked again");
}

#[test]
fn waiting_past_the_end_of_its_life_makes_no_second_delivery() {
    let node = Node::new(2);
    let slow = node.pass(routed(&sealed(1)), at(MINUTE)).unwrap();
    let late = at(LIFE * 2);
    let again = node.pass(routed(&sealed_again(1, Lifetime::MAX)), late);
    assert_eq!(again.err(), Some(Refusal::UnderWay), "the application still has it in hand");
    slow.settle();
    let again = node.pass(routed(&sealed_again(1, Lifetime::MAX)), late).unwrap();
    assert!(again.is_known());
}

#[test]
fn a_letter_that_is_never_wanted_does_not_come_again_and_its_sender_is_told_nothing() {
    let params = Config::default().check().unwrap();
    let seen = Seen::restored(network(), &params, [], at(MINUTE));
    let node = Node::remembering(2, &Config::default(), seen);
    let first = decide(node.pass(routed(&sealed(1)), at(MINUTE)).unwrap());
    assert_eq!(first.continue_value().unwrap().hand_over().1.unwanted().name(), "unwanted");
    assert_eq!(node.refusal(routed(&sealed(1))), Some(Refusal::Duplicate));

    // Nor in another envelope, nor after a restart.
    let rows = node.gate.seen().changes(usize::MAX);
    let seen = Seen::restored(network(), &params, rows, at(MINUTE));
    for node in [node, Node::remembering(2, &Config::default(), seen)] {
        let again = node.pass(routed(&sealed_again(1, Lifetime::HOUR)), at(MINUTE)).unwrap();
        let again = decide(again).break_value().unwrap().unwrap();
        assert_eq!(again.name(), "unwanted", "no receipt");
        let other = decide(node.pass(routed(&sealed(2)), at(MINUTE)).unwrap());
        assert_eq!(other.continue_value().unwrap().delivered().name(), "delivered");
    }
}
