//! Whom the book picks, and what becomes of whom.

use super::*;

#[test]
fn the_coin_is_fair_and_either_side_fills_in() {
    let (book, rng) = (&mut book(512), &mut rng());
    assert!(book.pick(rng, false, at(0), |_| true).is_none());
    add_reached(book, 0..30, at(0));
    add(book, 30..60);
    let mut tried = 0;
    for _ in 0..400 {
        let picked = book.pick(rng, false, at(0), |_| true).unwrap();
        tried += usize::from(book.get(&picked.peer(), at(0)).unwrap().table == Table::Tried);
        book.release(&picked.peer(), at(0));
    }
    assert!((150..250).contains(&tried), "{tried} of 400");
    for _ in 0..30 {
        let picked = book.pick(rng, true, at(0), |_| true).unwrap();
        assert_eq!(book.get(&picked.peer(), at(0)).unwrap().table, Table::Tried);
    }
    for _ in 0..30 {
        assert!(book.pick(rng, true, at(0), |_| true).is_some(), "new when tried is used up");
    }
    assert!(book.pick(rng, true, at(0), |_| true).is_none(), "all are being dialled");
}

/// The slots of a node whose every live address was whitened must fill.
#[test]
fn all_in_tried_and_none_in_new_starves_nobody() {
    let (book, rng) = (&mut book(512), &mut rng());
    add_reached(book, 0..24, at(0));
    assert_eq!((book.counts().new, book.counts().tried), (0, 24));
    for links in 0..24 {
        let picked = book.pick(rng, links < 3, at(0), |_| true).unwrap().peer();
        book.verified(&picked, &home_of(book, &picked), at(0));
        book.connected(&picked, true, at(0));
        assert_eq!(book.counts().gold, links + 1);
    }
}

fn home_of(book: &Book, peer: &PeerId) -> Multiaddr {
    book.record(peer).unwrap().addresses()[0].clone()
}

#[test]
fn the_only_one_that_fits_is_found() {
    let (book, rng) = (&mut book(4096), &mut rng());
    add(book, 0..500);
    for wanted in [3, 77, 499] {
        let picked = book.pick(rng, true, at(0), |record| record.peer() == peer(wanted));
        assert_eq!(picked, Some(record(wanted, 1)));
    }
}

#[test]
fn a_crowded_network_is_picked_no_more_often_than_its_buckets() {
    let (book, rng) = (&mut book(4096), &mut rng());
    add(book, 0..200);
    // As many again, all in one network, by the word of one source.
    for number in 1000..1200 {
        let crowd = sealed(number, 1, vec![address(5000, number)]);
        book.insert(crowd, friend(), at(0)).unwrap();
    }
    let crowd = (0..1000)
        .filter(|_| {
            let picked = book.pick(rng, false, at(0), |_| true).unwrap();
            book.release(&picked.peer(), at(0));
            picked.addresses()[0].to_string().contains("/4001")
                && group(5000) == NetworkGroup::of(&picked.addresses()[0])
        })
        .count();
    assert!(crowd < 50, "{crowd} of 1000 picks for 4 of some 120 buckets");
}

#[test]
fn failures_rest_twice_as_long_each_time() {
    let (book, rng) = (&mut book(512), &mut rng());
    add(book, [1]);
    let mut now = at(0);
    for expected in [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 600, 600] {
        fail(book, 1, now, rng);
        let State::CoolingDown { until } = state(book, 1) else { panic!("it rests") };
        let (least, most) = (expected * SECOND, expected * SECOND * 6 / 5);
        assert!((least..=most).contains(&until.since(now)), "{:?}", until.since(now));
        assert!(book.pick(rng, true, now, |_| true).is_none());
        assert_eq!(book.next_deadline(), Some(until));
        book.expire(until);
        now = until;
        assert_eq!(state(book, 1), State::Free);
    }
    assert_eq!(book.get(&peer(1), now).unwrap().failures, 12);
    reach(book, 1, now);
    assert_eq!(book.get(&peer(1), now).unwrap().failures, 0);
}

#[test]
fn three_failures_over_an_hour_are_the_end() {
    let (book, rng) = (&mut book(512), &mut rng());
    add(book, [1]);
    for seconds in [0, 10, 20, 3599] {
        fail(book, 1, at(seconds), rng);
    }
    assert!(table(book, 1).is_some(), "not yet an hour");
    fail(book, 1, at(3600), rng);
    assert!(table(book, 1).is_none());
    add(book, [2]);
    fail(book, 2, at(0), rng);
    fail(book, 2, at(36_000), rng);
    assert!(table(book, 2).is_some(), "only two");
    assert_sound(book);
}

