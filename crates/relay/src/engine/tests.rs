//! Engines that send each other packets and hear what became of them.

mod hostile;
mod privacy;
mod threads;
mod town;

use std::time::Duration;

use bytes::Bytes;
use tickets::Amount;

use self::town::{DEPOSIT, PRICE, Town, Way, amount, key, peer};
use super::*;
use crate::failure::FailureCode;
use crate::wire::Entry;

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn a_message_arrives_is_proven_and_each_relay_earns() {
    for recipient in 1..=4 {
        let mut town = Town::new(5);
        town.launch(9, recipient);
        town.settle();
        let [(to, message)] = &town.delivered[..] else { panic!("{:?}", town.delivered) };
        assert_eq!((*to, message.tag(), message.data()), (recipient, 7, &9_u64.to_be_bytes()[..]));
        assert_eq!(town.outcomes, [(0, SendId(9), Outcome::Delivered)]);

        // The relay before the recipient earns the price of one hop, each before it one more.
        let earned = town.earned.iter().map(|(number, ticket)| {
            assert_eq!(*ticket.ticket().issuer(), key(number - 1).address());
            (*number, ticket.ticket().body().amount.get())
        });
        let mut earned = earned.collect::<Vec<_>>();
        earned.sort_unstable();
        let expected = (1..recipient).map(|relay| (relay, PRICE * u128::from(recipient - relay)));
        assert_eq!(earned, expected.collect::<Vec<_>>());

        // Nothing is waited for; what is owed is what was earned.
        for (number, (pending, owed)) in (0..).zip(town.load()) {
            let expected = earned.iter().find(|it| it.0 == number).map_or(0, |it| it.1);
            assert_eq!((pending, owed), (0, expected), "{number}");
        }
    }
}

#[test]
fn tickets_that_win_by_luck_are_worth_more_and_only_those_that_win_are_earned() {
    let half = WinProbability::from_f64(0.5).unwrap();
    let mut town = Town::with_probability(3, half);
    for ids in [0..20, 20..40] {
        ids.for_each(|id| town.launch(id, 2));
        town.settle();
    }
    assert_eq!(town.outcomes.len(), 40);
    let won = town.earned.len();
    // Fewer than 6 or more than 34 come once in a hundred thousand runs; and there is one run.
    assert!((6..=34).contains(&won), "{won}");
    for (number, ticket) in &town.earned {
        assert_eq!((*number, ticket.ticket().body().amount), (1, amount(2 * PRICE)));
        let ticket = ticket.clone().into_redeemable(&key(1), &[1; 64]).unwrap();
        assert!(ticket.wins());
    }
    let won = u64::try_from(won).unwrap();
    assert_eq!((town.count(1, "ticket_won"), town.count(1, "ticket_lost")), (won, 40 - won));
    assert_eq!(town.load()[1], (0, u128::from(won) * 2 * PRICE));
}

#[test]
fn many_at_once_are_judged_each_by_itself() {
    let mut town = Town::new(3);
    let mut batch: Vec<_> = (0..20).map(|id| town.send(id, 2).unwrap().frame).collect();
    let direct = town.send(20, 1).unwrap().frame;
    batch.insert(3, direct);
    batch.insert(5, Bytes::from_static(b"garbage"));
    batch.push(batch[0].clone());
    let batch = batch.into_iter().map(|frame| (peer(0), frame)).collect();
    let verdicts = town.engine(1).inbound(batch, town.now);
    assert_eq!(verdicts.len(), 23);
    for (place, verdict) in verdicts.into_iter().enumerate() {
        match (place, verdict) {
            (3, Verdict::Deliver(_))
            | (5, Verdict::Drop(Dropped::Malformed(_)))
            | (22, Verdict::Drop(Dropped::Replayed)) => {}
            (_, Verdict::Forward(onward)) => {
                town.under_way.push_back((1, 2, Way::Msg(onward.frame)));
            }
            (place, verdict) => panic!("{place}: {verdict:?}"),
        }
    }
    let before = town.load()[1];
    town.settle();
    assert_eq!(before, (20, 20 * PRICE));
    assert_eq!((town.delivered.len(), town.earned.len()), (20, 20));
}

