//! Mailboxes in small networks: what is sent to whoever is away, and how it gets there.

use std::time::Duration;

use libp2p_identity::PeerId;
use meshwork_dht::{Config, Key, Outcome};

use crate::core::world::{World, peer};

const SECOND: Duration = Duration::from_secs(1);

fn config() -> Config {
    Config::fast()
}

/// A network of nodes that are all linked, and time for them to get to know each other.
fn network(seed: u64, config: Config, numbers: std::ops::Range<u8>) -> (World, Vec<PeerId>) {
    let mut world = World::new(seed, config);
    let nodes: Vec<_> = numbers.map(|number| world.start(number)).collect();
    for (place, one) in nodes.iter().enumerate() {
        for other in &nodes[..place] {
            world.link(*one, *other);
        }
    }
    world.run(5 * SECOND);
    (world, nodes)
}

/// Nodes of `nodes` that keep messages, and how many.
fn keepers(world: &World, nodes: &[PeerId]) -> Vec<(PeerId, usize)> {
    let kept = |peer: &PeerId| world.net.core(*peer).map_or(0, |core| core.mail().messages);
    nodes.iter().map(|peer| (*peer, kept(peer))).filter(|(_, kept)| *kept > 0).collect()
}

/// The `n` of `nodes` closest to `to`, without it.
fn closest(nodes: &[PeerId], to: PeerId, n: usize) -> Vec<PeerId> {
    let mut nodes: Vec<_> = nodes.iter().copied().filter(|peer| *peer != to).collect();
    nodes.sort_by_key(|peer| Key::of(peer).distance(&Key::of(&to)));
    nodes.truncate(n);
    nodes
}

fn stored(world: &World, letter: meshwork_dht::LetterId) -> usize {
    let stored = |outcome: &&Outcome| matches!(outcome, Outcome::Stored { .. });
    world.outcomes(letter).iter().filter(stored).count()
}

/// Links a node that is back with some that run.
fn come_back(world: &mut World, number: u8, nodes: &[PeerId]) {
    let peer = world.start(number);
    for other in nodes.iter().filter(|other| **other != peer) {
        if world.net.core(*other).is_some() {
            world.link(peer, *other);
        }
    }
}

#[test]
fn what_is_sent_to_a_peer_that_is_away_is_there_when_it_is_back_and_once() {
    let (mut world, nodes) = network(1, config(), 1..11);
    let (from, to) = (nodes[0], nodes[7]);
    world.stop(to);
    let letter = world.send(from, to, "while you were out", true);
    world.run(3 * SECOND);
    assert_eq!(stored(&world, letter), 5, "{:?}", world.outcomes(letter));
    let mut keep: Vec<_> = keepers(&world, &nodes).into_iter().map(|(peer, _)| peer).collect();
    keep.sort_by_key(|peer| Key::of(peer).distance(&Key::of(&to)));
    assert_eq!(keep, closest(&nodes, to, 5));

    come_back(&mut world, 8, &nodes);
    assert_eq!(world.run_to_end(letter, 30 * SECOND), Some(Outcome::Delivered));
    world.run(10 * SECOND);
    assert_eq!(world.inbox(to), ["while you were out"]);
    assert_eq!(keepers(&world, &nodes), [], "what was taken is kept no longer");
}

/// However close it is to the recipient: it sends the message until that is delivered. Only what others
/// put to it it keeps as they would, or they would see whose message it is.
#[test]
fn a_sender_does_not_count_itself_among_those_who_keep_its_message() {
    let (mut world, nodes) = network(9, config(), 1..11);
    let to = nodes[7];
    let from = closest(&nodes, to, 1)[0];
    world.stop(to);
    let letter = world.send(from, to, "while you were out", true);
    world.run(3 * SECOND);
    let others = keepers(&world, &nodes).iter().filter(|(peer, _)| *peer != from).count();
    assert!(others >= 4, "{:?}", world.outcomes(letter));
    assert_eq!(stored(&world, letter), others);
    let own = |outcome: &Outcome| matches!(outcome, Outcome::Stored { by, .. } if *by == from);
    assert!(!world.outcomes(letter).iter().any(own));
}

#[test]
fn what_was_acknowledged_outlives_those_who_keep_it() {
    let (mut world, nodes) = network(2, config(), 1..8);
    let (from, to) = (nodes[0], nodes[6]);
    world.stop(to);
    let letter = world.send(from, to, "hello", true);
    world.run(3 * SECOND);
    assert!(stored(&world, letter) >= 4);
    // All but the sender die at once, and start again with what is on their disks.
    for peer in &nodes[1..6] {
        world.stop(*peer);
    }
    world.stop(from);
    for number in 2..7 {
        come_back(&mut world, number, &nodes[1..]);
    }
    world.run(2 * SECOND);
    come_back(&mut world, 7, &nodes[1..]);
    world.run(20 * SECOND);
    assert_eq!(world.inbox(to), ["hello"]);
}

#[test]
fn many_messages_come_page_by_page_and_the_oldest_first() {
    let mut config = config();
    config.mailbox.copies = 1;
    config.mailbox.redundancy = 1;
    config.mailbox.region = 1;
    config.delivery.stored_retry = Duration::from_hours(1);
    let (mut world, nodes) = network(3, config, 1..4);
    let to = nodes[2];
    // The other one keeps them: it is closer.
    let from = closest(&nodes, to, 2)[1];
    world.stop(to);
    let texts: Vec<_> = (0..150).map(|n| format!("{n}")).collect();
    for text in &texts {
        world.send(from, to, text, true);
        world.run(SECOND / 4);
    }
    world.run(3 * SECOND);
    // Or it would give some of them to the recipient itself.
    world.stop(from);
    come_back(&mut world, 3, &nodes);
    world.run(30 * SECOND);
    assert_eq!(world.inbox(to), texts);
}

