//! Many at once.

use std::thread;

use super::*;
use crate::sample::Prefix;

#[test]
fn what_is_read_while_others_write_is_of_one_moment() {
    let book = book(4_000);
    fill(&book, 0..1_500);
    let rounds = 0..12_u8;
    thread::scope(|scope| {
        for writer in 0..2_u32 {
            let (book, rounds) = (&book, rounds.clone());
            scope.spawn(move || {
                for round in rounds.map(u32::from) {
                    let first = 10_000 * (writer + 1) + round * 40;
                    fill(book, first..first + 40);
                    let ids: Vec<_> = (first..first + 25).map(|n| note(n, 0).id).collect();
                    book.remove(&ids);
                }
            });
        }
        for round in rounds {
            assert!(book.rotate(key(round)));
            let snapshot = book.snapshot(&Prefix::default());
            let digest: Digest = snapshot.ids.iter().map(ItemId::as_bytes).collect();
            assert_eq!(snapshot.digest.finish(), digest.finish());
            assert!(snapshot.ids.is_sorted());
            let epoch = book.epoch();
            assert_eq!(u64::try_from(epoch.cells(0..1)[0].count).unwrap(), epoch.count());
        }
    });
    assert_eq!(book.len(), 1_500 + 2 * 12 * 15);
    assert_fresh(&book, &book.ids(&Prefix::default()));
}

/// What was collected part by part shows some of what changed meanwhile, and some not.
#[track_caller]
fn assert_at_once(changes: u32) {
    let book = book(4_000);
    fill(&book, 0..100);
    let begun = book.version();
    let mut ids = book.all_ids();
    let seen: Vec<_> = (0..20).map(|n| note(n, 0).id).collect();
    ids.retain(|id| !seen.contains(id));
    book.remove(&seen);
    fill(&book, 10..15);
    let new: Vec<_> = (1_000..1_000 + changes).map(|n| note(n, 0).id).collect();
    fill(&book, 1_000..1_000 + changes);
    ids.extend(&new[..3]);
    ids.sort_unstable();
    book.remove(&new[2..5]);
    let snapshot = book.at_once(ids, begun);
    assert_eq!(snapshot.ids, book.ids(&Prefix::default()));
    assert_eq!(snapshot.digest.finish(), book.summary());
}

#[test]
fn a_snapshot_is_of_one_moment_whatever_was_seen_on_the_way() {
    assert_at_once(10);
}

#[test]
fn a_snapshot_begins_anew_when_there_were_too_many_changes() {
    assert_at_once(u32::try_from(UPDATES_MAX).unwrap());
}
