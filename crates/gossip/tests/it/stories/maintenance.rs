//! Enough links and not too many: what sets a pass off, and where it ends.

use std::time::Duration;

use handshake::{DialError, Refusal, Reject, RejectCode};
use machine::{Instant, PeerId};
use meshwork_gossip::{Change, Command, Config, Direction, DisconnectReason, Event, Message};

use super::{HOUR, MINUTE, SECOND};
use crate::records::{address, peer, record, record_at};
use crate::solo::{Solo, nobody};
use crate::town::{SEED, Town};

/// As in the model's own test: 18, 36 and more, and a timer that does not come.
fn timerless(min: usize, expected: usize, max: usize) -> Config {
    Config {
        min,
        expected,
        max,
        maintenance_period: 10 * HOUR,
        ping_period: 20 * HOUR,
        feeler_period: 20 * HOUR,
        swap_period: Duration::ZERO,
        anchors: 0,
        dials_max: 64,
        ..Config::default()
    }
}

fn learn(solo: &mut Solo, peers: impl IntoIterator<Item = u8>) {
    let records = peers.into_iter().map(record).collect();
    solo.command(Command::Learned { source: peer(SEED), address: None, records });
}

/// Lets every dial make a link.
fn dial_all(solo: &mut Solo) {
    while let Some(peer) = solo.dialling().first() {
        let n = (0..=255).find(|n| self::peer(*n) == *peer).unwrap();
        solo.dial_links(n);
    }
}

fn too_few(solo: &Solo) -> usize {
    solo.events.iter().filter(|event| matches!(event, Event::TooFew { .. })).count()
}

/// O8: 42 are known, 36 wished for, 18 the least.
#[test]
fn too_few_links_are_noticed_at_once_without_any_timer() {
    let mut solo = Solo::new(timerless(18, 36, 60));
    learn(&mut solo, 1..=42);
    dial_all(&mut solo);
    assert_eq!((solo.core.counted(), too_few(&solo)), (30, 1), "the lower target");
    solo.wait(2 * MINUTE);
    let before = solo.dialled.len();
    for n in solo.core.links().map(|link| link.peer).take(6).collect::<Vec<_>>() {
        let n = (0..=255).find(|other| peer(*other) == n).unwrap();
        assert_eq!(solo.dialled.len(), before, "inside the thresholds nothing is done");
        solo.unlink(n);
    }
    // 24 is the threshold: one less, and peers are dialled in the same moment.
    assert_eq!((solo.core.counted(), too_few(&solo)), (24, 1));
    let last = solo.core.links().next().unwrap().peer;
    solo.unlink((0..=255).find(|n| peer(*n) == last).unwrap());
    assert_eq!(too_few(&solo), 2);
    assert!(solo.dialled[before..].iter().all(|(at, ..)| *at == solo.now));
    assert!(solo.dialled.len() > before);
    dial_all(&mut solo);
    assert_eq!(solo.core.counted(), 30);
}

/// O9: 24 are wished for, 36 the most; more come in.
#[test]
fn too_many_links_are_trimmed_to_the_target_without_any_timer() {
    let mut solo = Solo::new(timerless(0, 24, 36));
    for n in 1..=24 {
        solo.link_out(n);
    }
    solo.wait(20 * SECOND);
    let mut n = 24;
    while solo.goodbyes().is_empty() {
        n += 1;
        solo.link_in(n);
        solo.wait(10 * SECOND);
        assert!(n <= 40, "33 is over the threshold of 32");
    }
    solo.wait(20 * SECOND);
    assert_eq!(solo.core.counted(), 28, "the upper target");
    assert!(solo.events.iter().any(|event| matches!(event, Event::TooMany { have: 33 })));
    let inbound = |peer: &PeerId| (25..=40).any(|n| self::peer(n) == *peer);
    for (gone, reason, theirs) in solo.goodbyes() {
        assert!(inbound(&gone), "those that we dialled ourselves go last");
        assert_eq!((reason, theirs), (DisconnectReason::TooMany, false));
    }
}

