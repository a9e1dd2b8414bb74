//! Telling each other of peers: what is asked, told, believed, and what it costs to lie.

use std::collections::BTreeSet;
use std::time::Duration;

use bytes::Bytes;
use meshwork_gossip::{Command, Config, Direction, Event, Fault, Message, Opened};

use super::{HOUR, MINUTE, SECOND, still};
use crate::records::{address, peer, record_at};
use crate::solo::{Solo, bytes_of};
use crate::town::Town;

/// Asks as by default.
fn asking() -> Config {
    let Config { ask_period, ask_gap, ask_timeout, answer_lasts, records_max, .. } =
        Config::default();
    Config { ask_period, ask_gap, ask_timeout, answer_lasts, records_max, ..still() }
}

/// The number of the question that `n` was asked.
#[track_caller]
fn question(solo: &mut Solo, n: u8) -> u64 {
    solo.take(n)
        .into_iter()
        .find_map(|message| match message {
            Message::Bootstrap { nonce, .. } => Some(nonce),
            _ => None,
        })
        .expect("it was asked")
}

fn ask(solo: &mut Solo, n: u8, max: u32, transports: &[&str]) -> Vec<Bytes> {
    let transports = transports.iter().map(|name| (*name).to_owned()).collect();
    solo.take(n);
    solo.hear(n, Message::Bootstrap { nonce: 3, max, transports });
    match solo.take_words(n).pop() {
        Some(Message::Advertise { nonce: 3, records }) => records,
        other => panic!("{other:?}"),
    }
}

/// Reaches 2 to 40, of which the others can be told.
fn well_connected(config: Config) -> Solo {
    let mut solo = Solo::new(config);
    solo.link_in(1);
    for n in 2..=40 {
        solo.link_out(n);
    }
    solo.live(SECOND);
    solo
}

#[test]
fn a_new_neighbour_is_asked_and_its_answer_checked_and_kept_as_hearsay() {
    let mut solo = Solo::new(asking());
    solo.link_out(1);
    let nonce = question(&mut solo, 1);
    let records = vec![bytes_of(2), bytes_of(3)];
    solo.hear(1, Message::Advertise { nonce, records });
    let told = solo
        .events
        .iter()
        .any(|event| matches!(event, Event::Advertised { named: 2, kept: 2, .. }));
    assert!(told);
    let entry = solo.core.book().get(&peer(2), solo.now).unwrap();
    assert_eq!((entry.source, entry.reached), (Some(peer(1)), None));
    // Hearsay is not passed on.
    solo.link_in(9);
    let named = ask(&mut solo, 9, 50, &[]);
    assert_eq!(named, [bytes_of(1)], "only whom we reached ourselves");
}

#[test]
fn an_answer_that_nobody_asked_for_is_charged_and_forgotten_a_late_one_is_not_charged() {
    let mut solo = Solo::new(asking());
    solo.link_out(1);
    let nonce = question(&mut solo, 1);
    let records = || vec![bytes_of(2)];
    solo.hear(1, Message::Advertise { nonce: nonce ^ 1, records: records() });
    assert_eq!(solo.faults, [(peer(1), Fault::Unsolicited)]);
    solo.live(11 * SECOND);
    solo.hear(1, Message::Advertise { nonce, records: records() });
    assert_eq!(solo.faults[1], (peer(1), Fault::LateAnswer));
    assert!(solo.core.book().record(&peer(2)).is_none());
}

#[test]
fn more_than_was_wished_for_and_forgeries_are_charged_and_nothing_of_them_is_kept() {
    let mut solo = Solo::new(Config { records_max: 3, ..asking() });
    for n in [1, 2] {
        solo.link_out(n);
    }
    let nonce = question(&mut solo, 1);
    solo.hear(1, Message::Advertise { nonce, records: (10..14).map(bytes_of).collect() });
    assert_eq!(solo.faults, [(peer(1), Fault::TooMany { count: 4, wish: 3 })]);
    let nonce = question(&mut solo, 2);
    let records = vec![bytes_of(10), Bytes::from_static(b"no record"), bytes_of(11)];
    solo.hear(2, Message::Advertise { nonce, records });
    assert_eq!(solo.faults[1], (peer(2), Fault::Forged { count: 1 }));
    assert!((10..14).all(|n| solo.core.book().record(&peer(n)).is_none()));
}

