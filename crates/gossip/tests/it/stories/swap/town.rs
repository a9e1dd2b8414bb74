//! Exchanges among several nodes, and what everybody has afterwards.

use std::collections::BTreeSet;
use std::time::Duration;

use meshwork_gossip::{Config, Event};
use simnet::Weather;

use super::{HOUR, agreeing, swapping};
use crate::records::peer;
use crate::stories::{MINUTE, SECOND};
use crate::town::Town;

/// Every message takes as long.
const DELAY: Duration = Duration::from_millis(100);

/// `1b – 1a – S – 2a – 2b`, as 5, 4, 1, 2, 3: only S proposes.
#[test]
fn in_a_line_of_five_the_middle_exchanges_with_one_side_and_nobody_loses_a_link() {
    let mut town = Town::with(5, agreeing(), |town| town.configure(1, swapping()));
    for (from, to) in [(1, 2), (2, 3), (1, 4), (4, 5)] {
        town.link(from, to);
    }
    let swapped = |town: &Town| {
        let done = |event: &Event| matches!(event, Event::Swapped { outcome: Ok(_), .. });
        let done = (1..=5).filter(|n| town.told(*n).any(done));
        done.collect::<Vec<_>>()
    };
    town.until(MINUTE, |town| swapped(town).len() >= 2);
    town.run(SECOND);
    let lines = [[3, 1, 2, 4, 5], [3, 2, 4, 1, 5]];
    let is = |line: &[u8; 5]| line.windows(2).all(|pair| town.linked(pair[0], pair[1]));
    let which = lines.iter().position(is).expect("one of the two lines");
    assert_eq!((1..=5).map(|n| town.degree(n)).collect::<Vec<_>>(), [2, 2, 1, 2, 1]);
    // Who was asked is who agreed.
    let asked = [2, 4][which];
    assert_eq!(swapped(&town), [1, asked]);
    let with = |event: &Event| match event {
        Event::Swapped { with, proposed, .. } => Some((*with, *proposed)),
        _ => None,
    };
    assert_eq!(town.told(1).find_map(with), Some((peer(asked), true)));
    assert_eq!(town.told(asked).find_map(with), Some((peer(1), false)));
    assert_eq!(town.net.reports().len(), 0);
}

/// Something that goes wrong.
#[derive(Clone, Copy, Debug)]
enum Mishap {
    Nothing,
    /// The link between two breaks.
    Cut(u8, u8),
    /// One ends, and its neighbours notice.
    Crash(u8),
    /// One does not open any more when it is dialled.
    Deaf(u8),
    /// The line of one is dead for a while, and then what was said arrives.
    Stall(u8),
}

/// 1 proposes to 2, which agrees; 3 is what the one gives, 4 what the other gives.
struct Exchange {
    town: Town,
    before: Vec<usize>,
}

impl Exchange {
    fn new() -> Self {
        let mut town = Town::with(4, Config { book_max: 64, ..agreeing() }, |town| {
            town.net.set_weather(Weather {
                delay_min: DELAY,
                delay_max: DELAY,
                ..Weather::default()
            });
            town.configure(1, Config { book_max: 64, ..swapping() });
            for n in [3, 4] {
                town.configure(
                    n,
                    Config { book_max: 64, swap_period: Duration::ZERO, ..agreeing() },
                );
            }
        });
        for (from, to) in [(2, 1), (1, 3), (2, 4)] {
            town.link(from, to);
        }
        let before = (1..=4).map(|n| town.degree(n)).collect();
        Self { town, before }
    }

    fn neighbours(&self, n: u8) -> BTreeSet<u8> {
        (1..=4).filter(|other| self.town.linked(n, *other)).collect()
    }

