//! Those who watch the book change.

use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Wake};

use futures::FutureExt;

use super::*;

#[derive(Default)]
struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::SeqCst);
    }
}

#[test]
fn changes_come_in_order_and_say_what_happened() {
    let book = book(2);
    let [one, two, three] = [note(1, 10), note(2, 30), note(3, 20)];
    for entry in [&one, &two, &three] {
        put(&book, entry);
    }
    book.expire(seconds(10));
    book.remove(&[three.id, one.id]);
    let changes = book.changes_since(0).unwrap();
    let said: Vec<_> = changes.iter().map(|update| (update.id, update.kind)).collect();
    let expected = [
        (one.id, UpdateKind::Added),
        (two.id, UpdateKind::Added),
        (two.id, UpdateKind::Evicted),
        (three.id, UpdateKind::Added),
        (one.id, UpdateKind::Expired),
        (three.id, UpdateKind::Removed),
    ];
    assert_eq!(said, expected);
    assert!(changes.iter().map(|update| update.version).eq(1..=6));
    assert_eq!(book.changes_since(4).unwrap(), changes[4..]);
    assert_eq!(book.changes_since(6).unwrap(), []);
    assert_eq!(book.changes_since(7), Err(Lagged { since: 7, version: 6 }));
}

#[test]
fn who_lags_behind_is_told_so() {
    let book = book(UPDATES_MAX * 2);
    fill(&book, 0..u32::try_from(UPDATES_MAX).unwrap());
    assert_eq!(book.changes_since(0).unwrap().len(), UPDATES_MAX);
    fill(&book, 5_000..5_001);
    let version = book.version();
    assert_eq!(book.changes_since(0), Err(Lagged { since: 0, version }));
    assert_eq!(book.changes_since(1).unwrap().len(), UPDATES_MAX);
}

#[test]
fn a_change_wakes_all_who_wait_and_is_not_missed() {
    let book = book(10);
    let mut waiting = [book.changed(0), book.changed(0), book.changed(0)];
    let woken: [Arc<Woken>; 3] = Default::default();
    for (changed, woken) in waiting.iter_mut().zip(&woken) {
        let waker = Arc::clone(woken).into();
        assert!(changed.poll_unpin(&mut Context::from_waker(&waker)).is_pending());
    }
    let [one, two, given_up] = waiting;
    drop(given_up);
    put(&book, &note(1, 0));
    let woken = woken.map(|woken| woken.0.load(Ordering::SeqCst));
    assert_eq!(woken, [true, true, false]);
    assert_eq!((one.now_or_never(), two.now_or_never()), (Some(1), Some(1)));
    assert_eq!(book.changed(0).now_or_never(), Some(1));
    assert_eq!(book.changed(1).now_or_never(), None);
    put(&book, &note(1, 0));
    assert_eq!(book.changed(1).now_or_never(), None, "nothing has changed");
}
