//! Messages through a few nodes.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use libp2p_identity::PeerId;
use meshwork_dht::{BroadcastStrategy, Command, Config, DiscoverError, Event, Key, Outcome};
use proptest::prelude::*;
use wire::signed::SignedRecord;

use crate::core::world::{World, keys, peer};

const SECOND: Duration = Duration::from_secs(1);

fn quiet() -> Config {
    let mut config = Config::fast();
    config.discovery.enabled = false;
    config
}

/// Nodes 1, 2, … linked in a row with the others, each closer to node 9, the last, than the one
/// before; none knows where another is.
fn towards_the_last<const N: usize>(world: &mut World, links: &[(usize, usize)]) -> [PeerId; N] {
    let last = world.start(9);
    let key = Key::of(&last);
    let mut nodes: Vec<_> = (1..N).map(|number| world.start(number.try_into().unwrap())).collect();
    nodes.sort_by_key(|peer| std::cmp::Reverse(Key::of(peer).distance(&key)));
    nodes.push(last);
    for (a, b) in links {
        world.link_strangers(nodes[*a], nodes[*b]);
    }
    nodes.try_into().unwrap()
}

fn knows(world: &World, node: PeerId, other: PeerId) -> bool {
    world.net.core(node).unwrap().table().get(&other).is_some()
}

/// A chain A–B–C. A, which knows B alone, joins: C learns where A is reached, and reaches it.
#[test]
fn scenario_1_a_join_is_heard_by_who_is_two_links_away() {
    let mut world = World::new(1, quiet());
    let numbers = [1_u8, 2, 3];
    let peers = numbers.map(|number| world.start(number));
    let own = Key::of(&peers[0]);
    let (b, c) = if Key::of(&peers[2]).distance(&own) < Key::of(&peers[1]).distance(&own) {
        (peers[1], peers[2])
    } else {
        (peers[2], peers[1])
    };
    let a = peers[0];
    world.link_strangers(a, b);
    world.link_strangers(b, c);
    let addresses = vec!["/ip4/10.0.0.1/tcp/4001".parse().unwrap()];
    let record = SignedRecord::seal(&keys(1), 2, addresses).unwrap();
    world.net.command(a, Command::Announce(Arc::new(record.clone())));
    world.run(5 * SECOND);
    let contact = world.net.core(c).unwrap().table().get(&a).expect("C has heard of A");
    assert_eq!(contact.record().encoded(), record.encoded());
    let letter = world.send(c, a, "welcome", false);
    assert_eq!(world.run_to_end(letter, 10 * SECOND), Some(Outcome::Delivered));
    assert_eq!(world.outcomes(letter)[0], Outcome::Sent { via: a }, "dialled, and told directly");
}

/// A chain A–B–C–D. A finds D by its key alone. Those between them learn nothing by it.
#[test]
fn scenario_2_a_peer_is_discovered_over_a_chain() {
    let mut world = World::new(2, quiet());
    let [a, b, c, d] = towards_the_last(&mut world, &[(0, 1), (1, 2), (2, 3)]);
    world.net.command(a, Command::Discover { peer: d });
    world.run(10 * SECOND);
    let found = world.events.iter().find_map(|(me, event)| match event {
        Event::Discovered { peer, outcome } if (*me, *peer) == (a, d) => Some(outcome.clone()),
        _ => None,
    });
    let found: Result<_, DiscoverError> = found.expect("the search ends");
    assert_eq!(found.unwrap().peer(), d);
    assert!(knows(&world, a, d) && knows(&world, d, a));
    for between in [b, c] {
        assert!(!knows(&world, between, a) && !knows(&world, between, d), "it is sealed");
    }
}

/// A sends two messages over B to C, which is away. C starts, asks, and has both, from A.
#[test]
fn scenario_3_what_is_sent_to_whoever_is_away_is_kept_and_fetched() {
    let mut world = World::new(3, quiet());
    let [a, b, c] = [1, 2, 3].map(|number| world.start(number));
    world.link_strangers(a, b);
    world.link_strangers(b, c);
    world.run(SECOND);
    world.stop(c);
    let letters = ["one", "two"].map(|text| world.send(a, c, text, true));
    world.run(3 * SECOND);
    for letter in letters {
        let by_b = |outcome: &Outcome| matches!(outcome, Outcome::Stored { by, .. } if *by == b);
        assert!(world.outcomes(letter).iter().any(by_b), "{:?}", world.outcomes(letter));
        assert_eq!(world.end(letter), None);
    }
    assert_eq!(world.start(3), c);
    world.link_strangers(b, c);
    for letter in letters {
        assert_eq!(world.run_to_end(letter, 30 * SECOND), Some(Outcome::Delivered));
    }
    let mut came: Vec<_> = world.letters(c).iter().map(|m| (m.letter, m.sender)).collect();
    came.sort();
    let mut sent = letters.map(|letter| (letter, a));
    sent.sort();
    assert_eq!(came, sent, "each once, and A has signed it");
}

