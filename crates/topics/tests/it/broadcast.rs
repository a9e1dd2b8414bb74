//! What is published arrives.

use meshwork_topics::{Config, PAYLOAD_MAX};
use simnet::Weather;

use crate::crowd::{Crowd, MILLI, SECOND};

fn calm() -> Weather {
    Weather { delay_min: 2 * MILLI, delay_max: 10 * MILLI, ..Weather::default() }
}

/// Windows of two of the largest batches, and no pool.
fn tiny() -> Config {
    let window = 139_776;
    Config { window_min: window, window_max: window, pool_bytes_max: 0, ..Config::default() }
}

#[test]
fn a_message_reaches_everybody_once() {
    let mut crowd = Crowd::new(1, 20, &Config::default(), calm());
    crowd.mesh(1, 2);
    crowd.run(SECOND);
    crowd.publish(0, 1, 100);
    assert!(crowd.finish(5 * SECOND));
    crowd.publish(0, 1, 100);
    assert!(crowd.finish(SECOND));
    crowd.assert_whole();
}

#[test]
fn a_burst_is_delivered_whole_or_refused() {
    let mut crowd = Crowd::new(1, 20, &Config::default(), calm());
    crowd.mesh(1, 2);
    crowd.run(SECOND);
    crowd.publish(0, 5_000, 1024);
    crowd.finish(60 * SECOND);
    crowd.assert_whole();
    assert!(crowd.busy > 0, "faster than the network");
    let (copies, arrived) =
        (0..20).map(|node| crowd.core(node).counts()).fold((0, 0), |(copies, arrived), counts| {
            (copies + counts.copies, arrived + counts.arrived)
        });
    assert_eq!(arrived, 19 * 5_000);
    assert!(copies * 100 <= arrived * 120, "{copies} copies for {arrived} deliveries");
}

/// Buffers that wait for each other would show here: cycles, several publishers at full speed, room
/// for two batches.
#[test]
fn nothing_locks_up_when_all_publish_at_full_speed_with_tiny_windows() {
    for seed in 0..10 {
        let mut crowd = Crowd::new(seed, 10, &tiny(), Weather { delay_max: 40 * MILLI, ..calm() });
        crowd.mesh(seed, 2);
        crowd.run(SECOND);
        for node in 0..10 {
            crowd.publish(node, 15, PAYLOAD_MAX - 1000 * node);
        }
        crowd.finish(120 * SECOND);
        crowd.assert_whole();
        assert_eq!(crowd.slow, [], "seed {seed}");
        assert_eq!(crowd.missed, 0);
    }
}
