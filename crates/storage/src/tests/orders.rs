//! Orders are loaded in parts, while others write.

use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex};
use std::thread;

use bytes::Bytes;
use futures::executor::block_on;
use futures::future::{FutureExt, join_all};
use machine::UnixTime;
use ordersync::{Change, ItemId, Kept, Store};

use super::model::orders;
use super::queue::{hold, storage};
use crate::row::{self, PART_ROWS};
use crate::schema::Table;
use crate::writer::TASKS_MAX;
use crate::{Storage, StoreError};

fn id(n: usize) -> ItemId {
    let mut id = [0; 32];
    id[..8].copy_from_slice(&(n as u64).to_be_bytes());
    ItemId(id)
}

fn order(n: usize, length: usize) -> Kept {
    let received = UnixTime::from_millis(n as u64);
    Kept { id: id(n), bytes: Bytes::from(vec![7; length]), received, pinned: n.is_multiple_of(3) }
}

/// A store with orders of these lengths.
fn storage_with(lengths: impl IntoIterator<Item = usize>) -> Storage {
    let storage = storage();
    let put = |(n, length)| Change::Put(order(n, length));
    let all = lengths.into_iter().enumerate().map(put).collect();
    block_on(storage.orders().apply(all)).unwrap();
    storage
}

fn remove(storage: &Storage, n: usize) -> impl Future<Output = Result<(), String>> + use<> {
    storage.orders().apply(vec![Change::Remove(id(n))]).map(|kept| kept.map_err(|e| e.message))
}

/// Waits for it where something else is waited for already.
fn meanwhile<T: Send>(future: impl Future<Output = T> + Send) -> T {
    thread::scope(|scope| scope.spawn(|| block_on(future)).join().unwrap())
}

#[test]
fn parts_end_with_their_rows_or_their_bytes_and_miss_nothing() {
    for (lengths, parts) in [
        (vec![], vec![]),
        (vec![300; 1], vec![1]),
        (vec![300; PART_ROWS], vec![PART_ROWS]),
        (vec![300; 2 * PART_ROWS + 1], vec![PART_ROWS, PART_ROWS, 1]),
        // 64 of them reach 1 MiB.
        (vec![Kept::BYTES_MAX; 130], vec![64, 64, 2]),
    ] {
        let storage = storage_with(lengths.clone());
        let (loaded, unreadable) = orders(&storage).unwrap();
        assert_eq!(loaded.iter().map(Vec::len).collect::<Vec<_>>(), parts);
        let kept = lengths.into_iter().enumerate().map(|(n, length)| order(n, length));
        assert!(loaded.into_iter().flatten().eq(kept));
        assert_eq!(unreadable, 0);
    }
}

/// A part is bounded in what is looked at, not in what can be used.
#[test]
fn orders_that_cannot_be_read_are_left_out_and_counted_in_every_part() {
    let count = 3 * PART_ROWS;
    let storage = storage_with(vec![300; count]);
    let bad = |n: &usize| (PART_ROWS..2 * PART_ROWS).contains(n) || n % 100 == 99;
    let spoil =
        |n| row::Change::Put { table: Table::Orders, key: id(n).0.to_vec(), value: vec![9] };
    let spoiled: Vec<_> = (0..count).filter(bad).map(spoil).collect();
    let number = spoiled.len();
    block_on(storage.queue().write(spoiled)).unwrap();
    for round in 1..=2 {
        let (loaded, unreadable) = orders(&storage).unwrap();
        let parts: Vec<_> = loaded.iter().map(Vec::len).collect();
        assert_eq!(parts, [PART_ROWS - 5; 2], "nothing is handed over of the part without any");
        let good = (0..count).filter(|n| !bad(n)).map(|n| order(n, 300));
        assert!(loaded.into_iter().flatten().eq(good));
        assert_eq!((unreadable, storage.stats().skipped), (number, (number * round) as u64));
    }
    block_on(storage.orders().apply((0..count).map(|n| Change::Put(order(n, 300))).collect()))
        .unwrap();
    assert_eq!(orders(&storage).unwrap().1, 0, "who brings it again repairs it");
}

/// Between two parts the thread does what others have asked for: what is written there is durable
/// before the load has ended, and what it has not come to yet is seen.
#[test]
fn others_write_between_the_parts() {
    let storage = storage_with(vec![300; 3 * PART_ROWS]);
    let (other, mut parts) = (storage.clone(), 0);
    let last = 3 * PART_ROWS - 1;
    let loaded = Arc::new(Mutex::new(Vec::new()));
    let into = Arc::clone(&loaded);
    let load = storage.orders().load(Box::new(move |part| {
        if parts == 0 {
            meanwhile(remove(&other, 0)).unwrap();
            meanwhile(remove(&other, last)).unwrap();
        }
        parts += 1;
        into.lock().unwrap().extend(part.into_iter().map(|kept| kept.id));
    }));
    assert_eq!(block_on(load), Ok(0));
    assert!((0..last).map(id).eq(loaded.lock().unwrap().iter().copied()));
}

/// However much waits, a load that has begun comes to its end.
#[test]
fn a_full_queue_does_not_end_a_load_half_way() {
    let storage = storage_with(vec![300; 3 * PART_ROWS]);
    let other = storage.clone();
    let mut released: Option<Sender<()>> = None;
    let (mut waiting, mut parts) = (Vec::new(), 0);
    let load = storage.orders().load(Box::new(move |_| {
        parts += 1;
        match parts {
            // The second part has been asked for, the third has not.
            1 => {
                released = Some(hold(&other));
                waiting = (0..TASKS_MAX).map(|_| remove(&other, 0)).collect();
                let busy = meanwhile(remove(&other, 0)).expect_err("it is full");
                assert!(busy.contains("wait for the disk"), "{busy}");
            }
            2 => drop(released.take()),
            _ => {
                let waited = meanwhile(join_all(waiting.drain(..)));
                assert!(waited.iter().all(Result::is_ok));
            }
        }
    }));
    assert_eq!(block_on(load), Ok(0));
    assert_eq!(storage.stats().busy, 1);
}

#[test]
fn a_load_ends_with_the_store() {
    let storage = storage_with(vec![300; 3 * PART_ROWS]);
    let other = storage.clone();
    let load = storage.orders().load(Box::new(move |_| drop(other.close())));
    assert_eq!(block_on(load).expect_err("it is closed").message, StoreError::Closed.to_string());
}

#[test]
fn one_order_that_is_too_long_keeps_the_whole_set_out() {
    let storage = storage();
    let set = vec![Change::Put(order(1, 1)), Change::Put(order(2, Kept::BYTES_MAX + 1))];
    let error = block_on(storage.orders().apply(set)).expect_err("too long");
    assert_eq!(error.message, "an order has 16385 bytes, must have at most 16384");
    assert_eq!(orders(&storage), Ok((vec![], 0)));
}
