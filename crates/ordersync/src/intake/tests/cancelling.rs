//! Callers that go away, or stay and do not ask.

use std::sync::Arc;

use futures::FutureExt;
use futures::executor::block_on;

use super::support::*;
use crate::intake::Config;
use crate::{Admitted, Origin, Rejected, book};

#[test]
fn wherever_an_admission_is_dropped_the_book_shows_only_what_is_durable() {
    for polls in 0..12 {
        let config = Config { batches_max: 1, batch: 4, job: 2, ..Config::default() };
        let node = Node::with(book::Config::default(), config, Disk::default(), 16);
        let future = node.intake.admit((1..=10).map(good).collect(), Origin::Peer).boxed();
        let ended = node.wait_until(future, polls, || false).is_some();
        let rows = node.disk.rows();
        assert!(node.book.ids(&All).iter().all(|id| rows.contains_key(id)), "{polls} polls");
        node.sweep().unwrap();
        node.assert_same();
        assert!(!ended || node.book.len() == 10);
        // No place is lost, and nothing is in the way of a second try.
        assert!(node.admit((1..=10).map(good).collect()).iter().all(Result::is_ok));
        assert_eq!(node.book.len(), 10);
        node.assert_same();
    }
}

#[test]
fn a_transaction_whose_caller_is_gone_comes_to_its_end() {
    let node = Node::new();
    node.disk.set(Mode::Holds);
    let mut gone = node.intake.admit(vec![good(1)], Origin::Peer).boxed();
    node.wait_until_held(&mut gone);
    drop(gone);
    node.disk.release();
    assert!(node.book.is_empty());
    let shown = node.book.changed(0);
    assert_eq!(node.wait(shown), 1);
    node.assert_same();
}

#[test]
fn who_does_not_ask_for_his_answer_stops_nobody_while_the_disk_writes() {
    let node = Node::new();
    node.disk.set(Mode::Holds);
    let mut first = node.intake.admit(vec![good(1)], Origin::Peer).boxed();
    node.wait_until_held(&mut first);
    node.disk.release();
    assert_eq!(node.admit(vec![good(2)]), [Ok(Admitted::New)]);
    assert_eq!(node.sweep(), Ok(0));
    assert_eq!(node.book.len(), 2);
    assert_eq!(outcomes(node.wait(first)), [Ok(Admitted::New)]);
}

#[test]
fn who_does_not_ask_for_his_answer_keeps_no_place() {
    let config = Config { batches_max: 2, ..Config::default() };
    let node = Node::with(book::Config::default(), config, Disk::default(), 16);
    node.disk.set(Mode::Holds);
    let admit = |number| node.intake.admit(vec![good(number)], Origin::Peer).boxed();
    // One is being written, one has the other place, one waits for a place.
    let mut frozen = [admit(1), admit(2), admit(3)];
    let [writing, verifying, waiting] = &mut frozen;
    node.wait_until_held(writing);
    assert!(node.wait_until(verifying, 2, || false).is_none());
    assert!(node.wait_until(waiting, 2, || false).is_none());
    node.disk.release();
    assert_eq!(node.admit(vec![good(4)]), [Ok(Admitted::New)]);
    for admission in frozen {
        assert_eq!(outcomes(node.wait(admission)), [Ok(Admitted::New)]);
    }
    node.assert_same();
}

#[test]
fn without_its_driver_an_intake_takes_nothing_and_says_so() {
    let node = Node::new();
    node.disk.set(Mode::Holds);
    let mut writing = node.intake.admit(vec![good(1)], Origin::Peer).boxed();
    node.wait_until_held(&mut writing);
    let mut sweeping = node.intake.sweep().boxed();
    assert!(node.wait_until(&mut sweeping, 1, || false).is_none());
    // Its job, which the pool has had before this one, is done.
    node.wait(node.pool.run(|| ())).unwrap();
    assert!(node.wait_until(&mut sweeping, 1, || false).is_none());
    let (intake, book) = (node.intake.clone(), Arc::clone(&node.book));
    drop(node);
    let later = |admissions| matches!(outcomes(admissions)[..], [Err(Rejected::Later { .. })]);
    assert!(later(block_on(writing)));
    assert!(block_on(sweeping).is_err());
    assert!(later(block_on(intake.admit(vec![good(2)], Origin::Own))));
    assert!(block_on(intake.sweep()).is_err());
    assert!(book.is_empty());
}

#[test]
fn a_batch_whose_caller_is_gone_before_its_turn_is_not_written() {
    let node = Node::new();
    node.disk.set(Mode::Holds);
    let mut first = node.intake.admit(vec![good(1)], Origin::Peer).boxed();
    node.wait_until_held(&mut first);
    let gone = node.intake.admit(vec![good(2)], Origin::Peer).boxed();
    let stop = || node.looked_at() == 2;
    assert!(node.wait_until(gone, usize::MAX, stop).is_none());
    node.disk.release();
    assert_eq!(outcomes(node.wait(first)), [Ok(Admitted::New)]);
    node.sweep().unwrap();
    assert_eq!(node.book.len(), 1);
    node.assert_same();
}