/// A diamond A–B, A–C, B–C, C–D, and a message that goes over B and C at once.
#[test]
fn scenario_4_over_a_diamond_nobody_takes_more_than_its_links_can_bring() {
    let mut once = 0;
    for seed in 0..20 {
        let mut config = quiet();
        config.mailbox.serve = false;
        // Nothing else is on the way.
        config.delivery.receipts = false;
        let mut world = World::new(seed, config);
        let [a, b, c, d] = towards_the_last(&mut world, &[(0, 1), (0, 2), (1, 2), (2, 3)]);
        let strategy = BroadcastStrategy::DirectOrClosest { peer: d, n: 2, exclude: vec![] };
        world.send_by(a, strategy, "hello", false);
        world.run(SECOND / 2);
        let came = |peer| world.settled.iter().filter(|(me, _)| *me == peer).count();
        let what = |peer, what| world.settled.iter().filter(|it| **it == (peer, what)).count();
        // Where B can do nothing with its copy, and says so first, A makes another envelope.
        let envelopes = what(c, "carry");
        once += usize::from(envelopes == 1);
        assert_eq!((came(a), came(d)), (0, envelopes), "C carries each once: seed {seed}");
        assert!((1..=envelopes).contains(&came(b)), "from A: seed {seed}");
        assert!((1..=2 * envelopes).contains(&came(c)), "from A, and from B: seed {seed}");
        assert_eq!(what(d, "delivered"), 1, "seed {seed}");
        assert_eq!(world.inbox(d), ["hello"]);
    }
    assert!(once >= 15, "{once} of 20 times one envelope is enough");
}

/// A triangle, in which applications tell again what they heard, three rounds of it: that is theirs
/// to do, each time with a letter of its own, and a node spreads nothing by itself.
#[test]
fn scenario_6_what_is_told_again_is_heard_as_often_as_it_is_told() {
    let mut world = World::new(6, quiet());
    let nodes = [1, 2, 3].map(|number| world.start(number));
    for (a, b) in [(0, 1), (0, 2), (1, 2)] {
        world.link_strangers(nodes[a], nodes[b]);
    }
    let flood = || BroadcastStrategy::Flood { exclude: vec![] };
    let mut told = vec![world.send_by(nodes[0], flood(), "hear", false)];
    for round in 1..=3 {
        let letter = *told.last().unwrap();
        let spread = Some(Outcome::Spread { taken: 2, of: 2 });
        assert_eq!(world.run_to_end(letter, 10 * SECOND), spread);
        let heard: usize = nodes.iter().map(|node| world.inbox(*node).len()).sum();
        assert_eq!(heard, 2 * told.len(), "round {round}");
        told.push(world.send_by(nodes[round % 3], flood(), "hear", false));
    }
    world.run(60 * SECOND);
    for node in nodes {
        let letters: Vec<_> = world.letters(node).iter().map(|m| m.letter).collect();
        let once: BTreeSet<_> = letters.iter().copied().collect();
        assert_eq!(letters.len(), once.len(), "no letter twice");
    }
}

/// Of two seeds one hears and says nothing. What the other tells counts at once. When all links are
/// gone, those who were learnt of are there.
#[test]
fn scenario_9_a_lonely_node_recovers_and_a_slow_seed_holds_up_nobody() {
    let mut config = Config::fast();
    config.discovery.refresh_period = Duration::from_hours(1);
    let mut world = World::new(9, config);
    let town: Vec<_> = (1..=8).map(|number| world.start(number)).collect();
    for (place, one) in town.iter().enumerate() {
        town[..place].iter().for_each(|other| world.link(*one, *other));
    }
    world.run(15 * SECOND);
    let [slow, lonely] = [20, 21].map(|number| world.start(number));
    world.link(lonely, slow);
    world.net.vanish(slow);
    world.link(lonely, town[0]);
    world.run(9 * SECOND);
    let known = town.iter().filter(|peer| knows(&world, lonely, **peer)).count();
    assert_eq!(known, town.len());

    for other in town.iter().chain([&slow]) {
        world.net.cut(lonely, *other);
    }
    let letter = world.send(lonely, town[5], "I am back", false);
    assert_eq!(world.run_to_end(letter, 30 * SECOND), Some(Outcome::Delivered));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever links there are, and whoever is sought: nobody takes an envelope on twice.
    #[test]
    fn in_no_network_does_a_message_go_round_in_circles(
        seed in any::<u64>(),
        links in prop::collection::vec((0..12_usize, 0..12_usize), 0..60),
        to in 0..14_u8,
    ) {
        let mut config = quiet();
        config.mailbox.serve = false;
        let mut world = World::new(seed, config);
        let nodes: Vec<_> = (1..=12).map(|number| world.start(number)).collect();
        for (a, b) in links {
            if a != b && !world.net.linked(nodes[a], nodes[b]) {
                world.link_strangers(nodes[a], nodes[b]);
            }
        }
        // Two that may be sought are nowhere.
        let to = peer(to + 1);
        for from in nodes[..4].iter().filter(|from| **from != to) {
            world.send(*from, to, "hello", false);
        }
        world.run(20 * SECOND);
        let mut ways: BTreeMap<_, Vec<PeerId>> = BTreeMap::new();
        for carried in &world.carried {
            ways.entry(&carried.envelope).or_default().push(carried.by);
        }
        for way in ways.values() {
            let once: BTreeSet<_> = way.iter().collect();
            prop_assert_eq!(once.len(), way.len(), "each takes it on once");
        }
    }
}
