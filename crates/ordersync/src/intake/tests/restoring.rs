//! What comes back after a restart.

use futures::executor::block_on;
use machine::UnixTime;

use super::support::*;
use crate::intake::{Config, Restored};
use crate::{Admitted, Change, Entry, Item, Kept, Origin, Rejected, Store, book};

fn row(entry: &Entry<Sealed>) -> Kept {
    Kept {
        id: entry.id,
        bytes: Sealed::encode_batch(&[&entry.item]).into(),
        received: UnixTime::from_millis(77),
        pinned: entry.item.number.is_multiple_of(2),
    }
}

fn keep(disk: &Disk, rows: impl IntoIterator<Item = Kept>) {
    block_on(disk.memory.apply(rows.into_iter().map(Change::Put).collect())).unwrap();
}

#[test]
fn what_was_admitted_comes_back_as_it_was() {
    let node = Node::new();
    node.wait(node.intake.admit((1..=700).map(good).collect(), Origin::Peer));
    node.wait(node.intake.admit(vec![good(1_000)], Origin::Own));
    let again = Node::with(book::Config::default(), Config::default(), node.disk.clone(), 1);
    let restored = again.restore();
    assert_eq!(restored, Restored { items: 701, ..Restored::default() });
    assert_eq!(again.book.summary(), node.book.summary());
    for id in node.book.ids(&All) {
        assert_eq!(again.book.holding(&id), node.book.holding(&id));
    }
    assert_eq!(again.looked_at(), 0, "nothing is verified twice");
}

#[test]
fn a_pool_without_room_slows_the_store_down_and_loses_nothing() {
    let disk = Disk::default();
    keep(&disk, (1..=2_600).map(|number| row(&good(number))));
    let node = Node::with(book::Config::default(), Config::default(), disk, 0);
    assert_eq!(node.restore().items, 2_600);
    assert_eq!(node.book.len(), 2_600);
}

#[test]
fn rows_that_are_no_items_are_counted_and_left_alone() {
    let disk = Disk::default();
    let cut = Kept { bytes: row(&good(1)).bytes.slice(..16), ..row(&good(1)) };
    let empty = Kept { bytes: [].as_slice().into(), ..row(&good(2)) };
    let other = Kept { bytes: row(&good(99)).bytes, ..row(&good(3)) };
    let both = [row(&good(4)).bytes, row(&good(5)).bytes].concat();
    let two = Kept { bytes: both.into(), ..row(&good(4)) };
    keep(&disk, [cut, empty, other, two, row(&good(6))]);
    let node = Node::with(book::Config::default(), Config::default(), disk, 16);
    let restored = node.restore();
    assert_eq!(restored, Restored { items: 1, unreadable: 4, ..Restored::default() });
    assert_eq!(node.book.ids(&All), [good(6).id]);
    assert_eq!(node.disk.rows().len(), 5);
    // They give way to the item itself.
    assert!(node.admit((1..=5).map(good).collect()).iter().all(Result::is_ok));
    node.assert_same();
}

#[test]
fn what_has_ended_or_finds_no_room_any_more_leaves_the_store() {
    let disk = Disk::default();
    let far = 1 << 50;
    // The even ones are pinned.
    let rows = [ending(1, 5), ending(2, 5), ending(3, far + 3), ending(5, far), ending(7, far + 7)];
    keep(&disk, rows.iter().map(row).chain([row(&ending(4, far + 9))]));
    let config = book::Config { items_max: 2, ..book::Config::default() };
    let node = Node::with(config, Config::default(), disk, 16);
    let restored = node.restore();
    assert_eq!(restored, Restored { items: 2, expired: 2, evicted: 2, ..Restored::default() });
    assert_eq!(node.book.ids(&All), [ending(4, 0).id, ending(5, 0).id]);
    node.assert_same();
}

#[test]
fn own_items_without_room_are_left_in_the_store() {
    let disk = Disk::default();
    keep(&disk, [2, 4, 6].map(|number| row(&good(number))));
    let config = book::Config { items_max: 2, ..book::Config::default() };
    let node = Node::with(config, Config::default(), disk.clone(), 16);
    let restored = node.restore();
    assert_eq!(restored, Restored { items: 2, left_out: 1, ..Restored::default() });
    assert_eq!(disk.rows().len(), 3);
    let roomy = Node::with(book::Config::default(), Config::default(), disk, 16);
    assert_eq!(roomy.restore().items, 3, "they come back with more room");
}

#[test]
fn own_items_without_room_stay_own_when_a_peer_brings_them() {
    let disk = Disk::default();
    keep(&disk, [2, 4, 6].map(|number| row(&good(number))));
    let config = book::Config { items_max: 2, ..book::Config::default() };
    let node = Node::with(config, Config::default(), disk.clone(), 16);
    assert_eq!(node.restore().left_out, 1);
    assert_eq!(node.admit(vec![good(6)]), [Err(Rejected::Full)], "only own ones are there");
    node.wait(node.intake.forget(vec![good(2).id])).unwrap();
    assert_eq!(node.admit(vec![good(6)]), [Ok(Admitted::New)]);
    assert!(node.book.holding(&good(6).id).unwrap().pinned);
    assert!(disk.rows()[&good(6).id].pinned);
    // Given up, it is like any other.
    node.wait(node.intake.forget(vec![good(6).id])).unwrap();
    assert_eq!(node.admit(vec![good(6)]), [Ok(Admitted::New)]);
    assert!(!disk.rows()[&good(6).id].pinned);
}
