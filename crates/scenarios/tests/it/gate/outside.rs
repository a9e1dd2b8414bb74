//! Dials that are not introduced, and strangers that are spared.

use std::time::Duration;

use handshake::{Ban, Banned, DialError};
use libp2p_identity::PeerId;
use libp2p_swarm::ConnectionId;
use machine::UnixTime;

use crate::net::{Net, soon};
use crate::node::{Node, Plan};
use crate::outsider::Outsider;

over_every_net!(
    a_dial_outside_is_a_connection_and_no_handshake,
    it_does_not_stand_in_the_way_of_a_link,
    a_dial_outside_that_fails_says_why,
    who_is_spared_is_turned_out_last,
);

async fn dial_outside(node: &Node, other: &Node) -> Result<ConnectionId, DialError> {
    let dialled = node.dialer.dial_outside(other.peer, vec![other.address.clone()]);
    soon("the end of a dial", dialled).await
}

async fn a_dial_outside_is_a_connection_and_no_handshake(net: Net) {
    let mut plan = Plan::new(net);
    plan.idle = Duration::from_secs(1);
    let a = plan.start().await;
    let remote = Outsider::start(net).await;
    let dialled = a.dialer.dial_outside(remote.peer, vec![remote.address.clone()]);
    soon("the end of a dial", dialled).await.unwrap();
    // What stands beside the gate works, and nothing else happens.
    let pings = a.now().pings;
    let seen = a.until("pings", |seen| seen.pings > pings + 1).await;
    assert_eq!((seen.connections(), seen.pending, seen.opened.len()), (1, 0, 0));
    assert!(seen.refused.is_empty(), "{seen:?}");
    // Nothing holds it: it is closed when it is idle.
    remote.shut_out().await;
    let seen = a.alone().await;
    assert!(seen.refused.is_empty(), "it is not a handshake that failed: {seen:?}");
    seen.shown.assert_untouched();
}

async fn it_does_not_stand_in_the_way_of_a_link(net: Net) {
    let (a, b) = Node::pair(net).await;
    dial_outside(&a, &b).await.unwrap();
    let seen = b.until("a stranger", |seen| seen.strangers == 1).await;
    assert_eq!(seen.opened.len(), 0);
    a.dial(&b).await;
    for node in [&a, &b] {
        let seen = node.until("the gate to open", |seen| seen.opened.len() == 1).await;
        assert_eq!(seen.connections(), 2);
    }
    // Nor does a link stand in its way.
    dial_outside(&a, &b).await.unwrap();
    b.until("one more", |seen| seen.strangers == 2).await;
    assert_eq!(b.settle().await.closed.len(), 0);
}

async fn a_dial_outside_that_fails_says_why(net: Net) {
    let (a, b) = Node::pair(net).await;
    let nobody = PeerId::random();
    let other = a.dialer.dial_outside(nobody, vec![b.address.clone()]);
    match soon("the end of a dial", other).await {
        Err(DialError::OtherPeer { found }) => assert_eq!(found, b.peer),
        other => panic!("{other:?}"),
    }
    let oneself = a.dialer.dial_outside(a.peer, vec![b.address.clone()]);
    assert!(matches!(soon("the end of a dial", oneself).await, Err(DialError::Oneself)));
    let nowhere = a.dialer.dial_outside(b.peer, Vec::new());
    assert!(matches!(soon("the end of a dial", nowhere).await, Err(DialError::NoAddress)));
    let peer = b.peer;
    let is_banned = a.run(move |swarm| {
        let (banned, until) = (Banned::Peer(peer), UnixTime::from_millis(u64::MAX));
        let gate = &mut swarm.behaviour_mut().gate;
        gate.ban(Ban { banned, reason: "spam".to_owned(), until });
        (gate.is_banned(peer), gate.is_banned(nobody))
    });
    assert_eq!(is_banned.await, (true, false));
    let banned = dial_outside(&a, &b).await;
    assert!(matches!(banned, Err(DialError::Banned { .. })), "{banned:?}");
    let seen = a.settle().await;
    assert_eq!(seen.shown.dial_failures.len(), 0, "the inner behaviours never heard of it");
}

async fn who_is_spared_is_turned_out_last(net: Net) {
    let node = Node::with(net, |config| config.strangers_max = 2).await;
    let connect = async || {
        let stranger = Outsider::start(net).await;
        let before = node.now().connected;
        stranger.connect(node.peer, &node.address).await;
        node.until("one more", |seen| seen.connected > before).await;
        stranger
    };
    let busy = connect().await;
    // So far it is the only one; its number is the process's.
    let spare = |spared| {
        node.run(move |swarm| {
            for id in (0..100_000).map(ConnectionId::new_unchecked) {
                swarm.behaviour_mut().gate.spare(id, spared);
            }
        })
    };
    spare(true).await;
    let idle = connect().await;
    let third = connect().await;
    idle.shut_out().await;
    assert_eq!(busy.settle().await.disconnected, 0);
    // From here on it is the oldest, as any other.
    spare(false).await;
    let _fourth = connect().await;
    busy.shut_out().await;
    assert_eq!(third.settle().await.disconnected, 0);
}
