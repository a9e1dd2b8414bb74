//! Remotes that use only what stands beside the gate.

use std::time::Duration;

use crate::net::Net;
use crate::node::{CHATTER, ECHO, Node, Plan};
use crate::outsider::{Outsider, rest};

over_every_net!(
    a_stranger_is_served_and_is_no_peer,
    a_stranger_is_closed_when_idle,
    one_stranger_too_many_turns_out_the_oldest,
);

async fn a_stranger_is_served_and_is_no_peer(net: Net) {
    let node = Node::start(net).await;
    let stranger = Outsider::start(net).await;
    stranger.connect(node.peer, &node.address).await;
    let sight = stranger
        .until("pings and identify", |sight| sight.pings > 2 && !sight.protocols.is_empty())
        .await;
    let seen = node.until("identify", |seen| seen.identified == [stranger.peer]).await;
    assert_eq!((seen.strangers, seen.pending, seen.opened.len()), (1, 0, 0));
    seen.shown.assert_untouched();
    assert!(node.sessions.is_empty());
    // It is told of the handshake, and of nothing behind it.
    assert!(sight.protocols.contains(&handshake::NAME.to_string()), "{:?}", sight.protocols);
    for inner in [ECHO, CHATTER] {
        assert!(!sight.protocols.contains(&inner.to_string()), "{:?}", sight.protocols);
        let mut refused = stranger.open(node.peer, inner.clone()).await;
        assert_eq!(rest(&mut refused).await, b"", "{inner}");
    }
    // A node comes in as ever, and a stranger that leaves is no failed handshake.
    let friend = Node::start(net).await;
    friend.dial(&node).await;
    friend.until("the gate to open", |seen| seen.opened.len() == 1).await;
    stranger.stop().await;
    let seen = node.until("one to leave", |seen| seen.strangers == 0 && seen.connections() == 1);
    let seen = seen.await;
    assert_eq!((seen.refused.len(), seen.shown.listen_failures.len()), (0, 0));
}

async fn a_stranger_is_closed_when_idle(net: Net) {
    let mut plan = Plan::new(net);
    plan.idle = Duration::from_millis(300);
    let node = plan.start().await;
    let stranger = Outsider::start(net).await;
    stranger.connect(node.peer, &node.address).await;
    // Its pings do not keep it.
    let sight = stranger.shut_out().await;
    assert!(sight.pings > 0, "{sight:?}");
    assert_eq!(node.alone().await.strangers, 0);
}

async fn one_stranger_too_many_turns_out_the_oldest(net: Net) {
    let node = Node::with(net, |config| config.strangers_max = 4).await;
    let friend = Node::start(net).await;
    friend.dial(&node).await;
    node.until("the gate to open", |seen| seen.opened.len() == 1).await;
    let mut strangers = Vec::new();
    for number in 1..=4 {
        let stranger = Outsider::start(net).await;
        stranger.connect(node.peer, &node.address).await;
        node.until("one more", |seen| seen.strangers == number).await;
        strangers.push(stranger);
    }
    for oldest in 0..3 {
        let stranger = Outsider::start(net).await;
        stranger.connect(node.peer, &node.address).await;
        strangers[oldest].shut_out().await;
        strangers.push(stranger);
        let seen = node.until("four to be left", |seen| seen.connections() == 5).await;
        assert_eq!(seen.strangers, 4);
    }
    for stranger in &strangers[3..] {
        let before = stranger.until("a ping", |sight| sight.pings > 0).await;
        let enough = before.pings + 3;
        let sight = stranger.until("more pings", |sight| sight.pings > enough).await;
        assert_eq!(sight.disconnected, 0, "the younger ones stay");
    }
    // Nodes are not turned out for strangers, nor kept out by them.
    let late = Node::start(net).await;
    late.dial(&node).await;
    let seen = node.until("the gate to open", |seen| seen.opened.len() == 2).await;
    assert_eq!(seen.closed.len(), 0);
}

#[tokio::test]
async fn the_seventeenth_stranger_is_one_too_many_by_default() {
    let node = Node::start(Net::Memory).await;
    let mut strangers = Vec::new();
    for _ in 0..17 {
        let stranger = Outsider::start(Net::Memory).await;
        stranger.connect(node.peer, &node.address).await;
        let number = strangers.len() + 1;
        node.until("one more", |seen| seen.connected == number).await;
        strangers.push(stranger);
    }
    strangers[0].shut_out().await;
    let seen = node.until("sixteen to be left", |seen| seen.connections() == 16).await;
    assert_eq!(seen.strangers, 16);
}
