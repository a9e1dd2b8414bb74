//! Who is let in, who is known, and what is verified.

use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use futures::FutureExt;
use futures::executor::block_on;
use futures::future::ready;

use super::support::*;
use crate::intake::Config;
use crate::{Admitted, ItemId, Origin, Rejected, book};

#[test]
fn outcomes_come_in_the_order_of_the_items() {
    let node = Node::new();
    assert_eq!(node.admit(vec![good(5)]), [Ok(Admitted::New)]);
    let offered =
        vec![good(9), sealed(1, FORGED), ending(2, 1_000), good(5), good(3), sealed(4, HEAVY)];
    let ids: Vec<ItemId> = offered.iter().map(|entry| entry.id).collect();
    let admissions = node.wait(node.intake.admit(offered, Origin::Peer));
    assert!(admissions.iter().map(|admission| admission.id).eq(ids));
    let outcomes = outcomes(admissions);
    assert_eq!(
        outcomes[..5],
        [
            Ok(Admitted::New),
            Err(forged()),
            Err(Rejected::Expired),
            Ok(Admitted::Known),
            Ok(Admitted::New)
        ]
    );
    assert!(matches!(outcomes[5], Err(Rejected::Unwanted { code: "TooLong", .. })));
    assert_eq!(node.looked_at(), 5, "neither the known one nor the expired one");
    assert_eq!(node.book.len(), 3);
    node.assert_same();
}

#[test]
fn many_items_go_in_batches_over_many_jobs() {
    let node = Node::new();
    let outcomes = node.admit((1..=1_234).map(good).collect());
    assert!(outcomes.iter().all(|outcome| *outcome == Ok(Admitted::New)));
    let sizes: Vec<_> = node.disk.transactions().iter().map(Vec::len).collect();
    assert_eq!(sizes, [500, 500, 234]);
    node.assert_same();
}

#[test]
fn equal_items_of_a_batch_are_verified_once() {
    let node = Node::new();
    let outcomes = node.admit(vec![good(1), good(1), sealed(2, FORGED), sealed(2, FORGED)]);
    let [new, known] = [Ok(Admitted::New), Ok(Admitted::Known)];
    assert_eq!(outcomes, [new, known, Err(forged()), Err(forged())]);
    assert_eq!(node.looked_at(), 2);
}

#[test]
fn an_item_that_panics_costs_its_batch_and_no_other() {
    let node = Node::new();
    for batch in [vec![sealed(1, BROKEN), good(2)], vec![sealed(1, BROKEN), sealed(1, GOOD)]] {
        let outcomes = node.admit(batch);
        let later = |outcome: &_| matches!(outcome, Err(Rejected::Later { .. }));
        assert!(outcomes.len() == 2 && outcomes.iter().all(later), "{outcomes:?}");
        assert_eq!(node.admit(vec![good(1)]), [Ok(Admitted::New)]);
        node.wait(node.intake.forget(vec![good(1).id])).unwrap();
    }
}

#[test]
fn a_forged_copy_does_not_keep_the_good_one_out() {
    let node = Node::new();
    let copies = vec![sealed(1, FORGED), sealed(1, GOOD), sealed(1, ALSO_GOOD)];
    assert_eq!(node.admit(copies), [Err(forged()), Ok(Admitted::New), Ok(Admitted::Known)]);
    assert_eq!(node.book.get(&good(1).id).unwrap().item.seal, GOOD);
    assert_eq!(node.disk.transactions().concat().len(), 1);
}

#[test]
fn what_finds_no_room_is_not_verified_and_what_gives_way_leaves_the_store() {
    let node = Node::of_room(3);
    let far = 1 << 50;
    node.admit(vec![ending(1, far + 1), ending(2, far + 2), ending(3, far + 3)]);
    assert_eq!(node.admit(vec![ending(4, far + 4)]), [Err(Rejected::Full)]);
    assert_eq!(node.looked_at(), 3);
    assert_eq!(node.admit(vec![ending(5, far)]), [Ok(Admitted::New)]);
    node.sweep().unwrap();
    assert!(!node.book.contains(&ending(3, 0).id));
    node.assert_same();
}