#[test]
fn who_was_reached_once_gets_a_second_chance_and_the_protected_any() {
    let (book, rng) = (&mut book(512), &mut rng());
    add_reached(book, [1, 2], at(0));
    book.protect(&peer(2), true);
    for hour in 1..20 {
        for number in [1, 2] {
            if table(book, number).is_some() {
                fail(book, number, at(hour * 2000), rng);
            }
        }
        match hour {
            1 | 2 => assert_eq!(table(book, 1), Some(Table::Tried)),
            3 => assert_eq!(table(book, 1), Some(Table::New), "back among the new"),
            _ => assert_eq!(table(book, 1), None),
        }
        assert_sound(book);
    }
    assert_eq!(table(book, 2), Some(Table::Tried));
    book.protect(&peer(2), false);
    fail(book, 2, at(100_000), rng);
    assert_eq!(table(book, 2), Some(Table::New));
}

#[test]
fn an_outage_charges_nothing_and_deletes_nothing() {
    let (book, rng) = (&mut book(512), &mut rng());
    add_reached(book, 0..10, at(0));
    add(book, 10..30);
    // Two under way when the network goes: they are not to blame either.
    let early = [book.dial(&peer(1), at(90)).unwrap(), book.dial(&peer(11), at(90)).unwrap()];
    book.set_online(false, at(100));
    for record in early {
        book.failed(&record.peer(), at(110), rng);
    }
    let mut now = at(200);
    let mut attempts = 0;
    while now < at(40_000) {
        book.expire(now);
        while let Some(picked) = book.pick(rng, false, now, |_| true) {
            book.failed(&picked.peer(), now, rng);
            attempts += 1;
        }
        now = now.after(SECOND);
    }
    // Ten hours for 30 addresses, each at most once a minute.
    assert!((1000..20_000).contains(&attempts), "{attempts}");
    book.set_online(true, now);
    assert_eq!((book.counts().tried, book.counts().new), (10, 20));
    assert!(book.iter(now).all(|entry| entry.failures == 0));
    // An attempt that spans the return is not counted, one that begins after it is.
    book.set_online(false, now);
    book.dial(&peer(3), now).unwrap();
    book.set_online(true, now.after(SECOND));
    book.failed(&peer(3), now.after(2 * SECOND), rng);
    assert_eq!(book.get(&peer(3), now).unwrap().failures, 0);
    fail(book, 3, now.after(3 * SECOND), rng);
    assert_eq!(book.get(&peer(3), now).unwrap().failures, 1);
    assert_sound(book);
}

#[test]
fn what_is_never_heard_of_again_is_free_again() {
    let (book, rng) = (&mut book(512), &mut rng());
    add(book, [1, 2, 3, 4]);
    book.dial(&peer(1), at(0)).unwrap();
    let probed = book.feeler(rng, at(0), |record| record.peer() == peer(2)).unwrap();
    assert_eq!(probed, record(2, 1));
    book.put_off(&peer(3), 48 * HOUR, at(0));
    book.connected(&peer(4), true, at(0));
    assert!(book.pick(rng, true, at(0), |_| true).is_none());
    book.expire(at(59));
    assert!(matches!(state(book, 1), State::Dialling { .. }));
    book.expire(at(60));
    assert_eq!([1, 2].map(|number| state(book, number)), [State::Free; 2]);
    assert_eq!(book.get(&peer(1), at(60)).unwrap().failures, 0, "nobody knows what came of it");
    book.expire(at(3600));
    assert_eq!(state(book, 3), State::Free, "a wish to be left alone lasts an hour at most");
    assert_eq!(state(book, 4), State::Connected { dialled: true });
    assert_eq!(book.next_deadline(), None);
    book.disconnected(&peer(4), at(4000), rng);
    assert!(book.next_deadline().is_some_and(|due| due <= at(4036)));
    // Reports that come too late change nothing.
    book.failed(&peer(1), at(4000), rng);
    book.disconnected(&peer(1), at(4000), rng);
    assert_eq!(state(book, 1), State::Free);
}

