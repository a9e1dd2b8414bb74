//! Those who watch the book change.

use futures::FutureExt;
use futures::executor::block_on;
use futures::future::join_all;

use super::*;

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
    let mut waiting = book.changed(0);
    assert_eq!((&mut waiting).now_or_never(), None);
    let mut given_up = book.changed(0);
    assert_eq!((&mut given_up).now_or_never(), None);
    drop(given_up);
    let versions = std::thread::scope(|scope| {
        let waiter = scope.spawn(|| block_on(join_all([waiting, book.changed(0)])));
        put(&book, &note(1, 0));
        waiter.join().unwrap()
    });
    assert_eq!(versions, [1, 1]);
    assert_eq!(book.changed(0).now_or_never(), Some(1));
    assert_eq!(book.changed(1).now_or_never(), None);
    put(&book, &note(1, 0));
    assert_eq!(book.changed(1).now_or_never(), None, "nothing has changed");
}
