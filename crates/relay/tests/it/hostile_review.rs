//! What a hostile neighbour tries with a relay that runs: to blame others, to keep senders waiting,
//! to tell by the time whose answer it is.

use std::sync::Arc;
use std::time::Duration;

use meshwork_relay::engine::Outcome;
use meshwork_relay::sphinx::Message;
use meshwork_relay::{FailureCode, Route, SendError};
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::net::{Fate, Kind, Net, always, impatient, quick, soon};
use crate::town::Town;

fn row(count: u8) -> Town {
    let town = Town::new(count);
    for from in 0..usize::from(count) - 1 {
        town.open(from, from + 1, 100);
    }
    town
}

/// Whoever sends a packet may see to it that the next node throws it away without a word, or that
/// there is no link to it: that says nothing of that node.
#[tokio::test]
async fn packets_of_others_make_nobody_count_as_dead() {
    for fate in [Fate::IsLost, Fate::ComesBack] {
        let rule = move |kind, from, _| match (kind, from) {
            (Kind::Msg, 1) => fate,
            _ => Fate::Arrives,
        };
        let mut config = impatient();
        config.heartbeat.timeout = Duration::from_millis(100);
        let net = Net::start(row(4), move |_| config.clone(), Box::new(rule));
        let outcome = net.send(&[1, 2], "never opened").await;
        assert!(matches!(outcome, Ok(Outcome::Failed(_))), "{outcome:?}");
        let to = net.town.peer(3);
        let chosen = soon(net.nodes[1].running.relay.choose(to, 1)).await;
        assert_eq!(chosen, Ok(vec![net.town.peer(2), to]), "{fate:?}");
    }
}

#[tokio::test]
async fn a_relay_that_is_full_is_not_dead() {
    let mut config = quick();
    config.msg.mixer.delay_range = Duration::ZERO;
    let town = row(3);
    let to = town.peer(2);
    let rule = |kind, from, _| match (kind, from) {
        (Kind::Msg, 0) => Fate::DoesNotFit,
        _ => Fate::Arrives,
    };
    let net = Net::start(town, move |_| config.clone(), Box::new(rule));
    let outcome = net.send(&[1, 2], "no room").await;
    assert_eq!(outcome, Ok(Outcome::Unsent(FailureCode::Overloaded)));
    let chosen = soon(net.nodes[0].running.relay.choose(to, 1)).await;
    assert_eq!(chosen, Ok(vec![net.town.peer(1), to]));
}

#[tokio::test]
async fn a_stop_ends_the_wait_for_outcomes() {
    let left = Arc::new(Notify::new());
    let leaves = Arc::clone(&left);
    let rule = move |kind, from, _| {
        if (kind, from) == (Kind::Ack, 1) {
            return Fate::IsLost;
        }
        leaves.notify_one();
        Fate::Arrives
    };
    let net = Net::start(row(2), |_| quick(), Box::new(rule));
    let relay = net.nodes[0].running.relay.clone();
    let message = Message::new(7, Vec::new()).unwrap();
    let sent = relay.send(message, Route::Over(vec![net.town.peer(1)]));
    let stopped = async {
        left.notified().await;
        assert_eq!(relay.outcomes_waiting(), 1);
        relay.stop().await;
    };
    let (outcome, ()) = soon(futures::future::join(sent, stopped)).await;
    assert_eq!(outcome, Err(SendError::Stopped));
}

/// A receipt that came back at once would tell which of the packets that a relay sent on it is of.
#[tokio::test]
async fn the_way_back_is_mixed_like_the_way_there() {
    let delay = Duration::from_millis(250);
    let config = move |who| {
        let mut config = quick();
        if who == 1 {
            config.msg.mixer.delay_min = delay;
        }
        config
    };
    let net = Net::start(row(3), config, always());
    let begun = Instant::now();
    assert_eq!(net.send(&[1, 2], "there and back").await, Ok(Outcome::Delivered));
    assert!(begun.elapsed() >= 2 * delay, "{:?}", begun.elapsed());
}
