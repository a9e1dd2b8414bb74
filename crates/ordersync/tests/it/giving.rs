//! What a provider lacks is given to it, however much that is.

use std::time::Duration;

use meshwork_ordersync::requester::{Ended, Outcome};
use meshwork_ordersync::riblt::PUSH_MAX;
use meshwork_ordersync::service::{Config, Event, Protocol};
use meshwork_ordersync::{Entry, Holding};
use tokio::time::timeout;

use crate::mesh::{Mesh, Node};
use crate::pair::forged;

const PATIENCE: Duration = Duration::from_mins(2);

fn pair() -> (Mesh, Node, Node) {
    let mesh = Mesh::default();
    let [a, b] = [1, 2].map(|seed| mesh.node(seed, Protocol::Binary, Config::default()));
    (mesh, a, b)
}

async fn sync(node: &Node) -> Outcome {
    let synced = timeout(PATIENCE, node.service.get_orders(1)).await.expect("in time").unwrap();
    synced.peers.into_iter().next().unwrap().1
}

fn sessions(node: &Node) -> usize {
    node.events().iter().filter(|event| matches!(event, Event::Fetched { .. })).count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_sync_gives_ten_thousand_and_more() {
    // By what the cells tell, and in a session more than one may give.
    let (_mesh, a, b) = pair();
    a.hold(0..11_000).await;
    b.hold(0..300).await;
    let outcome = sync(&a).await;
    assert_eq!((&outcome.ended, outcome.tally.pushed), (&Ended::Agreed, 10_700), "{outcome:?}");
    assert_eq!(outcome.tally.kept, 0);
    assert_eq!(a.book.summary(), b.book.summary());
    assert_eq!(sessions(&a), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_was_paged_is_given_what_it_lacks() {
    let (_mesh, a, b) = pair();
    a.hold(0..12_000).await;
    b.hold(11_500..13_500).await;
    let outcome = sync(&a).await;
    assert_eq!(outcome.ended, Ended::Agreed, "{outcome:?}");
    assert_eq!((outcome.tally.new, outcome.tally.pushed), (1_500, 11_500), "{outcome:?}");
    assert_eq!(a.book.summary(), b.book.summary());
    assert_eq!(sessions(&a), 2, "{outcome:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_does_not_take_it_is_not_asked_to_for_ever() {
    let (_mesh, a, b) = pair();
    let received = machine::UnixTime::from_millis(0);
    let hold = |number| Holding { entry: forged(number), received, pinned: false };
    let forged = u32::try_from(PUSH_MAX).unwrap() + 500;
    a.book.insert((0..forged).map(hold).collect());
    b.hold(0..300).await;
    let outcome = sync(&a).await;
    assert_eq!((&outcome.ended, outcome.tally.kept), (&Ended::Agreed, 500), "{outcome:?}");
    assert_eq!((a.book.len(), b.book.len()), (PUSH_MAX + 800, 300));
    assert_eq!(sessions(&a), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_gives_nothing_keeps_all() {
    let mesh = Mesh::default();
    let config = Config { push: false, ..Config::default() };
    let [a, b] = [1, 2].map(|seed| mesh.node(seed, Protocol::Binary, config.clone()));
    a.hold(0..3_000).await;
    b.hold(0..600).await;
    let outcome = sync(&a).await;
    assert_eq!(outcome.ended, Ended::Agreed, "{outcome:?}");
    assert_eq!((outcome.tally.pushed, outcome.tally.kept), (0, 0));
    assert_eq!((b.book.len(), sessions(&a)), (600, 1));
    // What is not an entry of a book is not there to be given.
    assert!(!b.book.contains(&Entry::new(crate::mesh::note(700)).id));
}
