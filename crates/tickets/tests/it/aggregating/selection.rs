//! Which tickets go into a batch.

use super::*;

#[test]
fn what_is_being_redeemed_stays_out() {
    let mut pair = Pair::with(RICH, |owed| {
        let first = owed.held(interval(0, 1), Mark::BeingRedeemed);
        [vec![first], owed.run(1, 29)].concat()
    });
    let aggregate = made(pair.ask(ANY));
    assert_eq!(aggregate.replaced, 29);
    assert_eq!(pair.redeemer.intervals(), [interval(0, 1), interval(1, 29)]);
}

#[test]
fn what_is_before_one_that_is_being_redeemed_stays_out() {
    let mut pair = Pair::with(RICH, |owed| {
        let middle = owed.held(interval(5, 1), Mark::BeingRedeemed);
        [owed.run(0, 5), vec![middle], owed.run(6, 4)].concat()
    });
    assert_eq!(made(pair.ask(ANY)).ticket.body.interval, interval(6, 4));
    assert_eq!(pair.redeemer.intervals().len(), 7);
}

#[test]
fn what_the_ledger_has_passed_goes() {
    let mut pair = Pair::with(RICH, |owed| owed.run(1, 30));
    pair.view_with(|channel| channel.index = index(20));
    let aggregate = made(pair.ask(ANY));
    assert_eq!((aggregate.replaced, aggregate.ticket.body.interval), (11, interval(20, 11)));
    assert_eq!(pair.redeemer.intervals(), [interval(20, 11)]);
    assert_eq!(pair.redeemer.core.stats(pair.id).neglected, 19 * PRICE);
}

#[test]
fn the_same_ticket_is_held_once() {
    let mut pair = Pair::new(RICH);
    pair.earn(interval(3, 1));
    pair.earn(interval(3, 1));
    let ends: Vec<_> = pair.redeemer.events.drain(..).collect();
    let earned = ends.iter().filter(|it| matches!(it, Event::Earned { outcome: Ok(()), .. }));
    assert_eq!(earned.count(), 2);
    assert_eq!(pair.redeemer.intervals(), [interval(3, 1)]);
    assert_eq!(pair.redeemer.core.stats(pair.id).won, 1);

    // Another one of that index is not.
    pair.earn(interval(3, 2));
    let taken = EarnError::Taken { index: index(3) };
    let Some(Event::Earned { outcome, .. }) = pair.redeemer.events.pop() else { panic!() };
    assert_eq!(outcome, Err(taken));
}

#[test]
fn a_ticket_that_comes_too_late_is_not_held() {
    let mut pair = Pair::new(RICH);
    pair.view_with(|channel| channel.index = index(4));
    pair.earn(interval(3, 1));
    let Some(Event::Earned { outcome, .. }) = pair.redeemer.events.pop() else { panic!() };
    assert_eq!(outcome, Err(EarnError::TooLate { epoch: epoch(0), index: index(3) }));
    assert_eq!(pair.redeemer.held(), []);
}

#[test]
fn prerequisites_are_met_by_any_of_them() {
    let tickets = |owed: &town::Owed| owed.run(0, 10);
    // Ten tickets are worth 80 % of what the channel has.
    let balance = 10 * PRICE * 10 / 8;
    for (prerequisites, met) in [
        (ANY, true),
        (tickets_min(10), true),
        (tickets_min(11), false),
        (permille_min(800), true),
        (permille_min(801), false),
        (Prerequisites { tickets_min: Some(11), permille_min: Some(800) }, true),
        (Prerequisites { tickets_min: Some(11), permille_min: Some(801) }, false),
    ] {
        let outcome = Pair::with(balance, tickets).ask(prerequisites).unwrap();
        assert_eq!(outcome.is_some(), met, "{prerequisites:?}");
    }
}

#[test]
fn aggregates_do_not_count_towards_the_value() {
    let mut pair = Pair::with(10 * PRICE, |owed| {
        vec![owed.held(interval(0, 9), Mark::Untouched), owed.run(9, 1).remove(0)]
    });
    assert_eq!(pair.ask(permille_min(500)), Ok(None));
    assert!(pair.ask(permille_min(100)).unwrap().is_some());
}

#[test]
fn one_ticket_is_not_worth_the_trouble() {
    let mut pair = Pair::with(PRICE, |owed| owed.run(0, 1));
    assert_eq!(pair.ask(permille_min(1)), Ok(None));
    assert_eq!(pair.ask(ANY), Ok(None));
    assert_eq!(Pair::new(RICH).ask(ANY), Ok(None));
}

#[test]
fn what_the_channel_cannot_pay_stays_out() {
    let mut pair = Pair::with(7 * PRICE, |owed| owed.run(0, 10));
    assert_eq!(made(pair.ask(ANY)).ticket.body.amount, amount(7 * PRICE));
    assert_eq!(pair.redeemer.intervals().len(), 4);
}

#[test]
fn what_may_still_be_earned_is_not_covered() {
    let mut pair = Pair::with(RICH, |owed| owed.run(0, 10));
    let channel = pair.id;
    let below = Some(index(6));
    pair.redeemer.command(Command::Aggregate { channel, below, prerequisites: ANY });
    pair.settle();
    assert_eq!(made(pair.redeemer.aggregated()).ticket.body.interval, interval(0, 6));
}

#[test]
fn five_hundred_at_a_time() {
    let mut pair = Pair::with(RICH, |owed| owed.run(0, 505));
    assert_eq!(made(pair.ask(ANY)).replaced, 500);
    assert_eq!(made(pair.ask(ANY)).ticket.body.interval, interval(0, 505));
}

#[test]
fn an_aggregate_and_more_become_another() {
    let mut pair = Pair::with(RICH, |owed| owed.run(2, 3));
    assert_eq!(made(pair.ask(ANY)).ticket.body.interval, interval(2, 3));
    for first in [7, 8, 11, 15] {
        pair.earn(interval(first, 1));
    }
    let again = made(pair.ask(ANY));
    assert_eq!((again.replaced, again.ticket.body.interval), (5, interval(2, 14)));
    assert_eq!(again.ticket.body.amount, amount(7 * PRICE));
    assert_eq!(pair.redeemer.core.stats(pair.id).aggregated, 8);
}

#[test]
fn a_ticket_within_an_aggregate_stays_out() {
    let mut pair = Pair::with(RICH, |owed| {
        let aggregate = owed.held(interval(0, 5), Mark::Untouched);
        [vec![aggregate], owed.run(3, 1), owed.run(5, 2)].concat()
    });
    let aggregate = made(pair.ask(ANY));
    assert_eq!((aggregate.replaced, aggregate.ticket.body.interval), (3, interval(0, 7)));
    assert_eq!(pair.redeemer.intervals(), [interval(0, 7), interval(3, 1)]);
}
