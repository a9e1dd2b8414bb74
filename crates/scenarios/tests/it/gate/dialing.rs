//! What comes back to whoever dials.

use handshake::{Ban, Banned, DialError, Refusal, RejectCode, SessionKind};
use libp2p_core::Multiaddr;
use libp2p_identity::PeerId;
use machine::UnixTime;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use transport::limits::Counts;

use crate::net::{Net, soon};
use crate::node::{Node, Plan, only};
use crate::outsider::Outsider;

over_every_net!(
    a_dial_ends_when_the_gate_is_open,
    a_dial_that_is_refused_says_why,
    a_dial_finds_another_peer_or_none,
    a_dial_to_oneself_is_known_as_such,
);

const FOREVER: UnixTime = UnixTime::from_millis(u64::MAX);

/// Dials as for the overlay.
async fn dial(node: &Node, peer: PeerId, address: &Multiaddr) -> Result<(), DialError> {
    dial_as(node, peer, address, SessionKind::Outbound).await
}

async fn dial_as(
    node: &Node,
    peer: PeerId,
    address: &Multiaddr,
    kind: SessionKind,
) -> Result<(), DialError> {
    let dialled = node.dialer.dial(peer, vec![address.clone()], kind);
    soon("the end of a dial", dialled).await.map(drop)
}

async fn a_dial_ends_when_the_gate_is_open(net: Net) {
    let (a, b) = Node::pair(net).await;
    let addresses = vec![b.address.clone()];
    let dialled = a.dialer.dial(b.peer, addresses, SessionKind::Direct);
    let connection = soon("the end of a dial", dialled).await.unwrap();
    let session = a.sessions.get(connection).expect("open by now");
    assert_eq!((session.peer, session.kind), (b.peer, SessionKind::Direct));
    let x = a.until("the news", |seen| seen.opened.len() == 1).await;
    assert_eq!(only(&x.opened).connection, connection);
    let y = b.until("the gate to open", |seen| seen.opened.len() == 1).await;
    let theirs = only(&y.opened);
    assert_eq!((theirs.kind, theirs.declared), (SessionKind::Inbound, SessionKind::Direct));
    assert!(matches!(dial(&a, b.peer, &b.address).await, Err(DialError::AlreadyConnected)));
}

async fn a_dial_that_is_refused_says_why(net: Net) {
    let a = Node::start(net).await;
    let b = Node::of_network(net, "other").await;
    match dial(&a, b.peer, &b.address).await {
        Err(DialError::Refused(Refusal::Theirs { reject, .. })) => {
            assert_eq!(reject.code, RejectCode::Network);
        }
        other => panic!("{other:?}"),
    }
    let stranger = Outsider::start(net).await;
    let dialled = dial(&a, stranger.peer, &stranger.address).await;
    assert!(matches!(dialled, Err(DialError::Refused(Refusal::NotANode))), "{dialled:?}");
    stranger.shut_out().await;
    a.alone().await.shown.assert_untouched();
}

async fn a_dial_finds_another_peer_or_none(net: Net) {
    let (a, b) = Node::pair(net).await;
    let nobody = PeerId::random();
    match dial(&a, nobody, &b.address).await {
        Err(DialError::OtherPeer { found }) => assert_eq!(found, b.peer),
        other => panic!("{other:?}"),
    }
    let dialled = a.dialer.dial(nobody, vec![], SessionKind::Outbound).await;
    assert!(matches!(dialled, Err(DialError::NoAddress)), "{dialled:?}");
    let (peer, address) = (b.peer, b.address.clone());
    b.stop().await;
    if !matches!(net, Net::Quic) {
        // Over UDP nobody says that nobody is there before the connection times out.
        match dial(&a, peer, &address).await {
            Err(DialError::Unreachable { reason }) => {
                let why = reason.strip_prefix(&format!("{address}/p2p/{peer}: "));
                assert!(why.is_some_and(|why| !why.is_empty()), "{reason}");
            }
            other => panic!("{other:?}"),
        }
    }
    let dialer = a.dialer.clone();
    a.stop().await;
    let dialled = dialer.dial(peer, vec![address], SessionKind::Outbound).await;
    assert!(matches!(dialled, Err(DialError::Stopping)), "{dialled:?}");
}