#[test]
fn nothing_is_taken_before_the_application_has_it() {
    let (mut world, nodes) = network(4, config(), 1..8);
    let (from, to) = (nodes[0], nodes[6]);
    world.stop(to);
    let letter = world.send(from, to, "hello", true);
    world.run(3 * SECOND);
    world.stuck.insert(to);
    come_back(&mut world, 7, &nodes);
    world.run(20 * SECOND);
    assert!(world.inbox(to).is_empty());
    assert!(keepers(&world, &nodes).len() >= 5);
    // It dies with the message in hand.
    world.stop(to);
    world.stuck.clear();
    come_back(&mut world, 7, &nodes);
    assert_eq!(world.run_to_end(letter, 30 * SECOND), Some(Outcome::Delivered));
    assert_eq!(world.inbox(to), ["hello"]);
}

#[test]
fn a_disk_that_fails_is_not_acknowledged() {
    let (mut world, nodes) = network(5, config(), 1..6);
    let (from, to) = (nodes[0], nodes[4]);
    world.broken.extend(&nodes);
    world.stop(to);
    let letter = world.send(from, to, "hello", true);
    world.run(4 * SECOND);
    assert_eq!(stored(&world, letter), 0);
    let stopped = |outcome: &Outcome| matches!(outcome, Outcome::Stopped(_));
    assert!(world.outcomes(letter).iter().any(stopped), "{:?}", world.outcomes(letter));
    assert_eq!(keepers(&world, &nodes), []);
    // The disks work again, and another attempt is kept.
    world.broken.clear();
    world.run(20 * SECOND);
    assert!(stored(&world, letter) >= 3);
}

#[test]
fn whoever_comes_close_gets_copies_and_nobody_else() {
    let mut config = config();
    config.delivery.stored_retry = Duration::from_hours(1);
    let (mut world, mut nodes) = network(6, config, 1..9);
    let (from, to) = (nodes[0], nodes[7]);
    world.stop(to);
    world.send(from, to, "hello", true);
    world.run(3 * SECOND);
    let copies = keepers(&world, &nodes).len();
    assert!(copies >= 4);
    world.run(20 * SECOND);
    let before = keepers(&world, &nodes);
    assert_eq!(before.len(), copies, "as long as nobody comes, nobody gets any");

    // Newcomers, until one is closer than all before.
    let key = Key::of(&to);
    let distance = |peer: &PeerId| Key::of(peer).distance(&key);
    let best = before.iter().map(|(peer, _)| distance(peer)).min().unwrap();
    let number = (20..=u8::MAX).find(|number| distance(&peer(*number)) < best).unwrap();
    come_back(&mut world, number, &nodes);
    nodes.push(peer(number));
    world.run(20 * SECOND);
    let after = keepers(&world, &nodes);
    assert_eq!(after.len(), copies + 1);
    assert!(after.contains(&(*nodes.last().unwrap(), 1)));

    // Those of before are gone; the newcomer is enough.
    for (peer, _) in before {
        world.stop(peer);
    }
    come_back(&mut world, 8, &nodes);
    world.run(30 * SECOND);
    assert_eq!(world.inbox(to), ["hello"]);
}

/// Three nodes in a row, none of which knows where another is.
#[test]
fn over_a_chain_it_waits_for_whoever_is_away_and_the_receipt_comes_back() {
    let mut config = config();
    config.discovery.enabled = false;
    let mut world = World::new(7, config);
    let [a, b, c] = [1, 2, 3].map(|number| world.start(number));
    world.link_strangers(a, b);
    world.link_strangers(b, c);
    world.run(SECOND);
    world.stop(c);
    let letter = world.send(a, c, "hello", true);
    world.run(3 * SECOND);
    let by: Vec<_> = world
        .outcomes(letter)
        .iter()
        .filter_map(|outcome| match outcome {
            Outcome::Stored { by, .. } => Some(*by),
            _ => None,
        })
        .collect();
    assert!(by.contains(&b), "{:?}", world.outcomes(letter));

    assert_eq!(world.start(3), c);
    world.link_strangers(b, c);
    assert_eq!(world.run_to_end(letter, 30 * SECOND), Some(Outcome::Delivered));
    world.run(20 * SECOND);
    assert_eq!(world.inbox(c), ["hello"]);
    assert_eq!(keepers(&world, &[b]), [], "what was taken is kept no longer");
}

/// Envelopes as large as they may be, more than a link may have under way.
#[test]
fn large_messages_come_through_the_places_of_one_link() {
    let mut config = config();
    config.delivery.stored_retry = Duration::from_hours(1);
    let (mut world, nodes) = network(8, config, 1..4);
    let (from, to) = (nodes[0], nodes[2]);
    world.stop(to);
    let texts: Vec<_> = (0..12).map(|n| format!("{n:0>60000}")).collect();
    for text in &texts {
        world.send(from, to, text, true);
        world.run(SECOND);
    }
    world.run(3 * SECOND);
    come_back(&mut world, 3, &nodes);
    world.run(30 * SECOND);
    let mut came = world.inbox(to);
    came.sort();
    assert_eq!(came.len(), texts.len());
    assert_eq!(came, texts);
}
