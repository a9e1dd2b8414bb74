//! Ways of messages through small networks.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use libp2p_identity::PeerId;
use meshwork_dht::{
    BroadcastStrategy, Code, Command, Config, Envelope, Event, Key, LetterId, Outcome, SendError,
};

use super::world::{Carried, World};

const SECOND: Duration = Duration::from_secs(1);

fn config() -> Config {
    let mut config = Config::fast();
    config.discovery.enabled = false;
    // What mailboxes do about it is told elsewhere.
    config.mailbox.serve = false;
    config.mailbox.fetch_period = Duration::from_hours(24);
    config
}

/// Nodes by their distance from `to`, the farthest first, and `to` last: everyone is closer to it
/// than the one before.
fn chain(world: &mut World, to: u8, others: &[u8]) -> Vec<PeerId> {
    let to = world.start(to);
    let mut chain: Vec<_> = others.iter().map(|number| world.start(*number)).collect();
    let key = Key::of(&to);
    chain.sort_by_key(|peer| std::cmp::Reverse(Key::of(peer).distance(&key)));
    chain.push(to);
    chain
}

fn link_all(world: &mut World, chain: &[PeerId]) {
    for pair in chain.windows(2) {
        world.link_strangers(pair[0], pair[1]);
    }
}

/// How often each node took each envelope on.
fn most_often(world: &World) -> usize {
    let mut count: BTreeMap<(PeerId, &Bytes), usize> = BTreeMap::new();
    for carried in &world.carried {
        *count.entry((carried.by, &carried.envelope)).or_default() += 1;
    }
    count.into_values().max().unwrap_or(0)
}

#[test]
fn over_a_chain_it_is_delivered_and_the_receipt_comes_back() {
    let mut world = World::new(1, config());
    let nodes = chain(&mut world, 3, &[1, 2]);
    link_all(&mut world, &nodes);
    let letter = world.send(nodes[0], nodes[2], "hello", true);
    assert_eq!(world.run_to_end(letter, 10 * SECOND), Some(Outcome::Delivered));
    assert_eq!(world.outcomes(letter), [Outcome::Sent { via: nodes[1] }, Outcome::Delivered]);
    assert_eq!(world.inbox(nodes[2]), ["hello"]);
    assert!(world.inbox(nodes[1]).is_empty());
    world.run(120 * SECOND);
    for node in nodes {
        let gauges = world.net.core(node).unwrap().gauges();
        assert_eq!((gauges.under_way, gauges.carried, gauges.own, gauges.jobs), (0, 0, 0, 0));
    }
}

#[test]
fn a_lone_pair_needs_no_carrier() {
    let mut world = World::new(1, config());
    let (a, b) = (world.start(1), world.start(2));
    world.link_strangers(a, b);
    let letter = world.send(a, b, "hello", false);
    assert_eq!(world.run_to_end(letter, 10 * SECOND), Some(Outcome::Delivered));
    assert!(world.carried.is_empty());
}

#[test]
fn a_dropper_on_the_way_is_got_round_over_another_first_hop() {
    let mut world = World::new(2, config());
    let nodes = chain(&mut world, 9, &[1, 2, 3]);
    let [a, b, c, d] = nodes[..] else { panic!("four nodes") };
    for (one, other) in [(a, b), (a, c), (b, d), (c, d)] {
        world.link_strangers(one, other);
    }
    // Whichever is chosen first drops it.
    let probe = world.send(a, d, "probe", false);
    world.run_to_end(probe, 10 * SECOND);
    let Outcome::Sent { via } = world.outcomes(probe)[0] else { panic!("it is sent first") };
    world.droppers.insert(via);
    let letter = world.send(a, d, "hello", false);
    assert_eq!(world.run_to_end(letter, 60 * SECOND), Some(Outcome::Delivered));
    let sent = |outcome: &&Outcome| matches!(outcome, Outcome::Sent { .. });
    let hops: Vec<_> = world.outcomes(letter).iter().filter(sent).copied().collect();
    let other = if via == b { c } else { b };
    assert!(hops.contains(&Outcome::Sent { via: other }), "{hops:?}");
    assert_eq!(world.inbox(d), ["probe", "hello"]);
}

