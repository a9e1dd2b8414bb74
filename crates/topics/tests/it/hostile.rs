//! Neighbours that break rules, or take nothing.

use machine::{PeerId, Verdict};
use meshwork_topics::{Batch, Config, Core, Entry, Fault, Message, PAYLOAD_MAX, StreamId};
use simnet::{Split, Weather, peer};

use crate::crowd::{Crowd, MILLI, SECOND, payload, signature, topic};

fn calm() -> Weather {
    Weather { delay_min: 2 * MILLI, delay_max: 10 * MILLI, ..Weather::default() }
}

fn tiny() -> Config {
    let window = 139_776;
    Config { window_min: window, window_max: window, pool_bytes_max: 0, ..Config::default() }
}

/// Node `node` hears from its neighbour `node + 1`, which plays no other part.
fn batch(publisher: PeerId, start: u64, good: bool) -> Message {
    let stream = StreamId { publisher, epoch: 7 };
    let entries = [Entry::Payload(payload(0, 0, 10))].into();
    Message::Batch(Batch { topic: topic(), stream, start, signature: signature(good), entries })
}

fn have(publisher: PeerId, oldest: u64, have: u64) -> Message {
    Message::Have { topic: topic(), stream: StreamId { publisher, epoch: 7 }, oldest, have }
}

fn reports(crowd: &Crowd) -> Vec<(Fault, Verdict)> {
    crowd.net.reports().map(|report| (report.fault, report.verdict)).collect()
}

/// A line of honest nodes, the last of which has a neighbour that subscribes and takes nothing.
/// Everybody's room is full within a moment, so that everybody waits for that neighbour; and yet
/// only it is hung up on.
#[test]
fn a_neighbour_that_takes_nothing_costs_only_itself() {
    for seed in 0..5 {
        let mut crowd = Crowd::new(seed, 7, &tiny(), calm());
        for node in 0..6 {
            crowd.join(node, node + 1);
        }
        crowd.run(SECOND);
        crowd.net.partition([peer(6)], Split::Stall);
        crowd.publish(0, 30, PAYLOAD_MAX);
        crowd.run(40 * SECOND);
        assert_eq!(crowd.slow, [(5, peer(6))], "seed {seed}");
        for node in 1..6 {
            assert_eq!(crowd.heard(node, 0).len(), 30, "node {node}, seed {seed}");
        }
    }
}

/// The same in a ring with chords, and several publishers.
#[test]
fn a_neighbour_that_takes_nothing_does_not_part_others() {
    for seed in 0..5 {
        let mut crowd = Crowd::new(seed, 8, &tiny(), calm());
        crowd.mesh(seed, 1);
        crowd.run(SECOND);
        crowd.net.partition([peer(7)], Split::Stall);
        for node in 0..4 {
            crowd.publish(node, 20, PAYLOAD_MAX - 1);
        }
        crowd.run(60 * SECOND);
        assert!(crowd.slow.iter().all(|(_, slow)| *slow == peer(7)), "{:?}", crowd.slow);
        for (node, publisher) in (0..7).flat_map(|node| (0..4).map(move |other| (node, other))) {
            if node != publisher {
                assert_eq!(crowd.heard(node, publisher).len(), 20, "{node} of {publisher}");
            }
        }
    }
}

#[test]
fn a_forged_batch_costs_its_sender_and_nobody_else() {
    let mut crowd = Crowd::new(1, 3, &Config::default(), calm());
    crowd.join(0, 1);
    crowd.join(1, 2);
    crowd.run(SECOND);
    let (author, forger) = (peer(50), peer(0));
    crowd.say(forger, 1, have(author, 0, 330));
    crowd.say(forger, 1, batch(author, 0, false));
    crowd.run(SECOND);
    assert_eq!(reports(&crowd), [(Fault::Forged, Verdict::Charge(50))]);
    assert!(!crowd.net.linked(peer(0), peer(1)));
    assert!(crowd.heard(1, 50).is_empty() && crowd.heard(2, 50).is_empty());
    // The place is free for the genuine one.
    crowd.say(peer(2), 1, have(author, 0, 330));
    crowd.say(peer(2), 1, batch(author, 0, true));
    crowd.run(SECOND);
    assert_eq!(crowd.core(1).counts().arrived, 1);
}

#[test]
fn a_batch_beyond_credit_is_refused_before_anything_is_kept() {
    let mut crowd = Crowd::new(1, 2, &Config::default(), calm());
    crowd.join(0, 1);
    crowd.run(SECOND);
    crowd.say(peer(0), 1, batch(peer(50), 0, true));
    crowd.run(100 * MILLI);
    assert_eq!(
        reports(&crowd),
        [(Fault::BeyondCredit { cost: 330, credit: 0 }, Verdict::Charge(50))]
    );
    assert_eq!((crowd.core(1).bytes(), crowd.core(1).per_peer_entries()), (0, 0));
}

/// A liar says that a stream goes on far ahead, where nobody else is: what it says is believed only
/// once a signature shows it.
#[test]
fn a_lie_about_a_position_does_not_move_a_stream() {
    let mut crowd = Crowd::new(1, 3, &Config::default(), calm());
    crowd.join(0, 1);
    crowd.join(1, 2);
    crowd.run(SECOND);
    crowd.publish(0, 1, 10);
    assert!(crowd.finish(5 * SECOND));
    let publisher = peer(0);
    let stream = StreamId { publisher, epoch: 0 };
    let (far, lie) = (1 << 60, (1 << 60) + 1000);
    let message = Message::Have { topic: topic(), stream, oldest: far, have: lie };
    crowd.say(peer(2), 1, message);
    crowd.run(3 * SECOND);
    crowd.publish(0, 5, 10);
    crowd.run(5 * SECOND);
    assert_eq!(crowd.heard(1, 0).len(), 6);
    assert_eq!(crowd.missed, 0);
}

#[test]
fn useless_words_are_charged_when_there_are_many() {
    let mut crowd = Crowd::new(1, 2, &Config::default(), calm());
    crowd.join(0, 1);
    crowd.run(SECOND);
    for _ in 0..4096 {
        crowd.say(peer(0), 1, have(peer(50), 5, 5));
    }
    assert_eq!(reports(&crowd), []);
    crowd.say(peer(0), 1, have(peer(50), 5, 5));
    assert_eq!(reports(&crowd), [(Fault::Useless { burst: 4096 }, Verdict::Charge(5))]);
}

/// Names of streams cost nothing, so one neighbour has room for a few that nobody has proven.
#[test]
fn invented_streams_take_a_share_of_the_room_only() {
    let mut crowd = Crowd::new(1, 3, &Config::default(), calm());
    crowd.join(0, 1);
    crowd.join(1, 2);
    crowd.run(SECOND);
    for n in 0..1000 {
        crowd.say(peer(2), 1, have(peer(1000 + n), 0, 1000));
    }
    let core: &Core = crowd.core(1);
    assert!(core.per_peer_entries() < 100, "{}", core.per_peer_entries());
    crowd.publish(0, 3, 10);
    crowd.run(5 * SECOND);
    assert_eq!(crowd.heard(1, 0).len(), 3);
}
