//! The routing table: who gets in, who goes, who is closest, and what is looked up again.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test"
)]

mod hops;
mod laws;
mod strategy;

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use libp2p_identity::{Keypair, PeerId};
use machine::Instant;
use meshwork_dht::{Alive, Config, Failed, Key, NotTaken, Offered, Params, Table};
use rand::SeedableRng as _;
use rand_chacha::ChaCha8Rng;
use wire::signed::SignedRecord;

const MINUTE: Duration = Duration::from_mins(1);

/// The key pair with this number.
fn pair(number: u16) -> Keypair {
    let mut seed = [7; 32];
    seed[..2].copy_from_slice(&number.to_be_bytes());
    Keypair::ed25519_from_bytes(seed).unwrap()
}

/// The peers that most tests name, derived once.
static PEERS: LazyLock<Vec<PeerId>> =
    LazyLock::new(|| (0..512).map(|number| pair(number).public().to_peer_id()).collect());

fn peer(number: u16) -> PeerId {
    let known = PEERS.get(usize::from(number)).copied();
    known.unwrap_or_else(|| pair(number).public().to_peer_id())
}

fn signed(number: u16, seq: u64, addresses: &[&str]) -> Arc<SignedRecord> {
    let addresses = addresses.iter().map(|address| address.parse().unwrap()).collect();
    Arc::new(SignedRecord::seal(&pair(number), seq, addresses).unwrap())
}

/// The record of a peer in a subnet of its own.
fn record(number: u16) -> Arc<SignedRecord> {
    let [high, low] = number.to_be_bytes();
    signed(number, 1, &[&format!("/ip4/9.{high}.{low}.1/tcp/1")])
}

fn params(change: impl FnOnce(&mut Config)) -> Params {
    let mut config = Config::default();
    change(&mut config);
    config.check().unwrap()
}

fn at(minutes: u32) -> Instant {
    Instant::at(MINUTE * minutes)
}

/// Peers from `first` on that fall into the bucket farthest from peer 0: half of them.
fn far(first: u16) -> impl Iterator<Item = u16> {
    let own = Key::of(&peer(0));
    (first..).filter(move |number| own.distance(&Key::of(&peer(*number))).bucket() == Some(255))
}

/// A table of peer 0 with `k` places in a bucket, those of the farthest taken, in that order.
fn full(k: usize) -> (Table, Vec<u16>) {
    let mut table = Table::new(&peer(0), &params(|config| config.routing.bucket_max = k));
    let inside: Vec<u16> = far(1).take(k).collect();
    for number in &inside {
        assert_eq!(table.offer(&record(*number), at(0)), Offered::New);
        table.reached(&peer(*number), 1);
        assert_eq!(table.alive(&peer(*number), at(0)), Alive::Entered);
    }
    (table, inside)
}

#[test]
fn a_record_makes_a_peer_wait_and_a_link_makes_it_a_contact() {
    let mut table = Table::new(&peer(0), &params(|_| ()));
    let key = Key::of(&peer(1));
    assert_eq!(table.alive(&peer(1), at(0)), Alive::Unknown);
    assert_eq!(table.offer(&record(1), at(0)), Offered::New);
    assert!(table.closest(&key, 5).is_empty(), "whoever is only heard of may not exist");
    assert_eq!(table.known(&key, 5).len(), 1);

    assert_eq!(table.alive(&peer(1), at(1)), Alive::Entered);
    assert_eq!(table.closest(&key, 5)[0].peer(), peer(1));
    assert_eq!(table.get(&peer(1)).unwrap().seen(), Some(at(1)));
    assert_eq!(table.alive(&peer(1), at(2)), Alive::Known);
    assert_eq!(table.offer(&record(0), at(2)), Offered::Refused(NotTaken::Own));
    let nowhere = signed(2, 1, &["/ip4/10.0.0.1/tcp/1"]);
    assert_eq!(table.offer(&nowhere, at(2)), Offered::Refused(NotTaken::Unreachable));
}

