//! What others are told.

use super::*;

#[test]
fn only_what_this_node_reached_is_passed_on() {
    let (book, rng) = (&mut book(512), &mut rng());
    add_reached(book, 0..4, at(0));
    add(book, 10..20);
    book.connected(&peer(10), false, at(1));
    let told = |book: &Book, rng: &mut ChaCha8Rng, now| {
        let told = book.sample(rng, 100, &peer(999), now, |_| true);
        told.into_iter().map(|record| record.peer()).collect::<BTreeSet<_>>()
    };
    assert_eq!(told(book, rng, at(1)), (0..4).map(peer).collect());
    assert!(!book.passes_on(&peer(10), at(1)), "it dialled us: nobody knows where it listens");
    fail(book, 0, at(2), rng);
    book.set_banned(&peer(1), true);
    book.dial(&peer(2), at(2)).unwrap();
    book.verified(&peer(2), &home(2), at(2));
    book.connected(&peer(2), true, at(2));
    assert_eq!(told(book, rng, at(3)), [2, 3].map(peer).into());
    let late = at(0).after(3 * HOUR + 2 * SECOND);
    assert_eq!(told(book, rng, late), [peer(2)].into(), "it has been there all the time");
    book.disconnected(&peer(2), late, rng);
    assert!(book.passes_on(&peer(2), late.after(3 * HOUR)));
    assert!(!book.passes_on(&peer(2), late.after(3 * HOUR + SECOND)));
}

#[test]
fn answers_are_a_share_of_the_book() {
    let (book, rng) = (&mut book(4096), &mut rng());
    add_reached(book, 0..200, at(0));
    let len = |max| book.sample(&mut rng.clone(), max, &peer(3), at(0), |_| true).len();
    assert_eq!(len(250), 200 * 23 / 100);
    assert_eq!(len(20), 20);
    assert_eq!(len(0), 0);
    let some = book.sample(rng, 250, &peer(3), at(0), |record| record.peer() != peer(4));
    let told: BTreeSet<_> = some.iter().map(|record| record.peer()).collect();
    assert_eq!(told.len(), some.len(), "nobody twice");
    assert!(!told.contains(&peer(3)) && !told.contains(&peer(4)));
    let mut seen = BTreeSet::new();
    for _ in 0..100 {
        let some = book.sample(rng, 46, &peer(3), at(0), |_| true);
        seen.extend(some.iter().map(|record| record.peer()));
    }
    assert_eq!(seen.len(), 199, "everybody's turn comes");
}

#[test]
fn one_network_does_not_fill_an_answer() {
    let (book, rng) = (&mut book(4096), &mut rng());
    add_reached(book, 0..30, at(0));
    for number in 1000..1060 {
        let there = address(5000, number);
        let crowd = sealed(number, 1, vec![there.clone()]);
        book.insert(crowd, source(number, number), at(0)).unwrap();
        book.verified(&peer(number), &there, at(0));
    }
    for _ in 0..20 {
        let told = book.sample(rng, 20, &peer(999), at(0), |_| true);
        let crowd = told.iter().filter(|it| NetworkGroup::of(&it.addresses()[0]) == group(5000));
        assert_eq!((told.len(), crowd.count().min(5)), (20, 4));
    }
    // Where there is no other, it does: small networks are often in one place.
    let elsewhere = |record: &SignedRecord| NetworkGroup::of(&record.addresses()[0]) == group(5000);
    assert_eq!(book.sample(rng, 50, &peer(999), at(0), elsewhere).len(), 16);
}