/// Those of payments: as many as there are channels, and nobody's to let go of.
#[test]
fn links_that_the_application_keeps_take_no_slot_unless_others_are_missing() {
    let mut solo = Solo::new(timerless(4, 8, 12));
    for n in 1..=20 {
        solo.link_aside(n);
    }
    solo.wait(HOUR);
    let provisional = solo.core.links().filter(|link| link.provisional).count();
    let few = solo.core.counted();
    assert_eq!(few + provisional, 20, "none was let go of");
    assert!((4..=8).contains(&few), "as many as must be count: {few}");
    for n in 21..=30 {
        solo.link_out(n);
    }
    solo.wait(HOUR);
    assert_eq!(solo.goodbyes(), [], "others take their places, and they stay");
    assert!(solo.core.counted() <= 12);
    assert_eq!(solo.core.links().count(), 30);
}

/// O10.
#[test]
fn a_node_that_wishes_for_no_links_never_dials() {
    let config = Config { min: 0, expected: 0, feeler_period: SECOND, ..Config::fast() };
    let mut solo = Solo::new(config);
    learn(&mut solo, 1..=30);
    solo.link_in(50);
    solo.live(HOUR);
    assert!(solo.dialled.is_empty());
    let wants = |event: &Event| matches!(event, Event::SeedsWanted { .. } | Event::TooFew { .. });
    assert!(!solo.events.iter().any(wants));
    assert!(solo.keeps(50), "others may still be linked to it");
}

/// O11: 6 are wished for, 9 others know each other.
#[test]
fn one_pass_ends_inside_the_targets() {
    let calm = Config { swap_period: Duration::ZERO, ..Config::fast() };
    let mut town = Town::with(10, calm, |town| {
        for n in 2..=10 {
            town.configure(n, Config { min: 0, expected: 0, max: 60, ..Config::fast() });
        }
    });
    for a in 2..=10 {
        for b in a + 1..=10 {
            town.link(a, b);
        }
    }
    town.tell(1, 2..=10);
    let band = Config::fast().check().unwrap().band();
    let inside = move |town: &Town| (band.min_target..=band.max_target).contains(&town.degree(1));
    town.until(5 * SECOND, inside);
    for _ in 0..60 {
        town.run(SECOND);
        assert!(inside(&town), "{}", town.degree(1));
    }
}

/// O12.
#[test]
fn the_timer_sets_off_a_pass_when_nothing_happens() {
    let config = Config {
        maintenance_period: 100 * SECOND,
        anchors: 2,
        anchor_age: SECOND,
        ..timerless(0, 4, 60)
    };
    let mut solo = Solo::new(config);
    for n in 1..=4 {
        solo.link_out(n);
    }
    let chosen = |solo: &Solo| {
        solo.saved
            .iter()
            .any(|change| matches!(change, Change::Anchors { peers } if peers.len() == 2))
    };
    solo.wait(79 * SECOND);
    assert!(!chosen(&solo));
    solo.wait(42 * SECOND);
    assert!(chosen(&solo), "a pass looks which links outlast a restart");
}

/// O19.
#[test]
fn a_node_that_wishes_for_one_link_holds_one() {
    let one = Config { min: 1, expected: 1, max: 1, ..Config::fast() };
    let mut town = Town::with(4, Config::fast(), |town| {
        town.configure(1, one);
        town.seeds = (1..=4).collect();
    });
    town.until(10 * SECOND, |town| town.degree(1) == 1);
    town.run(MINUTE);
    assert_eq!(town.degree(1), 1);
}

/// O4: who is refused for want of room is told of others, and goes there.
#[test]
fn who_is_refused_learns_the_alternatives_and_links_to_them() {
    let mut town = Town::with(12, Config::fast(), |town| {
        town.full.insert(1, (2..=6).collect());
    });
    // All they know is one that is full.
    for n in 7..=12 {
        town.tell(n, [1]);
    }
    let knows_all =
        |town: &Town, n: u8| (2..=6).all(|of| town.core(n).book().record(&peer(of)).is_some());
    town.until(MINUTE, |town| (7..=12).all(|n| knows_all(town, n)));
    town.until(MINUTE, |town| (7..=12).all(|n| town.degree(n) >= 3));
}