#[test]
fn the_newest_record_counts_and_is_passed_on_only_after_a_link() {
    let mut table = Table::new(&peer(0), &params(|_| ()));
    let key = Key::of(&peer(1));
    table.offer(&signed(1, 5, &["/ip4/9.1.1.1/tcp/1"]), at(0));
    table.alive(&peer(1), at(0));
    assert_eq!(table.shareable(&key, 5).len(), 1);
    assert_eq!(table.offer(&signed(1, 4, &["/ip4/9.2.2.2/tcp/1"]), at(1)), Offered::Known);
    assert_eq!(table.offer(&signed(1, 5, &["/ip4/9.2.2.2/tcp/1"]), at(1)), Offered::Known);
    assert_eq!(table.offer(&signed(1, 6, &["/ip4/9.3.3.3/tcp/1"]), at(1)), Offered::Newer);
    assert_eq!(table.get(&peer(1)).unwrap().record().seq(), 6);
    assert_eq!((table.shareable(&key, 5).len(), table.closest(&key, 5).len()), (0, 1));
    table.alive(&peer(1), at(2));
    assert_eq!(table.shareable(&key, 5).len(), 1);
}

#[test]
fn the_least_recently_seen_is_probed_before_it_gives_way() {
    let (mut table, inside) = full(3);
    let late: Vec<u16> = far(100).take(2).collect();
    assert_eq!(table.alive(&peer(inside[0]), at(5)), Alive::Known);
    for number in &late {
        table.offer(&record(*number), at(10));
        table.reached(&peer(*number), 1);
    }
    let probed = peer(inside[1]);
    assert_eq!(table.alive(&peer(late[0]), at(10)), Alive::Waits { probe: Some(probed) });
    assert_eq!(table.alive(&peer(late[1]), at(10)), Alive::Waits { probe: None }, "one at a time");
    assert_eq!(table.gauges().contacts, 3);

    // It answers and stays; the next one does not and gives way to whoever was seen last.
    assert_eq!(table.alive(&probed, at(10)), Alive::Known);
    let next = Alive::Waits { probe: Some(peer(inside[2])) };
    let soon = at(10).after(Duration::from_secs(1));
    assert_eq!(table.alive(&peer(late[1]), soon), next);
    assert_eq!(table.failed(&peer(inside[2])), Failed::Replaced { by: peer(late[1]) });
    assert!(table.get(&peer(inside[2])).is_none());
    let third = Alive::Waits { probe: Some(peer(inside[0])) };
    assert_eq!(table.alive(&peer(late[0]), soon), third, "at once, after a failure too");
    assert_eq!(table.failed(&peer(inside[0])), Failed::Replaced { by: peer(late[0]) });
    assert_eq!(table.gauges(), meshwork_dht::Gauges { waiting: 0, ..table.gauges() });
}

#[test]
fn whoever_was_seen_just_now_is_not_probed() {
    let (mut table, inside) = full(2);
    let late = far(100).next().unwrap();
    table.offer(&record(late), at(0));
    table.reached(&peer(late), 1);
    for number in &inside {
        table.alive(&peer(*number), at(1));
    }
    let soon = at(1).after(Duration::from_millis(59_999));
    assert_eq!(table.alive(&peer(late), soon), Alive::Waits { probe: None });
    assert_eq!(table.alive(&peer(late), at(2)), Alive::Waits { probe: Some(peer(inside[0])) });
}

#[test]
fn a_probe_that_nobody_answers_for_is_made_again() {
    let (mut table, inside) = full(2);
    let late = far(100).next().unwrap();
    table.offer(&record(late), at(5));
    table.reached(&peer(late), 1);
    let probe = Alive::Waits { probe: Some(peer(inside[0])) };
    assert_eq!(table.alive(&peer(late), at(5)), probe);
    assert_eq!(table.alive(&peer(late), at(5)), Alive::Waits { probe: None });
    assert_eq!(table.alive(&peer(late), at(6)), probe);
}

#[test]
fn nobody_gives_way_to_a_record_alone() {
    let (mut table, inside) = full(2);
    table.offer(&record(far(100).next().unwrap()), at(10));
    assert_eq!(table.failed(&peer(inside[0])), Failed::Kept);
    assert_eq!(table.failed(&peer(inside[0])), Failed::Kept);
    assert_eq!(table.alive(&peer(inside[0]), at(11)), Alive::Known, "a sign of life mends it");
    for _ in 0..2 {
        assert_eq!(table.failed(&peer(inside[0])), Failed::Kept);
    }
    assert_eq!(table.failed(&peer(inside[0])), Failed::Gone);
    assert_eq!(table.failed(&peer(inside[0])), Failed::Unknown);
}