#[test]
fn items_of_one_batch_may_give_way_to_each_other() {
    let node = Node::of_room(1);
    let far = 1 << 50;
    let outcomes = node.admit(vec![ending(1, far + 1), ending(2, far)]);
    assert_eq!(outcomes, [Err(Rejected::Full), Ok(Admitted::New)]);
    node.sweep().unwrap();
    node.assert_same();
    // What has given way may come back when there is room.
    node.wait(node.intake.forget(vec![ending(2, 0).id])).unwrap();
    assert_eq!(node.admit(vec![ending(1, far + 1)]), [Ok(Admitted::New)]);
    node.assert_same();
}

#[test]
fn what_is_offered_as_our_own_later_is_pinned_durably() {
    let node = Node::new();
    node.admit(vec![sealed(1, ALSO_GOOD)]);
    let received = node.book.holding(&good(1).id).unwrap().received;
    let own = |entry| outcomes(node.wait(node.intake.admit(vec![entry], Origin::Own)));
    assert_eq!(own(sealed(1, GOOD)), [Ok(Admitted::Known)]);
    let held = node.book.holding(&good(1).id).unwrap();
    let row = node.disk.rows().remove(&good(1).id).unwrap();
    assert!(held.pinned && row.pinned);
    assert_eq!((held.received, row.received), (received, received));
    assert_eq!(row.bytes.last(), Some(&ALSO_GOOD), "what is kept is what is shown");
    assert_eq!(own(sealed(1, GOOD)), [Ok(Admitted::Known)]);
    assert_eq!(node.disk.transactions().len(), 2, "once is enough");
}

/// Keeps the one thread of a pool busy until the sender is dropped.
fn occupy(node: &Node) -> mpsc::Sender<()> {
    let (free, wait) = mpsc::channel::<()>();
    let (started, start) = mpsc::channel();
    let work = node.pool.run(move || {
        started.send(()).unwrap();
        wait.recv().unwrap_err();
    });
    let waiting = thread::spawn(|| block_on(work));
    start.recv().unwrap();
    drop(waiting);
    free
}

#[test]
fn a_busy_pool_is_waited_for_with_patience() {
    let node = Node::with(book::Config::default(), Config::default(), Disk::default(), 0);
    let busy = occupy(&node);
    let mut admission = node.intake.admit((1..100).map(good).collect(), Origin::Peer).boxed();
    let refused = node.wait_until(&mut admission, 2, || false);
    assert!(refused.is_none(), "it waits for a place");
    drop(busy);
    assert!(outcomes(node.wait(admission)).iter().all(Result::is_ok));
    assert_eq!(node.book.len(), 99);
}

#[test]
fn a_pool_that_stays_busy_means_later_and_nothing_is_taken() {
    let config = Config { patience: Duration::ZERO, ..Config::default() };
    let node = Node::with(book::Config::default(), config, Disk::default(), 0);
    let busy = occupy(&node);
    assert!(matches!(node.admit(vec![good(1)])[..], [Err(Rejected::Later { .. })]));
    assert!(node.sweep().is_err());
    drop(busy);
    assert!(node.book.is_empty() && node.disk.transactions().is_empty());
}

#[test]
fn what_nobody_waits_for_any_more_is_not_verified() {
    let node = Node::new();
    let busy = occupy(&node);
    let mut gone = node.intake.admit((1..100).map(good).collect(), Origin::Peer).boxed();
    assert!(node.wait_until(&mut gone, 2, || false).is_none());
    assert!(node.pool.waiting() > 0);
    drop(gone);
    node.wait(ready(()));
    drop(busy);
    assert_eq!(node.admit(vec![good(1_000)]), [Ok(Admitted::New)]);
    assert_eq!(node.looked_at(), 1);
}
