//! Epochs: what stays as it was, and when the next one comes.

use std::time::Duration;

use machine::Instant;

use super::*;
use crate::sample::Prefix;

#[test]
fn an_epoch_stays_what_it_was_when_it_was_taken() {
    let book = book(100);
    fill(&book, 0..20);
    let ids = book.ids(&Prefix::default());
    let taken = book.epoch();
    fill(&book, 20..40);
    book.remove(&ids[..10]);
    assert_epoch(&taken, &ids);
    assert!(book.rotate(key(1)) && book.rotate(key(2)));
    assert_epoch(&taken, &ids);
}

#[test]
fn short_names_of_an_epoch_that_is_over_still_lead_to_items() {
    let book = book(100);
    fill(&book, 0..20);
    let before = book.epoch();
    assert!(book.rotate(key(1)));
    for id in book.ids(&Prefix::default()) {
        assert_eq!(before.find(before.key().short_id(id.as_bytes())), Some(id));
        assert_eq!(book.epoch().find(key(1).short_id(id.as_bytes())), Some(id));
    }
    assert_eq!(before.find(12345), None);
}

#[test]
fn keys_come_from_the_seed_when_they_are_due() {
    let (one, other) = (book(10), book(10));
    let at = |minutes| Instant::at(Duration::from_mins(minutes));
    assert!(!one.rotate_if_due(at(5)), "the first call begins to count");
    assert!(!one.rotate_if_due(at(14)));
    let first = one.epoch().key();
    assert!(one.rotate_if_due(at(15)));
    assert!(!one.rotate_if_due(at(24)));
    assert_ne!(one.epoch().key(), first);
    assert_eq!(other.epoch().key(), first, "equal seed, equal keys");
    assert_eq!(one.counts().rotations, 1);
}

#[test]
fn a_rotation_gives_up_when_everything_changed_meanwhile_and_the_next_one_does_not() {
    let book = book(10);
    let build = book.build(key(1)).unwrap();
    assert!(!book.rotate(key(2)), "one at a time");
    for n in 0..u32::try_from(PART + 20).unwrap() {
        put(&book, &note(n, 0));
        book.remove(&[note(n, 0).id]);
    }
    assert!(!book.rotate(key(2)), "still one at a time");
    assert!(!build.finish());
    fill(&book, 5_000..5_005);
    assert!(book.rotate(key(2)));
    assert_fresh(&book, &book.ids(&Prefix::default()));
}

#[test]
fn a_rotation_catches_up_with_more_than_one_part() {
    let book = book(5_000);
    fill(&book, 0..1_000);
    let build = book.build(key(1)).unwrap();
    fill(&book, 1_000..3_000);
    let gone: Vec<_> = (0..900).map(|n| note(n, 0).id).collect();
    book.remove(&gone);
    fill(&book, 0..50);
    assert!(build.finish());
    assert_eq!(book.epoch().key(), key(1));
    assert_fresh(&book, &book.ids(&Prefix::default()));
}