#[test]
fn a_banned_contact_leaves_its_place_to_whoever_waits() {
    let (mut table, inside) = full(2);
    let late = far(100).next().unwrap();
    table.offer(&record(late), at(10));
    table.reached(&peer(late), 1);
    table.alive(&peer(late), at(10));
    table.remove(&peer(inside[1]));
    assert!(table.get(&peer(inside[1])).is_none());
    assert_eq!(table.gauges().contacts, 2);
    assert_eq!(table.closest(&Key::of(&peer(late)), 1)[0].peer(), peer(late));
}

#[test]
fn a_banned_peer_that_waits_leaves_no_place() {
    let (mut table, _) = full(2);
    let late: Vec<u16> = far(100).take(2).collect();
    for number in &late {
        table.offer(&record(*number), at(10));
        table.reached(&peer(*number), 1);
        table.alive(&peer(*number), at(10));
    }
    table.remove(&peer(late[0]));
    assert_eq!((table.gauges().contacts, table.gauges().waiting), (2, 1));
}

#[test]
fn a_flood_of_records_displaces_only_records() {
    let config = params(|config| {
        config.routing.bucket_max = 1;
        config.routing.waiting_max = 3;
    });
    let mut table = Table::new(&peer(0), &config);
    let numbers: Vec<u16> = far(1).take(7).collect();
    for number in &numbers[..2] {
        table.offer(&record(*number), at(0));
        table.alive(&peer(*number), at(0));
    }
    // One is a contact and one waits; it was seen, so it outlasts those that were not.
    for number in &numbers[2..6] {
        assert_eq!(table.offer(&record(*number), at(0)), Offered::New);
    }
    assert_eq!(table.gauges().waiting, 3);
    let there = |table: &Table, number: u16| table.get(&peer(number)).is_some();
    assert!(there(&table, numbers[0]) && there(&table, numbers[1]) && there(&table, numbers[5]));
    assert!(!there(&table, numbers[2]) && !there(&table, numbers[3]));

    for number in &numbers[4..6] {
        table.alive(&peer(*number), at(0));
    }
    let last = record(numbers[6]);
    assert_eq!(table.offer(&last, at(0)), Offered::Refused(NotTaken::Full));
    assert_eq!(table.offer(&last, at(1)), Offered::New, "those were not seen for a minute");
}

#[test]
fn a_subnet_has_two_places_in_a_bucket_and_two_that_wait() {
    let mut table = Table::new(&peer(0), &params(|_| ()));
    let near = |number: u16| signed(number, 1, &[&format!("/ip4/9.9.9.{number}/tcp/1")]);
    let numbers: Vec<u16> = far(1).take(6).collect();
    for number in &numbers[..2] {
        table.offer(&near(*number), at(0));
        assert_eq!(table.alive(&peer(*number), at(0)), Alive::Entered);
    }
    for number in &numbers[2..5] {
        assert_eq!(table.offer(&near(*number), at(0)), Offered::New);
    }
    // The third that waits took the place of the first.
    assert_eq!(table.alive(&peer(numbers[2]), at(0)), Alive::Unknown);
    assert_eq!(table.alive(&peer(numbers[3]), at(0)), Alive::Crowded);
    assert_eq!(table.alive(&peer(numbers[4]), at(0)), Alive::Crowded);
    // Those two were seen, and outlast a record for as long as that is fresh. Whoever waits gets
    // no place in their subnet by changing its address either.
    let last = near(numbers[5]);
    let [other, moved] = [1, 2].map(|seq| {
        let third = if seq == 1 { 8 } else { 9 };
        signed(numbers[5], seq, &[&format!("/ip4/9.9.{third}.200/tcp/1")])
    });
    assert_eq!(table.offer(&other, at(0)), Offered::New);
    assert_eq!(table.offer(&moved, at(0)), Offered::Refused(NotTaken::Crowded));
    assert_eq!(table.get(&peer(numbers[5])).unwrap().record(), &other, "it stays where it was");
    table.remove(&peer(numbers[5]));
    assert_eq!(table.offer(&last, at(0)), Offered::Refused(NotTaken::Crowded));
    assert_eq!(table.offer(&last, at(1)), Offered::New);
}