/// Scenario 4: A-B, A-C, B-C, C-D.
#[test]
fn over_a_diamond_it_is_delivered_once() {
    for seed in 0..20 {
        let mut world = World::new(seed, config());
        let nodes = chain(&mut world, 9, &[1, 2, 3]);
        let [a, b, c, d] = nodes[..] else { panic!("four nodes") };
        for (one, other) in [(a, b), (a, c), (b, c), (c, d)] {
            world.link_strangers(one, other);
        }
        let letter = world.send(a, d, "hello", true);
        assert_eq!(world.run_to_end(letter, 20 * SECOND), Some(Outcome::Delivered));
        world.run(60 * SECOND);
        assert_eq!(world.inbox(d), ["hello"]);
        assert_eq!(most_often(&world), 1, "nobody takes an envelope on twice");
    }
}

#[test]
fn with_every_link_there_is_nothing_goes_round_in_circles() {
    let mut world = World::new(3, config());
    let nodes: Vec<_> = (1..=12).map(|number| world.start(number)).collect();
    // One that nobody is linked with.
    let lost = world.start(40);
    for (n, one) in nodes.iter().enumerate() {
        for other in &nodes[..n] {
            world.link_strangers(*one, *other);
        }
    }
    let letters: Vec<_> =
        nodes.iter().map(|from| world.send(*from, lost, "hello", false)).collect();
    for letter in letters {
        let end = world.run_to_end(letter, 120 * SECOND);
        let stopped = SendError::Stopped(Code::NotReachable);
        assert_eq!(end, Some(Outcome::Refused(stopped)));
    }
    assert_eq!(most_often(&world), 1);
    // Each step leads closer, but for those that an envelope leaves with 11 or 12 hops, which is as
    // good as those that it started with.
    let key = Key::of(&lost);
    let mut ways: BTreeMap<&Bytes, Vec<&Carried>> = BTreeMap::new();
    world.carried.iter().for_each(|it| ways.entry(&it.envelope).or_default().push(it));
    let (mut closer, mut away) = (0, 0);
    for way in ways.values() {
        for step in way.windows(2) {
            let [from, to] = [step[0], step[1]];
            assert!(to.hops == from.hops - 1 || (to.hops, from.hops) == (12, 12), "{way:?}");
            if Key::of(&to.by).distance(&key) < Key::of(&from.by).distance(&key) {
                closer += 1;
            } else {
                assert!(to.hops >= 11, "{way:?}");
                away += 1;
            }
        }
    }
    assert!(closer > 0 && away > 0, "{closer} and {away}");
}

#[test]
fn what_may_not_be_kept_for_an_absent_recipient_stops_and_ends() {
    let mut world = World::new(4, config());
    let nodes = chain(&mut world, 3, &[1, 2]);
    link_all(&mut world, &nodes[..2]);
    world.stop(nodes[2]);
    let letter = world.send(nodes[0], nodes[2], "hello", false);
    let stopped = Outcome::Refused(SendError::Stopped(Code::NotReachable));
    assert_eq!(world.run_to_end(letter, 60 * SECOND), Some(stopped));
    assert_eq!(world.outcomes(letter)[0], Outcome::Stopped(Code::NotReachable));
    assert!(world.settled.contains(&(nodes[1], "carry")), "it was for another");
    assert_eq!(world.net.core(nodes[0]).unwrap().gauges().own, 0);
}

#[test]
fn nobody_to_send_it_to_is_an_end_as_well() {
    let mut world = World::new(4, config());
    let (a, b) = (world.start(1), world.start(2));
    let letter = world.send(a, b, "hello", false);
    let end = world.run_to_end(letter, 60 * SECOND);
    assert_eq!(end, Some(Outcome::Refused(SendError::Stopped(Code::NotReachable))));
    let strategy = BroadcastStrategy::Flood { exclude: Vec::new() };
    let letter = world.send_by(a, strategy, "hello", false);
    assert!(world.run_to_end(letter, SECOND).is_some());
}

#[test]
fn a_message_expires_and_says_so() {
    let mut config = config();
    config.delivery.lifetime_mailbox = Duration::from_hours(1);
    let mut world = World::new(5, config);
    let (a, b) = (world.start(1), world.start(2));
    let letter = world.send(a, b, "hello", true);
    world.run(Duration::from_hours(1));
    assert_eq!(world.end(letter), None);
    world.run(Duration::from_mins(10));
    assert_eq!(world.end(letter), Some(Outcome::Expired { copies: 0 }));
}

