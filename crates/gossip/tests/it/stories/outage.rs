//! Colours of the book, and what an outage does to it: nothing.

use meshwork_gossip::book::Colour;
use meshwork_gossip::{Command, Config, Purpose};

use super::{HOUR, MINUTE, SECOND, still};
use crate::records::{peer, record};
use crate::solo::{Solo, nobody};
use crate::town::{SEED, Town};

fn colour(solo: &Solo, n: u8) -> Option<Colour> {
    solo.core.book().get(&peer(n), solo.now).map(|entry| entry.colour)
}

/// D2.
#[test]
fn a_killed_gold_entry_goes_grey_at_everybody_who_was_linked_to_it() {
    let mut town = Town::with(6, Config::fast(), |town| town.seeds = (1..=6).collect());
    town.until(20 * SECOND, |town| (1..=6).all(|n| town.degree(n) >= 3));
    town.run(MINUTE);
    let of = |town: &Town, n: u8| {
        let now = machine::Instant::at(town.net.age(peer(n)).unwrap());
        town.core(n).book().get(&peer(1), now).map(|entry| entry.colour)
    };
    let linked: Vec<u8> = (2..=6).filter(|n| town.linked(1, *n)).collect();
    assert!(linked.len() >= 3 && linked.iter().all(|n| of(&town, *n) == Some(Colour::Gold)));
    town.crash(1);
    assert!(linked.iter().all(|n| of(&town, *n) != Some(Colour::Gold)));
    // Whoever tries it again finds out, and it is no longer passed on.
    town.dials.clear();
    town.run(2 * MINUTE);
    let tried: Vec<u8> = town.dials.iter().filter(|dial| dial.1 == 1).map(|dial| dial.0).collect();
    assert!(!tried.is_empty());
    assert!(tried.iter().all(|n| of(&town, *n) == Some(Colour::Grey)));
    // And when it is back it is gold again.
    town.start(1);
    town.until(MINUTE, |town| (2..=6).filter(|n| of(town, *n) == Some(Colour::Gold)).count() >= 3);
}

/// D1: what was only heard of is tried in the background, one at a time.
#[test]
fn feelers_turn_grey_entries_white_without_keeping_a_link() {
    let config = Config { min: 0, expected: 1, feeler_period: 10 * SECOND, ..still() };
    let mut solo = Solo::new(config);
    solo.link_out(50);
    let records = (1..=20).map(record).collect();
    solo.command(Command::Learned { source: peer(SEED), address: None, records });
    assert!((1..=20).all(|n| colour(&solo, n) == Some(Colour::Grey)));
    for _ in 0..60 {
        solo.live(10 * SECOND);
        let n = (1..=20).find(|n| solo.dials(*n));
        if let Some(n) = n {
            solo.dial_ends(n, Ok(()));
        }
    }
    assert!((1..=20).all(|n| colour(&solo, n) == Some(Colour::White)));
    assert!(solo.dialled.iter().all(|(.., purpose)| *purpose == Purpose::Feeler));
    assert_eq!(solo.core.counted(), 1);
    // Whoever is white is passed on.
    solo.take(50);
    let ask = meshwork_gossip::Message::Bootstrap { nonce: 1, max: 50, transports: Vec::new() };
    solo.hear(50, ask);
    let told = solo.take_words(50);
    let meshwork_gossip::Message::Advertise { records, .. } = &told[0] else { panic!("{told:?}") };
    assert!(records.len() >= 16);
}

/// D8: each colour with its ways out.
#[test]
fn an_entry_goes_through_all_colours_and_none_is_a_dead_end() {
    let config = Config { min: 1, expected: 2, feeler_period: HOUR, ..still() };
    let mut solo = Solo::new(config);
    solo.link_in(50);
    solo.command(Command::Learned { source: peer(SEED), address: None, records: vec![record(1)] });
    assert_eq!(colour(&solo, 1), Some(Colour::Grey));
    solo.dial_ends(1, Err(nobody()));
    assert_eq!(colour(&solo, 1), Some(Colour::Grey));
    // It rests, and is dialled again.
    solo.until(MINUTE, |solo| solo.dials(1));
    solo.dial_links(1);
    assert_eq!(colour(&solo, 1), Some(Colour::Gold));
    solo.unlink(1);
    assert_eq!(colour(&solo, 1), Some(Colour::White));
    solo.until(2 * MINUTE, |solo| solo.dials(1));
    solo.dial_ends(1, Err(nobody()));
    assert_eq!(colour(&solo, 1), Some(Colour::Grey), "it was reached, and failed since");
    solo.command(Command::Banned { peer: peer(1), banned: true });
    assert_eq!(colour(&solo, 1), Some(Colour::Black));
    solo.live(HOUR);
    assert!(!solo.dials(1));
    solo.command(Command::Banned { peer: peer(1), banned: false });
    solo.until(2 * MINUTE, |solo| solo.dials(1));
    solo.dial_links(1);
    assert_eq!(colour(&solo, 1), Some(Colour::Gold));
}

/// All links break, and for ten minutes no dial succeeds.
#[test]
fn an_outage_of_ten_minutes_loses_no_entry_and_heals_by_itself() {
    let mut town = Town::with(10, Config::fast(), |town| town.seeds = (1..=10).collect());
    town.until(20 * SECOND, |town| (1..=10).all(|n| town.degree(n) >= 3));
    town.run(2 * MINUTE);
    town.seeds = Vec::new();
    let known: Vec<_> = (1..=10).map(|n| town.core(n).book().len()).collect();
    town.offline.extend(1..=10);
    for a in 1..=10 {
        for b in a + 1..=10 {
            town.cut(a, b);
        }
    }
    town.dials.clear();
    town.run(10 * MINUTE);
    assert!((1..=10).all(|n| town.degree(n) == 0));
    assert!(!town.dials.is_empty());
    let after: Vec<_> = (1..=10).map(|n| town.core(n).book().len()).collect();
    assert_eq!(after, known);
    let failures = |n: u8| {
        let now = town.net.now();
        town.core(n).book().iter(now).map(|entry| entry.failures).max()
    };
    assert!((1..=10).all(|n| failures(n) <= Some(1)), "what fails while offline proves nothing");
    town.offline.clear();
    town.until(2 * MINUTE, |town| (1..=10).all(|n| town.degree(n) >= 3));
}

/// Half of a town is gone at once; the others find each other.
#[test]
fn after_half_of_all_vanish_the_rest_is_linked_again() {
    let mut town = Town::with(20, Config::fast(), |town| town.seeds = (1..=20).collect());
    town.until(20 * SECOND, |town| (1..=20).all(|n| town.degree(n) >= 3));
    town.run(MINUTE);
    town.seeds = Vec::new();
    for n in 11..=20 {
        town.crash(n);
    }
    town.until(2 * MINUTE, |town| (1..=10).all(|n| town.degree(n) >= 3));
    let mut reached = std::collections::BTreeSet::from([1_u8]);
    while let Some(next) = (1..=10)
        .find(|n| !reached.contains(n) && reached.iter().any(|other| town.linked(*n, *other)))
    {
        reached.insert(next);
    }
    assert_eq!(reached.len(), 10, "one component");
}