#[test]
fn a_subnet_has_ten_places_in_all_and_a_change_of_address_is_no_way_around() {
    let mut table = Table::new(
        &peer(0),
        &params(|config| {
            config.routing.subnet_per_bucket_max = 20;
        }),
    );
    let inside =
        |number: u16, seq| signed(number, seq, &[&format!("/ip6/2a00:1:2::{number}/tcp/1")]);
    for number in 1..=10 {
        table.offer(&inside(number, 1), at(0));
        table.reached(&peer(number), 1);
        assert_eq!(table.alive(&peer(number), at(0)), Alive::Entered);
    }
    table.offer(&inside(11, 1), at(0));
    table.reached(&peer(11), 1);
    assert_eq!(table.alive(&peer(11), at(0)), Alive::Crowded);
    table.offer(&record(12), at(0));
    table.reached(&peer(12), 1);
    assert_eq!(table.alive(&peer(12), at(0)), Alive::Entered);
    assert_eq!(table.offer(&inside(12, 2), at(0)), Offered::Refused(NotTaken::Crowded));
    assert_eq!(table.offer(&inside(10, 2), at(0)), Offered::Newer, "it is there already");

    // A place that gets free is free for the subnet as well.
    table.remove(&peer(11));
    table.remove(&peer(1));
    assert_eq!(table.offer(&inside(12, 2), at(0)), Offered::Newer);
}

#[test]
fn private_addresses_count_as_no_subnet_where_they_are_allowed() {
    let mut table = Table::new(&peer(0), &params(|config| config.routing.allow_private = true));
    for number in 1..=12 {
        table.offer(&signed(number, 1, &[&format!("/ip4/127.0.0.1/tcp/{number}")]), at(0));
        assert_eq!(table.alive(&peer(number), at(0)), Alive::Entered);
    }
    assert_eq!(table.gauges().subnets, 0);
}

/// One machine with as many keys as it likes, each of which signs that it is somewhere else.
#[test]
fn whoever_only_dials_in_gets_a_quarter_of_a_bucket_however_many_places_it_claims() {
    let mut table = Table::new(&peer(0), &params(|_| ()));
    let dials_in = |table: &mut Table, number: u16| {
        table.offer(&record(number), at(0));
        table.alive(&peer(number), at(0))
    };
    let strangers: Vec<u16> = far(1).take(30).collect();
    let entered = strangers.iter().filter(|n| dials_in(&mut table, **n) == Alive::Entered).count();
    assert_eq!((entered, table.gauges().contacts), (5, 5));
    for number in 1..300 {
        dials_in(&mut table, number);
    }
    assert_eq!(table.gauges().contacts, 20, "a bucket's worth in all");

    // Those whom this node dials get the places that there are.
    let found: Vec<u16> = far(300).take(15).collect();
    for number in &found {
        table.offer(&record(*number), at(2));
        table.reached(&peer(*number), 1);
        assert_eq!(table.alive(&peer(*number), at(2)), Alive::Entered);
    }
    assert_eq!(table.gauges().contacts, 35);
    // And one of the strangers that is found where it says makes room for another.
    let waits = far(1)
        .map(peer)
        .find(|it| {
            table.get(it).is_some_and(|it| it.seen().is_some())
                && !table.contacts().any(|contact| contact.peer() == *it)
        })
        .unwrap();
    table.remove(&peer(found[0]));
    assert_eq!(table.alive(&waits, at(2)), Alive::Crowded);
    table.reached(&peer(strangers[0]), 2);
    assert_eq!(table.alive(&waits, at(2)), Alive::Crowded, "not that record");
    table.reached(&peer(strangers[0]), 1);
    assert_eq!(table.alive(&waits, at(2)), Alive::Entered);
}

