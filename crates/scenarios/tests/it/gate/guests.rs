//! Behaviours of libp2p and of our own, behind the gate as they would be without it.

use std::time::Duration;

use libp2p::gossipsub::IdentTopic;
use testkit::chatter;

use crate::net::Net;
use crate::node::{Node, Plan, probe};
use crate::outsider::Outsider;

over_every_net!(
    a_conversation_runs_inside,
    gossip_passes,
    hanging_up_leaves_what_is_outside_alone,
    what_the_remote_was_known_to_speak_is_told_again,
);

async fn a_conversation_runs_inside(net: Net) {
    let (a, b) = Node::friends(net).await;
    for (asks, asked) in [(&a, &b), (&b, &a)] {
        asks.until("the other to join", |seen| seen.joined == 1).await;
        let peer = asked.peer;
        asks.run(move |swarm| {
            let chatter = swarm.behaviour_mut().gate.inner_mut().chatter.as_mut().unwrap();
            chatter.command(chatter::Command::Ask { peer, wanted: 1_000 });
        })
        .await;
        let seen = asks.until("an answer", |seen| seen.chats.len() == 1).await;
        let chatter::Event::Asked { peer: of, outcome } = &seen.chats[0];
        assert_eq!((*of, outcome.as_ref().map(bytes::Bytes::len)), (peer, Ok(1_000)));
        assert_eq!(seen.misdeeds, Vec::<String>::new());
    }
}

/// A visitor is hung up on while a probe of the same peer goes on: here a stranger with its key.
async fn hanging_up_leaves_what_is_outside_alone(net: Net) {
    let (a, b) = Node::friends(net).await;
    let stranger = Outsider::with_key(net, b.key.clone(), &[]).await;
    stranger.connect(a.peer, &a.address).await;
    a.until("the stranger", |seen| seen.strangers == 1).await;
    let peer = b.peer;
    a.run(move |swarm| probe(swarm).hang_up(peer)).await;
    let seen = a.until("the end inside", |seen| seen.closed.len() == 1).await;
    assert_eq!((seen.strangers, seen.connections()), (1, 1));
    let pings = stranger.now().pings;
    stranger.until("more pings", |sight| sight.pings > pings).await;
    a.now().shown.assert_balanced();
}

async fn gossip_passes(net: Net) {
    let gossips = || {
        let mut plan = Plan::new(net);
        plan.gossips = true;
        plan.start()
    };
    let (a, b) = (gossips().await, gossips().await);
    for node in [&a, &b] {
        node.run(|swarm| {
            let gossip = swarm.behaviour_mut().gate.inner_mut().gossip.as_mut().unwrap();
            gossip.subscribe(&IdentTopic::new("t")).unwrap();
        })
        .await;
    }
    a.dial(&b).await;
    for (speaker, listener, word) in [(&a, &b, b"from a"), (&b, &a, b"from b")] {
        speaker.until("a subscription", |seen| seen.subscribed == [listener.peer]).await;
        speaker
            .run(move |swarm| {
                let gossip = swarm.behaviour_mut().gate.inner_mut().gossip.as_mut().unwrap();
                gossip.publish(IdentTopic::new("t"), word.to_vec()).unwrap();
            })
            .await;
        listener.until("a word", |seen| seen.gossip == [word.to_vec()]).await;
    }
}

/// Identify is quicker than the listener's swarm, so the inner handler is not there to hear it.
async fn what_the_remote_was_known_to_speak_is_told_again(net: Net) {
    let (a, b) = Node::pair(net).await;
    b.run(|swarm| probe(swarm).dawdles = Duration::from_millis(100)).await;
    a.dial(&b).await;
    b.until("the names", |seen| seen.shown.learned.contains("/ipfs/ping/1.0.0")).await;
    a.until("the names", |seen| seen.shown.learned.contains("/ipfs/ping/1.0.0")).await;
}
