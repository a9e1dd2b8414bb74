//! What an attacker can do to the book, in figures.

use super::*;
use crate::book::Refused;

/// A book of honest peers: 200 were reached, 1,500 were heard of from 100 neighbours.
fn lived_in() -> Book {
    let mut book = book(4096);
    add_reached(&mut book, 0..200, at(0));
    for number in 200..1700 {
        let neighbour = source(number % 100, number % 100);
        book.insert(record(number, 1), neighbour, at(0)).unwrap();
    }
    book
}

/// How many of the reached and of the others have gone since `before`.
fn displaced(book: &Book, before: &BTreeSet<PeerId>) -> (usize, usize) {
    let gone: BTreeSet<_> = before.difference(&peers(book)).copied().collect();
    let reached = (0..200).filter(|number| gone.contains(&peer(*number))).count();
    (reached, gone.len() - reached)
}

/// Entries of the attacker's.
fn fakes(book: &Book) -> usize {
    book.iter(at(0))
        .filter(|entry| entry.record.addresses()[0].to_string().contains("/666"))
        .count()
}

/// An address that does not exist, in a random network.
fn fake(number: u32) -> Arc<SignedRecord> {
    let [.., a, b] = (number.wrapping_mul(40_503)).to_be_bytes();
    sealed(number, 1, vec![format!("/ip4/{}.{a}.{b}.9/tcp/666", 40 + number % 50).parse().unwrap()])
}

#[test]
fn a_flood_of_twenty_full_answers_displaces_no_tried_and_few_new() {
    let mut book = lived_in();
    let (before, counts) = (peers(&book), book.counts());
    let mut refused = 0;
    for number in 100_000..102_000 {
        let result = book.insert(fake(number), source(9999, 9999), at(1));
        refused += usize::from(result == Err(Refused::Rate));
        assert!(result.is_ok() || result == Err(Refused::Rate), "{result:?}");
    }
    assert_eq!(refused, 1000, "the burst is 1000");
    let (reached, heard) = displaced(&book, &before);
    assert_eq!(reached, 0);
    // The bound is an eighth; in a full bucket the source's own give way, so it is far less.
    assert!(heard <= counts.new / 50, "{heard} of {}", counts.new);
    assert!(fakes(&book) <= 384, "{}", fakes(&book));
    assert_sound(&book);
}

#[test]
fn a_flood_by_many_of_one_network_is_a_flood_by_one() {
    let mut book = lived_in();
    let (before, counts) = (peers(&book), book.counts());
    for number in 100_000..104_000 {
        book.insert(fake(number), source(70_000 + number % 40, 9999), at(1)).unwrap();
    }
    let (reached, heard) = displaced(&book, &before);
    assert_eq!(reached, 0);
    assert!(heard <= counts.new / 50, "{heard} of {}", counts.new);
    assert!(fakes(&book) <= 384, "{}", fakes(&book));
}

#[test]
fn sybils_of_eight_networks_leave_the_others_their_share() {
    let mut book = lived_in();
    let before = peers(&book);
    for number in 100_000..108_000 {
        let sybil = 70_000 + number % 400;
        book.insert(fake(number), source(sybil, 9000 + number % 8), at(1)).unwrap();
    }
    let (reached, heard) = displaced(&book, &before);
    assert_eq!(reached, 0);
    // They reach two thirds of the buckets, and in each full one the network that crowds it most
    // gives way: one of theirs.
    assert!(heard <= 1500 / 20, "{heard} of 1500");
    let (rng, mut picks) = (&mut rng(), 0);
    for _ in 0..1000 {
        let picked = book.pick(rng, false, at(1), |_| true).unwrap();
        picks += usize::from(picked.addresses()[0].to_string().contains("/666"));
        book.release(&picked.peer(), at(1));
    }
    assert!(picks < 250, "{picks} of 1000 picks, half of which are from tried");
}

#[test]
fn sybils_that_answer_hold_an_eighth_of_tried_per_network() {
    let mut book = lived_in();
    let rng = &mut rng();
    for number in 100_000..103_000 {
        let there = address(9000, number);
        let sybil = sealed(number, 1, vec![there.clone()]);
        if book.insert(sybil, source(number, 9000), at(1)).is_ok() {
            book.verified(&peer(number), &there, at(1));
        }
    }
    let held = book.iter(at(1)).filter(|entry| entry.table == Table::Tried).count() - 200;
    assert!(held <= 128, "{held} of 1024 places");
    // They wait for places of honest peers, which answer.
    for _ in 0..100 {
        let Some(probed) = book.feeler(rng, at(2), |_| true) else { break };
        let there = probed.addresses()[0].clone();
        book.verified(&probed.peer(), &there, at(2));
    }
    assert!((0..200).all(|number| table(&book, number) == Some(Table::Tried)));
    assert_sound(&book);
}
