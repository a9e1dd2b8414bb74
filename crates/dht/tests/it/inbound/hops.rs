//! Hops: all that a carrier can change.

use meshwork_dht::{Config, InboundMessage, Refusal};

use super::{MINUTE, Node, at, clear, key, routed, sealed};

fn with(hops: u8) -> InboundMessage {
    InboundMessage { hops, ..routed(&sealed(1)) }
}

#[test]
fn a_message_with_spent_hops_is_refused_and_not_recorded() {
    let node = Node::new(3);
    assert_eq!(node.refusal(with(0)), Some(Refusal::HopsSpent));
    let clear = routed(&clear(Some(key(2)), 2));
    assert_eq!(node.refusal(InboundMessage { hops: 0, ..clear }), Some(Refusal::HopsSpent));
    assert_eq!(node.gauges().messages, 0);
    node.take(with(1), at(MINUTE)).unwrap();
}

#[test]
fn whom_it_is_for_needs_no_hops() {
    Node::new(2).take(with(0), at(MINUTE)).unwrap();
    let for_all = InboundMessage { hops: 0, ..routed(&clear(None, 1)) };
    let node = Node::new(3);
    node.take(for_all.clone(), at(MINUTE)).unwrap();
    assert_eq!(node.refusal(InboundMessage { hops: 12, ..for_all }), Some(Refusal::Duplicate));
}

#[test]
fn a_copy_with_lowered_hops_does_not_stand_in_the_way_of_a_full_one() {
    for short in 1..4 {
        let node = Node::new(3);
        node.take(with(short), at(MINUTE)).unwrap();
        assert_eq!(node.refusal(with(3)), Some(Refusal::Duplicate), "a short one once");
        let full = node.pass(with(4), at(MINUTE)).unwrap();
        assert_eq!(node.refusal(with(12)), Some(Refusal::UnderWay));
        drop(full);
        assert_eq!(node.refusal(with(3)), Some(Refusal::Duplicate), "the short one came");
        node.take(with(4), at(MINUTE)).unwrap();
        for hops in 1..=12 {
            assert_eq!(node.refusal(with(hops)), Some(Refusal::Duplicate), "a full one once");
        }
        assert_eq!(node.gauges().messages, 1);
    }
}

#[test]
fn nobody_can_raise_hops_beyond_the_most_that_is_allowed() {
    let mut config = Config::default();
    (config.routing.hops_min, config.routing.hops_max) = (5, 6);
    let node = Node::with(3, &config);
    assert_eq!(node.take(with(255), at(MINUTE)).unwrap().hops(), 6);
}
