//! Tickets on their way to the ledger.

use super::*;

impl Pair {
    fn redeem(&mut self, from: Option<TicketIndex>) -> (Redeemed, Result<(), RedeemError>) {
        let channel = self.id;
        self.redeemer.events.clear();
        self.redeemer.command(Command::Redeem { channel, from, below: None });
        self.work();
        self.redeemed()
    }

    /// Redeeming begins, and goes as far as the ticket that is marked; what is next is a job.
    fn mark(&mut self) {
        let channel = self.id;
        self.redeemer.command(Command::Redeem { channel, from: None, below: None });
        assert!(self.redeemer.work(Disk::Writes), "the ticket is marked");
    }

    /// The ledger takes the first ticket, and the node stops before it hears of that, and starts anew.
    fn crash_when_paid(&mut self) {
        self.mark();
        let (_, job) = self.redeemer.jobs.pop_front().unwrap();
        self.redeemer.outcome(job, Disk::Writes).unwrap();
        let store = self.redeemer.store.clone();
        self.redeemer = town::Party::new(town::REDEEMER, &self.ledger, store, 5);
    }

    fn redeemed(&mut self) -> (Redeemed, Result<(), RedeemError>) {
        let ends = self.redeemer.events.drain(..).filter_map(|event| match event {
            Event::Redeemed { paid, outcome, .. } => Some((paid, outcome)),
            _ => None,
        });
        let ends: Vec<_> = ends.collect();
        let [end] = &ends[..] else { panic!("{ends:?}") };
        end.clone()
    }
}

fn paid(tickets: usize) -> Redeemed {
    let amount = Amount::new(PRICE * u128::try_from(tickets).unwrap()).unwrap();
    Redeemed { tickets, amount }
}

#[test]
fn all_tickets_become_money_in_order() {
    let mut pair = Pair::with(RICH, |owed| owed.run(2, 5));
    assert_eq!(pair.redeem(None), (paid(5), Ok(())));
    assert_eq!(pair.redeemer.held(), []);
    let channel = town::channel(&pair.ledger, &pair.id);
    assert_eq!((channel.balance, channel.index), (amount(RICH - 5 * PRICE), index(7)));
    let stats = pair.redeemer.core.stats(pair.id);
    assert_eq!((stats.redeemed, stats.neglected), (5 * PRICE, 0));
    pair.view();
    assert_eq!(pair.redeemer.core.stats(pair.id), stats);
}

#[test]
fn those_that_are_skipped_are_let_go() {
    let mut pair = Pair::with(RICH, |owed| owed.run(0, 5));
    assert_eq!(pair.redeem(Some(index(3))), (paid(2), Ok(())));
    assert_eq!(pair.redeemer.held(), []);
    assert_eq!(pair.redeemer.core.stats(pair.id).neglected, 3 * PRICE);
}

#[test]
fn what_the_ledger_does_not_take_is_held_on_to() {
    let mut pair = Pair::with(PRICE, |owed| owed.run(0, 2));
    let (got, outcome) = pair.redeem(None);
    assert_eq!(got, paid(1));
    let Err(RedeemError::Ledger { index: at, error }) = outcome else { panic!("{outcome:?}") };
    assert_eq!((at, error.code()), (index(1), Some(Code::InsufficientChannelBalance)));
    assert_eq!(pair.marks(), [(1, Mark::Untouched)]);
}

#[test]
fn a_batch_ends_when_one_of_its_tickets_is_redeemed() {
    let mut pair = Pair::with(RICH, |owed| owed.run(0, 4));
    let ask = pair.ask_only();
    let lost = pair.answer(ask);
    pair.redeemer.wait(Duration::from_secs(15));
    assert!(pair.redeemer.core.batch(&pair.id).is_some());
    assert_eq!(pair.redeem(None), (paid(4), Ok(())));
    assert!(pair.redeemer.core.batch(&pair.id).is_none());
    // The aggregate that the issuer made of them is worth nothing any more.
    pair.hear(lost);
    assert_eq!(pair.redeemer.held(), []);
    assert_eq!(town::channel(&pair.ledger, &pair.id).balance, amount(RICH - 4 * PRICE));
}

