//! The book shows what is durable, and nothing else.

use futures::FutureExt;
use futures::future::{join, ready};
use machine::UnixTime;

use super::support::*;
use crate::book::Holding;
use crate::intake::Config;
use crate::{Admitted, Change, Item, Kept, Origin, Rejected, Store, book};

#[test]
fn nothing_is_shown_when_the_disk_fails() {
    let node = Node::new();
    node.disk.set(Mode::Fails);
    let later = Err(Rejected::Later { reason: "item store: no space".to_owned() });
    assert_eq!(node.admit(vec![good(1), good(1)]), [later.clone(), later]);
    assert!(node.book.is_empty());
    node.disk.set(Mode::Works);
    assert_eq!(node.admit(vec![good(1)]), [Ok(Admitted::New)]);
    node.assert_same();
}

#[test]
fn nothing_is_shown_before_it_is_durable() {
    let node = Node::new();
    node.disk.set(Mode::Holds);
    let mut admission = node.intake.admit(vec![good(1)], Origin::Peer).boxed();
    node.wait_until_held(&mut admission);
    assert!(node.book.is_empty());
    node.disk.release();
    assert_eq!(outcomes(node.wait(admission)), [Ok(Admitted::New)]);
    node.assert_same();
}

#[test]
fn of_two_copies_in_flight_one_is_new_and_the_other_known() {
    let node = Node::new();
    node.disk.set(Mode::Holds);
    let admit = |seal| node.intake.admit(vec![sealed(1, seal)], Origin::Peer).boxed();
    let [mut one, mut two, mut three] = [GOOD, ALSO_GOOD, GOOD].map(admit);
    // The second and the third are verified while the first is being written.
    node.wait_until_held(&mut one);
    let stop = || node.looked_at() == 3;
    let waiting = join(&mut two, &mut three);
    assert!(node.wait_until(waiting, usize::MAX, stop).is_none());
    node.disk.release();
    let (two, (one, three)) = node.wait(join(two, join(one, three)));
    let all = [one, two, three].map(|admissions| outcomes(admissions)[0].clone());
    assert_eq!(all, [Ok(Admitted::New), Ok(Admitted::Known), Ok(Admitted::Known)]);
    assert_eq!(node.disk.transactions().concat().len(), 1, "one row");
    assert_eq!(node.book.get(&good(1).id).unwrap().item.seal, GOOD);
}

#[test]
fn batches_that_wait_for_the_disk_go_together() {
    let node = Node::new();
    node.disk.set(Mode::Holds);
    let admit = |number| node.intake.admit(vec![good(number)], Origin::Peer).boxed();
    let mut first = admit(1);
    node.wait_until_held(&mut first);
    let mut others: Vec<_> = (2..7).map(admit).collect();
    others.push(node.intake.admit(vec![good(2)], Origin::Own).boxed());
    let looked_at_all = || node.looked_at() == 7;
    let future = futures::future::join_all(&mut others);
    assert!(node.wait_until(future, usize::MAX, looked_at_all).is_none());
    // A verdict that is there is passed on with the next poll.
    assert!(others.iter_mut().all(|other| other.now_or_never().is_none()));
    node.disk.release();
    let (first, others) = node.wait(join(first, futures::future::join_all(others)));
    assert_eq!(outcomes(first), [Ok(Admitted::New)]);
    let mut others = outcomes(others.concat());
    // Either of the two copies may have been verified first.
    if others[0] == Ok(Admitted::Known) {
        others.swap(0, 5);
    }
    assert_eq!(others[5], Ok(Admitted::Known));
    assert!(others[..5].iter().all(|outcome| *outcome == Ok(Admitted::New)));
    assert!(node.book.holding(&good(2).id).unwrap().pinned, "one of the two is ours");
    node.assert_same();
    assert!(node.disk.transactions().len() < 5, "{}", node.disk.transactions().len());
}

