//! Who is still there.

use std::time::Duration;

use machine::Instant;
use meshwork_gossip::{Config, DisconnectReason, Event, Message};
use simnet::Weather;

use super::{MINUTE, SECOND, still};
use crate::records::peer;
use crate::solo::Solo;
use crate::town::Town;

/// The default heartbeat, and nothing else.
fn beating() -> Config {
    let Config { ping_period, ping_timeout_min, ping_timeout_max, ping_misses_max, .. } =
        Config::default();
    Config { ping_period, ping_timeout_min, ping_timeout_max, ping_misses_max, ..still() }
}

fn given_up(town: &Town) -> usize {
    let dead = |event: &&Event| {
        matches!(
            event,
            Event::Disconnected { reason: DisconnectReason::Unresponsive, theirs: false, .. }
        )
    };
    town.events.iter().map(|(_, event)| event).filter(dead).count()
}

#[test]
fn a_peer_that_vanishes_without_a_word_is_found_dead_by_all_its_neighbours() {
    let mut town = Town::new(5, beating());
    for n in 2..=5 {
        town.link(n, 1);
    }
    town.run(5 * MINUTE);
    assert!((2..=5).all(|n| town.degree(n) == 1));
    town.net.vanish(peer(1));
    // A round trip is known, so that three answers are missed within seconds of the next ping.
    town.until(50 * SECOND, |town| (2..=5).all(|n| town.degree(n) == 0));
    assert_eq!(given_up(&town), 4);
}

/// A substream loses nothing: this is harsher than the network can be. Of 90 ends of links, within
/// half an hour.
#[test]
fn hardly_anybody_who_is_there_is_given_up_at_one_five_and_ten_percent_loss() {
    for (loss_permille, most) in [(10, 0), (50, 4), (100, 24)] {
        let mut town = Town::with(10, beating(), |town| {
            town.net.set_weather(Weather { loss_permille, ..Weather::default() });
        });
        for a in 1..=10 {
            for b in a + 1..=10 {
                town.link(a, b);
            }
        }
        town.run(30 * MINUTE);
        assert!(town.net.counts().lost > 50, "{:?}", town.net.counts());
        assert!(given_up(&town) <= most, "{loss_permille}: {}", given_up(&town));
    }
}

/// A line that is slow and unsteady is not a dead one.
#[test]
fn a_slow_peer_is_not_given_up() {
    let slow = Weather {
        delay_min: Duration::from_millis(200),
        delay_max: Duration::from_millis(4500),
        ..Weather::default()
    };
    let mut town = Town::with(6, beating(), |town| town.net.set_weather(slow));
    for a in 1..=6 {
        for b in a + 1..=6 {
            town.link(a, b);
        }
    }
    town.run(60 * MINUTE);
    assert_eq!(given_up(&town), 0);
    let far = town.core(1).links().all(|link| link.round_trip > Some(SECOND));
    assert!(far, "and its round trip is known");
}

/// A line that is dead for less than the patience does no harm.
#[test]
fn a_short_stall_is_forgiven() {
    let mut town = Town::new(3, beating());
    for n in [2, 3] {
        town.link(n, 1);
    }
    town.run(5 * MINUTE);
    for _ in 0..20 {
        town.stall(1, 2 * SECOND);
        town.run(MINUTE);
    }
    assert_eq!((given_up(&town), town.degree(1)), (0, 2));
    assert_eq!(town.net.counts().charges, 0);
}

#[test]
fn every_neighbour_is_pinged_sooner_or_later_and_not_all_at_once() {
    let mut solo = Solo::new(beating());
    for n in 1..=20 {
        solo.link_in(n);
    }
    solo.wait(9 * SECOND);
    let ping = |(_, message): &&(machine::PeerId, Message)| matches!(message, Message::Ping { .. });
    let pinged: std::collections::BTreeSet<_> =
        solo.said.iter().filter(ping).map(|(peer, _)| *peer).collect();
    assert_eq!(pinged.len(), 20, "the first comes early");
    let mut solo = Solo::new(beating());
    for n in 1..=20 {
        solo.link_in(n);
    }
    let mut times: Vec<Instant> = Vec::new();
    while times.len() < 20 {
        solo.wait(SECOND / 10);
        let count = solo.said.iter().filter(ping).count();
        times.extend((times.len()..count).map(|_| solo.now));
    }
    times.dedup();
    assert!(times.len() >= 10, "{times:?}");
}

#[test]
fn what_a_neighbour_says_counts_as_a_sign_of_life_and_nonsense_does_not() {
    let mut solo = Solo::new(beating());
    for n in [1, 2] {
        solo.link_in(n);
    }
    for nonce in 0..600 {
        // 1 answers no ping, but pings itself; 2 babbles pongs that nobody asked for.
        solo.wait(SECOND);
        solo.hear(1, Message::Ping { nonce });
        solo.hear(2, Message::Pong { nonce: nonce + 1_000_000 });
    }
    assert!(solo.keeps(1) && !solo.keeps(2));
    let pongs = solo.take(1).into_iter().filter(|it| matches!(it, Message::Pong { .. })).count();
    assert_eq!(pongs, 600, "a ping a second is answered for ever");
}