/// The node stops after the ledger took the ticket and before it hears of that.
#[test]
fn after_a_crash_the_ledger_says_what_became_of_it() {
    let mut pair = Pair::with(RICH, |owed| owed.run(0, 2));
    pair.crash_when_paid();
    assert_eq!(pair.marks(), [(0, Mark::BeingRedeemed), (1, Mark::Untouched)]);
    pair.view();
    assert_eq!(pair.marks(), [(1, Mark::Untouched)]);
    let stats = pair.redeemer.core.stats(pair.id);
    assert_eq!((stats.redeemed, stats.neglected), (PRICE, 0));
    let ends = pair.redeemer.events.iter().filter_map(|event| match event {
        Event::Released { end, paid: true, .. } => Some(*end),
        _ => None,
    });
    assert_eq!(ends.collect::<Vec<_>>(), [index(1)]);
    assert_eq!(pair.redeem(None), (paid(1), Ok(())));
}

#[test]
fn a_ledger_that_may_have_taken_it_is_asked_again() {
    let mut pair = Pair::with(RICH, |owed| owed.run(0, 2));
    pair.mark();
    let (id, _) = pair.redeemer.jobs.pop_front().unwrap();
    let outcome = Err(machine::JobError::TimedOut);
    pair.redeemer.feed(Input::Done { id, outcome });
    assert!(matches!(pair.redeemed(), (_, Err(RedeemError::Job { .. }))));
    assert_eq!(pair.marks()[0].1, Mark::BeingRedeemed);
    assert_eq!(pair.redeem(None), (paid(2), Ok(())));
}

#[test]
fn tickets_of_an_epoch_that_is_over_are_let_go() {
    let mut pair = Pair::with(RICH, |owed| owed.run(0, 4));
    pair.view_with(|channel| channel.epoch = Epoch::new(1).unwrap());
    assert_eq!(pair.redeemer.held(), []);
    assert_eq!(pair.redeemer.core.stats(pair.id).neglected, 4 * PRICE);
}

#[test]
fn what_may_still_be_earned_is_not_passed() {
    let mut pair = Pair::with(RICH, |owed| owed.run(0, 4));
    let (channel, below) = (pair.id, Some(index(2)));
    pair.redeemer.command(Command::Redeem { channel, from: None, below });
    pair.work();
    assert_eq!(pair.redeemed(), (paid(2), Ok(())));
    assert_eq!(pair.redeemer.intervals().len(), 2);
}

/// A ticket is on its way to the disk; those after it wait for that.
#[test]
fn what_is_being_made_durable_is_not_passed() {
    let mut pair = Pair::with(RICH, |owed| [owed.run(0, 1), owed.run(2, 2)].concat());
    let channel = pair.id;
    let late = pair.ticket(interval(1, 1));
    pair.redeemer.command(Command::Earn(Box::new(late)));
    pair.redeemer.command(pair.aggregate(ANY));
    assert_eq!(pair.redeemer.aggregated(), Ok(None));
    pair.redeemer.command(Command::Redeem { channel, from: Some(index(2)), below: None });
    assert_eq!(pair.redeemed(), (paid(0), Ok(())));
    pair.work();
    assert_eq!(made(pair.ask(ANY)).ticket.body.interval, interval(0, 4));

    // What is in the aggregate is not earned once more.
    let again = pair.ticket(interval(1, 1));
    pair.redeemer.command(Command::Earn(Box::new(again)));
    let Some(Event::Earned { outcome, .. }) = pair.redeemer.events.pop() else { panic!() };
    assert_eq!(outcome, Err(EarnError::Taken { index: index(1) }));
    assert_eq!(pair.redeemer.core.stats(channel).won, 1);
}