#[test]
fn a_flood_reaches_every_link_once_and_goes_no_further() {
    let mut world = World::new(6, config());
    let hub = world.start(1);
    let leaves: Vec<_> = (2..8).map(|number| world.start(number)).collect();
    for leaf in &leaves {
        world.link_strangers(hub, *leaf);
    }
    let far = world.start(9);
    world.link_strangers(leaves[0], far);
    let strategy = BroadcastStrategy::Flood { exclude: vec![leaves[5]] };
    let letter = world.send_by(hub, strategy, "hear", false);
    let end = world.run_to_end(letter, 10 * SECOND);
    assert_eq!(end, Some(Outcome::Spread { taken: 5, of: 5 }));
    leaves[..5].iter().for_each(|leaf| assert_eq!(world.inbox(*leaf), ["hear"]));
    assert!(world.inbox(leaves[5]).is_empty());
    assert!(world.inbox(far).is_empty());
}

#[test]
fn an_envelope_with_its_hops_spent_is_not_taken_on() {
    let mut config = config();
    (config.routing.hops_min, config.routing.hops_max) = (1, 12);
    // Three carriers are between them. The id of a letter decides with how many hops it starts; with
    // fewer than the most, it loses one at each carrier.
    for hops in 1..=6_u8 {
        let mut world = World::new(7, config.clone());
        let nodes = chain(&mut world, 9, &[1, 2, 3, 4]);
        link_all(&mut world, &nodes);
        let (exclude, letter) = (Vec::new(), LetterId((u128::from(hops) - 1).to_be_bytes()));
        let strategy = BroadcastStrategy::DirectOrClosest { peer: nodes[4], n: 1, exclude };
        world.send_letter(nodes[0], strategy, (letter, "hello"), false);
        world.run(SECOND / 2);
        let first = &world.carried[0].envelope;
        let carried = world.carried.iter().filter(|it| it.envelope == *first);
        let carried: Vec<_> = carried.map(|it| (it.by, it.hops)).collect();
        let all = [(nodes[1], hops), (nodes[2], hops - 1), (nodes[3], hops.saturating_sub(2))];
        assert_eq!(carried, all[..usize::from(hops.min(3))]);
        assert_eq!(world.inbox(nodes[4]).len(), usize::from(hops >= 3));
        let refused = world.settled.iter().find(|(_, name)| *name == "hops_spent");
        assert_eq!(refused.map(|(by, _)| *by), nodes[2..4].get(usize::from(hops) - 1).copied());
    }
}

#[test]
fn a_link_has_no_more_under_way_than_it_may_and_none_is_lost() {
    let mut world = World::new(8, config());
    let nodes = chain(&mut world, 3, &[1, 2]);
    link_all(&mut world, &nodes);
    let letters: Vec<_> =
        (0..40).map(|n| world.send(nodes[0], nodes[2], &n.to_string(), true)).collect();
    for _ in 0..200 {
        world.run(Duration::from_millis(5));
        for node in &nodes {
            assert!(world.net.core(*node).unwrap().gauges().under_way <= 2 * 4);
        }
    }
    for letter in letters {
        assert_eq!(world.run_to_end(letter, 30 * SECOND), Some(Outcome::Delivered));
    }
    assert_eq!(world.inbox(nodes[2]).len(), 40);
}

#[test]
fn a_stuck_application_holds_up_its_own_messages_and_no_others() {
    let mut world = World::new(9, config());
    let nodes = chain(&mut world, 9, &[1, 2, 3]);
    let [a, b, c, d] = nodes[..] else { panic!("four nodes") };
    for (one, other) in [(a, c), (b, c), (c, d)] {
        world.link_strangers(one, other);
    }
    world.stuck.insert(c);
    for n in 0..10_u8 {
        world.send(a, c, &n.to_string(), true);
    }
    world.run(2 * SECOND);
    let letter = world.send(b, d, "past it", true);
    assert_eq!(world.run_to_end(letter, 5 * SECOND), Some(Outcome::Delivered));
}

