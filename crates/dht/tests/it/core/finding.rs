//! How nodes find each other.

use std::sync::Arc;
use std::time::Duration;

use libp2p_identity::PeerId;
use meshwork_dht::{Command, Config, DiscoverError, Event, Key, LookUpError, Outcome};
use wire::signed::SignedRecord;

use super::world::{World, keys, peer};

const SECOND: Duration = Duration::from_secs(1);

fn config() -> Config {
    let mut config = Config::fast();
    config.mailbox.serve = false;
    config.mailbox.fetch_period = Duration::from_hours(24);
    // Each finds itself once, and each bucket.
    config.discovery.refresh_period = Duration::from_hours(1);
    config
}

fn quiet() -> Config {
    let mut config = config();
    config.discovery.enabled = false;
    config
}

fn knows(world: &World, node: PeerId, other: PeerId) -> bool {
    world.net.core(node).unwrap().table().get(&other).is_some()
}

fn discovered(world: &World, by: PeerId) -> Vec<Result<PeerId, DiscoverError>> {
    let ends = world.events.iter().filter(|(me, _)| *me == by);
    let outcome = |event: &Event| match event {
        Event::Discovered { outcome, .. } => Some(outcome.clone().map(|record| record.peer())),
        _ => None,
    };
    ends.filter_map(|(_, event)| outcome(event)).collect()
}

/// Nodes in a row, each linked with the next alone.
fn row(world: &mut World, count: u8) -> Vec<PeerId> {
    let nodes: Vec<_> = (1..=count).map(|number| world.start(number)).collect();
    for pair in nodes.windows(2) {
        world.link(pair[0], pair[1]);
    }
    nodes
}

#[test]
fn from_one_link_each_a_network_finds_itself() {
    let mut world = World::new(1, config());
    let nodes = row(&mut world, 24);
    world.run(60 * SECOND);
    let mut missing = 0;
    for node in &nodes {
        let own = Key::of(node);
        let mut others: Vec<_> = nodes.iter().filter(|other| *other != node).collect();
        others.sort_by_key(|other| Key::of(other).distance(&own));
        missing += others.iter().take(3).filter(|other| !knows(&world, *node, ***other)).count();
    }
    assert_eq!(missing, 0, "each knows the three closest to it");
}

#[test]
fn a_look_up_ends_with_the_closest_of_all() {
    let mut world = World::new(2, config());
    let nodes = row(&mut world, 24);
    world.run(60 * SECOND);
    let target = Key::from_bytes([0x5a; 32]);
    world.net.command(nodes[0], Command::LookUp { target });
    world.run(30 * SECOND);
    let mut closest: Vec<_> = nodes[1..].to_vec();
    closest.sort_by_key(|peer| Key::of(peer).distance(&target));
    let found = world.events.iter().find_map(|(_, event)| match event {
        Event::LookedUp { outcome, .. } => Some(outcome.clone().unwrap()),
        _ => None,
    });
    let found = found.expect("it ends");
    assert_eq!(found[..3], closest[..3]);
    assert!(found.len() <= 20);
}

#[test]
fn with_nobody_there_a_look_up_ends_all_the_same() {
    let mut world = World::new(3, config());
    let lone = world.start(1);
    world.net.command(lone, Command::LookUp { target: Key::from_bytes([1; 32]) });
    world.run(SECOND);
    let end = world.events.last().map(|(_, event)| event.clone());
    assert!(
        matches!(end, Some(Event::LookedUp { outcome: Err(LookUpError::Unanswered), .. })),
        "{end:?}"
    );
}

/// A message to a peer by its id alone, with which nobody near the sender is linked.
#[test]
fn a_peer_that_was_never_met_is_reached() {
    let mut world = World::new(4, config());
    let nodes = row(&mut world, 24);
    world.run(60 * SECOND);
    let letter = world.send(nodes[0], nodes[23], "hello", false);
    assert_eq!(world.run_to_end(letter, 30 * SECOND), Some(Outcome::Delivered));
}

/// Scenario 1: A is linked with B, and B with C.
#[test]
fn an_announcement_goes_on_to_whoever_is_closer() {
    let mut world = World::new(5, quiet());
    let [one, two, three] = [1, 2, 3].map(|number| world.start(number));
    let own = Key::of(&one);
    let near = Key::of(&three).distance(&own) < Key::of(&two).distance(&own);
    let (b, c) = if near { (two, three) } else { (three, two) };
    world.link_strangers(one, b);
    world.link_strangers(b, c);
    let record = newer(1);
    world.net.command(one, Command::Announce(record));
    world.run(5 * SECOND);
    assert!(knows(&world, b, one) && knows(&world, c, one));
    assert!(!knows(&world, one, c), "announcing tells, and asks nobody");
}

fn newer(number: u8) -> Arc<SignedRecord> {
    let addresses = vec!["/ip4/10.0.0.1/tcp/4001".parse().unwrap()];
    Arc::new(SignedRecord::seal(&keys(number), 2, addresses).unwrap())
}

/// Scenario 2: a chain of four of which nobody knows where the others are.
#[test]
fn a_peer_that_nobody_has_a_record_of_is_asked_by_letter() {
    let mut world = World::new(6, quiet());
    let to = world.start(9);
    let key = Key::of(&to);
    let mut nodes: Vec<_> = [1, 2, 3].map(|number| world.start(number)).to_vec();
    nodes.sort_by_key(|peer| std::cmp::Reverse(Key::of(peer).distance(&key)));
    nodes.push(to);
    for pair in nodes.windows(2) {
        world.link_strangers(pair[0], pair[1]);
    }
    world.net.command(nodes[0], Command::Discover { peer: to });
    world.net.command(nodes[0], Command::Discover { peer: to });
    world.run(10 * SECOND);
    assert_eq!(discovered(&world, nodes[0]), [Ok(to), Ok(to)]);
    assert!(knows(&world, nodes[0], to) && knows(&world, to, nodes[0]));
    assert_eq!(world.inbox(to).len(), 0, "the application hears nothing of it");
}

#[test]
fn a_search_that_finds_nobody_ends_in_time() {
    let mut world = World::new(7, quiet());
    let nodes = row(&mut world, 3);
    let nobody = peer(99);
    world.net.command(nodes[0], Command::Discover { peer: nobody });
    world.net.command(nodes[0], Command::Discover { peer: nodes[0] });
    world.run(20 * SECOND);
    let ends = discovered(&world, nodes[0]);
    assert_eq!(ends, [Err(DiscoverError::Oneself), Err(DiscoverError::Unanswered)]);
    assert_eq!(world.net.core(nodes[0]).unwrap().gauges().own, 0);
}
