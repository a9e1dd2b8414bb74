//! Who gets in when not everybody can.

use std::time::Duration;

use handshake::{Refusal, RejectCode};
use libp2p_identity::Keypair;
use wire::signed::SignedRecord;

use crate::net::Net;
use crate::node::{Node, told};

over_every_net!(
    a_full_node_names_others_and_says_when_to_come_back,
    a_private_node_lets_in_only_whom_the_operator_named,
);

/// A record of somebody, as long as a record gets.
fn long_record(number: u64) -> SignedRecord {
    let addresses = (0..16).map(|port| {
        let name = "n".repeat(60);
        format!("/dns4/{name}.{port}.example/tcp/{number}").parse().unwrap()
    });
    SignedRecord::seal(&Keypair::generate_ed25519(), number, addresses.collect()).unwrap()
}

fn short_record(number: u64) -> SignedRecord {
    let address = format!("/ip4/192.0.2.1/tcp/{number}").parse().unwrap();
    SignedRecord::seal(&Keypair::generate_ed25519(), number, vec![address]).unwrap()
}

async fn a_full_node_names_others_and_says_when_to_come_back(net: Net) {
    let b = Node::with(net, |config| {
        (config.inbound_max, config.retry_after) = (1, Duration::from_secs(77));
    })
    .await;
    let first = Node::start(net).await;
    first.dial(&b).await;
    b.until("the only slot to be taken", |seen| seen.opened.len() == 1).await;

    let late = Node::start(net).await;
    let own = SignedRecord::seal(&late.key, 1, vec![late.address.clone()]).unwrap();
    let short: Vec<_> = (0..40).map(short_record).collect();
    let long: Vec<_> = (0..40).map(long_record).collect();
    for (records, at_least, at_most) in [(vec![], 0, 0), (short, 16, 16), (long, 3, 8)] {
        let known = records.clone();
        let mut records = records;
        records.push(own.clone());
        b.run(move |swarm| swarm.behaviour_mut().gate.set_alternatives(records)).await;
        let before = late.now().refused.len();
        late.dial(&b).await;
        let seen = late.until("a refusal", |seen| seen.refused.len() > before).await;
        let Refusal::Theirs { reject, alternatives } = seen.refusal() else {
            panic!("{:?}", seen.refusal())
        };
        assert_eq!((reject.code, reject.retry_after.as_secs()), (RejectCode::Full, 77));
        assert!((at_least..=at_most).contains(&alternatives.len()), "{}", alternatives.len());
        assert!(alternatives.iter().all(|named| known.contains(named)), "all but oneself");
        late.alone().await.shown.assert_untouched();
    }
    // The place is free again when the first goes, or when the operator names the late one.
    let peer = late.peer;
    b.run(move |swarm| swarm.behaviour_mut().gate.name_peer(peer)).await;
    late.dial(&b).await;
    late.until("the gate to open", |seen| seen.opened.len() == 1).await;
    let third = Node::start(net).await;
    first.cut(b.peer).await;
    b.until("a free slot", |seen| seen.closed.len() == 1).await;
    third.dial(&b).await;
    third.until("the gate to open", |seen| seen.opened.len() == 1).await;
}

async fn a_private_node_lets_in_only_whom_the_operator_named(net: Net) {
    let b = Node::with(net, |config| config.private = true).await;
    let (friend, other) = Node::pair(net).await;
    let peer = friend.peer;
    b.run(move |swarm| swarm.behaviour_mut().gate.name_peer(peer)).await;
    b.run(|swarm| swarm.behaviour_mut().gate.set_alternatives(vec![short_record(1)])).await;
    other.dial(&b).await;
    let seen = other.until("a refusal", |seen| seen.refused.len() == 1).await;
    assert_eq!(told(seen.refusal()), "theirs private");
    let Refusal::Theirs { alternatives, .. } = seen.refusal() else { unreachable!() };
    assert_eq!(alternatives.len(), 1, "others may want it");
    friend.dial(&b).await;
    friend.until("the gate to open", |seen| seen.opened.len() == 1).await;
    b.ask(friend.peer, 0..1).await;
    b.until("an answer", |seen| seen.answered.len() == 1).await;
    assert_eq!(b.sessions.len(), 1);
}