/// No field of what a carrier sees names the sender.
#[test]
fn a_carrier_cannot_tell_whose_message_it_carries() {
    let mut world = World::new(10, config());
    let nodes = chain(&mut world, 3, &[1, 2]);
    link_all(&mut world, &nodes);
    let letter = world.send(nodes[0], nodes[2], "hello", true);
    world.run_to_end(letter, 10 * SECOND);
    let sender = nodes[0].to_bytes();
    let (key, _) = sender[6..].split_at(32);
    for Carried { envelope: bytes, .. } in &world.carried {
        let envelope = Envelope::parse(bytes.clone()).unwrap();
        let to_sender = envelope.destination().unwrap().peer() == nodes[0];
        let named = bytes.windows(32).any(|window| window == key);
        // Only the receipt names it, as whom it is for.
        assert_eq!(named, to_sender);
    }
    assert!(!world.carried.is_empty());
}

#[test]
fn what_comes_again_is_delivered_once_and_receipted_again() {
    let mut config = config();
    config.delivery.attempt_timeout = Duration::from_millis(100);
    let mut world = World::new(11, config);
    let nodes = chain(&mut world, 3, &[1, 2]);
    link_all(&mut world, &nodes);
    let [a, b, c] = nodes[..] else { panic!("three nodes") };
    // The receipt is dropped on its way back.
    let letter = world.send(a, c, "hello", true);
    while world.inbox(c).is_empty() {
        world.run(Duration::from_millis(1));
    }
    world.droppers.insert(b);
    world.run(SECOND);
    assert_eq!(world.inbox(c), ["hello"]);
    assert_eq!(world.end(letter), None);
    world.droppers.clear();
    assert_eq!(world.run_to_end(letter, 60 * SECOND), Some(Outcome::Delivered));
    assert_eq!(world.inbox(c), ["hello"]);
    assert!(world.settled.contains(&(c, "again")), "{:?}", world.settled);
}

#[test]
fn a_peer_is_dialled_for_a_message_and_let_go_when_idle() {
    let mut world = World::new(12, config());
    let (a, b) = (world.start(1), world.start(2));
    let record = super::world::record(&super::world::keys(2), 2);
    world.net.command(a, Command::Met(record));
    let letter = world.send(a, b, "hello", false);
    assert_eq!(world.run_to_end(letter, 10 * SECOND), Some(Outcome::Delivered));
    assert!(world.net.linked(a, b));
    world.run(20 * SECOND);
    assert!(!world.net.linked(a, b));
    let released = |(_, event): &&(PeerId, Event)| matches!(event, Event::Release { .. });
    assert_eq!(world.events.iter().filter(released).count(), 1);
}

/// A and D, and between them B and C, of which the first drops what it takes on.
fn dropper(world: &mut World) -> [PeerId; 4] {
    let nodes = chain(world, 9, &[1, 2, 3]);
    let [a, b, c, d] = nodes[..] else { panic!("four nodes") };
    for (one, other) in [(a, b), (a, c), (b, d), (c, d)] {
        world.link_strangers(one, other);
    }
    world.droppers.insert(b);
    [a, b, c, d]
}

#[test]
fn over_two_first_hops_at_once_it_gets_past_a_dropper() {
    let mut world = World::new(13, config());
    let [a, b, c, d] = dropper(&mut world);
    let strategy = BroadcastStrategy::DirectOrClosest { peer: d, n: 2, exclude: Vec::new() };
    let letter = world.send_by(a, strategy, "hello", false);
    world.run(SECOND / 2);
    for via in [b, c] {
        assert!(world.outcomes(letter).contains(&Outcome::Sent { via }));
    }
    assert_eq!(world.inbox(d), ["hello"]);
}

#[test]
fn an_excluded_neighbour_gets_nothing() {
    let mut world = World::new(14, config());
    let [a, b, c, d] = dropper(&mut world);
    for n in 0..8_u8 {
        let strategy = BroadcastStrategy::DirectOrClosest { peer: d, n: 2, exclude: vec![b] };
        let letter = world.send_by(a, strategy, &n.to_string(), false);
        world.run(SECOND / 2);
        assert_eq!(world.outcomes(letter)[0], Outcome::Sent { via: c });
        assert_eq!(world.inbox(d).len(), usize::from(n) + 1);
    }
}