/// O21: two that know only the centre come to know each other.
#[test]
fn in_a_star_the_points_find_each_other() {
    let mut town = Town::new(3, Config::fast());
    for n in [2, 3] {
        town.tell(n, [1]);
    }
    town.until(MINUTE, |town| town.linked(2, 3));
    let told = |town: &Town, n: u8| {
        town.told(n).any(|event| matches!(event, Event::Advertised { source, kept: 1.., .. } if *source == peer(1)))
    };
    assert!(told(&town, 2) || told(&town, 3), "the centre named one to the other");
}

/// A full answer of a refusing peer: not asked again before it said.
#[test]
fn who_refuses_for_want_of_room_is_left_alone_for_as_long_as_it_says() {
    let mut solo = Solo::new(timerless(1, 2, 60));
    learn(&mut solo, [1]);
    let reject = Reject {
        code: RejectCode::Full,
        detail: String::new(),
        retry_after: 5 * MINUTE,
        alternatives: Vec::new(),
    };
    let refused = DialError::Refused(Refusal::Theirs { reject, alternatives: Vec::new() });
    solo.dial_ends(1, Err(refused));
    solo.wait(299 * SECOND);
    assert_eq!(solo.dialled.len(), 1);
    solo.wait(80 * SECOND);
    assert_eq!(solo.dialled.len(), 2);
}

/// Upstream's gap: growth and cap of the delay between two dials of one peer.
#[test]
fn the_wait_after_a_failed_dial_doubles_up_to_ten_minutes() {
    let mut solo = Solo::new(timerless(1, 2, 60));
    // A neighbour keeps us online: only then do failures say something about the other.
    solo.link_in(50);
    learn(&mut solo, [1]);
    let mut dials: Vec<Instant> = Vec::new();
    while dials.len() < 40 && solo.dials(1) {
        dials.push(solo.now);
        solo.dial_ends(1, Err(nobody()));
        solo.until(HOUR, |solo| solo.dials(1) || solo.core.book().record(&peer(1)).is_none());
    }
    let gaps: Vec<_> = dials.windows(2).map(|pair| pair[1].since(pair[0])).collect();
    for (n, gap) in gaps.iter().enumerate() {
        let rest = (SECOND * 2_u32.pow(u32::try_from(n).unwrap())).min(10 * MINUTE);
        // A fifth more, and looks that are as far apart as a minute.
        let most = rest * 6 / 5 + (rest * 2 + 2 * SECOND).min(80 * SECOND);
        assert!(*gap >= rest && *gap <= most, "{n}: {gap:?} of {rest:?}");
    }
    assert!(gaps.len() >= 11 && gaps.last() >= Some(&(10 * MINUTE)), "{gaps:?}");
    let known = solo.core.book().record(&peer(1)).is_some();
    assert!(!known, "given up after an hour of failures");
}

/// Few links and nobody known: seeds are asked, with growing rests while they teach nothing.
#[test]
fn seeds_are_asked_with_growing_rests_when_nobody_is_known() {
    let config = Config { seek_min: SECOND, seek_max: MINUTE, ..timerless(4, 8, 60) };
    let mut solo = Solo::new(config);
    let wanted = |event: &Event| matches!(event, Event::SeedsWanted { .. });
    let mut asked: Vec<Instant> = Vec::new();
    while asked.len() < 12 {
        solo.until(3 * MINUTE, |solo| solo.events.iter().any(wanted));
        solo.events.clear();
        asked.push(solo.now);
        solo.command(Command::Sought { outcome: Err(SECOND) });
    }
    assert_eq!(asked[0], Instant::START, "at once");
    let gaps: Vec<_> = asked.windows(2).map(|pair| pair[1].since(pair[0])).collect();
    for (n, gap) in gaps.iter().enumerate() {
        let rest = (SECOND * 2_u32.pow(u32::try_from(n).unwrap())).min(MINUTE);
        let most = rest * 6 / 5 + (rest * 2 + 2 * SECOND).min(80 * SECOND);
        assert!(*gap >= rest * 4 / 5 && *gap <= most, "{n}: {gap:?}");
    }
    assert!(solo.dialled.is_empty());
}

