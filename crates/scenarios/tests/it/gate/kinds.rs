//! Connections that are not for long.

use std::time::Duration;

use handshake::{DialError, RejectCode, SessionKind};

use crate::net::{Net, soon};
use crate::node::{Node, Plan, only, told};

over_every_net!(
    a_probe_asks_and_goes,
    a_probe_is_welcome_where_peers_are_not,
    a_visit_to_a_seed_ends_when_nobody_speaks,
);

async fn probe(a: &Node, b: &Node) -> Result<(), DialError> {
    let addresses = vec![b.address.clone()];
    let probed = a.dialer.dial(b.peer, addresses, SessionKind::Refine);
    soon("the end of a probe", probed).await.map(drop)
}

async fn a_probe_asks_and_goes(net: Net) {
    let (a, b) = Node::pair(net).await;
    probe(&a, &b).await.unwrap();
    let x = a.until("the news", |seen| seen.probed.len() == 1).await;
    assert_eq!((only(&x.probed).peer, only(&x.probed).kind), (b.peer, SessionKind::Refine));
    for node in [&a, &b] {
        let seen = node.until("the end", |seen| seen.disconnected == 1).await;
        seen.shown.assert_untouched();
        assert_eq!((seen.opened.len(), seen.refused.len()), (0, 0));
        assert!(node.sessions.is_empty());
    }
    // Beside an open connection, which is none the wiser.
    a.dial(&b).await;
    a.until("the gate to open", |seen| seen.opened.len() == 1).await;
    for round in 2..=10 {
        probe(&a, &b).await.unwrap();
        for node in [&a, &b] {
            node.until("the end of the probe", |seen| seen.disconnected == round).await;
        }
    }
    a.ask(b.peer, 0..1).await;
    let x = a.until("an answer", |seen| seen.answered.len() == 1).await;
    assert_eq!((x.probed.len(), x.refused.len(), x.closed.len()), (10, 0, 0));
    assert_eq!((x.shown.established, b.now().shown.established), (1, 1));
    let elsewhere = Node::of_network(net, "other").await;
    match probe(&a, &elsewhere).await {
        Err(DialError::Refused(refusal)) => {
            assert_eq!(refusal.code(), Some(RejectCode::Network));
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(a.now().probed.len(), 10);
}

async fn a_probe_is_welcome_where_peers_are_not(net: Net) {
    let a = Node::start(net).await;
    let private = Node::with(net, |config| config.private = true).await;
    probe(&a, &private).await.unwrap();
    a.dial(&private).await;
    let x = a.until("a refusal", |seen| seen.refused.len() == 1).await;
    assert_eq!(told(x.refusal()), "theirs private");
    private.alone().await.shown.assert_untouched();
}

/// Nothing but the protocols that run on it keeps such a connection.
async fn a_visit_to_a_seed_ends_when_nobody_speaks(net: Net) {
    let brief = || {
        let mut plan = Plan::new(net);
        (plan.idle, plan.chats) = (Duration::from_millis(200), false);
        plan.start()
    };
    let (a, b) = (brief().await, brief().await);
    let addresses = vec![b.address.clone()];
    soon("a visit", a.dialer.dial(b.peer, addresses, SessionKind::Seed)).await.unwrap();
    a.ask(b.peer, 0..1).await;
    let x = a.until("an answer", |seen| seen.answered.len() == 1).await;
    assert_eq!(only(&x.opened).kind, SessionKind::Seed);
    for node in [&a, &b] {
        let seen = node.until("the end", |seen| seen.closed.len() == 1).await;
        assert_eq!(only(&seen.closed).declared, SessionKind::Seed);
        seen.shown.assert_balanced();
    }
    // A link of the overlay stays, however quiet.
    a.dial(&b).await;
    let later = b.until("pings", |seen| seen.opened.len() == 2 && seen.pings > 4).await;
    let x = a.until("more pings", |seen| seen.pings > 8).await;
    assert_eq!((x.connections(), later.connections()), (1, 1));
}
