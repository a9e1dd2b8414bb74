//! Two nodes that the builder made: they connect, are secured, and ping.

use std::net::IpAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use futures::future::{Either, select};
use libp2p::ping;
use libp2p_core::Multiaddr;
use libp2p_identity::Keypair;
use libp2p_swarm::dial_opts::{DialOpts, PeerCondition};
use libp2p_swarm::{DialError, Swarm, SwarmEvent, dummy};
use meshwork_transport::{BuildError, Builder, address};
use tokio::sync::Barrier;
use tokio::task::JoinSet;

use crate::support::{builder, listen, soon};

fn pinging(builder: Builder) -> Swarm<ping::Behaviour> {
    let config = ping::Config::new().with_interval(Duration::from_millis(10));
    builder.build(ping::Behaviour::new(config)).unwrap()
}

/// Whether `event` says that a ping came back.
fn is_pong(event: SwarmEvent<ping::Event>) -> bool {
    match event {
        SwarmEvent::Behaviour(event) => event.result.map(|_| true).unwrap(),
        _ => false,
    }
}

async fn ping_both_ways(a: &mut Swarm<ping::Behaviour>, b: &mut Swarm<ping::Behaviour>) {
    let (mut a_done, mut b_done) = (false, false);
    while !(a_done && b_done) {
        tokio::select! {
            event = a.select_next_some() => a_done |= is_pong(event),
            event = b.select_next_some() => b_done |= is_pong(event),
        }
    }
}

#[tokio::test]
async fn nodes_ping_over_every_transport() {
    for listening in ["/ip4/127.0.0.1/tcp/0", "/ip4/127.0.0.1/udp/0/quic-v1", "/memory/0"] {
        let (mut a, mut b) = (pinging(builder()), pinging(builder()));
        let address = listen(&mut a, listening).await;
        b.dial(address.with_p2p(*a.local_peer_id()).unwrap()).unwrap();
        soon(listening, ping_both_ways(&mut a, &mut b)).await;
    }
}

#[tokio::test]
async fn one_transport_is_enough_and_none_is_an_error() {
    let key = Keypair::generate_ed25519;
    let error = Builder::new(key()).transport().map(drop).unwrap_err();
    assert!(matches!(error, BuildError::NoTransport), "{error}");
    let mut only_tcp = pinging(Builder::new(key()).tcp());
    let mut all = pinging(builder());
    for refused in ["/ip4/127.0.0.1/udp/0/quic-v1", "/memory/0"] {
        only_tcp.listen_on(refused.parse().unwrap()).unwrap_err();
    }
    let address = listen(&mut only_tcp, "/ip4/127.0.0.1/tcp/0").await;
    all.dial(address).unwrap();
    soon("pings", ping_both_ways(&mut only_tcp, &mut all)).await;
}

#[tokio::test]
async fn a_remote_with_another_key_than_dialled_is_refused() {
    let (mut a, mut b) = (pinging(builder()), pinging(builder()));
    let address = listen(&mut a, "/ip4/127.0.0.1/tcp/0").await;
    let expected = Keypair::generate_ed25519().public().to_peer_id();
    b.dial(address.with_p2p(expected).unwrap()).unwrap();
    let error = soon("a refusal", async {
        loop {
            tokio::select! {
                _ = a.select_next_some() => {}
                event = b.select_next_some() => {
                    if let SwarmEvent::OutgoingConnectionError { error, .. } = event {
                        return error;
                    }
                }
            }
        }
    })
    .await;
    assert!(
        matches!(error, DialError::WrongPeerId { obtained, .. } if obtained == *a.local_peer_id())
    );
}

/// A remote that accepts and then says nothing.
#[tokio::test]
async fn a_dial_to_a_silent_remote_ends_with_the_connection_timeout() {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address: Multiaddr =
        format!("/ip4/127.0.0.1/tcp/{}", silent.local_addr().unwrap().port()).parse().unwrap();
    let timeout = Duration::from_millis(100);
    let mut node = builder().connection_timeout(timeout).build(dummy::Behaviour).unwrap();
    node.dial(address).unwrap();
    let event = soon("the timeout", node.select_next_some()).await;
    let SwarmEvent::OutgoingConnectionError { error: DialError::Transport(errors), .. } = event
    else {
        panic!("{event:?}");
    };
    assert!(format!("{errors:?}").contains("Timeout"), "{errors:?}");
}

#[tokio::test]
async fn a_connection_that_nobody_needs_is_closed_when_idle() {
    let node = || builder().idle_timeout(Duration::from_millis(50));
    let (mut a, mut b) =
        (node().build(dummy::Behaviour).unwrap(), node().build(dummy::Behaviour).unwrap());
    let address = listen(&mut a, "/memory/0").await;
    b.dial(address).unwrap();
    soon("the end", async {
        loop {
            tokio::select! {
                _ = a.select_next_some() => {}
                event = b.select_next_some() => {
                    if matches!(event, SwarmEvent::ConnectionClosed { .. }) {
                        return;
                    }
                }
            }
        }
    })
    .await;
}

