//! What a link cannot take from others, and what it does not learn.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use libp2p_identity::PeerId;
use machine::{Effect, Input, JobId, Undelivered};
use meshwork_dht::{
    Code, Command, Core, DialError, Done, Envelope, Event, Job, Key, Kind, Message, News,
};
use wire::signed::SignedRecord;

use super::faults::{Bare, asked, jobs, sent};
use super::world::{envelope, keys, peer, record};

const SECOND: Duration = Duration::from_secs(1);

fn letter(to: u8) -> Envelope {
    envelope(90, to, Kind::Domain, b"hello")
}

/// The numbers and hops of what `to` is offered.
fn offers(effects: &[Effect<Core>], to: PeerId) -> Vec<(u32, u8)> {
    let of = |message: &Message| match message {
        Message::Carry { number, hops, .. } => Some((*number, *hops)),
        _ => None,
    };
    sent(effects, to).into_iter().filter_map(of).collect()
}

fn took(bare: &mut Bare, by: PeerId, number: u32) {
    bare.hear(by, Message::Verdict { number, outcome: Ok(()), retry_after: Duration::ZERO });
}

fn met(bare: &mut Bare, number: u8) {
    bare.feed(Input::Command(Command::Met(Arc::new((*record(&keys(number), number)).clone()))));
}

fn look_up(bare: &mut Bare) -> Vec<Effect<Core>> {
    bare.feed(Input::Command(Command::LookUp { target: Key::from_bytes([3; 32]) }))
}

#[test]
fn a_look_up_goes_on_while_what_it_was_told_is_checked() {
    let (mut bare, nonce) = asked();
    let told = record(&keys(5), 5).encoded().clone();
    let ended = |effects: &[Effect<Core>]| {
        effects.iter().any(|effect| matches!(effect, Effect::Emit(Event::LookedUp { .. })))
    };
    let effects = bare.hear(peer(1), Message::Nodes { nonce, records: vec![told.clone()] });
    assert!(!ended(&effects));
    let (id, _) = jobs(effects).pop().expect("it is checked");
    let good = SignedRecord::open(&told).unwrap();
    let effects = bare.feed(Input::Done { id, outcome: Ok(Done::Verified(vec![Ok(good)])) });
    assert!(!ended(&effects));
    let dialled = jobs(effects);
    assert!(matches!(&dialled[..], [(_, Job::Dial { peer: told, .. })] if *told == peer(5)));
}

/// Answers the question with the records of these, which are genuine.
fn tell(bare: &mut Bare, nonce: u64, who: &[u8]) -> Vec<Effect<Core>> {
    let told: Vec<_> = who.iter().map(|n| record(&keys(*n), *n).encoded().clone()).collect();
    let effects = bare.hear(peer(1), Message::Nodes { nonce, records: told.clone() });
    let (id, _) = jobs(effects).pop().expect("they are checked");
    let good = told.iter().map(|record| Ok(SignedRecord::open(record).unwrap())).collect();
    bare.feed(Input::Done { id, outcome: Ok(Done::Verified(good)) })
}

fn unreached(bare: &mut Bare, id: JobId) -> Vec<Effect<Core>> {
    let outcome = Ok(Done::Dialled(Err(DialError::Unreachable)));
    bare.feed(Input::Done { id, outcome })
}

/// Those closest to the target of [`asked`], in that order.
fn closest(count: usize) -> Vec<u8> {
    let target = Key::from_bytes([3; 32]);
    let mut all: Vec<u8> = (2..=200).collect();
    all.sort_by_key(|number| Key::of(&peer(*number)).distance(&target));
    all.truncate(count);
    all
}

