//! What survives a restart.

use bytes::Bytes;
use machine::UnixTime;

use super::*;
use crate::book::Wall;
use crate::store::{Change, Stored};

/// The store, as the changes make it.
#[derive(Default)]
pub(super) struct Disk(pub(super) BTreeMap<PeerId, Stored>);

impl Disk {
    pub(super) fn apply(&mut self, changes: Vec<Change>) {
        for change in changes {
            match change {
                Change::Put { peer, entry } => drop(self.0.insert(peer, entry)),
                Change::Remove { peer } => {
                    assert!(self.0.remove(&peer).is_some(), "only what is there is removed");
                }
                Change::Anchors { .. } => panic!("not the book's"),
            }
        }
    }
}

fn wall(seconds: u64) -> Wall {
    Wall { now: at(seconds), unix: UnixTime::from_millis(1_000_000_000 + seconds * 1000) }
}

/// The book of a node that starts again `seconds` after the first start.
fn restarted(disk: &Disk, seconds: u64) -> (Book, usize) {
    let wall = Wall { now: Instant::START, unix: wall(seconds).unix };
    let setup = Setup { entries_max: 512, ..Setup::new(local()) };
    Book::restore(setup, [9; 32], disk.0.clone(), wall)
}

#[test]
fn a_restart_keeps_all_but_what_was_under_way() {
    let (book, rng, disk) = (&mut book(512), &mut rng(), &mut Disk::default());
    add_reached(book, 0..20, at(100));
    add(book, 20..40);
    fail(book, 25, at(150), rng);
    book.connected(&peer(0), true, at(160));
    disk.apply(book.changes(wall(200)));
    assert_eq!(disk.0.len(), 40);
    assert!(book.changes(wall(200)).is_empty(), "told once");

    let (again, skipped) = restarted(disk, 300);
    assert_eq!(skipped, 0);
    assert_eq!(peers(&again), peers(book));
    assert!(again.iter(at(0)).all(|entry| entry.state == State::Free));
    for number in 0..40 {
        let (was, is) = (book.get(&peer(number), at(300)), again.get(&peer(number), at(0)));
        let facts = |entry: super::super::Entry<'_>| {
            (entry.table, entry.source, entry.failures, entry.last_success, entry.last_attempt)
        };
        assert_eq!(was.map(facts), is.map(facts), "{number}");
        assert_eq!(again.passes_on(&peer(number), at(0)), number < 20);
    }
    assert_sound(&again);
    let (old, _) = restarted(disk, 100 + 3 * 3600 + 1);
    assert!(!old.passes_on(&peer(1), at(0)), "reached too long ago");
    assert_eq!(table(&old, 1), Some(Table::Tried));
    let (early, _) = restarted(disk, 0);
    assert!(!early.passes_on(&peer(1), at(0)), "a clock that went back vouches for nothing");
}

#[test]
fn what_cannot_be_read_is_counted_and_swept_away() {
    let (book, disk) = (&mut book(512), &mut Disk::default());
    add(book, 0..10);
    disk.apply(book.changes(wall(0)));
    let forged = &mut disk.0.get_mut(&peer(1)).unwrap().record;
    let mut bytes = forged.to_vec();
    *bytes.last_mut().unwrap() ^= 1;
    *forged = bytes.into();
    disk.0.get_mut(&peer(2)).unwrap().record = Bytes::new();
    let borrowed = disk.0[&peer(3)].record.clone();
    disk.0.get_mut(&peer(4)).unwrap().record = borrowed;
    let own = disk.0[&peer(5)].clone();
    disk.0.insert(local(), Stored { record: record(65_000, 1).encoded().clone(), ..own });
    let (mut again, skipped) = restarted(disk, 1);
    assert_eq!((again.len(), skipped), (7, 4));
    disk.apply(again.changes(wall(1)));
    assert_eq!(disk.0.len(), 7);
    assert_sound(&again);
}

#[test]
fn changes_are_the_last_state_and_only_of_what_was_stored() {
    let (book, rng, disk) = (&mut book(512), &mut rng(), &mut Disk::default());
    add(book, 0..3);
    let forget = |book: &mut Book, number, rng: &mut ChaCha8Rng| {
        for seconds in [0, 2000, 4000] {
            fail(book, number, at(seconds), rng);
        }
    };
    forget(book, 0, rng);
    disk.apply(book.changes(wall(0)));
    assert_eq!(disk.0.len(), 2, "what came and went is never told");
    forget(book, 1, rng);
    add(book, [1]);
    forget(book, 2, rng);
    disk.apply(book.changes(wall(0)));
    assert_eq!(disk.0.keys().copied().collect::<BTreeSet<_>>(), [peer(1)].into());
}

#[test]
fn a_smaller_book_takes_what_fits() {
    let (book, disk) = (&mut book(4096), &mut Disk::default());
    add_reached(book, 0..300, at(0));
    disk.apply(book.changes(wall(0)));
    let setup = Setup { entries_max: 64, ..Setup::new(local()) };
    let (mut small, skipped) = Book::restore(setup, [9; 32], disk.0.clone(), wall(1));
    assert!(small.len() <= 64 && small.len() + skipped == 300);
    disk.apply(small.changes(wall(1)));
    assert_eq!(disk.0.len(), small.len());
    assert_sound(&small);
}
