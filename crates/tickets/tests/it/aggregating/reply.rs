//! What a reply has to be.

use super::*;

type Change = fn(&mut Body);
type Expect = fn(&BadReply) -> bool;

fn issuer() -> ChainKey {
    town::chain_key(town::ISSUER)
}

/// An attempt whose reply is spoilt by `change`, and signed then.
fn spoilt(change: Change, key: &ChainKey) -> (Pair, Outcome) {
    let mut pair = Pair::with(RICH, |owed| owed.run(1, 4));
    let ask = pair.ask_only();
    let Question::Answer { id, answer } = pair.answer(ask) else { panic!() };
    let mut body = answer.outcome.unwrap().body;
    change(&mut body);
    let outcome = Ok(body.sign(key, &DOMAIN).leak());
    pair.hear(Question::Answer { id, answer: Reply { outcome, ..answer } });
    let outcome = pair.redeemer.aggregated();
    (pair, outcome)
}

#[test]
fn each_thing_that_can_be_wrong_with_it_is_found() {
    let cases: [(&str, Change, Expect); 10] = [
        (
            "channel",
            |it| it.channel = ChannelId([1; 32]),
            |bad| matches!(bad, BadReply::Channel { .. }),
        ),
        ("epoch", |it| it.epoch = epoch(2), |bad| matches!(bad, BadReply::Epoch { .. })),
        (
            "first index",
            |it| it.interval = interval(0, 5),
            |bad| matches!(bad, BadReply::Interval { .. }),
        ),
        (
            "too short",
            |it| it.interval = interval(1, 3),
            |bad| matches!(bad, BadReply::Interval { .. }),
        ),
        (
            "too long",
            |it| it.interval = interval(1, 5),
            |bad| matches!(bad, BadReply::Interval { .. }),
        ),
        (
            "amount",
            |it| it.amount = amount(4 * PRICE - 1),
            |bad| matches!(bad, BadReply::Amount { .. }),
        ),
        (
            "half",
            |it| it.probability = WinProbability::from_f64(0.5).unwrap(),
            |bad| matches!(bad, BadReply::Probability { .. }),
        ),
        (
            "nearly",
            |it| it.probability = WinProbability::new((1 << 56) - 2).unwrap(),
            |bad| matches!(bad, BadReply::Probability { .. }),
        ),
        (
            "challenge",
            |it| it.challenge = ChallengeAddress([3; 20]),
            |bad| matches!(bad, BadReply::Challenge { .. }),
        ),
        ("nothing", |_| {}, |_| false),
    ];
    for (name, change, expect) in cases {
        let (pair, outcome) = spoilt(change, &issuer());
        if name == "nothing" {
            made(outcome);
            continue;
        }
        let Err(AggregateError::BadReply(bad)) = &outcome else { panic!("{name}: {outcome:?}") };
        assert!(expect(bad), "{name}: {bad}");
        assert_eq!(pair.redeemer.faults, [Fault::BadReply(*bad)]);
        assert_eq!(pair.redeemer.intervals().len(), 4, "{name}");
        assert_eq!(pair.redeemer.core.batch(&pair.id), None);
    }
}

#[test]
fn who_signed_it_is_looked_at() {
    let (pair, outcome) = spoilt(|_| {}, &town::chain_key(7));
    let Err(AggregateError::BadReply(BadReply::Signature(bad))) = outcome else { panic!() };
    assert!(matches!(bad, BadSignature::Signer { .. }), "{bad}");
    assert_eq!(pair.redeemer.intervals().len(), 4);
}

#[test]
fn more_than_was_asked_for_is_welcome() {
    let (pair, outcome) = spoilt(|it| it.amount = amount(5 * PRICE), &issuer());
    assert_eq!(made(outcome).ticket.body.amount, amount(5 * PRICE));
    assert_eq!(pair.redeemer.intervals(), [interval(1, 4)]);
}

#[test]
fn one_that_the_ledger_has_overtaken_is_not_taken() {
    let mut pair = Pair::with(RICH, |owed| owed.run(1, 4));
    let ask = pair.ask_only();
    let answer = pair.answer(ask);
    pair.redeemer.feed(Input::Received { peer: pair.issuer.peer, message: answer });
    let mut channel = town::channel(&pair.ledger, &pair.id);
    channel.index = index(2);
    pair.redeemer.view(channel, pair.issuer.peer);
    pair.work();
    let overtaken = AggregateError::Overtaken { index: index(1) };
    assert_eq!(pair.redeemer.aggregated(), Err(overtaken));
    assert_eq!(pair.redeemer.intervals().len(), 3);
}

#[test]
fn late_doubled_and_foreign_ones_change_nothing() {
    let mut pair = Pair::with(RICH, |owed| owed.run(0, 4));
    let ask = pair.ask_only();
    let answer = pair.answer(ask);
    pair.redeemer.wait(Duration::from_secs(15));
    assert_eq!(pair.redeemer.aggregated(), Err(AggregateError::TimedOut));
    pair.hear(answer.clone());
    assert_eq!(pair.redeemer.faults, [Fault::Late]);
    assert_eq!(pair.redeemer.intervals().len(), 4);

    // The next attempt does not take it for its own either.
    let again = pair.ask_only();
    pair.hear(answer.clone());
    let Question::Answer { id, .. } = pair.answer(again.clone()) else { panic!() };
    let Question::Answer { answer: old, .. } = answer else { panic!() };
    pair.hear(Question::Answer { id, answer: old });
    assert_eq!(pair.redeemer.faults, [Fault::Late; 3]);

    let answer = pair.answer(again);
    pair.redeemer.feed(Input::Received { peer: simnet::peer(99), message: answer.clone() });
    assert_eq!(pair.redeemer.faults, [Fault::Late; 4]);
    pair.hear(answer.clone());
    made(pair.redeemer.aggregated());
    pair.hear(answer);
    assert_eq!(pair.redeemer.faults, [Fault::Late; 5]);
    assert_eq!(pair.redeemer.intervals(), [interval(0, 4)]);
}
