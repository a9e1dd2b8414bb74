//! How an attempt ends.

use super::*;

fn request(ask: &Message) -> &Request {
    let Question::Ask { ask, .. } = ask else { panic!() };
    ask
}

#[test]
fn after_a_time_out_the_same_is_asked_for_and_answered_again() {
    let mut pair = Pair::with(RICH, |owed| owed.run(0, 4));
    let first = pair.ask_only();
    let Question::Answer { answer: lost, .. } = pair.answer(first.clone()) else { panic!() };
    pair.redeemer.wait(Duration::from_secs(15));
    assert_eq!(pair.redeemer.aggregated(), Err(AggregateError::TimedOut));
    // A ticket that came in the meantime waits for the next batch.
    pair.earn(interval(4, 1));
    pair.redeemer.events.clear();

    let second = pair.ask_only();
    assert_ne!(request(&first).attempt, request(&second).attempt);
    assert_eq!(request(&first).digest(), request(&second).digest());
    // The issuer, too, may have stopped in between.
    let store = pair.issuer.store.clone();
    pair.issuer = town::Party::new(town::ISSUER, &pair.ledger, store, 9);
    pair.view();
    let answer = pair.answer(second);
    let Question::Answer { answer: told, .. } = &answer else { panic!() };
    assert_eq!(told.outcome, lost.outcome);
    assert!(pair.issuer.jobs.is_empty());
    pair.hear(answer);
    assert_eq!(made(pair.redeemer.aggregated()).replaced, 4);
    assert_eq!(made(pair.ask(ANY)).ticket.body.interval, interval(0, 5));
}

#[test]
fn a_second_command_is_told_busy_and_the_first_is_unharmed() {
    let mut pair = Pair::with(RICH, |owed| owed.run(0, 4));
    let ask = pair.ask_only();
    let channel = pair.id;
    pair.redeemer.command(pair.aggregate(ANY));
    assert_eq!(pair.redeemer.aggregated(), Err(AggregateError::Busy));
    pair.redeemer.command(Command::Redeem { channel, from: None, below: None });
    let Some(Event::Redeemed { outcome, .. }) = pair.redeemer.events.pop() else { panic!() };
    assert_eq!(outcome, Err(RedeemError::Busy));
    let answer = pair.answer(ask);
    pair.hear(answer);
    assert_eq!(made(pair.redeemer.aggregated()).replaced, 4);
}

fn refused(pair: &mut Pair, refusal: Refusal) -> Outcome {
    let Question::Ask { id, ask } = pair.ask_only() else { panic!() };
    let answer = Reply { attempt: ask.attempt, outcome: Err(refusal) };
    pair.hear(Question::Answer { id, answer });
    pair.redeemer.aggregated()
}

#[test]
fn a_refusal_ends_it_and_sets_the_ticket_at_fault_aside() {
    let mut pair = Pair::with(RICH, |owed| {
        let busy = owed.held(interval(0, 1), Mark::BeingRedeemed);
        [vec![busy], owed.run(1, 4)].concat()
    });
    let refusal = Refusal {
        code: RefusalCode::SignatureOrResponse,
        index: Some(2),
        retry_after: Some(Duration::from_secs(3)),
    };
    let outcome = refused(&mut pair, refusal);
    let index = Some(index(3));
    assert_eq!(outcome, Err(AggregateError::Refused { refusal, index }));
    let marks = [Mark::BeingRedeemed, Mark::Untouched, Mark::Untouched, Mark::Doubtful];
    let marks: Vec<_> = (0..).zip(marks.into_iter().chain([Mark::Untouched])).collect();
    assert_eq!(pair.marks(), marks);
    // The rest goes on without it, and does not stand for its index.
    assert_eq!(made(pair.ask(ANY)).ticket.body.interval, interval(1, 2));
}

#[test]
fn a_refusal_that_passes_keeps_the_batch() {
    for code in [RefusalCode::Busy, RefusalCode::Unavailable] {
        let mut pair = Pair::with(RICH, |owed| owed.run(0, 3));
        let refusal = Refusal::new(code);
        let error = AggregateError::Refused { refusal, index: None };
        assert_eq!(refused(&mut pair, refusal), Err(error));
        assert_eq!(pair.redeemer.core.batch(&pair.id).unwrap().indices.len(), 3);
        pair.earn(interval(3, 1));
        assert_eq!(made(pair.ask(ANY)).replaced, 3);
    }
}

#[test]
fn a_request_that_comes_back_ends_it_at_once() {
    let mut pair = Pair::with(RICH, |owed| owed.run(0, 3));
    let message = pair.ask_only();
    let (peer, cause) = (pair.issuer.peer, Undelivered::NotConnected);
    pair.redeemer.feed(Input::Undelivered { peer, message, cause });
    assert_eq!(pair.redeemer.aggregated(), Err(AggregateError::Undelivered(cause)));
    assert_eq!(made(pair.ask(ANY)).replaced, 3);
}

