//! Links that break, and nodes that come late.

use meshwork_topics::Config;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use simnet::{Setup, Weather};

use crate::crowd::{Crowd, MILLI, SECOND};

fn calm() -> Weather {
    Weather { delay_min: 2 * MILLI, delay_max: 10 * MILLI, ..Weather::default() }
}

/// Chords break and come back all the time; the ring holds.
#[test]
fn what_is_in_flight_when_a_link_breaks_comes_another_way() {
    for seed in 0..5 {
        let mut crowd = Crowd::new(seed, 12, &Config::default(), calm());
        crowd.mesh(seed, 2);
        crowd.run(SECOND);
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        for node in [0, 5] {
            crowd.publish(node, 2_000, 1024);
        }
        for _ in 0..40 {
            let (a, b) = (rng.random_range(0..12_usize), rng.random_range(0..12_usize));
            if (a + 1) % 12 != b && (b + 1) % 12 != a {
                crowd.cut(a, b);
            }
            crowd.run(30 * MILLI);
            crowd.join(rng.random_range(0..12), rng.random_range(0..12));
        }
        crowd.finish(60 * SECOND);
        crowd.assert_whole();
        assert_eq!((crowd.missed, crowd.slow.len()), (0, 0), "seed {seed}");
    }
}

#[test]
fn an_outbox_for_one_message_loses_none() {
    let setup = Setup { weather: calm(), outbox_max: 1, ..Setup::default() };
    let mut crowd = Crowd::in_setup(1, 6, &Config::default(), setup, false);
    crowd.mesh(1, 1);
    crowd.run(SECOND);
    for node in 0..3 {
        crowd.publish(node, 200, 1024);
    }
    crowd.finish(60 * SECOND);
    crowd.assert_whole();
}

#[test]
fn links_of_half_a_second_lose_none() {
    let weather = Weather { delay_min: 100 * MILLI, delay_max: 500 * MILLI, ..Weather::default() };
    let mut crowd = Crowd::new(3, 8, &Config::default(), weather);
    crowd.mesh(3, 1);
    crowd.run(5 * SECOND);
    for node in 0..3 {
        crowd.publish(node, 1_000, 1024);
    }
    crowd.finish(200 * SECOND);
    crowd.assert_whole();
    assert_eq!(crowd.slow, []);
}

/// Who comes late hears what is published from then on, and misses nothing without being told.
#[test]
fn a_latecomer_hears_what_comes_after() {
    let mut crowd = Crowd::new(1, 4, &Config::default(), calm());
    crowd.join(0, 1);
    crowd.join(1, 2);
    crowd.run(SECOND);
    crowd.publish(0, 100, 100);
    crowd.run(5 * SECOND);
    crowd.join(2, 3);
    crowd.run(SECOND);
    assert!(crowd.heard(3, 0).is_empty(), "everybody had it");
    crowd.publish(0, 10, 100);
    crowd.run(5 * SECOND);
    assert_eq!(crowd.heard(3, 0), &crowd.accepted[0][100..]);
    assert_eq!(crowd.missed, 0);
}

/// A node that was cut off while others let go of messages is told so, and goes on.
#[test]
fn a_gap_that_nobody_can_fill_is_told() {
    let mut crowd = Crowd::new(1, 3, &Config::default(), calm());
    crowd.join(0, 1);
    crowd.join(1, 2);
    crowd.run(SECOND);
    crowd.publish(0, 5, 100);
    assert!(crowd.finish(5 * SECOND));
    crowd.cut(1, 2);
    crowd.publish(0, 5, 100);
    crowd.run(SECOND);
    crowd.join(1, 2);
    crowd.run(SECOND);
    crowd.publish(0, 5, 100);
    crowd.run(5 * SECOND);
    assert_eq!(crowd.heard(2, 0).len(), 10);
    assert_eq!(crowd.missed, 1);
}