#[test]
fn a_relay_that_hears_nothing_says_so_and_does_not_earn() {
    let mut town = Town::new(4);
    town.launch(1, 3);
    // It gets as far as the second relay, and is lost before the recipient.
    let (_, _, Way::Msg(frame)) = town.under_way.pop_front().unwrap() else { panic!() };
    let Verdict::Forward(first) = town.inbound(0, 1, frame) else { panic!() };
    let Verdict::Forward(second) = town.inbound(1, 2, first.frame) else { panic!() };
    town.under_way.push_back((1, 0, Way::Ack(first.reply.taken())));
    town.under_way.push_back((2, 1, Way::Ack(second.reply.taken())));
    town.settle();
    assert_eq!(town.load(), [(1, 0), (1, 2 * PRICE), (1, PRICE), (0, 0)]);
    town.pass(9 * SECOND);
    assert!(town.outcomes.is_empty());
    town.pass(2 * SECOND);
    let failed = Outcome::Failed(FailureCode::TimedOut);
    assert_eq!(town.outcomes, [(0, SendId(1), failed)]);
    assert_eq!(town.load(), [(0, 0), (0, 2 * PRICE), (0, 0), (0, 0)]);
    assert_eq!(town.count(2, "timed_out_relayed"), 1);
    // Too late.
    let news = town.engine(2).acknowledge(vec![(peer(3), vec![second.reply.taken()])], town.now);
    assert!(news.earned.is_empty() && news.pass_on.is_empty());
}

#[test]
fn a_sender_that_hears_nothing_knows_how_far_it_came() {
    let mut town = Town::new(3);
    let lost = town.send(1, 2).unwrap();
    let half_lost = town.send(2, 2).unwrap().frame;
    let Verdict::Forward(onward) = town.inbound(0, 1, half_lost) else { panic!() };
    let acknowledged = onward.reply.taken();
    let news = town.engine(0).acknowledge(vec![(peer(1), vec![acknowledged])], town.now);
    assert!(news.outcomes.is_empty());
    town.now = town.now.after(11 * SECOND);
    let mut outcomes = town.engine(0).expire(town.now).outcomes;
    assert_eq!(outcomes, [(SendId(1), Outcome::TimedOut { acknowledged: false })]);
    town.now = town.now.after(18 * SECOND);
    assert!(town.engine(0).expire(town.now).outcomes.is_empty());
    let due = town.engine(0).next_deadline().unwrap();
    outcomes = town.engine(0).expire(due).outcomes;
    assert_eq!(outcomes, [(SendId(2), Outcome::TimedOut { acknowledged: true })]);
    assert_eq!(town.engine(0).next_deadline(), None);
    assert!(town.failure(1, 0, &lost.frame, FailureCode::Unreachable).outcomes.is_empty());
}

#[test]
fn a_frame_that_cannot_be_sent_ends_at_once() {
    let mut town = Town::new(3);
    let own = town.send(1, 2).unwrap();
    let news = town.failure(1, 0, &own.frame, FailureCode::Overloaded);
    assert_eq!(news.outcomes, [(SendId(1), Outcome::Unsent(FailureCode::Overloaded))]);

    town.launch(2, 2);
    let (_, _, Way::Msg(frame)) = town.under_way.pop_front().unwrap() else { panic!() };
    let Verdict::Forward(onward) = town.inbound(0, 1, frame) else { panic!() };
    assert_eq!(town.load()[1], (1, PRICE));
    let news = town.failure(2, 1, &onward.frame, FailureCode::Unreachable);
    town.take(1, news);
    town.settle();
    let failed = Outcome::Failed(FailureCode::Unreachable);
    assert_eq!(town.outcomes, [(0, SendId(2), failed)]);
    assert_eq!(town.load(), [(0, 0); 3]);
    // Once.
    let news = town.failure(2, 1, &onward.frame, FailureCode::Unreachable);
    assert!(news.pass_on.is_empty());
    assert!(town.failure(2, 1, b"garbage", FailureCode::Unreachable).pass_on.is_empty());
}