#[test]
fn no_more_batches_are_under_way_than_there_are_places() {
    let config = Config { batches_max: 1, ..Config::default() };
    let node = Node::with(book::Config::default(), config, Disk::default(), 16);
    node.disk.set(Mode::Holds);
    let mut first = node.intake.admit(vec![good(1)], Origin::Peer).boxed();
    node.wait_until_held(&mut first);
    let mut second = node.intake.admit(vec![good(2)], Origin::Peer).boxed();
    assert!(node.wait_until(&mut second, 2, || false).is_none());
    // One that gives up its wait takes no place with it.
    let mut third = node.intake.admit(vec![good(3)], Origin::Peer).boxed();
    assert!(node.wait_until(&mut third, 2, || false).is_none());
    drop(third);
    node.wait(node.pool.run(|| ())).unwrap();
    assert_eq!(node.looked_at(), 1);
    node.disk.release();
    let (first, second) = node.wait(join(first, second));
    assert_eq!(outcomes([first, second].concat()), [Ok(Admitted::New), Ok(Admitted::New)]);
    assert_eq!(node.looked_at(), 2);
}

#[test]
fn what_has_ended_leaves_the_book_at_once_and_the_store_when_it_works() {
    let node = Node::new();
    node.admit(vec![good(2)]);
    // It was taken in while it had not ended.
    let (entry, received) = (ending(1, 1_000), UnixTime::from_millis(1));
    let bytes = Sealed::encode_batch(&[&entry.item]).into();
    let row = Kept { id: entry.id, bytes, received, pinned: false };
    node.book.insert(vec![Holding { entry, received, pinned: false }]);
    node.wait(node.disk.apply(vec![Change::Put(row)])).unwrap();
    node.assert_same();
    node.disk.set(Mode::Fails);
    assert!(node.sweep().is_err());
    assert_eq!(node.book.ids(&All), [good(2).id]);
    assert_eq!(node.disk.rows().len(), 2);
    node.disk.set(Mode::Works);
    assert_eq!(node.sweep(), Ok(0));
    node.assert_same();
}

#[test]
fn what_is_forgotten_leaves_both_and_may_come_back() {
    let node = Node::new();
    node.admit((1..=1_100).map(good).collect());
    let ids: Vec<_> = (2..2_000).map(|number| good(number).id).collect();
    assert_eq!(node.wait(node.intake.forget(ids)).unwrap().len(), 1_099);
    assert_eq!(node.book.len(), 1);
    node.assert_same();
    assert_eq!(node.admit(vec![good(5)]), [Ok(Admitted::New)]);
    node.sweep().unwrap();
    node.assert_same();
}

#[test]
fn a_removal_that_is_still_owed_does_not_hit_what_came_back() {
    let node = Node::new();
    node.admit(vec![good(1)]);
    node.disk.set(Mode::Fails);
    assert!(node.wait(node.intake.forget(vec![good(1).id])).is_err());
    assert!(matches!(node.admit(vec![good(1)])[..], [Err(Rejected::Later { .. })]));
    node.disk.set(Mode::Works);
    assert_eq!(node.admit(vec![good(1)]), [Ok(Admitted::New)]);
    node.sweep().unwrap();
    node.assert_same();
    let removes = |change: &Change| matches!(change, Change::Remove(_));
    assert!(!node.disk.transactions().last().unwrap().iter().any(removes));
}

#[test]
fn a_sweep_answers_for_a_removal_that_is_under_way() {
    let node = Node::new();
    node.admit(vec![good(1)]);
    node.disk.set(Mode::Holds);
    let mut forgetting = node.intake.forget(vec![good(1).id]).boxed();
    node.wait_until_held(&mut forgetting);
    let mut sweeping = node.intake.sweep().boxed();
    assert!(node.wait_until(&mut sweeping, 1, || false).is_none());
    // Its job, which the pool has had before this one, is done.
    node.wait(node.pool.run(|| ())).unwrap();
    assert!(node.wait_until(&mut sweeping, 1, || false).is_none());
    node.wait(ready(()));
    node.disk.lose();
    let (forgotten, swept) = node.wait(join(forgetting, sweeping));
    assert!(forgotten.is_err() && swept.is_err());
    assert_eq!(node.sweep(), Ok(0));
    node.assert_same();
}
