//! How much one link may bring.

use std::time::Duration;

use meshwork_dht::{Carriage, Config, InboundMessage, Lifetime, Refusal, Terms};
use rand::SeedableRng as _;
use rand_chacha::ChaCha20Rng;

use super::{LIFE, MINUTE, Node, START, at, key, letter, peer, routed, sealed, sealer, terms};

/// Ten messages a second, twenty at once.
fn slow() -> Config {
    let mut config = Config::default();
    config.rates.messages_per_second = 10;
    config.rates.messages_burst = 20;
    config
}

/// Copies of one message that is given up each time, so that only the allowance counts.
fn bring(node: &Node, from: u8, carriage: Carriage, elapsed: Duration) -> Result<(), Refusal> {
    let message = InboundMessage { from: peer(from), carriage, ..routed(&sealed(0)) };
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
fn no_settings_keep_out_for_ever_what_is_to_be_kept() {
    let mut config = slow();
    config.rates.messages_burst = 3;
    assert!(config.clone().check().is_err(), "one that is to be kept weighs four");
    config.rates.messages_burst = 4;
    assert_eq!(burst(&Node::with(2, &config), 9, Carriage::Put, T).0, 1);
}

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
}

#[test]
fn what_was_asked_for_is_not_taken_off_what_its_server_may_bring() {
    let mut config = slow();
    config.rates.lasting_max = 1;
    let node = Node::with(2, &config);
    for _ in 0..40 {
        bring(&node, 9, Carriage::Fetched, T).unwrap();
    }
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

/// What a message is refused as that came to this node before, and one that never did.
fn told(
    node: &Node,
    message: impl Fn(u8) -> InboundMessage,
    now: Duration,
) -> [Option<Refusal>; 2] {
    [1, 2].map(|number| node.pass(message(number), at(now)).err())
}

#[test]
fn nobody_finds_out_by_a_copy_what_this_node_has_carried() {
    let node = Node::with(3, &slow());
    node.take(InboundMessage { from: peer(8), ..routed(&sealed(1)) }, at(T)).unwrap();
    assert_eq!(told(&node, |number| routed(&sealed(number)), T), [Some(Refusal::Duplicate), None]);

    let spent = |number| InboundMessage { hops: 0, ..routed(&sealed(number)) };
    assert_eq!(told(&node, spent, T), [Some(Refusal::HopsSpent); 2]);
    // Being too often does not help: what came before is paid for as well.
    burst(&node, 9, Carriage::Routed, T + MINUTE);
    let tired = told(&node, |number| routed(&sealed(number)), T + MINUTE);
    let retry_after = Duration::from_millis(100);
    assert_eq!(tired, [Some(Refusal::TooOften { retry_after }); 2]);
    assert_eq!(told(&node, |number| routed(&sealed(number)), LIFE), [Some(Refusal::Expired); 2]);
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

#[test]
fn copies_of_what_came_before_are_paid_for_by_their_bytes() {
    let mut config = Config::default();
    config.rates.bytes_per_second = 10_000;
    config.rates.bytes_burst = 96 << 10;
    let node = Node::with(2, &config);
    node.take(routed(&sealed(0)), at(T)).unwrap();
    let copies =
        (0..1_000).take_while(|_| bring(&node, 9, Carriage::Routed, T) == Err(Refusal::Duplicate));
    assert_eq!(copies.count() + 1, (96 << 10) / sealed(0).bytes().len());
    let refusal = bring(&node, 9, Carriage::Routed, T);
    assert!(matches!(refusal, Err(Refusal::TooOften { .. })), "before it is hashed: {refusal:?}");
    assert_eq!(bring(&node, 8, Carriage::Routed, T), Err(Refusal::Duplicate), "another link");
}

/// 32 messages of a link in the long run, and room for twice as many.
fn lasting() -> Config {
    let mut config = Config::default();
    config.rates.lasting_max = 32;
    config.seen.entries_max = 1_024;
    config.seen.entries_per_link_max = 64;
    config
}

#[test]
fn no_link_is_shut_out_for_as_long_as_its_messages_live() {
    let node = Node::with(3, &lasting());
    let made = |number, elapsed| {
        let mut rng = ChaCha20Rng::from_seed([number; 32]);
        let terms = Terms { lifetime: Lifetime::MAX, created: START.after(elapsed), ..terms() };
        routed(&sealer(1).seal(&key(2), &letter(number), terms, &mut rng).unwrap())
    };
    // A day's worth for three days, as fast as it is let in.
    let (mut elapsed, day) = (MINUTE, Duration::from_hours(24));
    for number in 0..=100 {
        if let Err(refusal) = node.take(made(number, elapsed), at(elapsed)) {
            let Refusal::TooOften { retry_after } = refusal else { panic!("{refusal}: {number}") };
            assert!(retry_after <= day / 32);
            elapsed += retry_after;
            node.take(made(number, elapsed), at(elapsed)).unwrap();
        }
    }
    assert!((3 * day..4 * day).contains(&elapsed), "{elapsed:?}");
}

#[test]
fn what_lives_an_hour_is_let_in_as_often_as_it_is_forgotten() {
    let node = Node::with(3, &lasting());
    let mut came = 0;
    let mut bring = |elapsed: Duration| loop {
        let mut rng = ChaCha20Rng::from_seed([came; 32]);
        let terms = Terms { created: START.after(elapsed), ..terms() };
        let envelope = sealer(1).seal(&key(2), &letter(came), terms, &mut rng).unwrap();
        match node.take(routed(&envelope), at(elapsed)) {
            Ok(_) => came += 1,
            Err(Refusal::TooOften { .. }) => return came,
            Err(refusal) => panic!("{refusal}"),
        }
    };
    assert_eq!(bring(MINUTE), 32, "at once");
    assert_eq!(bring(31 * MINUTE), 48, "half an hour later");
    assert_eq!(bring(241 * MINUTE), 80, "no more than at once after a rest");
}
