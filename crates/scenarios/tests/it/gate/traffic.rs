//! What is said behind an open gate arrives.

use std::time::Duration;

use handshake::SessionKind;

use crate::net::Net;
use crate::node::{Node, only, probe};

over_every_net!(
    inner_protocols_work_both_ways,
    nothing_said_at_the_first_moment_is_lost,
    substreams_that_come_before_the_listener_is_ready_wait,
    a_dial_into_a_handshake_waits_for_its_end,
    a_dial_into_a_refusal_fails,
);

async fn inner_protocols_work_both_ways(net: Net) {
    let (a, b) = Node::friends(net).await;
    a.ask(b.peer, 0..3).await;
    b.ask(a.peer, 10..13).await;
    let x = a.until("answers", |seen| seen.answered.len() == 3).await;
    let y = b.until("answers", |seen| seen.answered.len() == 3).await;
    assert_eq!((x.failed.len(), y.failed.len()), (0, 0));
    assert_eq!(only(&x.opened).kind, SessionKind::Outbound);
    assert_eq!(only(&y.opened).kind, SessionKind::Inbound);
    assert_eq!((x.misdeeds, y.misdeeds), (vec![], vec![]));
}

/// One side's requests wait for the gate, and dial; the other's are made when it opens.
async fn nothing_said_at_the_first_moment_is_lost(net: Net) {
    let (a, b) = Node::pair(net).await;
    a.learn(&b).await;
    b.greet(a.peer, 100..200).await;
    for round in 1..=20 {
        a.ask(b.peer, 0..100).await;
        let what = format!("all answers of round {round}");
        let x = a.until(&what, |seen| seen.answered.len() >= 100 * round).await;
        let y = b.until(&what, |seen| seen.answered.len() >= 100 * round).await;
        assert_eq!((x.failed, y.failed), (vec![], vec![]), "round {round}");
        a.cut(b.peer).await;
        let (x, y) = (a.alone().await, b.alone().await);
        assert_eq!((x.asked.len(), y.asked.len()), (100 * round, 100 * round), "each once");
    }
}

/// The listener's swarm is busy between the dialer's acceptance and its own readiness, so that
/// everything the dialer asks is there too early.
async fn substreams_that_come_before_the_listener_is_ready_wait(net: Net) {
    let (a, b) = Node::pair(net).await;
    a.learn(&b).await;
    b.run(|swarm| probe(swarm).dawdles = Duration::from_millis(50)).await;
    for round in 1..=5 {
        a.ask(b.peer, 0..100).await;
        let what = format!("all answers of round {round}");
        let x = a.until(&what, |seen| seen.answered.len() >= 100 * round).await;
        assert_eq!(x.failed, Vec::<String>::new(), "round {round}");
        a.cut(b.peer).await;
        let (_, y) = (a.alone().await, b.alone().await);
        assert_eq!(y.asked.len(), 100 * round, "each once");
        assert_eq!(y.failed, Vec::<String>::new(), "round {round}");
    }
}

/// The swarm counts as connected what the inner behaviour does not know yet.
async fn a_dial_into_a_handshake_waits_for_its_end(net: Net) {
    let (a, b) = Node::pair(net).await;
    a.greet_at_once(b.peer, 7..8).await;
    a.dial(&b).await;
    let x = a.until("an answer", |seen| seen.answered.len() == 1).await;
    assert_eq!(x.failed, Vec::<String>::new());
    assert_eq!(x.shown.dial_failures, ["condition"], "as a dial to a connected peer ends");
}

async fn a_dial_into_a_refusal_fails(net: Net) {
    let a = Node::start(net).await;
    let b = Node::of_network(net, "other").await;
    // Neither the one that dialled nor the one that was dialled waits for ever.
    a.greet_at_once(b.peer, 7..8).await;
    b.greet_at_once(a.peer, 8..9).await;
    a.dial(&b).await;
    for (node, dial_failures) in [(&a, 2), (&b, 1)] {
        let seen = node.until("a failure", |seen| seen.failed.len() == 1).await;
        assert_eq!(seen.failed, ["Failed to dial the requested peer"]);
        let seen = node.alone().await;
        assert_eq!(seen.shown.dial_failures, vec!["denied"; dial_failures]);
        seen.shown.assert_untouched();
    }
}
