//! Whom a service asks, how often, and what it says when nobody answers.

use std::collections::BTreeSet;
use std::time::Duration;

use futures::FutureExt as _;
use machine::PeerId;
use meshwork_ordersync::requester::{Break, Ended};
use meshwork_ordersync::service::{Config, Event, Protocol, SyncId};
use tokio::time::timeout;

use crate::mesh::{Mesh, Node, Slow};

const PATIENCE: Duration = Duration::from_mins(1);

fn hasty() -> Config {
    let backoff_min = Duration::from_millis(1);
    Config { rounds_max: 3, backoff_min, ..Config::default() }
}

fn node(mesh: &Mesh, seed: u8) -> Node {
    mesh.node(seed, Protocol::Binary, hasty())
}

#[tokio::test]
async fn alone_there_are_no_orders() {
    let mesh = Mesh::default();
    let a = node(&mesh, 1);
    let synced = timeout(PATIENCE, a.service.get_orders(1)).await.expect("in time");
    let nobody = synced.expect_err("there is nobody");
    assert_eq!(nobody.failed, []);
    assert_eq!(nobody.to_string(), "no orders were received from any known peers");
}

#[tokio::test]
async fn who_is_not_there_is_named() {
    let mesh = Mesh::default();
    let (a, gone) = (node(&mesh, 1), PeerId::random());
    let synced = timeout(PATIENCE, a.service.get_orders_from(vec![gone])).await.expect("in time");
    let failed = synced.expect_err("it is not there").failed;
    let [(peer, failed)] = failed.as_slice() else { panic!("{failed:?}") };
    assert_eq!((*peer, &failed.outcome.ended), (gone, &Ended::Broken(Break::Closed)));
    assert_eq!(failed.to_string(), "no orders received from peer");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fewer_peers_than_asked_for_are_said_to_be_fewer() {
    let mesh = Mesh::default();
    let (a, b) = (node(&mesh, 1), node(&mesh, 2));
    b.hold(0..20).await;
    let synced = timeout(PATIENCE, a.service.get_orders(5)).await.expect("in time").unwrap();
    let peers: Vec<_> = synced.peers.iter().map(|(peer, _)| *peer).collect();
    assert_eq!(peers, [b.me], "asked once, though there were three rounds");
    assert_eq!(a.book.len(), 20);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_peers_are_picked_at_random() {
    let mesh = Mesh::default();
    let a = node(&mesh, 1);
    let others: Vec<_> = (2..6).map(|seed| node(&mesh, seed)).collect();
    for other in &others {
        other.hold(0..5).await;
    }
    let mut picked = BTreeSet::new();
    // All the same in forty picks among four by accident: once in 10^24 runs.
    for _ in 0..40 {
        let synced = timeout(PATIENCE, a.service.get_orders(1)).await.expect("in time").unwrap();
        picked.extend(synced.peers.into_iter().map(|(peer, _)| peer));
    }
    assert!(picked.len() > 1, "always {picked:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_syncs_at_once_do_not_fetch_the_same_twice() {
    let mesh = Mesh::default();
    let (a, b) = (node(&mesh, 1), node(&mesh, 2));
    b.hold(0..3_000).await;
    let (one, other) = (a.service.get_orders(1), a.service.get_orders_from(vec![b.me]));
    let (one, other) =
        timeout(PATIENCE, async { tokio::join!(one, other) }).await.expect("in time");
    let mut came = [one, other].map(|synced| synced.unwrap().peers[0].1.tally.valid);
    came.sort_unstable();
    assert_eq!(came, [0, 3_000]);
    assert_eq!(a.book.len(), 3_000);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_told_of_a_session_says_of_which_sync_it_is() {
    let mesh = Mesh::default();
    let (a, b, c) = (node(&mesh, 1), node(&mesh, 2), node(&mesh, 3));
    for other in [&b, &c] {
        other.hold(0..2_000).await;
    }
    let [one, other] = [1, 2].map(|id| a.service.for_sync(SyncId(id)));
    let both =
        async { tokio::join!(one.get_orders_from(vec![b.me]), other.get_orders_from(vec![c.me])) };
    let (one, other) = timeout(PATIENCE, both).await.expect("in time");
    assert!(one.is_ok() && other.is_ok());
    a.service.get_orders(1).await.expect("they are still there");
    let (mut went_on, mut ended) = (BTreeSet::new(), BTreeSet::new());
    for event in a.events() {
        match event {
            Event::Progress { sync, peer, .. } => drop(went_on.insert((sync.0, peer))),
            Event::Fetched { sync, peer, .. } => drop(ended.insert((sync.0, peer))),
            _ => {}
        }
    }
    assert_eq!(went_on, ended);
    ended.retain(|(sync, _)| *sync > 0);
    assert_eq!(ended, BTreeSet::from([(1, b.me), (2, c.me)]));
    assert_eq!(went_on.len(), 3, "and that of which nobody asked for has no name");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sync_that_is_dropped_leaves_nothing_half_done() {
    let mesh = Mesh::default();
    let (a, b) = (node(&mesh, 1), node(&mesh, 2));
    b.hold(0..2_000).await;
    for polls in 0..200 {
        let mut sync = Box::pin(a.service.get_orders(1));
        for _ in 0..polls {
            if (&mut sync).now_or_never().is_some() {
                break;
            }
            tokio::task::yield_now().await;
        }
    }
    let synced = timeout(PATIENCE, a.service.get_orders(1)).await.expect("in time").unwrap();
    assert_eq!(synced.peers.len(), 1);
    assert_eq!(a.book.summary(), b.book.summary());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_periodic_sync_brings_what_came_since() {
    let mesh = Mesh::default();
    let (a, b) = (node(&mesh, 1), node(&mesh, 2));
    let follow = async {
        for up_to in [10, 20, 30] {
            b.hold(0..up_to).await;
            while a.book.len() < b.book.len() {
                a.book.changed(a.book.version()).await;
            }
        }
    };
    let periodic = a.service.periodically_get_orders(1, Duration::from_millis(20));
    let both = futures::future::select(Box::pin(follow), Box::pin(periodic));
    timeout(PATIENCE, both).await.expect("each is brought by a later sync");
    assert_eq!(a.book.len(), 30);
}

/// A node with 2,000 notes that gives one at a time, and each slowly.
async fn slow_for(a: &Node, mesh: &Mesh) -> Node {
    let slow = mesh.node(9, Protocol::Binary, Config { page: 1, ..hasty() });
    slow.hold(0..2_000).await;
    a.sees_slow(&slow, Slow::Drips(Duration::from_millis(5)));
    slow
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_peer_gets_so_much_time_in_one_sync_and_what_came_is_kept() {
    // In one session, or in one after the other.
    for session_timeout in [Duration::from_mins(10), Duration::from_millis(150)] {
        let mesh = Mesh::default();
        let config = Config {
            session_timeout,
            peer_timeout: Duration::from_millis(600),
            rounds_max: 10_000,
            backoff_max: Duration::from_millis(1),
            ..hasty()
        };
        let a = mesh.node(1, Protocol::Binary, config);
        let slow = slow_for(&a, &mesh).await;
        let synced = timeout(PATIENCE, a.service.get_orders(1)).await.expect("in time");
        let failed = synced.expect_err("it takes more than ten seconds").failed;
        let [(peer, failed)] = failed.as_slice() else { panic!("{failed:?}") };
        assert_eq!(*peer, slow.me);
        let ended = &failed.outcome.ended;
        let was_between = *ended == Ended::Broken(Break::TimedOut) && session_timeout < PATIENCE;
        assert!(*ended == Ended::Broken(Break::Overdue) || was_between, "{ended:?}");
        let came = a.book.len();
        assert!((1..2_000).contains(&came), "{came}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whom_another_sync_asks_is_left_to_it_and_others_are_asked() {
    let mesh = Mesh::default();
    let lane_timeout = Duration::from_millis(50);
    let a = mesh.node(1, Protocol::Binary, Config { lane_timeout, rounds_max: 1, ..hasty() });
    let slow = slow_for(&a, &mesh).await;
    let other = node(&mesh, 2);
    other.hold(0..20).await;
    let stuck = a.service.get_orders_from(vec![slow.me]);
    let manual = async {
        while a.book.is_empty() {
            a.book.changed(a.book.version()).await;
        }
        a.events();
        let synced = a.service.get_orders_from(vec![slow.me]).await;
        let failed = synced.expect_err("another sync is at it").failed;
        let asked_already = Ended::Broken(Break::AskedAlready);
        assert_eq!((failed[0].0, &failed[0].1.outcome.ended), (slow.me, &asked_already));
        let told = a.events().into_iter().any(|event| {
            matches!(event, Event::Fetched { peer, protocol: None, outcome, .. }
                if peer == slow.me && outcome.ended == asked_already)
        });
        assert!(told, "who follows the sync hears of it");
        let synced = a.service.get_orders(1).await.expect("the other one is free");
        let peers: Vec<_> = synced.peers.iter().map(|(peer, _)| *peer).collect();
        assert_eq!(peers, [other.me]);
    };
    let both = async {
        tokio::select! {
            () = manual => {}
            synced = stuck => panic!("it takes more than ten seconds: {synced:?}"),
        }
    };
    timeout(PATIENCE, both).await.expect("in time");
}
