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