#[test]
fn whoever_claims_another_address_has_to_be_found_there() {
    let mut table = Table::new(&peer(0), &params(|_| ()));
    let reached = |table: &Table| table.get(&peer(1)).unwrap().is_reached();
    let (here, there) = ("/ip4/9.1.1.1/tcp/1", "/ip4/9.2.2.2/tcp/1");
    table.offer(&signed(1, 1, &[here]), at(0));
    table.alive(&peer(1), at(0));
    assert!(!reached(&table));
    table.reached(&peer(1), 1);
    assert!(reached(&table));
    table.offer(&signed(1, 2, &[here]), at(1));
    assert!(reached(&table), "it is where it was");
    table.offer(&signed(1, 3, &[here, there]), at(2));
    assert!(!reached(&table));
}

/// The seed takes every peer for its region as long as it knows fewer than it asks for.
#[test]
fn defect_15_a_small_network_does_not_keep_everything_for_everybody() {
    let config = params(|config| config.routing.subnet_total_max = 5_120);
    let nodes: Vec<u16> = (0..9).collect();
    let tables: Vec<Table> = nodes
        .iter()
        .map(|own| {
            let mut table = Table::new(&peer(*own), &config);
            for other in nodes.iter().filter(|other| *other != own) {
                table.offer(&record(*other), at(0));
                table.alive(&peer(*other), at(0));
            }
            table
        })
        .collect();
    for recipient in 0..40 {
        let key = Key::of(&peer(recipient));
        let servers = nodes.iter().filter(|number| **number != recipient);
        let close = servers.filter(|n| tables[usize::from(**n)].is_close(&key, 10, 3)).count();
        // Of eight others, or nine, the closer half, rounded up.
        assert_eq!(close, if recipient < 9 { 4 } else { 5 });
        // Three nodes have to keep it even where only two are a half.
        let mut alone = Table::new(&peer(50), &config);
        assert!(alone.is_close(&key, 10, 3));
        alone.offer(&record(51), at(0));
        alone.alive(&peer(51), at(0));
        assert!(alone.is_close(&key, 10, 3));
    }
}

#[test]
fn the_neighbourhood_and_each_bucket_outside_it_are_looked_up_again() {
    // Among these there is a K that some buckets hold exactly, and one that they do not.
    (2..=9).for_each(looked_up_again);
}

fn looked_up_again(k: usize) {
    let mut rng = ChaCha8Rng::seed_from_u64(3);
    let mut table = Table::new(&peer(0), &params(|config| config.routing.bucket_max = k));
    assert_eq!((table.next_refresh(), table.refresh_due(at(0), &mut rng)), (None, None));
    for number in 1..200 {
        table.offer(&record(number), at(0));
        table.reached(&peer(number), 1);
        table.alive(&peer(number), at(0));
    }
    let mut looked_up = Vec::new();
    while let Some(key) = table.refresh_due(at(1), &mut rng)
        && looked_up.len() < 257
    {
        looked_up.push(table.own().distance(&key).bucket());
        table.refreshed(&key, at(1));
    }
    assert_eq!(looked_up[0], None, "first the neighbourhood");
    let outside: Vec<u8> = looked_up[1..].iter().map(|bucket| bucket.unwrap()).collect();
    assert!(outside.is_sorted() && outside.last() == Some(&255), "{outside:?}");
    let up_to = |last: u8| {
        let bucket = |contact: &meshwork_dht::Contact| table.own().distance(contact.key()).bucket();
        table.contacts().filter(|contact| bucket(contact) <= Some(last)).count()
    };
    let edge = outside[0];
    assert!(up_to(edge - 1) <= k && up_to(edge) > k, "{outside:?}");

    assert_eq!(table.next_refresh(), Some(at(31)));
    assert_eq!(table.refresh_due(at(30), &mut rng), None);
    assert_eq!(table.refresh_due(at(31), &mut rng), Some(*table.own()));
    // Whatever is looked up inside the neighbourhood is a look-up of all of it.
    let near = table.own().in_bucket(edge - 1, &mut rng);
    table.refreshed(&near, at(31));
    let next = table.refresh_due(at(31), &mut rng).unwrap();
    assert_eq!(table.own().distance(&next).bucket(), Some(edge));
}
