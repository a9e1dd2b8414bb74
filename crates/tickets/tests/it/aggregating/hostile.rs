//! What an issuer may try, and what then becomes of the money.

use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use super::*;

/// The redeemer asks, and the issuer replies with what `change` makes of his aggregate.
fn replied(pair: &mut Pair, change: impl FnOnce(&mut Body)) -> Outcome {
    let ask = pair.ask_only();
    let Question::Answer { id, answer } = pair.answer(ask) else { panic!() };
    let mut body = answer.outcome.unwrap().body;
    change(&mut body);
    let outcome = Ok(body.sign(&town::chain_key(town::ISSUER), &DOMAIN).leak());
    pair.hear(Question::Answer { id, answer: Reply { outcome, ..answer } });
    pair.redeemer.aggregated()
}

/// The redeemer asks, and the issuer refuses because of the ticket at this place.
fn refused_at(pair: &mut Pair, place: u16) -> Outcome {
    let Question::Ask { id, ask } = pair.ask_only() else { panic!() };
    let refusal = Refusal { index: Some(place), ..Refusal::new(RefusalCode::Losing) };
    let answer = Reply { attempt: ask.attempt, outcome: Err(refusal) };
    pair.hear(Question::Answer { id, answer });
    pair.redeemer.aggregated()
}

fn redeem_all(pair: &mut Pair) -> (Redeemed, Result<(), RedeemError>) {
    let channel = pair.id;
    pair.redeemer.events.clear();
    pair.redeemer.command(Command::Redeem { channel, from: None, below: None });
    pair.work();
    let end = pair.redeemer.events.iter().find_map(|event| match event {
        Event::Redeemed { paid, outcome, .. } => Some((*paid, outcome.clone())),
        _ => None,
    });
    end.unwrap()
}

/// He is generous beyond what the channel holds: the ledger would never pay it.
#[test]
fn an_aggregate_that_the_channel_cannot_pay_replaces_nothing() {
    let mut pair = Pair::with(5 * PRICE, |owed| owed.run(0, 4));
    let outcome = replied(&mut pair, |it| it.amount = amount(5 * PRICE + 1));
    let Err(AggregateError::BadReply(BadReply::Amount { .. })) = outcome else {
        panic!("{outcome:?}")
    };
    assert_eq!(pair.redeemer.faults.len(), 1);
    assert_eq!(redeem_all(&mut pair).0.tickets, 4);
}

/// He names a ticket; an aggregate over its index would be its end.
#[test]
fn no_aggregate_stands_for_the_index_of_a_ticket_that_is_set_aside() {
    let mut pair = Pair::with(RICH, |owed| owed.run(0, 6));
    assert!(refused_at(&mut pair, 2).is_err());
    assert_eq!(made(pair.ask(ANY)).ticket.body.interval, interval(0, 2));
    assert_eq!(made(pair.ask(ANY)).ticket.body.interval, interval(3, 3));
    assert_eq!(pair.ask(ANY), Ok(None));
    let (paid, outcome) = redeem_all(&mut pair);
    assert_eq!((paid.amount, outcome), (amount(6 * PRICE), Ok(())));
}

/// What comes before a batch is paid before it, out of the same channel.
#[test]
fn a_batch_leaves_in_the_channel_what_comes_before_it() {
    let mut pair = Pair::with(5 * PRICE, |owed| owed.run(0, 6));
    // The first five are asked for; the first one is set aside.
    assert!(refused_at(&mut pair, 0).is_err());
    assert_eq!(made(pair.ask(ANY)).ticket.body.interval, interval(1, 4));
    let (paid, _) = redeem_all(&mut pair);
    assert_eq!(paid.amount, amount(5 * PRICE));
}

/// He gives a ticket that stands for indices of others.
#[test]
fn a_ticket_that_others_would_end_with_is_not_earned() {
    let mut pair = Pair::with(RICH, |owed| owed.run(1, 3));
    pair.redeemer.events.clear();
    pair.earn(interval(0, 2));
    let Some(Event::Earned { outcome, .. }) = pair.redeemer.events.pop() else { panic!() };
    assert_eq!(outcome, Err(EarnError::Aggregate { offset: 2 }));

    // Also while one of them is on its way to the disk.
    let one = pair.ticket(interval(5, 1));
    let wide = pair.ticket(interval(4, 2));
    pair.redeemer.command(Command::Earn(Box::new(one)));
    pair.redeemer.command(Command::Earn(Box::new(wide)));
    let Some(Event::Earned { outcome, .. }) = pair.redeemer.events.pop() else { panic!() };
    assert_eq!(outcome, Err(EarnError::Aggregate { offset: 2 }));
    pair.work();
    assert_eq!(redeem_all(&mut pair).0.tickets, 4);
}