/// Upstream's gap: a flood of addresses.
#[test]
fn a_flood_of_answers_displaces_nobody_who_was_reached() {
    let mut solo = well_connected(Config { book_max: 256, ..asking() });
    for n in 2..=40 {
        solo.unlink(n);
    }
    let reached: Vec<u8> = (2..=40)
        .filter(|n| {
            solo.core.book().get(&peer(*n), solo.now).is_some_and(|it| it.reached.is_some())
        })
        .collect();
    assert!(reached.len() >= 30);
    for _ in 0..30 {
        let asked = solo.take(1);
        for message in asked {
            if let Message::Bootstrap { nonce, .. } = message {
                let records = (60..110).map(bytes_of).collect();
                solo.hear(1, Message::Advertise { nonce, records });
            }
        }
        solo.live(5 * MINUTE);
    }
    let book = solo.core.book();
    assert!(reached.iter().all(|n| book.record(&peer(*n)).is_some()));
    let fakes = (60..110).filter(|n| book.record(&peer(*n)).is_some()).count();
    assert!(fakes <= 256 * 3 / 4 / 8, "{fakes} of one source");
}

/// Upstream's gap: private addresses from strangers.
#[test]
fn records_with_only_private_addresses_are_not_kept() {
    let mut solo = Solo::new(asking());
    solo.link_out(1);
    let nonce = question(&mut solo, 1);
    let near = ["/ip4/10.0.0.1/tcp/1", "/ip4/127.0.0.1/tcp/1", "/ip6/fe80::1/tcp/1"];
    let records = (20..)
        .zip(near)
        .map(|(n, near)| record_at(n, vec![near.parse().unwrap()]).encoded().clone());
    solo.hear(1, Message::Advertise { nonce, records: records.collect() });
    assert!((20..23).all(|n| solo.core.book().record(&peer(n)).is_none()));
    assert_eq!(solo.faults, [], "nobody's fault");
}

#[test]
fn an_answer_holds_what_was_wished_for_of_the_transports_asked_for_and_never_the_asker() {
    let mut solo = well_connected(asking());
    assert_eq!(ask(&mut solo, 1, 5, &[]).len(), 5);
    solo.live(MINUTE);
    assert!(ask(&mut solo, 2, 50, &[]).iter().all(|record| *record != bytes_of(2)));
    assert_eq!(ask(&mut solo, 3, 50, &["quic"]).len(), 0);
    assert!(ask(&mut solo, 4, 50, &["quic", "tcp"]).len() >= 16);
    assert_eq!(ask(&mut solo, 5, 0, &[]).len(), 0);
    assert_eq!(solo.faults, []);
}

#[test]
fn who_asks_again_within_the_hour_is_told_the_same() {
    let mut solo = well_connected(asking());
    let mut told = BTreeSet::new();
    for _ in 0..50 {
        told.extend(ask(&mut solo, 1, 16, &[]));
        solo.live(MINUTE);
    }
    assert_eq!(told.len(), 16, "crawling wins nothing");
    solo.live(30 * MINUTE);
    told.extend(ask(&mut solo, 1, 16, &[]));
    assert!(told.len() > 16);
    assert_eq!(solo.faults, []);
}

/// Identities are free, networks are not.
#[test]
fn everybody_in_one_network_is_told_the_same() {
    let mut solo = well_connected(asking());
    for (n, address) in
        [(50, "/ip4/7.7.1.1/tcp/1"), (51, "/ip4/7.7.2.2/tcp/1"), (52, "/ip4/7.8.1.1/tcp/1")]
    {
        let (direction, address) = (Direction::Inbound, address.parse().unwrap());
        let opened = Opened { peer: peer(n), direction, address, record: None };
        solo.command(Command::Opened(Box::new(opened)));
        solo.joined(n);
    }
    let [first, near, far] = [50, 51, 52].map(|n| ask(&mut solo, n, 16, &[]));
    assert_eq!(first.len(), 16);
    assert_eq!(first, near);
    assert_ne!(first, far);
}

