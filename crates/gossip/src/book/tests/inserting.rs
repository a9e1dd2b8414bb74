//! What is taken in, and what is refused.

use super::*;
use crate::book::Refused;

#[test]
fn refusals_have_types_and_change_nothing() {
    let book = &mut book(512);
    add(book, [1]);
    let own = Arc::new(SignedRecord::seal(&keypair(65_000), 1, vec![home(1)]).unwrap());
    assert_eq!(book.insert(own, friend(), at(0)), Err(Refused::Own));
    let private = sealed(2, 1, vec!["/ip4/10.0.0.1/tcp/1".parse().unwrap()]);
    assert_eq!(book.insert(private, friend(), at(0)), Err(Refused::NoAddress));
    let nowhere = sealed(2, 1, vec![]);
    assert_eq!(book.insert(nowhere, friend(), at(0)), Err(Refused::NoAddress));
    book.set_banned(&peer(3), true);
    assert_eq!(book.insert(record(3, 1), friend(), at(0)), Err(Refused::Banned));
    assert_eq!(
        book.insert(record(1, 0), friend(), at(0)),
        Err(Refused::Older { given: 0, held: 1 })
    );
    let twin = sealed(1, 1, vec![home(7)]);
    assert_eq!(book.insert(twin, friend(), at(0)), Err(Refused::Conflict { seq: 1 }));
    assert_eq!(book.insert(record(1, 1), friend(), at(0)), Ok(Outcome::Known));
    assert_eq!(book.record(&peer(1)), Some(&record(1, 1)));
    assert_eq!(book.len(), 1);
    assert_sound(book);
    book.set_banned(&peer(3), false);
    assert_eq!(book.insert(record(3, 1), friend(), at(0)), Ok(Outcome::Added));
}

#[test]
fn private_addresses_are_for_those_that_allow_them() {
    let setup = Setup { allow_private: true, ..Setup::new(local()) };
    let mut book = Book::new(setup, [9; 32], at(0));
    let private = sealed(2, 1, vec!["/ip4/127.3.0.1/tcp/1".parse().unwrap()]);
    assert_eq!(book.insert(private, friend(), at(0)), Ok(Outcome::Added));
}

#[test]
fn a_newer_record_keeps_what_it_still_names() {
    let book = &mut book(512);
    add_reached(book, [1], at(0));
    assert_eq!(table(book, 1), Some(Table::Tried));
    let more = sealed(1, 2, vec![address(9, 9), home(1)]);
    assert_eq!(book.insert(Arc::clone(&more), friend(), at(1)), Ok(Outcome::Renewed));
    let entry = book.get(&peer(1), at(1)).unwrap();
    assert_eq!((entry.table, entry.reached), (Table::Tried, Some(&home(1))));
    assert_eq!(book.record(&peer(1)), Some(&more));
    let moved = sealed(1, 3, vec![address(9, 9)]);
    assert_eq!(book.insert(moved, friend(), at(2)), Ok(Outcome::Renewed));
    let entry = book.get(&peer(1), at(2)).unwrap();
    assert_eq!((entry.table, entry.reached), (Table::New, None), "never reached there");
    assert!(!book.passes_on(&peer(1), at(2)));
    assert!(!book.verified(&peer(1), &home(1), at(3)), "not an address of it any more");
    let full: Multiaddr = format!("{}/p2p/{}", address(9, 9), peer(1)).parse().unwrap();
    assert!(book.verified(&peer(1), &full, at(3)), "with its id at the end it is the same");
    assert_sound(book);
}