/// He signs, but the reply is lost; then a ticket of the batch may or may not be with the ledger.
#[test]
fn a_batch_is_not_forgotten_while_one_of_its_tickets_is_on_its_way() {
    let mut pair = Pair::with(RICH, |owed| owed.run(0, 4));
    let ask = pair.ask_only();
    pair.answer(ask);
    pair.redeemer.wait(Duration::from_secs(15));
    pair.redeemer.events.clear();

    let channel = pair.id;
    pair.redeemer.command(Command::Redeem { channel, from: None, below: None });
    assert!(pair.redeemer.work(Disk::Writes), "the ticket is marked");
    let (id, _) = pair.redeemer.jobs.pop_front().unwrap();
    pair.redeemer.feed(Input::Done { id, outcome: Err(machine::JobError::TimedOut) });
    // Nobody knows which of the two will be paid, so there is nothing to ask for.
    assert_eq!(pair.ask(ANY), Ok(None));
    assert_eq!(pair.redeemer.core.batch(&channel).unwrap().indices.len(), 4);
    assert_eq!(redeem_all(&mut pair).0.tickets, 4);
    assert_eq!(pair.redeemer.core.batch(&channel), None);
}

/// He opens channels and closes them, under as many accounts as he likes.
#[test]
fn channels_that_are_closed_make_room() {
    let config = Config { channels_max: 2, ..Config::default() };
    let me = town::chain_key(town::REDEEMER).address();
    let mut core = Core::new(config.check().unwrap(), me, Kept::default(), [1; 32]);
    let mut view = |number, status| {
        let channel = Channel {
            source: town::chain_key(number).address(),
            destination: me,
            balance: amount(0),
            index: index(0),
            status,
            epoch: epoch(1),
        };
        core.handle(Input::Command(Command::View { channel, peer: None }), Instant::START);
        match core.poll_effect() {
            Some(Effect::Emit(Event::Viewed { outcome, .. })) => outcome,
            other => panic!("{other:?}"),
        }
    };
    for number in 10..30 {
        assert_eq!(view(number, ChannelStatus::Open), Ok(()));
        assert_eq!(view(number, ChannelStatus::Closed), Ok(()));
    }
    assert_eq!(view(30, ChannelStatus::Open), Ok(()));
    assert_eq!(view(31, ChannelStatus::Open), Ok(()));
    assert_eq!(view(32, ChannelStatus::Open), Err(ViewError::TooMany { max: 2 }));
}

/// What he replies: the truth, a lie that he signed, a refusal, or nothing.
fn any_reply(rng: &mut ChaCha8Rng, pair: &mut Pair, ask: Message) {
    let Question::Ask { id, ask: request } = ask.clone() else { panic!() };
    let attempt = request.attempt;
    let outcome = match rng.random_range(0..10) {
        0 | 1 => return pair.redeemer.wait(Duration::from_secs(15)),
        2..5 => {
            let code = RefusalCode::EACH[rng.random_range(0..RefusalCode::EACH.len())];
            let index = rng.random::<bool>().then(|| rng.random_range(0..14));
            Err(Refusal { code, index, retry_after: None })
        }
        kind => {
            let Question::Answer { answer, .. } = pair.answer(ask) else { panic!() };
            let Ok(ticket) = answer.outcome else {
                return pair.hear(Question::Answer { id, answer });
            };
            let mut body = ticket.body;
            match kind {
                5 => body.amount = amount(rng.random_range(0..=30 * PRICE)),
                6 => body.interval = interval(rng.random_range(0..14), rng.random_range(1..30)),
                7 => body.epoch = epoch(rng.random_range(0..3)),
                _ => {}
            }
            Ok(body.sign(&town::chain_key(town::ISSUER), &DOMAIN).leak())
        }
    };
    pair.hear(Question::Answer { id, answer: Reply { attempt, outcome } });
}

/// The channel holds just what the tickets are worth, and in the end the redeemer has all of it.
#[test]
fn whatever_he_says_every_ticket_is_paid() {
    let mut aggregates = 0;
    for seed in 0..100 {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut pair = Pair::with(12 * PRICE, |owed| [owed.run(0, 5), owed.run(7, 7)].concat());
        for _ in 0..rng.random_range(1..12) {
            let below = rng.random::<bool>().then(|| index(rng.random_range(0..14)));
            let channel = pair.id;
            pair.redeemer.command(Command::Aggregate { channel, below, prerequisites: ANY });
            pair.work();
            while let Some((_, ask)) = pair.redeemer.sent.pop() {
                any_reply(&mut rng, &mut pair, ask);
            }
            if rng.random_range(0..4) == 0 {
                let below = Some(index(rng.random_range(0..14)));
                pair.redeemer.command(Command::Redeem { channel, from: None, below });
                pair.work();
                pair.view();
            }
            let aggregated =
                |it: &Event| matches!(it, Event::Aggregated { outcome: Ok(Some(_)), .. });
            aggregates += pair.redeemer.events.drain(..).filter(aggregated).count();
        }
        let (_, outcome) = redeem_all(&mut pair);
        assert_eq!(outcome, Ok(()), "seed {seed}");
        let left = town::channel(&pair.ledger, &pair.id).balance;
        assert_eq!(left, Amount::ZERO, "seed {seed}");
        assert_eq!(pair.redeemer.held(), [], "seed {seed}");
        assert_eq!(pair.redeemer.core.stats(pair.id).redeemed, 12 * PRICE, "seed {seed}");
    }
    assert!(aggregates > 50, "{aggregates} aggregates");
}
