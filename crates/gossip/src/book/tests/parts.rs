//! The parts of the book, each alone.

use std::collections::BTreeMap;

use machine::UnixTime;

use super::*;
use crate::book::buckets::Buckets;
use crate::book::keyed::{Heard, Key};
use crate::book::moment::{Moment, Online};
use crate::book::sources::{ACCEPT_BURST, Sources};
use crate::book::state::Step;
use crate::book::{Colour, Wall};

#[test]
fn buckets_draw_each_bucket_equally_often() {
    let mut buckets = Buckets::new(4, 16);
    for id in 0..16 {
        assert!(buckets.insert(0, id));
    }
    assert!(!buckets.insert(0, 16), "full");
    assert!(buckets.insert(3, 20));
    for id in buckets.iter().collect::<Vec<_>>() {
        let bucket = if id == 20 { 3 } else { 0 };
        buckets.set_ready(bucket, id, true);
    }
    buckets.assert_lively();
    let rng = &mut rng();
    let lonely = (0..1000).filter(|_| buckets.draw(rng, |_| true) == Some(20)).count();
    assert!((400..600).contains(&lonely), "{lonely} of 1000 for one of two buckets");
    // The only one that fits is found, and nobody when nobody does.
    for wanted in 0..16 {
        assert_eq!(buckets.draw(rng, |id| id == wanted), Some(wanted));
    }
    assert_eq!(buckets.draw(rng, |_| false), None);
    buckets.remove(3, 20);
    buckets.set_ready(0, 5, false);
    buckets.assert_lively();
    assert!((0..200).all(|_| buckets.draw(rng, |_| true) != Some(5)));
    assert_eq!(buckets.len(), 16);
}

#[test]
fn a_group_reaches_an_eighth_of_each_table() {
    let key = Key::new([1; 32]);
    let source_group = key.group(group(1));
    let new: BTreeSet<_> = (0..4000)
        .map(|n| Heard { peer: n, group: n % 977, source: n % 13, source_group })
        .map(|heard| key.new_bucket(&heard, 192))
        .collect();
    assert!((16..=24).contains(&new.len()), "{}", new.len());
    let tried: BTreeSet<_> = (0..4000).map(|peer| key.tried_bucket(peer, 5, 64)).collect();
    assert!((5..=8).contains(&tried.len()), "{}", tried.len());
    let one: BTreeSet<_> = (0..4000)
        .map(|peer| Heard { peer, group: 1, source: 1, source_group })
        .map(|heard| key.new_bucket(&heard, 192))
        .collect();
    assert!(one.len() <= 4, "one source on one group: {}", one.len());
    assert_ne!(key.group(group(1)), Key::new([2; 32]).group(group(1)), "keyed");
    assert_ne!(key.group(None), key.group(group(1)));
}

/// All states, with times that tell them apart.
fn states() -> [State; 6] {
    let since = at(10);
    [
        State::Free,
        State::Dialling { since },
        State::Probing { since },
        State::Connected { dialled: false },
        State::Connected { dialled: true },
        State::CoolingDown { until: at(30) },
    ]
}

#[test]
fn transitions_are_those_of_the_table() {
    let (now, until) = (at(20), at(40));
    let columns = [
        Step::Dial,
        Step::Probe,
        Step::Reached,
        Step::Failed { until },
        Step::PutOff { until },
        Step::Released,
        Step::Connected { dialled: false },
        Step::Lost { until },
    ];
    let letter = |state: State| match state {
        State::Free => 'F',
        State::Dialling { .. } => 'D',
        State::Probing { .. } => 'P',
        State::Connected { .. } => 'C',
        State::CoolingDown { .. } => 'R',
    };
    let rows = states().map(|state| {
        columns.map(|step| state.after(step, now).map_or('.', letter)).iter().collect::<String>()
    });
    assert_eq!(rows, ["DPF.R.C.", "..DRRFC.", "..FRRFC.", "..C...CR", "..C...CR", "D.F.R.C."]);
    let put_off = |until| State::CoolingDown { until: at(30) }.after(Step::PutOff { until }, now);
    assert_eq!(put_off(at(25)), Some(State::CoolingDown { until: at(30) }), "never shorter");
    assert_eq!(put_off(at(35)), Some(State::CoolingDown { until: at(35) }));
}

#[test]
fn no_state_is_a_dead_end() {
    for state in states() {
        let deadline = state.deadline(60 * SECOND);
        match state {
            State::Free => assert_eq!(deadline, None),
            State::Connected { .. } => {
                let lost = state.after(Step::Lost { until: at(50) }, at(20)).unwrap();
                assert_eq!(lost.deadline(60 * SECOND), Some(at(50)));
            }
            State::Dialling { .. } | State::Probing { .. } => assert_eq!(deadline, Some(at(70))),
            State::CoolingDown { until } => assert_eq!(deadline, Some(until)),
        }
    }
}