/// The peers that fill one bucket of tried, and two more that belong there.
fn rivals(book: &mut Book) -> (Vec<u32>, u32, u32) {
    let mut buckets: BTreeMap<u16, Vec<u32>> = BTreeMap::new();
    let width = book.setup.shape().0;
    for number in 0.. {
        let bucket = book.tried_bucket(&peer(number), &record(number, 1), 0);
        let mates = buckets.entry(bucket).or_default();
        mates.push(number);
        if mates.len() == width + 2 {
            let mut mates = mates.clone();
            let (one, other) = (mates.pop().unwrap(), mates.pop().unwrap());
            for (number, now) in mates.iter().zip(10..) {
                add_reached(book, [*number], at(now));
            }
            return (mates, one, other);
        }
    }
    unreachable!("the numbers do not end")
}

#[test]
fn an_incumbent_is_tested_and_stays_if_it_answers() {
    let (book, rng) = (&mut book(128), &mut rng());
    let (mates, newcomer, _) = rivals(book);
    add_reached(book, [newcomer], at(20_000));
    assert_eq!(table(book, newcomer), Some(Table::New), "it waits");
    assert!(mates.iter().all(|number| table(book, *number) == Some(Table::Tried)));
    let tested = book.feeler(rng, at(20_001), |_| true).unwrap();
    assert_eq!(tested, record(mates[0], 1), "of which nothing was heard for longest");
    assert!(book.verified(&peer(mates[0]), &home(mates[0]), at(20_002)));
    assert_eq!(state(book, mates[0]), State::Free);
    assert_eq!(table(book, mates[0]), Some(Table::Tried));
    assert_eq!(table(book, newcomer), Some(Table::New));
    assert_eq!(book.contests.pairs().count(), 0);
    assert_sound(book);
}

#[test]
fn an_incumbent_that_fails_its_test_goes_back_to_new() {
    let (book, rng) = (&mut book(128), &mut rng());
    let (mates, newcomer, other) = rivals(book);
    book.protect(&peer(mates[0]), true);
    book.connected(&peer(mates[1]), true, at(100));
    add_reached(book, [newcomer], at(20_000));
    // During an outage nobody loses a test.
    book.set_online(false, at(20_001));
    let tested = book.feeler(rng, at(20_002), |_| true).unwrap().peer();
    assert_eq!(tested, peer(mates[2]), "the first is protected, the second connected");
    book.failed(&tested, at(20_003), rng);
    assert_eq!(table(book, mates[2]), Some(Table::Tried));
    book.set_online(true, at(20_004));
    book.expire(at(20_100));
    while book.contests.pairs().count() > 0 {
        let tested = book.feeler(rng, at(20_100), |_| true).unwrap().peer();
        book.failed(&tested, at(20_101), rng);
        book.expire(at(20_200));
    }
    assert_eq!(table(book, mates[2]), Some(Table::New));
    assert_eq!(table(book, newcomer), Some(Table::Tried));
    // Who is banned is neither dialled nor tested.
    book.set_banned(&peer(mates[3]), true);
    assert_eq!(book.dial(&peer(mates[3]), at(30_000)), None);
    add_reached(book, [other], at(30_000));
    assert_eq!(table(book, other), Some(Table::Tried));
    assert_eq!(table(book, mates[3]), Some(Table::New));
    assert_sound(book);
}

#[test]
fn feelers_alternate_and_turn_to_the_long_unheard_of_last() {
    let (book, rng) = (&mut book(128), &mut rng());
    let (mates, newcomer, _) = rivals(book);
    add_reached(book, [newcomer], at(1000));
    add(book, 50_000..50_008);
    let tables: Vec<_> = (0..2)
        .map(|_| {
            let probed = book.feeler(rng, at(1001), |_| true).unwrap().peer();
            book.get(&probed, at(1001)).unwrap().table
        })
        .collect();
    assert_eq!(tables, [Table::Tried, Table::New]);
    for _ in 0..7 {
        let probed = book.feeler(rng, at(1001), |_| true).unwrap().peer();
        assert_eq!(book.get(&probed, at(1001)).unwrap().table, Table::New);
    }
    assert!(book.feeler(rng, at(1001), |_| true).is_none(), "all others were reached lately");
    let probed = book.feeler(rng, at(1000 + 90 * 60), |_| true).unwrap().peer();
    assert!(probed == peer(newcomer) || mates.iter().any(|number| peer(*number) == probed));
}
