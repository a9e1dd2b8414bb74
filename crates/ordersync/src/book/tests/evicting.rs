//! Who gives way when the book is full, and what ends.

use super::*;

#[test]
fn the_latest_end_gives_way_and_a_later_one_finds_no_room() {
    let book = book(3);
    let [early, middle, late] = [note(1, 10), note(2, 20), note(3, 30)];
    for entry in [&early, &middle, &late] {
        assert_eq!(put(&book, entry), Inserted::New { evicted: None });
    }

    let latest = note(4, 40);
    assert!(!book.would_take(&latest, false));
    assert_eq!(put(&book, &latest), Inserted::Full);
    let newcomer = note(5, 15);
    assert!(book.would_take(&newcomer, false));
    assert_eq!(put(&book, &newcomer), Inserted::New { evicted: Some(late.id) });
    assert!(!book.contains(&late.id) && book.contains(&newcomer.id));
    // One that never ends would be the first to go at any time.
    assert_eq!(put(&book, &note(6, 0)), Inserted::Full);
    assert_eq!((book.counts().evicted, book.counts().refused), (1, 2));
}

#[test]
fn what_is_pinned_never_gives_way() {
    let book = book(2);
    let [own, other] = [note(1, 90), note(2, 50)];
    book.insert(vec![held(own.clone(), true), held(other.clone(), false)]);
    let newcomer = held(note(3, 70), true);
    assert_eq!(book.insert(vec![newcomer]), [Inserted::New { evicted: Some(other.id) }]);

    let full_of_own = held(note(4, 1), true);
    assert!(!book.would_take(&full_of_own.entry, true));
    assert_eq!(book.insert(vec![full_of_own]), [Inserted::Full]);
    assert_eq!(put(&book, &own), Inserted::Known);
    assert!(book.holding(&own.id).unwrap().pinned, "what is pinned stays pinned");
}

#[test]
fn what_is_pinned_later_is_kept_from_then_on() {
    let book = book(1);
    let entry = note(1, 50);
    put(&book, &entry);
    assert_eq!(book.insert(vec![held(entry.clone(), true)]), [Inserted::Known]);
    assert_eq!(put(&book, &note(2, 10)), Inserted::Full);
    assert!(book.contains(&entry.id));
}

#[test]
fn what_has_ended_goes_pinned_or_not_however_much_it_is() {
    let book = book(4 * PART);
    let count = u32::try_from(3 * PART).unwrap();
    let ending = (0..count).map(|n| held(note(n, 10), n % 2 == 0)).collect();
    book.insert(ending);
    let staying = note(count, 11);
    put(&book, &staying);

    assert!(book.expire(UnixTime::from_millis(9_999)).is_empty());
    assert_eq!(book.next_expiry(), Some(seconds(10)));
    assert_eq!(book.expire(seconds(10)).len(), 3 * PART);
    assert_eq!(book.next_expiry(), Some(seconds(11)));
    assert_fresh(&book, &[staying.id]);
}

#[test]
fn one_that_never_ends_outlasts_the_end_of_time() {
    let book = book(4);
    put(&book, &note(1, 0));
    assert_eq!(book.next_expiry(), None);
    assert!(book.expire(UnixTime::from_millis(u64::MAX)).is_empty());
}
