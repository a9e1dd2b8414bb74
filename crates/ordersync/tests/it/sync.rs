//! Two and more services bring their notes together.

use std::time::Duration;

use meshwork_ordersync::requester::Ended;
use meshwork_ordersync::service::{Config, Protocol};
use tokio::time::timeout;

use crate::mesh::{Mesh, Node, PROTOCOLS};

const PATIENCE: Duration = Duration::from_mins(1);

fn pair(protocol: Protocol) -> (Mesh, Node, Node) {
    let mesh = Mesh::default();
    let a = mesh.node(1, protocol, Config::default());
    let b = mesh.node(2, protocol, Config::default());
    (mesh, a, b)
}

async fn sync(node: &Node, with: &Node) -> meshwork_ordersync::requester::Outcome {
    let synced = timeout(PATIENCE, node.service.get_orders_from(vec![with.me]));
    let synced = synced.await.expect("in time").expect("synced");
    synced.peers.into_iter().next().expect("one peer").1
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_small_difference_is_all_that_travels() {
    for protocol in PROTOCOLS {
        let (_mesh, a, b) = pair(protocol);
        a.hold(0..5_000).await;
        b.hold(0..4_990).await;
        b.hold(5_000..5_007).await;
        let outcome = sync(&a, &b).await;
        assert_eq!(outcome.ended, Ended::Agreed, "{protocol} {outcome:?}");
        assert_eq!((outcome.tally.new, outcome.tally.known), (7, 0), "{protocol}");
        assert!(outcome.tally.round_trips <= 3, "{protocol} {outcome:?}");
        assert_eq!(a.book.len(), 5_007);
        if protocol == Protocol::Binary {
            assert_eq!(a.book.summary(), b.book.summary(), "and the other has what it lacked");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn equal_sets_are_done_in_one_round_trip() {
    for protocol in PROTOCOLS {
        let (_mesh, a, b) = pair(protocol);
        a.hold(0..1_000).await;
        b.hold(0..1_000).await;
        let outcome = sync(&a, &b).await;
        assert_eq!(outcome.ended, Ended::Agreed);
        assert_eq!((outcome.tally.round_trips, outcome.tally.valid), (1, 0), "{protocol}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_has_nothing_pages_and_then_proves_it() {
    let (_mesh, a, b) = pair(Protocol::Binary);
    b.hold(0..7_000).await;
    let outcome = sync(&a, &b).await;
    assert_eq!(outcome.ended, Ended::Agreed, "{outcome:?}");
    assert_eq!(outcome.tally.new, 7_000);
    assert_eq!(outcome.tally.proofs, 0, "what came adds up");
    assert_eq!(a.book.summary(), b.book.summary());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn several_providers_share_a_cold_start() {
    let mesh = Mesh::default();
    let a = mesh.node(1, Protocol::Binary, Config::default());
    for seed in 2..5 {
        mesh.node(seed, Protocol::Binary, Config::default()).hold(0..3_000).await;
    }
    let synced = timeout(PATIENCE, a.service.get_orders(3)).await.expect("in time").unwrap();
    assert_eq!(synced.peers.len(), 3);
    let given: u64 = synced.peers.iter().map(|(_, outcome)| outcome.tally.valid).sum();
    assert!(given <= 3_500, "shared, not three times: {given}");
    assert_eq!(a.book.len(), 3_000);
}