#[test]
fn it_is_told_when_it_is_durable_and_not_before() {
    let mut pair = Pair::with(RICH, |owed| owed.run(0, 3));
    let ask = pair.ask_only();
    let answer = pair.answer(ask);
    pair.redeemer.feed(Input::Received { peer: pair.issuer.peer, message: answer });
    assert!(pair.redeemer.work(Disk::Writes), "the signature is checked");
    assert!(matches!(pair.redeemer.jobs[0].1, Job::Write(_)));
    let told = |it: &Event| matches!(it, Event::Aggregated { .. });
    assert!(!pair.redeemer.events.iter().any(told));
    assert_eq!(pair.redeemer.core.held(&pair.id).count(), 3);
    pair.work();
    assert!(pair.redeemer.events.iter().any(told));
    assert_eq!(pair.redeemer.core.held(&pair.id).count(), 1);
}

/// The `nth` write of the redeemer or of the issuer goes wrong in every way there is.
#[test]
fn no_failure_of_a_disk_loses_anything() {
    for disk in [Disk::Fails, Disk::IsSilent, Disk::WritesInSilence] {
        for (of_redeemer, nth) in [(true, 0), (true, 1), (false, 0)] {
            let mut pair = Pair::with(RICH, |owed| owed.run(0, 3));
            fail(&mut pair, disk, of_redeemer, nth);
            let what = format!("{disk:?}, write {nth}, redeemer: {of_redeemer}");
            let outcome = pair.redeemer.aggregated();
            match (of_redeemer, disk) {
                (true, Disk::Fails) => {
                    assert_eq!(outcome, Err(Unwritten::Failed.into()), "{what}");
                }
                (true, _) => assert_eq!(outcome, Err(Unwritten::Unknown.into()), "{what}"),
                (false, _) => assert!(outcome.is_err(), "{what}"),
            }
            // The disks are well again.
            pair.redeemer.wait(Duration::from_secs(20));
            pair.issuer.wait(Duration::from_secs(20));
            pair.settle();
            let again = pair.ask(ANY).unwrap();
            assert_eq!(pair.redeemer.intervals(), [interval(0, 3)], "{what}: {again:?}");
        }
    }
}

/// Plays an attempt in which a write goes wrong, until it is told how it ended.
fn fail(pair: &mut Pair, disk: Disk, of_redeemer: bool, nth: usize) {
    let mut writes = 0;
    pair.redeemer.command(pair.aggregate(ANY));
    loop {
        for redeemer in [true, false] {
            let party = if redeemer { &mut pair.redeemer } else { &mut pair.issuer };
            while let Some((_, job)) = party.jobs.front() {
                let counted = redeemer == of_redeemer && matches!(job, Job::Write(_));
                let bad = counted && writes == nth;
                writes += usize::from(counted);
                party.work(if bad { disk } else { Disk::Writes });
            }
        }
        if pair.redeemer.events.iter().any(|it| matches!(it, Event::Aggregated { .. })) {
            return;
        }
        let (asked, answered) = (pair.redeemer.sent.pop(), pair.issuer.sent.pop());
        if asked.is_none() && answered.is_none() {
            pair.redeemer.wait(Duration::from_secs(15));
        }
        if let Some((_, message)) = asked {
            pair.issuer.feed(Input::Received { peer: pair.redeemer.peer, message });
        }
        if let Some((_, message)) = answered {
            pair.redeemer.feed(Input::Received { peer: pair.issuer.peer, message });
        }
    }
}

#[test]
fn a_channel_that_cannot_pay_is_named() {
    let mut pair = Pair::with(RICH, |owed| owed.run(0, 3));
    let prerequisites = ANY;
    let channel = ChannelId([8; 32]);
    pair.redeemer.command(Command::Aggregate { channel, below: None, prerequisites });
    let error = pair.redeemer.aggregated().unwrap_err();
    assert_eq!(error.to_string(), "channel is not known");
    pair.issuer.events.clear();
    pair.issuer.command(pair.aggregate(ANY));
    let error = pair.issuer.aggregated().unwrap_err();
    assert_eq!(error.to_string(), "this account is not paid by the channel");
    pair.view_with(|channel| channel.status = ChannelStatus::default());
    assert_eq!(pair.ask(ANY).unwrap_err().to_string(), "channel is closed");
    let channel = town::channel(&pair.ledger, &pair.id);
    pair.redeemer.command(Command::View { channel, peer: None });
    assert_eq!(pair.ask(ANY), Err(AggregateError::NoPeer));
}