#[test]
fn one_that_names_peers_who_are_not_there_does_not_use_up_a_look_up() {
    let mut bare = Bare::new(|config| config.discovery.lookups_per_hour_max = 1);
    bare.join(peer(1));
    // Its own look-up is over.
    bare.wait(10 * SECOND);
    // Another is known, farther than all that the first names.
    let names = closest(21);
    met(&mut bare, names[20]);
    let effects = look_up(&mut bare);
    let nonce = sent(&effects, peer(1)).into_iter().find_map(|message| match message {
        Message::Find { nonce, .. } => Some(*nonce),
        _ => None,
    });
    let nonce = nonce.expect("it is linked");
    let mut open = jobs(effects);
    open.extend(jobs(tell(&mut bare, nonce, &names[..20])));
    let mut dialled = BTreeSet::new();
    while !open.is_empty() {
        for (id, job) in std::mem::take(&mut open) {
            let Job::Dial { peer, .. } = job else { panic!("{job:?}") };
            dialled.insert(peer);
            open.extend(jobs(unreached(&mut bare, id)));
        }
        open.extend(jobs(bare.wait(SECOND / 100)));
    }
    assert!(dialled.contains(&peer(names[20])), "it gets to the other");
    assert_eq!(dialled.len(), 5, "and asks four of the first's");
}

#[test]
fn own_messages_and_those_found_before_are_dialled_first() {
    let mut bare = Bare::new(|config| {
        (config.discovery.parallel_max, config.discovery.lookups_per_hour_max) = (4, 1);
    });
    let found = closest(9)[8];
    met(&mut bare, found);
    let (id, _) = jobs(look_up(&mut bare)).pop().unwrap();
    bare.feed(Input::Done { id, outcome: Ok(Done::Dialled(Ok(()))) });
    bare.join(peer(found));
    bare.feed(Input::Left { peer: peer(found) });
    assert!(bare.core.table().get(&peer(found)).unwrap().is_reached());
    // Whoever is only heard of gets half of the dials, and the other half is for those.
    for number in closest(8) {
        met(&mut bare, number);
    }
    let heard = jobs(look_up(&mut bare));
    assert_eq!(heard.len(), 2);
    bare.join(peer(201));
    let dialled = |effects| {
        let dials = jobs(effects).into_iter().map(|(_, job)| match job {
            Job::Dial { peer, .. } => Some(peer),
            _ => None,
        });
        dials.collect::<Vec<_>>()
    };
    let carried = bare.bring_with(5, peer(201), &letter(found));
    assert_eq!(dialled(carried), [Some(peer(found))]);
    // Those who have waited longer than anybody waits for them are not dialled any more.
    bare.wait(Duration::from_mins(1));
    let (id, _) = heard.into_iter().next().unwrap();
    assert_eq!(dialled(unreached(&mut bare, id)), []);
}

#[test]
fn only_a_dial_shows_where_a_peer_is() {
    for (outcome, found) in [(Ok(()), true), (Err(DialError::Linked), false)] {
        let mut bare = Bare::new(|_| ());
        met(&mut bare, 5);
        let (id, _) = jobs(look_up(&mut bare)).pop().expect("it is dialled");
        bare.join(peer(5));
        let reached = |bare: &Bare| bare.core.table().get(&peer(5)).unwrap().is_reached();
        assert!(!reached(&bare), "a link shows whose key it is");
        bare.feed(Input::Done { id, outcome: Ok(Done::Dialled(outcome)) });
        assert_eq!(reached(&bare), found);
    }
}

