//! The book shows what is durable, and nothing else.

use futures::FutureExt;
use futures::executor::block_on;
use futures::future::join;

use super::support::*;
use crate::intake::Config;
use crate::{Admitted, Change, Origin, Rejected, book};

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
    until_held(&mut admission, &node.disk);
    assert!(node.book.is_empty());
    node.disk.release();
    assert_eq!(outcomes(block_on(admission)), [Ok(Admitted::New)]);
    node.assert_same();
}

#[test]
fn of_two_copies_in_flight_one_is_new_and_the_other_known() {
    let node = Node::new();
    node.disk.set(Mode::Holds);
    let admit = |seal| node.intake.admit(vec![sealed(1, seal)], Origin::Peer).boxed();
    let [mut one, mut two, mut three] = [GOOD, ALSO_GOOD, GOOD].map(admit);
    // The second and the third are verified while the first is being written.
    until_held(&mut one, &node.disk);
    let stop = || node.looked_at() == 3;
    let waiting = join(&mut two, &mut three);
    assert!(block_on(Until { future: waiting, polls: usize::MAX, stop }).is_none());
    node.disk.release();
    let (two, (one, three)) = block_on(join(two, join(one, three)));
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
    until_held(&mut first, &node.disk);
    let mut others: Vec<_> = (2..7).map(admit).collect();
    others.push(node.intake.admit(vec![good(2)], Origin::Own).boxed());
    let looked_at_all = || node.looked_at() == 7;
    let future = futures::future::join_all(&mut others);
    assert!(block_on(Until { future, polls: usize::MAX, stop: looked_at_all }).is_none());
    // A verdict that is there is passed on with the next poll.
    assert!(others.iter_mut().all(|other| other.now_or_never().is_none()));
    node.disk.release();
    let (first, others) = block_on(join(first, futures::future::join_all(others)));
    assert_eq!(outcomes(first), [Ok(Admitted::New)]);
    let others = outcomes(others.concat());
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
    until_held(&mut first, &node.disk);
    let mut second = node.intake.admit(vec![good(2)], Origin::Peer).boxed();
    assert!((&mut second).now_or_never().is_none());
    // One that gives up its wait takes no place with it.
    let mut third = node.intake.admit(vec![good(3)], Origin::Peer).boxed();
    assert!((&mut third).now_or_never().is_none());
    drop(third);
    assert_eq!(node.looked_at(), 1);
    node.disk.release();
    let (first, second) = block_on(join(first, second));
    assert_eq!(outcomes([first, second].concat()), [Ok(Admitted::New), Ok(Admitted::New)]);
    assert_eq!(node.looked_at(), 2);
}

#[test]
fn what_has_ended_leaves_the_book_at_once_and_the_store_when_it_works() {
    let node = Node::new();
    let soon = transport::clock::Clock::wall().as_millis() + 300;
    assert_eq!(node.admit(vec![ending(1, soon), good(2)]).len(), 2);
    assert!(node.book.contains(&ending(1, 0).id), "this machine is too slow for the test");
    while transport::clock::Clock::wall().as_millis() <= soon {
        std::thread::yield_now();
    }
    node.disk.set(Mode::Fails);
    assert!(block_on(node.intake.sweep()).is_err());
    assert_eq!((node.book.len(), node.disk.rows().len()), (1, 2));
    node.disk.set(Mode::Works);
    assert_eq!(block_on(node.intake.sweep()), Ok(0));
    node.assert_same();
}

#[test]
fn what_is_forgotten_leaves_both_and_may_come_back() {
    let node = Node::new();
    node.admit((1..=1_100).map(good).collect());
    let ids: Vec<_> = (2..2_000).map(|number| good(number).id).collect();
    assert_eq!(block_on(node.intake.forget(ids)).unwrap().len(), 1_099);
    assert_eq!(node.book.len(), 1);
    node.assert_same();
    assert_eq!(node.admit(vec![good(5)]), [Ok(Admitted::New)]);
    block_on(node.intake.sweep()).unwrap();
    node.assert_same();
}

#[test]
fn a_removal_that_is_still_owed_does_not_hit_what_came_back() {
    let node = Node::new();
    node.admit(vec![good(1)]);
    node.disk.set(Mode::Fails);
    assert!(block_on(node.intake.forget(vec![good(1).id])).is_err());
    assert!(matches!(node.admit(vec![good(1)])[..], [Err(Rejected::Later { .. })]));
    node.disk.set(Mode::Works);
    assert_eq!(node.admit(vec![good(1)]), [Ok(Admitted::New)]);
    block_on(node.intake.sweep()).unwrap();
    node.assert_same();
    let removes = |change: &Change| matches!(change, Change::Remove(_));
    assert!(!node.disk.transactions().last().unwrap().iter().any(removes));
}