async fn a_dial_to_oneself_is_known_as_such(net: Net) {
    let a = Node::start(net).await;
    assert!(matches!(dial(&a, a.peer, &a.address).await, Err(DialError::Oneself)));
    // The swarm leaves out where it listens, but not every spelling of it.
    let address = a.full_address();
    a.run(move |swarm| swarm.dial(address)).await.unwrap();
    let seen = a.until("the news", |seen| seen.self_dialled.len() == 1).await;
    assert_eq!(seen.self_dialled, [a.full_address()]);
    assert_eq!(a.alone().await.opened.len(), 0);
    a.until("every slot to be free", |seen| seen.counts == Counts::default()).await;
}

#[tokio::test]
async fn addresses_that_a_remote_must_not_name_are_left_out() {
    let public = |plan: &mut handshake::Config| plan.allow_private = false;
    let a = Node::with(Net::Tcp, public).await;
    let b = Node::start(Net::Tcp).await;
    let dialled = dial(&a, b.peer, &b.address).await;
    assert!(matches!(dialled, Err(DialError::NoAddress)), "{dialled:?}");
    dial_as(&a, b.peer, &b.address, SessionKind::Manual).await.expect("the operator knows");
}

#[tokio::test]
async fn a_full_node_does_not_dial_for_the_overlay() {
    let a = Node::with(Net::Memory, |config| config.outbound_max = 1).await;
    let (b, c, d) = (
        Node::start(Net::Memory).await,
        Node::start(Net::Memory).await,
        Node::start(Net::Memory).await,
    );
    dial(&a, b.peer, &b.address).await.unwrap();
    assert!(matches!(dial(&a, c.peer, &c.address).await, Err(DialError::Full)));
    dial_as(&a, c.peer, &c.address, SessionKind::Direct).await.expect("on top of the overlay");
    let peer = d.peer;
    a.run(move |swarm| swarm.behaviour_mut().gate.name_peer(peer)).await;
    dial(&a, d.peer, &d.address).await.expect("whom the operator named takes no slot");
}

#[tokio::test]
async fn whom_we_banned_is_not_dialled() {
    let (a, b) = Node::pair(Net::Tcp).await;
    let ban = |banned| Ban { banned, reason: "spam".to_owned(), until: FOREVER };
    for banned in [Banned::Peer(b.peer), Banned::Address([127, 0, 0, 1].into())] {
        let ban = ban(banned);
        a.run(move |swarm| swarm.behaviour_mut().gate.ban(ban)).await;
        match dial(&a, b.peer, &b.address).await {
            Err(DialError::Banned { reason }) => assert_eq!(reason, "spam"),
            other => panic!("{other:?}"),
        }
        assert!(a.run(move |swarm| swarm.behaviour_mut().gate.unban(banned)).await);
    }
    dial(&a, b.peer, &b.address).await.unwrap();
    assert_eq!(b.now().connected, 1);
}

/// Sockets that are silent keep a dial going until the connection times out.
#[tokio::test]
async fn too_many_dials_at_once_are_refused() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address: Multiaddr =
        format!("/ip4/127.0.0.1/tcp/{}", silent.local_addr().unwrap().port()).parse().unwrap();
    let mut plan = Plan::new(Net::Tcp);
    plan.limits.pending_outbound_max = 100;
    let a = plan.start().await;
    let mut dials = JoinSet::new();
    for _ in 0..65 {
        let (dialer, address) = (a.dialer.clone(), address.clone());
        dials.spawn(async move {
            dialer.dial(PeerId::random(), vec![address], SessionKind::Outbound).await
        });
    }
    let first = soon("a refusal", dials.join_next()).await.unwrap().unwrap();
    assert!(matches!(first, Err(DialError::Busy)), "{first:?}");
    assert_eq!(dials.len(), 64, "all others go on");
    a.stop().await;
    while let Some(dialled) = soon("the others", dials.join_next()).await {
        assert!(matches!(dialled, Ok(Err(DialError::Stopping))), "{dialled:?}");
    }
}
