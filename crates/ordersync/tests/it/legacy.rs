//! Providers that can only page: several share a cold start, and none can hide what others have.

use std::time::Duration;

use meshwork_ordersync::requester::{Ended, Outcome};
use meshwork_ordersync::service::{Config, Event, Protocol, Synced};
use meshwork_ordersync::{Entry, Subprotocols, json, paging};
use tokio::time::timeout;

use crate::mesh::{Mesh, Node, Slow, note};
use crate::sample::Note;

const PATIENCE: Duration = Duration::from_mins(1);
const JSON: Protocol = Protocol::Json(json::Envelope::Negotiated);
const PAGE: usize = 50;

fn config() -> Config {
    Config { page: PAGE, ..Config::default() }
}

/// As a node of 0x-Mesh from 10.0 on, but for the older subprotocol.
fn of_today() -> Subprotocols<Note> {
    Subprotocols::new().with(paging::V1 { empty_last_page: true }).unwrap()
}

/// As one that knows the older subprotocol alone.
fn of_old() -> Subprotocols<Note> {
    Subprotocols::new().with(paging::V0).unwrap()
}

async fn sync(node: &Node, peers: usize) -> Synced {
    let synced = timeout(PATIENCE, node.service.get_orders(peers)).await.expect("in time").unwrap();
    assert_eq!(synced.peers.len(), peers, "{synced:?}");
    assert!(synced.peers.iter().all(|(_, outcome)| outcome.ended == Ended::Paged), "{synced:?}");
    synced
}

fn given(synced: &Synced) -> u64 {
    synced.peers.iter().map(|(_, outcome)| outcome.tally.valid).sum()
}

/// Notes whose ids begin with a byte below this.
fn low(below: u8, among: u32) -> Vec<u32> {
    let is_low = |number: &u32| Entry::new(note(*number)).id.as_bytes()[0] < below;
    (0..among).filter(is_low).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_alone_pages_everything_once() {
    let mesh = Mesh::default();
    let a = mesh.node(1, JSON, config());
    mesh.node_with(2, JSON, config(), of_today()).hold(0..3_000).await;
    let synced = sync(&a, 1).await;
    assert_eq!(a.book.len(), 3_000);
    assert_eq!(given(&synced), 3_000, "no page came twice");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn several_that_only_page_share_a_cold_start() {
    let mesh = Mesh::default();
    let a = mesh.node(1, JSON, config());
    for seed in 2..7 {
        mesh.node_with(seed, JSON, config(), of_today()).hold(0..6_000).await;
    }
    let synced = sync(&a, 5).await;
    assert_eq!(a.book.len(), 6_000);
    let given = given(&synced);
    assert!(given < 16_000, "each range from two of them, not from five: {given}");
    // By now it is no cold start: each is asked for everything.
    let again = sync(&a, 5).await;
    assert!(again.peers.iter().all(|(_, outcome)| outcome.tally.valid == 6_000), "{again:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_one_withholds_another_brings() {
    let mesh = Mesh::default();
    let a = mesh.node(1, JSON, config());
    // Its first page is as thick as that of the others, and behind it there is nothing.
    mesh.node_with(2, JSON, config(), of_today()).hold(low(8, 6_000)).await;
    for seed in 3..5 {
        mesh.node_with(seed, JSON, config(), of_today()).hold(0..6_000).await;
    }
    sync(&a, 3).await;
    assert_eq!(a.book.len(), 6_000);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_holds_little_does_not_speak_for_who_holds_much() {
    let mesh = Mesh::default();
    let a = mesh.node(1, JSON, config());
    for seed in 2..5 {
        mesh.node_with(seed, JSON, config(), of_today()).hold(0..200).await;
    }
    mesh.node_with(5, JSON, config(), of_today()).hold(0..4_000).await;
    sync(&a, 4).await;
    assert_eq!(a.book.len(), 4_000);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_cannot_page_ranges_pages_everything() {
    let mesh = Mesh::default();
    let a = mesh.node(1, JSON, config());
    let old = mesh.node_with(2, JSON, config(), of_old());
    old.hold(0..2_000).await;
    mesh.node_with(3, JSON, config(), of_today()).hold(1_000..3_000).await;
    let synced = sync(&a, 2).await;
    assert_eq!(a.book.len(), 3_000);
    let (_, outcome) = synced.peers.iter().find(|(peer, _)| *peer == old.me).unwrap();
    assert_eq!((outcome.tally.valid, outcome.tally.ranges), (2_000, 0));
}

/// How the sessions of a node ended, in their order.
fn ended(node: &Node) -> Vec<(machine::PeerId, Outcome)> {
    let fetched = |event| match event {
        Event::Fetched { peer, outcome, .. } => Some((peer, outcome)),
        _ => None,
    };
    node.events().into_iter().filter_map(fetched).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_stands_still_holds_nobody_up() {
    let turn_timeout = Duration::from_secs(3);
    let config = || Config { turn_timeout, rounds_max: 1, ..config() };
    for protocol in [Protocol::Binary, JSON] {
        let mesh = Mesh::default();
        let a = mesh.node(1, protocol, config());
        let (slow, fast) = (mesh.node(2, protocol, config()), mesh.node(3, protocol, config()));
        for node in [&slow, &fast] {
            node.hold(0..3_000).await;
        }
        // It says how much it has, and a little more.
        a.sees_slow(&slow, Slow::Stalls(3_000));
        let synced = timeout(PATIENCE, a.service.get_orders(2)).await.expect("in time").unwrap();
        let [(peer, outcome)] = synced.peers.as_slice() else { panic!("{synced:?}") };
        assert_eq!((*peer, &outcome.ended), (fast.me, &Ended::Agreed), "{protocol}");
        assert_eq!(a.book.len(), 3_000);
        let ended: Vec<_> = ended(&a).into_iter().map(|(peer, _)| peer).collect();
        let (first, last) = (ended.first().unwrap(), ended.last().unwrap());
        assert_eq!((*first, *last), (fast.me, slow.me), "{protocol}: it was not waited for");
        if protocol == Protocol::Binary {
            assert_eq!(outcome.tally.proofs, 0, "{protocol}: all of it came from one");
        }
    }
}
