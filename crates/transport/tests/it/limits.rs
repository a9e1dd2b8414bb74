//! Limits against a crowd on real sockets.

use std::time::Duration;

use futures::StreamExt;
use futures::future::{Either, select};
use futures::stream::FuturesUnordered;
use libp2p::ping;
use libp2p_core::Multiaddr;
use libp2p_core::multiaddr::Protocol;
use libp2p_swarm::dial_opts::{DialOpts, PeerCondition};
use libp2p_swarm::{ListenError, NetworkBehaviour, Swarm, SwarmEvent};
use meshwork_transport::limits::{self, Config, Counts, Exceeded, Limit};
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

use crate::support::{builder, listen, soon};

#[derive(NetworkBehaviour)]
#[behaviour(prelude = "libp2p_swarm::derive_prelude")]
struct Limited {
    limits: limits::Behaviour,
    ping: ping::Behaviour,
}

fn limited(config: Config) -> Swarm<Limited> {
    let ping = ping::Config::new().with_interval(Duration::from_millis(10));
    builder()
        .build(Limited {
            limits: limits::Behaviour::new(config.check().unwrap()),
            ping: ping::Behaviour::new(ping),
        })
        .unwrap()
}

/// Polls `swarm` until `others` is done, and returns why it refused connections meanwhile.
async fn drive<O>(
    swarm: &mut Swarm<Limited>,
    others: impl Future<Output = O>,
) -> (O, Vec<Exceeded>) {
    let mut others = std::pin::pin!(others);
    let mut refused = Vec::new();
    loop {
        match select(others.as_mut(), swarm.select_next_some()).await {
            Either::Left((output, _)) => return (output, refused),
            Either::Right((event, _)) => refused.extend(refusal(event)),
        }
    }
}

/// Why a connection was refused, if `event` says that one was.
fn refusal(event: SwarmEvent<LimitedEvent>) -> Option<Exceeded> {
    match event {
        SwarmEvent::IncomingConnectionError { error: ListenError::Denied { cause }, .. } => {
            Some(cause.downcast().unwrap())
        }
        _ => None,
    }
}

/// Polls `swarm` until it holds `expected`.
async fn settle(swarm: &mut Swarm<Limited>, expected: Counts) {
    soon("the slots to be free", async {
        while swarm.behaviour().limits.counts() != expected {
            swarm.select_next_some().await;
        }
    })
    .await;
}

fn port(address: &Multiaddr) -> u16 {
    let port = address.iter().find_map(|part| match part {
        Protocol::Tcp(port) => Some(port),
        _ => None,
    });
    port.unwrap()
}

#[tokio::test]
async fn a_thousand_connects_in_a_row_leave_no_slot_taken() {
    let mut node = limited(Config::default());
    let target = ("127.0.0.1", port(&listen(&mut node, "/ip4/127.0.0.1/tcp/0").await));
    let mut crowd = std::pin::pin!(async {
        for _ in 0..1_000 {
            drop(TcpStream::connect(target).await.unwrap());
        }
    });
    soon("a thousand connections to arrive and end", async {
        let (mut all_sent, mut ended) = (false, 0);
        while !(all_sent && ended == 1_000) {
            tokio::select! {
                () = &mut crowd, if !all_sent => all_sent = true,
                event = node.select_next_some() => {
                    ended += u32::from(matches!(event, SwarmEvent::IncomingConnectionError { .. }));
                }
            }
        }
    })
    .await;
    assert_eq!(node.behaviour().limits.counts(), Counts::default());
}

#[tokio::test]
#[cfg(target_os = "linux")]
async fn half_open_sockets_of_one_address_do_not_shut_others_out() {
    let mut node = limited(Config::default());
    let address = listen(&mut node, "/ip4/127.0.0.1/tcp/0").await;
    let target = ("127.0.0.1", port(&address));
    // Twenty sockets that say nothing: eight are waited for, the others are closed at once.
    let crowd = async {
        let mut ends = FuturesUnordered::new();
        for _ in 0..20 {
            let mut socket = TcpStream::connect(target).await.unwrap();
            // The node waits for the first words; a read ends only when the socket is closed.
            ends.push(async move { socket.read(&mut [0; 64]).await });
        }
        for _ in 0..12 {
            assert!(matches!(ends.next().await.unwrap(), Ok(0) | Err(_)));
        }
        ends
    };
    let (held, refused) = soon("the crowd", drive(&mut node, crowd)).await;
    assert_eq!(held.len(), 8);
    assert_eq!(refused, [Exceeded { limit: Limit::PendingPerSubnet, value: 8 }; 12]);
    let waiting = Counts { pending_inbound: 8, ..Counts::default() };
    assert_eq!(node.behaviour().limits.counts(), waiting);

    let mut other = limited(Config::default());
    listen(&mut other, "/ip4/127.9.0.1/tcp/0").await;
    other.dial(address).unwrap();
    let pinged = async {
        loop {
            if let SwarmEvent::Behaviour(LimitedEvent::Ping(event)) = other.select_next_some().await
            {
                return event.result.unwrap();
            }
        }
    };
    soon("a ping through the crowd", drive(&mut node, pinged)).await;
    let established = Counts { established_inbound: 1, ..Counts::default() };
    drop(held);
    settle(&mut node, established).await;
    drop(other);
    settle(&mut node, Counts::default()).await;
}

#[tokio::test]
async fn connections_are_capped_per_peer_and_freed_when_closed() {
    let config = Config { per_peer_max: 2, ..Config::default() };
    let (mut a, mut b) = (limited(config), limited(Config::default()));
    let address = listen(&mut a, "/memory/0").await;
    let peer = *a.local_peer_id();
    for _ in 0..3 {
        let to = DialOpts::peer_id(peer)
            .condition(PeerCondition::Always)
            .addresses(vec![address.clone()]);
        b.dial(to.build()).unwrap();
    }
    let refused = soon("a refusal", async {
        loop {
            tokio::select! {
                event = a.select_next_some() => {
                    if let Some(exceeded) = refusal(event) {
                        return exceeded;
                    }
                }
                _ = b.select_next_some() => {}
            }
        }
    })
    .await;
    assert_eq!(refused, Exceeded { limit: Limit::PerPeer, value: 2 });
    drop(b);
    settle(&mut a, Counts::default()).await;
}