/// Dials from `dialer` to `address` and returns the address that `listener` sees.
async fn seen(
    dialer: &mut Swarm<ping::Behaviour>,
    listener: &mut Swarm<ping::Behaviour>,
    address: &Multiaddr,
) -> Multiaddr {
    let to = DialOpts::peer_id(*listener.local_peer_id())
        .condition(PeerCondition::Always)
        .addresses(vec![address.clone()])
        .build();
    dialer.dial(to).unwrap();
    soon("a connection", async {
        let (mut theirs, mut ours) = (None, false);
        loop {
            tokio::select! {
                event = listener.select_next_some() => {
                    if let SwarmEvent::ConnectionEstablished { endpoint, .. } = event {
                        theirs = Some(endpoint.get_remote_address().clone());
                    }
                }
                event = dialer.select_next_some() => match event {
                    SwarmEvent::ConnectionEstablished { .. } => ours = true,
                    SwarmEvent::OutgoingConnectionError { error, .. } => panic!("{error}"),
                    _ => {}
                },
            }
            if let (Some(seen), true) = (&theirs, ours) {
                return seen.clone();
            }
        }
    })
    .await
}

/// The testnet needs this: node *i* is 127.*i*.0.1 for its neighbours, not only for itself.
#[tokio::test]
#[cfg(target_os = "linux")]
async fn a_node_is_seen_under_the_loopback_address_it_listens_on() {
    for after_ip in ["tcp/0", "udp/0/quic-v1"] {
        let mut nodes = Vec::new();
        for i in [7, 8, 9] {
            let mut node = pinging(builder());
            let address = listen(&mut node, &format!("/ip4/127.{i}.0.1/{after_ip}")).await;
            nodes.push((node, address));
        }
        for (from, to) in [(0, 1), (0, 2), (2, 1), (1, 0)] {
            let target = nodes[to].1.clone();
            let [(dialer, own), (listener, _)] = nodes.get_disjoint_mut([from, to]).unwrap();
            let first = seen(dialer, listener, &target).await;
            let expected = address::ip_of(own).unwrap();
            assert_eq!(address::ip_of(&first), Some(expected), "{own} to {target}: {first}");
            let second = seen(dialer, listener, &target).await;
            assert_eq!(address::ip_of(&second), Some(expected), "again, {own} to {target}");
        }
    }
}

/// Dials when the others do, and goes on until they too have dialled and been dialled.
async fn dial_at_once(mut node: Swarm<ping::Behaviour>, remote: Multiaddr, together: Arc<Barrier>) {
    together.wait().await;
    node.dial(remote).unwrap();
    let (mut dialled, mut accepted) = (false, false);
    while !(dialled && accepted) {
        match node.select_next_some().await {
            SwarmEvent::ConnectionEstablished { endpoint, .. } => {
                dialled |= endpoint.is_dialer();
                accepted |= endpoint.is_listener();
            }
            SwarmEvent::OutgoingConnectionError { error, .. } => panic!("{error}"),
            _ => {}
        }
    }
    let mut others = pin!(together.wait());
    while let Either::Right(_) = select(others.as_mut(), node.select_next_some()).await {}
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg(target_os = "linux")]
async fn nodes_that_dial_each_other_at_once_both_get_through() {
    for after_ip in ["tcp/0", "udp/0/quic-v1"] {
        for _ in 0..20 {
            let (mut a, mut b) = (pinging(builder()), pinging(builder()));
            let to_a = listen(&mut a, &format!("/ip4/127.7.0.1/{after_ip}")).await;
            let to_b = listen(&mut b, &format!("/ip4/127.8.0.1/{after_ip}")).await;
            let together = Arc::new(Barrier::new(2));
            let mut both = JoinSet::new();
            both.spawn(dial_at_once(a, to_b, Arc::clone(&together)));
            both.spawn(dial_at_once(b, to_a, together));
            soon("both connections", both.join_all()).await;
        }
    }
}

/// A node that listens everywhere, or nowhere, leaves its address to the routing table.
#[tokio::test]
#[cfg(target_os = "linux")]
async fn without_an_address_of_its_own_a_node_is_seen_as_localhost() {
    let localhost: IpAddr = [127, 0, 0, 1].into();
    for after_ip in ["tcp/0", "udp/0/quic-v1"] {
        let mut b = pinging(builder());
        let target = listen(&mut b, &format!("/ip4/127.8.0.1/{after_ip}")).await;
        let (mut nowhere, mut everywhere) = (pinging(builder()), pinging(builder()));
        listen(&mut everywhere, &format!("/ip4/0.0.0.0/{after_ip}")).await;
        for dialer in [&mut nowhere, &mut everywhere] {
            let seen = seen(dialer, &mut b, &target).await;
            assert_eq!(address::ip_of(&seen), Some(localhost), "{seen}");
        }
    }
}
