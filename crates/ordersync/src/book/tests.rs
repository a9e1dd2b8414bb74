//! The book against a naive one, and what it promises to those who use it at once.
#![expect(clippy::arithmetic_side_effects, reason = "a test")]

mod evicting;
mod laws;
mod paging;
mod parallel;
mod rotating;
mod watching;

use machine::UnixTime;
use reconcile::{Key, Sketch};

use super::*;
use crate::sample::Note;

const CELLS: usize = 64;

fn book(items_max: usize) -> Book<Note> {
    let config = Config { items_max, cells: CELLS, ..Config::default() };
    Book::new(config.check().unwrap(), [7; 32])
}

/// The n-th note, which ends at second `end`, or never if that is 0. Every third begins with `b`.
fn note(n: u32, end: u64) -> Entry<Note> {
    let first = if n.is_multiple_of(3) { 'b' } else { 'a' };
    Entry::new(Note { text: format!("{first}{n}"), number: end })
}

fn held(entry: Entry<Note>, pinned: bool) -> Holding<Note> {
    Holding { entry, received: UnixTime::from_millis(1), pinned }
}

fn put(book: &Book<Note>, entry: &Entry<Note>) -> Inserted {
    book.insert(vec![held(entry.clone(), false)])[0]
}

fn fill(book: &Book<Note>, numbers: std::ops::Range<u32>) {
    let all = numbers.map(|n| held(note(n, 0), false)).collect();
    assert!(book.insert(all).iter().all(|inserted| matches!(inserted, Inserted::New { .. })));
}

fn seconds(seconds: u64) -> UnixTime {
    UnixTime::from_millis(seconds * 1000)
}

fn key(n: u8) -> Key {
    Key::from_bytes([n; 16])
}

/// All that is kept up to date is as if it were made of these items now.
#[track_caller]
fn assert_fresh(book: &Book<Note>, ids: &[ItemId]) {
    let digest: Digest = ids.iter().map(ItemId::as_bytes).collect();
    let mut estimator = Estimator::new();
    for id in ids {
        estimator.insert(id.as_bytes());
    }
    assert_eq!(book.summary(), digest.finish());
    assert_eq!(book.estimator().to_bytes(), estimator.to_bytes());
    assert_epoch(&book.epoch(), ids);
}

#[track_caller]
fn assert_epoch(epoch: &Epoch, ids: &[ItemId]) {
    let key = epoch.key();
    let shorts: Vec<_> = ids.iter().map(|id| key.short_id(id.as_bytes())).collect();
    let fresh = Sketch::from_symbols(key, CELLS, shorts.iter().copied());
    assert_eq!(epoch.cells(0..CELLS), fresh.cells(0..CELLS));
    assert_eq!(epoch.width(), CELLS);
    let digest: Digest = ids.iter().map(ItemId::as_bytes).collect();
    assert_eq!(epoch.summary(), digest.finish());
    assert_eq!(epoch.digest().finish(), digest.finish());
    assert_eq!(epoch.count(), u64::try_from(ids.len()).unwrap());
}