#[test]
fn a_number_from_the_future_gives_nothing_but_itself() {
    let book = &mut book(512);
    add_reached(book, 1..20, at(0));
    add(book, 20..60);
    let before = peers(book);
    for number in 100..140 {
        book.insert(record(number, u64::MAX), friend(), at(0)).unwrap();
    }
    let gone = before.difference(&peers(book)).count();
    assert!(gone <= 5, "{gone} of 40 displaced by 40 in an eighth of the table");
    assert!((1..20).all(|number| table(book, number) == Some(Table::Tried)));
    // Its author has shut itself out of changing it, nobody else.
    assert_eq!(
        book.insert(record(100, 7), friend(), at(0)),
        Err(Refused::Older { given: 7, held: u64::MAX })
    );
    // Who died, and lies about its number, is given up like anybody.
    let rng = &mut rng();
    let mut now = at(0);
    while book.get(&peer(100), now).is_some() {
        fail(book, 100, now, rng);
        now = now.after(HOUR / 2);
    }
    assert_eq!(now, at(0).after(3 * HOUR / 2), "3 failures");
}

#[test]
fn solicited_answers_are_not_counted() {
    let book = &mut book(4096);
    let chatty = source(9_999, 9_999);
    for number in 0..1000 {
        book.insert(record(number, 1), chatty, at(0)).unwrap();
    }
    assert_eq!(book.insert(record(1000, 1), chatty, at(0)), Err(Refused::Rate));
    book.expect(chatty, 2, at(0));
    for number in [1000, 1001] {
        book.insert(record(number, 1), chatty, at(0)).unwrap();
    }
    assert_eq!(book.insert(record(1002, 1), chatty, at(0)), Err(Refused::Rate));
    assert_eq!(book.insert(record(1002, 1), chatty, at(10)), Ok(Outcome::Added), "0.1/s");
    assert_eq!(book.insert(record(1003, 1), chatty, at(10)), Err(Refused::Rate));
    book.expect(chatty, 50, at(10));
    book.expect(chatty, 0, at(10));
    assert_eq!(book.insert(record(1003, 1), chatty, at(10)), Err(Refused::Rate), "answered");
    book.protect(&peer(1003), true);
    assert_eq!(book.insert(record(1003, 1), chatty, at(10)), Ok(Outcome::Added));
    assert_sound(book);
}

/// Peers that fall into one bucket of `new` when `friend` tells of them.
fn bucket_mates(book: &mut Book) -> Vec<u32> {
    let mut buckets: BTreeMap<u16, Vec<u32>> = BTreeMap::new();
    let width = book.setup.shape().0;
    for number in 0.. {
        let lonely = &mut super::book(book.setup.entries_max);
        lonely.insert(record(number, 1), friend(), at(0)).unwrap();
        let id = lonely.find(&peer(number)).unwrap();
        let mates = buckets.entry(lonely.slab.get(id).unwrap().bucket).or_default();
        mates.push(number);
        if mates.len() == width + 2 {
            return mates.clone();
        }
    }
    unreachable!("the numbers do not end")
}

#[test]
fn in_a_full_bucket_the_failed_goes_first_and_the_reached_last() {
    let (book, rng) = (&mut book(128), &mut rng());
    let mates = bucket_mates(book);
    let [first, second, .., third, other, newcomer] = mates[..] else { panic!("a bucket of 4") };
    for number in [first, second, mates[2], third] {
        book.insert(record(number, 1), friend(), at(0)).unwrap();
    }
    fail(book, second, at(0), rng);
    book.insert(record(other, 1), friend(), at(0)).unwrap();
    assert!(table(book, second).is_none(), "it had failed");
    assert!([first, mates[2], third].iter().all(|number| table(book, *number).is_some()));
    // Whoever is in use or protected stays, though the bucket be full of them.
    book.dial(&peer(first), at(0)).unwrap();
    book.connected(&peer(mates[2]), false, at(0));
    book.protect(&peer(third), true);
    book.protect(&peer(other), true);
    assert_eq!(book.insert(record(newcomer, 1), friend(), at(0)), Err(Refused::Full));
    book.protect(&peer(other), false);
    assert_eq!(book.insert(record(newcomer, 1), friend(), at(0)), Ok(Outcome::Added));
    assert!(table(book, other).is_none());
    assert_sound(book);
}
