//! The queue before the thread: its order, its bounds, its groups, its end.

use std::sync::mpsc::{Sender, channel};

use bytes::Bytes;
use futures::executor::block_on;
use futures::future::{FutureExt, join_all};
use gossip::{BookStore, Change, Stored};

use super::disk::Disk;
use super::model::{Content, history, peer};
use crate::writer::{BYTES_MAX, CHANGES_MAX, Place, TASKS_MAX};
use crate::{Storage, StoreError, file};

/// An empty store in memory.
pub(super) fn storage() -> Storage {
    let disk = Disk::new(Vec::new(), None);
    file::make(disk.clone()).unwrap();
    Storage::over(disk).unwrap()
}

fn set_key(storage: &Storage, key: [u8; 32]) -> impl Future<Output = Result<(), String>> {
    storage.book().put_key(key).map(|kept| kept.map_err(|error| error.message))
}

fn key(storage: &Storage) -> impl Future<Output = Result<Option<[u8; 32]>, String>> {
    let loaded = storage.book().load();
    loaded.map(|loaded| Ok(loaded.map_err(|error| error.message)?.key))
}

/// Keeps the thread busy until the sender is dropped.
pub(super) fn hold(storage: &Storage) -> Sender<()> {
    let ((release, released), (begin, begun)) = (channel(), channel());
    let held = storage.queue().read(Place::Needed, move |_| {
        begin.send(()).unwrap();
        // An error is the release: the sender is gone.
        let Err(_) = released.recv() else { unreachable!() };
        Ok(())
    });
    drop(held);
    begun.recv().unwrap();
    release
}

#[test]
fn what_waits_becomes_durable_together_and_in_order() {
    let storage = storage();
    let release = hold(&storage);
    let history = history(100, 1);
    let asked: Vec<_> = history.iter().map(|step| step.ask(&storage)).collect();
    drop(release);
    assert!(block_on(join_all(asked)).iter().all(Result::is_ok));
    let stats = storage.stats();
    assert_eq!((stats.writes, stats.commits, stats.waiting_bytes), (100, 1, 0));
    assert_eq!(Some(&Content::of(&storage)), Content::after_each(&history).last());
}

#[test]
fn a_read_sees_what_was_asked_before_it_and_nothing_later() {
    let storage = storage();
    let release = hold(&storage);
    let none = key(&storage);
    let first = set_key(&storage, [1; 32]);
    let one = key(&storage);
    let second = set_key(&storage, [2; 32]);
    drop(release);
    assert_eq!(block_on(none), Ok(None));
    assert_eq!(block_on(one), Ok(Some([1; 32])));
    assert_eq!((block_on(first), block_on(second)), (Ok(()), Ok(())));
}

#[test]
fn a_dropped_future_recalls_nothing() {
    let storage = storage();
    drop(set_key(&storage, [1; 32]));
    assert_eq!(block_on(key(&storage)), Ok(Some([1; 32])));
}

#[test]
fn too_much_is_refused_at_once_and_a_full_queue_can_be_closed() {
    let storage = storage();
    let release = hold(&storage);
    let busy = StoreError::Busy { tasks_max: TASKS_MAX, bytes_max: BYTES_MAX };
    let asked: Vec<_> = (0..TASKS_MAX).map(|_| set_key(&storage, [1; 32])).collect();
    assert_eq!(block_on(set_key(&storage, [2; 32])), Err(busy.to_string()));
    assert_eq!(block_on(key(&storage)), Err(busy.to_string()));
    assert_eq!(storage.stats().busy, 2);
    let closed = storage.close();
    drop(release);
    assert!(block_on(join_all(asked)).iter().all(Result::is_ok));
    assert_eq!(block_on(closed), Ok(()));
}

#[test]
fn the_queue_is_bounded_in_bytes_too() {
    let storage = storage();
    let release = hold(&storage);
    let set = vec![Change::Remove { peer: peer(1) }; 10_000];
    let mut asked = Vec::new();
    let refused = loop {
        let before = storage.stats().waiting_bytes;
        asked.push(storage.book().save(set.clone()));
        if storage.stats().waiting_bytes == before {
            break asked.pop().unwrap();
        }
    };
    assert!(asked.len() < TASKS_MAX && storage.stats().waiting_bytes <= BYTES_MAX);
    assert!(block_on(refused).expect_err("too much").message.contains("wait for the disk"));
    drop(release);
    assert!(block_on(join_all(asked)).iter().all(Result::is_ok));
    assert_eq!(storage.stats().waiting_bytes, 0);
}

/// However full the book is, there is a moment at which it can be written.
#[test]
fn a_set_over_the_bytes_is_taken_when_nothing_else_waits() {
    let storage = storage();
    let entry = Stored {
        record: Bytes::from(vec![1; 2_048]),
        source: None,
        source_group: 0,
        tried: false,
        failures: 0,
        last_success: None,
        last_attempt: None,
    };
    let set = vec![Change::Put { peer: peer(1), entry }; BYTES_MAX / 2_048 + 1];
    let release = hold(&storage);
    let first = storage.book().save(set.clone());
    assert!(storage.stats().waiting_bytes > BYTES_MAX);
    let second = storage.book().save(set.clone());
    drop(release);
    block_on(first).unwrap();
    assert!(block_on(second).expect_err("too much").message.contains("wait for the disk"));
    block_on(storage.book().save(set)).unwrap();
}

#[test]
fn a_set_that_is_too_large_is_refused_as_a_whole() {
    let storage = storage();
    let set = vec![Change::Remove { peer: peer(1) }; CHANGES_MAX + 1];
    let error = block_on(storage.book().save(set)).expect_err("too large");
    assert_eq!(error.message, "131073 changes at once, must be at most 131072");
    assert_eq!(storage.stats().writes, 0);
}

#[test]
fn after_the_close_everything_is_refused() {
    let storage = storage();
    let other = storage.clone();
    let last = set_key(&storage, [1; 32]);
    assert_eq!(block_on(storage.close()), Ok(()));
    assert_eq!(block_on(last), Ok(()), "it was asked before");
    assert_eq!(block_on(set_key(&other, [2; 32])), Err("the store is closed".to_owned()));
    assert_eq!(block_on(key(&other)), Err("the store is closed".to_owned()));
    assert_eq!(block_on(other.close()), Err(StoreError::Closed));
}

/// A thread that is gone leaves nobody waiting.
#[test]
fn a_panic_of_the_thread_closes_the_store() {
    let storage = storage();
    let release = hold(&storage);
    let panics = storage.queue().read::<()>(Place::Needed, |_| panic!("as the test wants"));
    let waits = set_key(&storage, [1; 32]);
    drop(release);
    assert_eq!(block_on(panics), Err(StoreError::Closed));
    assert_eq!(block_on(waits), Err("the store is closed".to_owned()));
    assert_eq!(block_on(key(&storage)), Err("the store is closed".to_owned()));
}