/// Seeds whose answers hold nobody new are no help: they are not asked every second for it.
#[test]
fn three_who_have_found_each_other_leave_the_seeds_in_peace() {
    let config = Config { swap_period: Duration::ZERO, ..Config::default() };
    let mut town = Town::with(3, config, |town| town.seeds = vec![1, 2, 3]);
    town.until(MINUTE, |town| (1..=3).all(|n| town.degree(n) == 2));
    town.run(10 * MINUTE);
    town.events.clear();
    town.run(HOUR);
    let wanted = |event: &&Event| matches!(event, Event::SeedsWanted { .. });
    let times = town.told(1).filter(wanted).count();
    assert!(times <= 10, "{times} rounds of seeds in an hour that taught nothing");
}

/// Every slot fills whatever colour the entries have: all live ones were reached, none is new.
#[test]
fn all_live_addresses_are_tried_and_none_is_new_and_every_slot_still_fills() {
    let config = Config { feeler_period: SECOND, ..timerless(6, 8, 60) };
    let mut solo = Solo::new(config);
    learn(&mut solo, 1..=20);
    dial_all(&mut solo);
    for n in 1..=20 {
        solo.link_out(n);
    }
    solo.wait(MINUTE);
    for n in 1..=20 {
        solo.unlink(n);
    }
    let counts = solo.core.book().counts();
    assert_eq!((counts.tried, counts.new, counts.white), (20, 0, 20));
    for _ in 0..10 {
        solo.wait(MINUTE / 2);
        dial_all(&mut solo);
    }
    assert_eq!(solo.core.outbound(), 6);
}

/// At least half of the target is dialled by us, however many come in.
#[test]
fn inbound_links_do_not_stand_in_for_outbound_ones() {
    let mut solo = Solo::new(timerless(8, 16, 64));
    for n in 100..140 {
        solo.link_in(n);
    }
    learn(&mut solo, 1..=30);
    dial_all(&mut solo);
    assert_eq!(solo.core.outbound(), 8);
}

/// One outbound link for each network, as long as there are links enough to be choosy; with too few
/// the demand is lowered step by step.
#[test]
fn no_two_outbound_links_go_to_one_network_unless_there_is_no_choice() {
    for (inbound, dialled) in [(20, 1), (0, 8)] {
        let mut solo = Solo::new(Config { dials_max: 8, ..timerless(8, 16, 64) });
        for n in 100..100 + inbound {
            solo.link_in(n);
        }
        let near = |n: u8| record_at(n, vec![format!("/ip4/9.1.0.{n}/tcp/4001").parse().unwrap()]);
        let records = (1..=40).map(near).collect();
        solo.command(Command::Learned { source: peer(SEED), address: None, records });
        assert_eq!(solo.dialling().len(), 1);
        solo.wait(10 * MINUTE);
        assert_eq!(solo.dialling().len(), dialled);
    }
}

/// Trusted peers count, but are never turned out for want of room.
#[test]
fn too_many_links_of_which_some_are_trusted_costs_only_the_others() {
    let mut solo = Solo::with(timerless(0, 2, 4), |setup| {
        setup.trusted = (1..=3).map(|n| (peer(n), vec![address(n)])).collect();
    });
    for n in 1..=3 {
        solo.link(n, Direction::Inbound);
    }
    for n in 10..20 {
        solo.link_in(n);
    }
    solo.wait(MINUTE);
    assert!((1..=3).all(|n| solo.keeps(n)), "{:?}", solo.goodbyes());
    assert!(solo.core.counted() <= 4);
    let told = solo.take_words(10);
    assert!(matches!(told[..], [] | [Message::Disconnect { .. }]), "{told:?}");
}