#[test]
fn who_cannot_pay_does_not_send() {
    let mut town = Town::new(3);
    let unpayable = |unpayable: Unpayable| Err(Unsent::Unpayable(unpayable));
    // A price above what is in the channel, and one above all tickets.
    for price in [DEPOSIT + 1, Amount::MAX.get() / 2 + 1] {
        town.engines[0].terms.price = amount(price);
        let hops = if price > DEPOSIT + 1 { 3 } else { 2 };
        let refusal = if hops == 3 {
            Unpayable::Price { price: amount(price), hops: 2 }
        } else {
            Unpayable::Balance { amount: amount(price), balance: amount(DEPOSIT) }
        };
        let path: Vec<_> = (1..=hops).map(|n| peer(n.min(3))).collect();
        let message = crate::sphinx::Message::new(0, Vec::new()).unwrap();
        let sent = town.engine(0).outbound(SendId(0), &path, &message, town.now);
        assert_eq!(sent.map(|it| it.to), unpayable(refusal));
    }
    town.engines[0].terms = Terms { probability: WinProbability::NEVER, ..*town.engine(1).terms() };
    let sent = town.send(0, 2).map(|it| it.to);
    assert!(matches!(sent, Err(Unsent::Unpayable(Unpayable::TooUnlikely(_)))), "{sent:?}");
    town.engines[0].terms = *town.engine(1).terms();

    // Nobody pays the first, and nothing pays for a recipient.
    let message = crate::sphinx::Message::new(0, Vec::new()).unwrap();
    let from_last = |path: &[PeerId]| {
        let sent = town.engine(2).outbound(SendId(0), path, &message, town.now);
        sent.map(|it| it.to)
    };
    assert_eq!(from_last(&[peer(0), peer(1)]), unpayable(Unpayable::NoChannel));
    assert_eq!(from_last(&[peer(9), peer(1)]), unpayable(Unpayable::NoChannel));
    assert_eq!(from_last(&[peer(0)]), Ok(peer(0)));
    assert_eq!(from_last(&[peer(9)]), Ok(peer(9)));
    let none = crate::BuildError::PathLength { nodes: 0 };
    assert_eq!(from_last(&[]), Err(Unsent::Build(none)));
    let five = crate::BuildError::PathLength { nodes: 5 };
    assert_eq!(from_last(&[peer(0); 5]), Err(Unsent::Build(five)));
}

#[test]
fn a_relay_that_cannot_pay_says_so() {
    let mut town = Town::new(4);
    // The channel from the first relay on is closed.
    let channel = ChannelId::between(&key(1).address(), &key(2).address());
    town::ask(&town.ledger, 1, &tickets::ledger::Call::InitiateClose { channel });
    town.launch(1, 3);
    town.settle();
    assert_eq!(town.outcomes, [(0, SendId(1), Outcome::Failed(FailureCode::NoRoute))]);
    assert_eq!(town.load(), [(0, 0); 4]);
    assert_eq!(town.count(1, "refused_next_cannot_be_paid"), 1);
    // Without a reservation.
    let mut town = Town::new(4);
    town.engines[1] = town::engine(&town.ledger, 1, WinProbability::ALWAYS);
    town.launch(1, 3);
    town.settle();
    assert_eq!(town.outcomes, [(0, SendId(1), Outcome::Failed(FailureCode::Overloaded))]);
}

/// With the application's answer in place of the acknowledgement.
#[test]
fn a_message_that_nobody_takes_is_a_failure() {
    let mut town = Town::new(3);
    town.launch(1, 2);
    let (_, _, Way::Msg(frame)) = town.under_way.pop_front().unwrap() else { panic!() };
    let Verdict::Forward(onward) = town.inbound(0, 1, frame) else { panic!() };
    let Verdict::Deliver(delivered) = town.inbound(1, 2, onward.frame) else { panic!() };
    let reply = delivered.reply.not_taken(FailureCode::NotTaken);
    assert!(matches!(reply, Entry::Failure { code: FailureCode::NotTaken, .. }));
    town.under_way.push_back((1, 0, Way::Ack(onward.reply.taken())));
    town.under_way.push_back((2, 1, Way::Ack(reply)));
    town.settle();
    assert_eq!(town.outcomes, [(0, SendId(1), Outcome::Failed(FailureCode::NotTaken))]);
    // The relay's ticket may still be opened, until the time for it is over.
    assert_eq!(town.load(), [(0, 0), (1, PRICE), (0, 0)]);
    town.pass(11 * SECOND);
    assert_eq!(town.load(), [(0, 0); 3]);
    assert_eq!(town.outcomes.len(), 1);
}