    /// The links that the mishap takes away itself, by node.
    fn strike(&mut self, mishap: Mishap) -> [usize; 4] {
        let mut taken = [0; 4];
        let mut take = |n: u8| taken[usize::from(n) - 1] = 1;
        match mishap {
            Mishap::Nothing => {}
            Mishap::Cut(a, b) => {
                [a, b].into_iter().for_each(&mut take);
                self.town.cut(a, b);
            }
            Mishap::Crash(n) => {
                let first: &[u8] = match n {
                    1 => &[2, 3],
                    2 => &[1, 4],
                    3 => &[1],
                    _ => &[2],
                };
                let now = self.neighbours(n);
                now.into_iter().chain(first.iter().copied()).for_each(&mut take);
                self.town.crash(n);
            }
            Mishap::Deaf(n) => {
                self.town.deaf.insert(n);
            }
            Mishap::Stall(n) => self.town.stall(n, 4 * SECOND),
        }
        taken
    }
}

/// When the exchange that nothing disturbs is concluded by both.
fn undisturbed() -> Duration {
    let mut it = Exchange::new();
    let over = |event: &Event| matches!(event, Event::Swapped { .. });
    it.town.until(MINUTE, |town| [1, 2].iter().all(|n| town.told(*n).any(over)));
    let now = it.town.net.now().elapsed();
    it.town.run(SECOND);
    assert_eq!(it.neighbours(1), [2, 4].into());
    assert_eq!(it.neighbours(2), [1, 3].into());
    now
}

/// Whatever breaks at whatever moment of an exchange: nobody else has fewer links than before, no
/// link stays provisional, and the same two can exchange again.
#[test]
fn whatever_breaks_and_whenever_nobody_has_fewer_links_than_before() {
    let end = undisturbed();
    let cuts = [(1, 2), (1, 3), (2, 4), (1, 4), (2, 3)].map(|(a, b)| Mishap::Cut(a, b));
    let crashes = [1, 2, 3, 4].map(Mishap::Crash);
    let others = [Mishap::Nothing, Mishap::Deaf(3), Mishap::Deaf(4)];
    let stalls = [1, 2, 3, 4].map(Mishap::Stall);
    // From before the proposal until after the last word.
    for moment in (0..40).map(|n| end.saturating_sub(8 * DELAY) + n * Duration::from_millis(23)) {
        for mishap in cuts.iter().chain(&crashes).chain(&others).chain(&stalls) {
            disturb(*mishap, moment);
        }
    }
}

fn disturb(mishap: Mishap, moment: Duration) {
    let mut it = Exchange::new();
    it.town.run(moment);
    let taken = it.strike(mishap);
    // Longer than any deadline; and if another exchange is under way by then, until it is over.
    it.town.run(25 * SECOND);
    let gone = |n: u8| matches!(mishap, Mishap::Crash(who) if who == n);
    let there: Vec<_> = (1..=4).filter(|n| !gone(*n)).collect();
    let hangs = |town: &Town, n: u8| town.core(n).links().any(|link| link.provisional);
    it.town.until(SECOND, |town| !there.iter().any(|n| hangs(town, *n)));
    for n in there {
        let at = usize::from(n) - 1;
        let (have, had) = (it.town.degree(n), it.before[at]);
        assert!(have + taken[at] >= had, "{n} has {have} of {had}: {mishap:?} at {moment:?}");
    }
    assert_eq!(it.town.net.counts().charges, 0, "{mishap:?} at {moment:?}");
}

/// The hourly cap is what bounds how much of the surroundings a stranger can exchange away.
#[test]
fn twenty_who_know_only_a_seed_find_enough_links_and_keep_exchanging_them() {
    let mut town = Town::with(20, Config::fast(), |town| town.seeds = (1..=20).collect());
    let inside = |town: &Town| (1..=20).all(|n| (3..=9).contains(&town.degree(n)));
    town.until(20 * SECOND, inside);
    town.run(120 * SECOND);
    assert!(inside(&town));
    let swapped =
        |(_, event): &&(u8, Event)| matches!(event, Event::Swapped { outcome: Ok(_), .. });
    assert!(town.events.iter().filter(swapped).count() >= 20);
    assert_eq!(town.net.reports().len(), 0, "{:?}", town.net.reports().next());
    assert!(HOUR > town.net.now().elapsed());
}