#[test]
fn whoever_answers_late_does_nothing_wrong() {
    let (mut bare, nonce) = asked();
    bare.join(peer(2));
    let effects = bare.bring_with(5, peer(1), &letter(2));
    let (number, _) = offers(&effects, peer(2))[0];
    // Neither the question nor the offer is waited for any longer.
    bare.wait(10 * SECOND);
    let nodes = || Message::Nodes { nonce, records: Vec::new() };
    let verdict = || Message::Verdict { number, outcome: Ok(()), retry_after: Duration::ZERO };
    let id = letter(2).identify(&super::world::network()).id;
    let news = || Message::Returned { id, news: News::Stopped(Code::NotReachable) };
    let noted = |effects: Vec<Effect<Core>>| {
        effects.iter().any(|effect| matches!(effect, Effect::Report { .. }))
    };
    assert!(!noted(bare.hear(peer(1), nodes())));
    assert!(noted(bare.hear(peer(1), nodes())), "once");
    assert!(!noted(bare.hear(peer(2), verdict())));
    assert!(noted(bare.hear(peer(2), verdict())), "once");
    assert!(!noted(bare.hear(peer(2), news())));
    assert!(noted(bare.hear(peer(1), news())), "it was never given that");
    bare.wait(Duration::from_mins(5));
    assert!(noted(bare.hear(peer(2), news())), "too late");
}

#[test]
fn a_carrier_passes_the_most_hops_on_every_other_time() {
    let mut bare = Bare::new(|_| ());
    (1..=2).for_each(|number| bare.join(peer(number)));
    let mut passed = |hops| {
        let mut seen = BTreeSet::new();
        for _ in 0..32 {
            let effects = bare.bring_with(hops, peer(1), &letter(2));
            let (number, hops) = offers(&effects, peer(2))[0];
            took(&mut bare, peer(2), number);
            seen.insert(hops);
        }
        Vec::from_iter(seen)
    };
    assert_eq!(passed(12), [11, 12]);
    assert_eq!(passed(11), [10]);
}

#[test]
fn a_step_away_may_be_a_carrier_s_as_long_as_hops_are_about_the_most() {
    let own = Key::of(&peer(0));
    let closest = |to: &u8| {
        let key = Key::of(&peer(*to));
        (1..=3).all(|number| own.distance(&key) < Key::of(&peer(number)).distance(&key))
    };
    let to = (4..=80).find(closest).expect("this node is closest to somebody");
    let mut bare = Bare::new(|_| ());
    (1..=3).for_each(|number| bare.join(peer(number)));
    let mut away = |hops| {
        let mut times = 0;
        for _ in 0..32 {
            let effects = bare.bring_with(hops, peer(1), &letter(to));
            for by in [peer(2), peer(3)] {
                for (number, hops) in offers(&effects, by) {
                    assert!(hops >= 11);
                    took(&mut bare, by, number);
                    times += 1;
                }
            }
        }
        times
    };
    let often = away(12);
    assert!((4..=28).contains(&often), "{often}");
    assert_eq!(away(11), 0);
}

#[test]
fn a_link_has_its_share_of_the_room_for_parcels_and_no_more() {
    let mut bare = Bare::new(|config| config.routing.carried_max = 16);
    (1..=3).for_each(|number| bare.join(peer(number)));
    let mut refused = |from: u8| {
        let effects = bare.bring_with(5, peer(from), &letter(2));
        let full = |message: &&Message| {
            matches!(message, Message::Verdict { outcome: Err(Code::Full), .. })
        };
        sent(&effects, peer(from)).iter().any(full)
    };
    assert_eq!([1, 1, 1, 3].map(&mut refused), [false, false, true, false]);
}

#[test]
fn announcements_have_the_share_of_the_link_that_brings_them() {
    let mut bare = Bare::new(|config| config.routing.carried_max = 16);
    (1..=2).for_each(|number| bare.join(peer(number)));
    let far = |from: u8, to: u8| Key::of(&peer(from)).distance(&Key::of(&peer(to)));
    let author = (50..90).find(|author| far(2, *author) < far(0, *author)).unwrap();
    let payload = record(&keys(author), author).encoded().clone();
    let join = envelope(author, author, Kind::Join, &payload);
    for _ in 0..5 {
        let effects = bare.bring(peer(1), &join);
        for (id, _) in jobs(effects) {
            let record = SignedRecord::open(&payload).unwrap();
            bare.feed(Input::Done { id, outcome: Ok(Done::Verified(vec![Ok(record)])) });
        }
    }
    assert_eq!(bare.core.gauges().carried, 2);
}