/// Upstream's gap: the throttle.
#[test]
fn who_asks_too_often_gets_nothing_and_pays() {
    let mut solo = well_connected(Config { answer_lasts: Duration::ZERO, ..asking() });
    let told: Vec<_> = (0..20).map(|_| ask(&mut solo, 1, 5, &[]).len()).collect();
    let answered = told.iter().filter(|len| **len > 0).count();
    assert!((1..=5).contains(&answered), "{told:?}");
    let paid = solo.faults.iter().filter(|it| **it == (peer(1), Fault::AskedTooSoon)).count();
    assert!(paid >= 10, "{paid}");
    // Coming back does not help, others do not suffer.
    solo.unlink(1);
    solo.link_in(1);
    assert_eq!(ask(&mut solo, 1, 5, &[]).len(), 0);
    assert_eq!(ask(&mut solo, 2, 5, &[]).len(), 5);
    // Patience does.
    solo.live(10 * MINUTE);
    assert_eq!(ask(&mut solo, 1, 5, &[]).len(), 5);
}

#[test]
fn some_neighbour_is_asked_now_and_then_even_when_there_are_links_enough() {
    let mut solo = well_connected(Config { book_max: 64, ..asking() });
    solo.said.clear();
    solo.live(2 * HOUR);
    let asked =
        |(_, message): &&(machine::PeerId, Message)| matches!(message, Message::Bootstrap { .. });
    let count = solo.said.iter().filter(asked).count();
    // Every 5 minutes, give or take a fifth.
    assert!((18..=32).contains(&count), "{count}");
}

/// Of two records of a peer the one with the higher number holds.
#[test]
fn a_newer_record_replaces_an_older_one_and_never_the_other_way() {
    let mut solo = Solo::new(asking());
    for n in [1, 2] {
        solo.link_out(n);
    }
    let moved = record_at(10, vec!["/ip4/9.99.0.1/tcp/4001".parse().unwrap()]);
    let nonce = question(&mut solo, 1);
    solo.hear(1, Message::Advertise { nonce, records: vec![moved.encoded().clone()] });
    let nonce = question(&mut solo, 2);
    solo.hear(2, Message::Advertise { nonce, records: vec![bytes_of(10)] });
    let held = solo.core.book().record(&peer(10)).unwrap();
    assert_eq!(held.addresses(), moved.addresses());
    assert_ne!(held.addresses(), [address(10)]);
    assert_eq!(solo.faults, []);
}

/// O27: what the core shows is what is.
#[test]
fn what_the_core_shows_agrees_with_what_is_linked_and_known() {
    let mut town = Town::with(12, Config::fast(), |town| town.seeds = (1..=12).collect());
    for _ in 0..60 {
        town.run(SECOND);
        for n in 1..=12 {
            let core = town.core(n);
            let shown: BTreeSet<_> =
                core.links().filter(|link| !link.leaving).map(|link| link.peer).collect();
            let linked: BTreeSet<_> = town.net.neighbours(peer(n)).collect();
            assert!(shown.is_subset(&linked), "{n}");
            let lasting = core.links().filter(|link| !link.leaving && !link.provisional).count();
            assert_eq!(core.counted(), lasting);
            let counts = core.book().counts();
            let by_colour = counts.grey + counts.white + counts.gold + counts.black + counts.dark;
            assert_eq!(
                (counts.new + counts.tried, by_colour),
                (core.book().len(), core.book().len())
            );
            let in_book = linked.iter().filter(|it| core.book().record(it).is_some()).count();
            assert!(counts.gold >= in_book.saturating_sub(linked.len() - shown.len()), "{n}");
        }
    }
}
