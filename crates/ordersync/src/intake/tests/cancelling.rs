//! Callers that go away.

use futures::FutureExt;
use futures::executor::block_on;

use super::support::*;
use crate::intake::Config;
use crate::{Admitted, Origin, book};

#[test]
fn wherever_an_admission_is_dropped_the_book_shows_only_what_is_durable() {
    for polls in 0..12 {
        let config = Config { batches_max: 1, batch: 4, job: 2, ..Config::default() };
        let node = Node::with(book::Config::default(), config, Disk::default(), 16);
        let future = node.intake.admit((1..=10).map(good).collect(), Origin::Peer).boxed();
        let ended = block_on(Until { future, polls, stop: || false }).is_some();
        let rows = node.disk.rows();
        assert!(node.book.ids(&All).iter().all(|id| rows.contains_key(id)), "{polls} polls");
        block_on(node.intake.sweep()).unwrap();
        node.assert_same();
        assert!(!ended || node.book.len() == 10);
        // No place is lost, and nothing is in the way of a second try.
        assert!(node.admit((1..=10).map(good).collect()).iter().all(Result::is_ok));
        assert_eq!(node.book.len(), 10);
        node.assert_same();
    }
}

#[test]
fn a_transaction_whose_caller_is_gone_is_ended_by_the_next() {
    let node = Node::new();
    node.disk.set(Mode::Holds);
    let mut gone = node.intake.admit(vec![good(1)], Origin::Peer).boxed();
    until_held(&mut gone, &node.disk);
    drop(gone);
    node.disk.release();
    assert!(node.book.is_empty());
    assert_eq!(node.admit(vec![good(2)]), [Ok(Admitted::New)]);
    assert!(node.book.contains(&good(1).id));
    node.assert_same();
}

#[test]
fn a_sweep_alone_ends_it_too() {
    let node = Node::new();
    node.disk.set(Mode::Holds);
    let mut gone = node.intake.admit(vec![good(1)], Origin::Peer).boxed();
    until_held(&mut gone, &node.disk);
    drop(gone);
    node.disk.release();
    assert_eq!(block_on(node.intake.sweep()), Ok(0));
    node.assert_same();
    assert_eq!(node.book.len(), 1);
}

#[test]
fn a_batch_whose_caller_is_gone_before_its_turn_is_not_written() {
    let node = Node::new();
    node.disk.set(Mode::Holds);
    let mut first = node.intake.admit(vec![good(1)], Origin::Peer).boxed();
    until_held(&mut first, &node.disk);
    let gone = node.intake.admit(vec![good(2)], Origin::Peer).boxed();
    let stop = || node.looked_at() == 2;
    assert!(block_on(Until { future: gone, polls: usize::MAX, stop }).is_none());
    node.disk.release();
    assert_eq!(outcomes(block_on(first)), [Ok(Admitted::New)]);
    block_on(node.intake.sweep()).unwrap();
    assert_eq!(node.book.len(), 1);
    node.assert_same();
}