#[test]
fn a_place_that_an_undelivered_offer_leaves_is_taken() {
    let mut bare = Bare::new(|config| config.routing.under_way_max = 1);
    (1..=3).for_each(|number| bare.join(peer(number)));
    let effects = bare.bring_with(5, peer(1), &letter(2));
    let message = (*sent(&effects, peer(2)).first().expect("it is offered")).clone();
    let effects = bare.bring_with(5, peer(3), &letter(2));
    assert!(offers(&effects, peer(2)).is_empty(), "it waits");
    bare.feed(Input::Undelivered { peer: peer(2), message, cause: Undelivered::OutboxFull });
    let effects = bare.wait(SECOND / 100);
    assert_eq!(offers(&effects, peer(2)).len(), 1);
}

#[test]
fn a_late_verdict_of_somebody_who_says_something_is_no_failure() {
    for (speaks, failures) in [(true, 0), (false, 1)] {
        let mut bare = Bare::new(|_| ());
        (1..=2).for_each(|number| bare.join(peer(number)));
        met(&mut bare, 2);
        bare.bring_with(5, peer(1), &letter(2));
        bare.wait(SECOND / 2);
        if speaks {
            let target = Key::from_bytes([1; 32]);
            bare.hear(peer(2), Message::Find { nonce: 1, target, max: 1 });
        }
        bare.wait(SECOND);
        assert_eq!(bare.core.table().get(&peer(2)).unwrap().failures(), failures);
    }
}

/// A core with one place for links of its own, and `peer(1)` in it.
fn one_place() -> Bare {
    let mut bare = Bare::new(|config| config.routing.links_max = 1);
    met(&mut bare, 1);
    let (id, _) = jobs(look_up(&mut bare)).pop().expect("it is dialled");
    bare.feed(Input::Done { id, outcome: Ok(Done::Dialled(Ok(()))) });
    bare
}

#[test]
fn whoever_was_dialled_cannot_hold_the_link_by_what_it_brings() {
    let mut bare = one_place();
    bare.join(peer(1));
    let envelope = Bytes::from_static(b"under way, and never settled");
    bare.hear(peer(1), Message::Carry { number: 1, hops: 5, envelope });
    met(&mut bare, 2);
    let effects = look_up(&mut bare);
    let released = |effect: &Effect<Core>| matches!(effect, Effect::Emit(Event::Release { peer: who }) if *who == peer(1));
    assert!(effects.iter().any(released));
    assert!(matches!(&jobs(effects)[..], [(_, Job::Dial { peer: to, .. })] if *to == peer(2)));
}

#[test]
fn a_contact_that_takes_no_part_is_forgotten() {
    let mut bare = one_place();
    assert!(bare.core.table().get(&peer(1)).is_some());
    // The link stands, and nobody joins over it. There is a network: another does.
    bare.join(peer(2));
    bare.wait(10 * SECOND);
    assert!(bare.core.table().get(&peer(1)).is_none());
}

#[test]
fn a_neighbour_that_asks_for_a_moment_is_offered_it_again_once() {
    let mut bare = Bare::new(|_| ());
    (1..=2).for_each(|number| bare.join(peer(number)));
    let effects = bare.bring_with(5, peer(1), &letter(2));
    let busy = |number| {
        let retry_after = SECOND / 2;
        Message::Verdict { number, outcome: Err(Code::TooOften), retry_after }
    };
    let (first, _) = offers(&effects, peer(2))[0];
    assert!(offers(&bare.hear(peer(2), busy(first)), peer(2)).is_empty());
    let again = bare.wait(SECOND);
    let [(second, _)] = offers(&again, peer(2))[..] else { panic!("{again:?}") };
    bare.hear(peer(2), busy(second));
    assert!(offers(&bare.wait(5 * SECOND), peer(2)).is_empty());
}