/// The ledger paid the first ticket before a crash; until that is noted, it does not get the next.
#[test]
fn what_was_paid_is_noted_before_more_is() {
    let mut pair = Pair::with(RICH, |owed| owed.run(0, 2));
    let channel = pair.id;
    pair.crash_when_paid();
    pair.redeemer.view(town::channel(&pair.ledger, &channel), pair.issuer.peer);
    assert!(pair.redeemer.work(Disk::Fails), "the ticket is not let go");
    assert_eq!(pair.redeem(None), (paid(0), Err(RedeemError::Busy)));
    assert_eq!(pair.redeem(None), (paid(1), Ok(())));
    let stats = pair.redeemer.core.stats(channel);
    assert_eq!((stats.redeemed, stats.neglected), (2 * PRICE, 0));
}

/// The disk has changed a ticket; those after it are paid all the same.
#[test]
fn one_that_is_worth_nothing_is_not_in_the_way() {
    let mut pair = Pair::with(RICH, |owed| {
        let mut tickets = owed.run(0, 3);
        tickets[0].ticket.signature = tickets[1].ticket.signature;
        tickets
    });
    let (got, outcome) = pair.redeem(None);
    assert_eq!(got, paid(2));
    let Err(RedeemError::Worthless { index: at, .. }) = outcome else { panic!("{outcome:?}") };
    assert_eq!(at, index(0));
    assert_eq!(pair.redeemer.held(), []);
    let stats = pair.redeemer.core.stats(pair.id);
    assert_eq!((stats.redeemed, stats.neglected), (2 * PRICE, PRICE));
}

/// The ledger does not take a ticket of a batch whose aggregate may be signed: the batch stays.
#[test]
fn a_batch_outlives_a_redemption_that_fails() {
    let mut pair = Pair::with(RICH, |owed| owed.run(0, 4));
    let ask = pair.ask_only();
    pair.answer(ask);
    pair.redeemer.wait(Duration::from_secs(15));
    pair.redeemer.events.clear();
    pair.mark();
    let (id, _) = pair.redeemer.jobs.pop_front().unwrap();
    pair.redeemer.feed(Input::Done { id, outcome: Ok(Done::Redeemed(Err(SubmitError::Busy))) });
    pair.work();
    assert!(pair.redeemed().1.is_err());
    // Another batch would overlap that aggregate.
    pair.earn(interval(4, 1));
    assert_eq!(made(pair.ask(ANY)).replaced, 4);
}

/// Tickets before a batch go, and it does not go with them.
#[test]
fn a_batch_outlives_what_was_before_it() {
    let mut pair = Pair::with(RICH, |owed| {
        let doubtful = owed.held(interval(0, 1), Mark::Doubtful);
        [vec![doubtful], owed.run(1, 4)].concat()
    });
    let ask = pair.ask_only();
    pair.answer(ask);
    pair.redeemer.wait(Duration::from_secs(15));
    pair.view_with(|channel| channel.index = index(1));
    assert_eq!(pair.marks().len(), 4);
    assert_eq!(pair.redeemer.core.batch(&pair.id).unwrap().indices.len(), 4);
    assert_eq!(made(pair.ask(ANY)).ticket.body.interval, interval(1, 4));
}

/// The ledger paid, the disk was too busy to note it, and the view of the channel is an old one.
#[test]
fn what_was_paid_counts_as_paid_whatever_the_disk_does() {
    let mut pair = Pair::with(RICH, |owed| owed.run(0, 1));
    let channel = pair.id;
    pair.mark();
    assert!(pair.redeemer.work(Disk::Writes), "the ledger pays");
    assert!(pair.redeemer.work(Disk::Fails), "the ticket is not let go");
    assert_eq!(pair.redeemed().1, Err(Unwritten::Failed.into()));
    pair.work();
    let stats = pair.redeemer.core.stats(channel);
    assert_eq!((stats.redeemed, stats.neglected), (PRICE, 0));
    assert_eq!(pair.redeemer.held(), []);
}
