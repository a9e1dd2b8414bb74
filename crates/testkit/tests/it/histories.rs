//! The histories that the laws are tried on go where things happen.

use meshwork_testkit::chatter::Core;
use meshwork_testkit::{STEPS_MAX, Step, World, history};
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;
use simnet::peer;

use crate::sample::Sample;

/// What the sample core went through in each of 256 histories.
fn logs() -> Vec<String> {
    let mut runner = TestRunner::deterministic();
    let peers = [peer(1), peer(2), peer(3)];
    let strategy = history::<Sample<Core>>(&peers, STEPS_MAX);
    let play = |seed| {
        let steps = strategy.new_tree(&mut runner).expect("no history is refused").current();
        let mut world = World::<Sample<Core>>::new(peer(0), [seed; 32], true);
        world.play(&peers.map(Step::Join));
        world.play(&steps);
        world.settle();
        world.log()
    };
    (0..=u8::MAX).map(play).collect()
}

#[test]
fn every_way_an_ask_can_end_is_taken() {
    let logs = logs();
    for what in [
        "outcome: Ok(b\"",
        "Err(TooMany {",
        "Err(AlreadyAsking)",
        "Err(TooSoon {",
        "Err(Undelivered(NotConnected))",
        "Err(Undelivered(OutboxFull))",
        "Err(TimedOut)",
        "Err(Busy)",
        "Err(Misbehaved(",
        "fault: Unsolicited",
        "fault: AskedTooSoon",
        "fault: TooManyItems",
        "Close {",
        "Wall(",
        "outcome: Err(Refused)",
        "outcome: Err(Lost)",
    ] {
        let found = logs.iter().filter(|log| log.contains(what)).count();
        assert!(found >= 3, "{what} in {found} of 256 histories");
    }
}

#[test]
fn most_histories_have_a_second_session() {
    let sessions = |log: &&String| {
        let joined = |n| log.matches(&format!("Joined {{ peer: {:?}", peer(n))).count();
        (1..=3).any(|n| joined(n) >= 2)
    };
    let found = logs().iter().filter(sessions).count();
    assert!(found >= 128, "in {found} of 256 histories");
}
