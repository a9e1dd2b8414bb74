//! How much one link may bring.

use std::time::Duration;

use meshwork_dht::{Carriage, Config, Envelope, InboundMessage, Refusal};

use super::{Node, at, peer, routed, sealed};

/// Ten messages a second, twenty at once.
fn slow() -> Config {
    let mut config = Config::default();
    config.rates.messages_per_second = 10;
    config.rates.messages_burst = 20;
    config
}

/// Copies of one message that is given up each time, so that only the allowance counts.
fn bring(node: &Node, from: u8, carriage: Carriage, elapsed: Duration) -> Result<(), Refusal> {
    let message = InboundMessage { from: peer(from), carriage, ..routed(&sealed(1)) };
    node.pass(message, at(elapsed)).map(drop)
}

/// How many come through at once, and after which wait the next one.
fn burst(node: &Node, from: u8, carriage: Carriage, elapsed: Duration) -> (usize, Duration) {
    for count in 0..1_000 {
        match bring(node, from, carriage, elapsed) {
            Ok(()) => {}
            Err(Refusal::TooOften { retry_after }) => return (count, retry_after),
            Err(refusal) => panic!("{refusal}"),
        }
    }
    panic!("no end to what is let in")
}

const T: Duration = Duration::from_mins(1);

#[test]
fn a_burst_is_let_in_and_then_as_many_as_come_back() {
    let node = Node::with(2, &slow());
    let tenth = Duration::from_millis(100);
    assert_eq!(burst(&node, 9, Carriage::Routed, T), (20, tenth));
    assert_eq!(burst(&node, 9, Carriage::Routed, T), (0, tenth), "being refused costs nothing");
    let almost = T + Duration::from_millis(99);
    assert_eq!(burst(&node, 9, Carriage::Routed, almost), (0, Duration::from_millis(1)));
    assert_eq!(burst(&node, 9, Carriage::Routed, T + tenth).0, 1, "after what it was told");
    assert_eq!(burst(&node, 9, Carriage::Routed, T + 10 * tenth).0, 9);
    assert_eq!(burst(&node, 9, Carriage::Routed, T * 10).0, 20, "no more than a burst");
}

#[test]
fn one_link_s_flood_is_its_own_trouble() {
    let node = Node::with(2, &slow());
    burst(&node, 9, Carriage::Routed, T);
    assert_eq!(burst(&node, 8, Carriage::Routed, T).0, 20);
}

#[test]
fn what_is_dearer_weighs_more() {
    let node = Node::with(2, &slow());
    assert_eq!(burst(&node, 9, Carriage::Put, T), (5, Duration::from_millis(400)));
    let mut config = slow();
    config.rates.fetched_weight = 0;
    let node = Node::with(2, &config);
    burst(&node, 9, Carriage::Routed, T);
    bring(&node, 9, Carriage::Fetched, T).unwrap();
}

#[test]
fn bytes_count_as_well() {
    let mut config = Config::default();
    config.rates.bytes_per_second = 10_000;
    config.rates.bytes_burst = 96 << 10;
    let node = Node::with(2, &config);
    let len = sealed(1).bytes().len();
    let (count, wait) = burst(&node, 9, Carriage::Routed, T);
    assert_eq!(count, (96 << 10) / len);
    bring(&node, 9, Carriage::Routed, T + wait).unwrap();
}

#[test]
fn only_what_might_be_new_is_counted() {
    let node = Node::with(2, &slow());
    node.take(routed(&sealed(1)), at(T)).unwrap();
    for _ in 0..100 {
        assert_eq!(bring(&node, 9, Carriage::Routed, T), Err(Refusal::Duplicate));
    }
    let others: Vec<Envelope> = (2..21).map(sealed).collect();
    for envelope in &others {
        node.take(routed(envelope), at(T)).unwrap();
    }
    assert_ne!(node.take(routed(&sealed(21)), at(T)).err(), None, "twenty came");
}

#[test]
fn so_many_links_are_remembered_and_the_tired_ones_longest() {
    let mut config = slow();
    config.rates.links_max = 16;
    let node = Node::with(2, &config);
    burst(&node, 200, Carriage::Routed, T);
    for from in 50..150 {
        bring(&node, from, Carriage::Routed, T).unwrap();
        assert!(node.gate.rates().links() <= 16);
    }
    assert_eq!(burst(&node, 200, Carriage::Routed, T).0, 0, "it still has to rest");
    let later = T + Duration::from_secs(1);
    bring(&node, 201, Carriage::Routed, later).unwrap();
    assert_eq!(node.gate.rates().links(), 2, "all others are whole again");
    assert_eq!(burst(&node, 200, Carriage::Routed, later).0, 10);
}