#[test]
fn moments_survive_the_change_of_clocks() {
    let wall = Wall { now: at(100), unix: UnixTime::from_millis(1_000_000) };
    let moment = Moment::of(at(40));
    assert_eq!(moment.age(at(100)), 60 * SECOND);
    assert_eq!(moment.to_unix(wall), UnixTime::from_millis(940_000));
    let restarted = Wall { now: Instant::START, unix: UnixTime::from_millis(1_500_000) };
    let recalled = Moment::from_unix(moment.to_unix(wall), restarted).unwrap();
    assert_eq!(recalled.age(at(0)), 560 * SECOND, "before the start");
    assert_eq!(Moment::from_unix(UnixTime::from_millis(1_500_001), restarted), None, "to come");
    assert_eq!(Moment::of(at(50)).age(at(20)), Duration::ZERO);
}

#[test]
fn the_online_clock_stands_still_during_an_outage() {
    let mut online = Online::new(at(0));
    online.set(false, at(100));
    online.set(false, at(150));
    assert_eq!(online.total(at(200)), 100 * SECOND);
    assert!(!online.ever_since(at(160)));
    online.set(true, at(300));
    assert_eq!(online.total(at(350)), 150 * SECOND);
    assert!(online.ever_since(at(300)));
    assert!(!online.ever_since(at(299)), "it began before the outage ended");
}

#[test]
fn a_source_has_a_burst_then_a_pace() {
    let mut sources = Sources::default();
    let id = sources.enter(1, Some(peer(1)), 0, at(0)).unwrap();
    for _ in 0..ACCEPT_BURST {
        assert!(sources.may_tell(id, at(0)));
        sources.charge(id, at(0));
    }
    assert!(!sources.may_tell(id, at(9)));
    assert!(sources.may_tell(id, at(10)));
    sources.ask(id, 2);
    for _ in 0..2 {
        assert!(sources.may_tell(id, at(0)), "asked for");
        sources.charge(id, at(0));
    }
    assert!(!sources.may_tell(id, at(0)));
    let operator = sources.enter(0, None, 0, at(0)).unwrap();
    for _ in 0..2 * ACCEPT_BURST {
        sources.charge(operator, at(0));
    }
    assert!(sources.may_tell(operator, at(0)));
}

#[test]
fn idle_sources_are_forgotten_the_forgiven_first() {
    let mut sources = Sources::default();
    let loud = sources.enter(0, Some(peer(0)), 0, at(0)).unwrap();
    for _ in 0..ACCEPT_BURST {
        sources.charge(loud, at(0));
    }
    let keeper = sources.enter(1, Some(peer(0)), 0, at(0)).unwrap();
    sources.keep(keeper);
    for name in 2..2000 {
        sources.enter(name, Some(peer(0)), 0, at(1)).unwrap();
    }
    assert_eq!(sources.enter(0, Some(peer(0)), 0, at(1)), Some(loud));
    assert!(!sources.may_tell(loud, at(1)), "a crowd does not wash anybody clean");
    assert_eq!(sources.enter(1, Some(peer(0)), 0, at(1)), Some(keeper));
    sources.assert_counts(&BTreeMap::from([(keeper, 1)]));
}

#[test]
fn shapes_keep_their_eighths() {
    for entries_max in [0, 64, 100, 500, 512, 4096, 5000, 65_536, usize::MAX] {
        let (width, tried, new) = Setup { entries_max, ..Setup::new(local()) }.shape();
        assert!((1..=16).contains(&width) && tried >= SHARE && new >= 3 * SHARE);
        assert!(width * (tried + new) <= entries_max.clamp(64, 65_536));
    }
    assert_eq!(Setup::new(local()).shape(), (16, 64, 192));
}

#[test]
fn every_colour_has_its_exits() {
    let (book, rng) = (&mut book(512), &mut rng());
    let colour = |book: &Book| book.get(&peer(1), at(0)).unwrap().colour;
    let dark = sealed(1, 1, vec!["/ip4/40.1.0.1/udp/4001/quic-v1".parse().unwrap()]);
    book.setup.transports = vec!["tcp".to_owned()];
    book.insert(dark, friend(), at(0)).unwrap();
    assert_eq!(colour(book), Colour::Dark);
    book.insert(record(1, 2), friend(), at(0)).unwrap();
    assert_eq!(colour(book), Colour::Grey);
    reach(book, 1, at(1));
    assert_eq!(colour(book), Colour::White);
    book.connected(&peer(1), true, at(2));
    assert_eq!(colour(book), Colour::Gold);
    book.disconnected(&peer(1), at(3), rng);
    assert_eq!(colour(book), Colour::White);
    fail(book, 1, at(100), rng);
    assert_eq!(colour(book), Colour::Grey);
    book.set_banned(&peer(1), true);
    assert_eq!(colour(book), Colour::Black);
    book.set_banned(&peer(1), false);
    assert_eq!(colour(book), Colour::Grey);
    reach(book, 1, at(101));
    assert_eq!(colour(book), Colour::White);
    assert_eq!(Colour::ALL.map(Colour::as_str), ["grey", "white", "gold", "black", "dark"]);
}
