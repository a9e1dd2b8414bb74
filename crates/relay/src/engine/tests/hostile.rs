//! What strangers and neighbours can send.

use ::wire::Frame as _;
use bytes::Bytes;
use proptest::prelude::*;
use tickets::{Amount, BadSignature, ChallengeAddress, IndexOffset, TicketIndex};
use zeroize::Zeroizing;

use super::super::*;
use super::town::{DEPOSIT, PRICE, Town, Way, amount, key, ledger_params, peer};
use crate::failure::{FailureCode, MinAmount, RefusalCode, TicketRefusal};
use crate::wire::{Entry, Msg};
use crate::{Refusal, Unproven};

/// A packet from the first over the second to the third, with another ticket that is signed anew.
fn with(town: &Town, change: impl FnOnce(&mut Body)) -> Bytes {
    let mut msg = Msg::decode(town.send(0, 2).unwrap().frame).unwrap();
    let mut body = msg.ticket.body;
    change(&mut body);
    msg.ticket = body.sign(&key(0), ledger_params().separator()).leak();
    msg.to_frame()
}

fn refused(verdict: Verdict) -> (Entry, Rejection) {
    let Verdict::Refuse { reply, reason } = verdict else { panic!("{verdict:?}") };
    (reply, reason)
}

type Case = (fn(&mut Body), TicketRefusal);

#[test]
fn each_fault_of_a_ticket_has_its_refusal_and_changes_nothing() {
    let town = Town::new(3);
    let index = |number| TicketIndex::new(number).unwrap();
    let other = ChannelId([9; 32]);
    let expected = ChannelId::between(&key(0).address(), &key(1).address());
    let epoch = tickets::Epoch::new(1).unwrap();
    let half = WinProbability::from_f64(0.5).unwrap();
    let cases: [Case; 8] = [
        (
            |body| body.challenge = ChallengeAddress([1; 20]),
            TicketRefusal::Unproven(Unproven::Challenge),
        ),
        (
            |body| body.channel = ChannelId([9; 32]),
            TicketRefusal::Channel { found: other, expected },
        ),
        (
            |body| body.epoch = tickets::Epoch::new(1).unwrap(),
            TicketRefusal::Epoch { found: epoch, expected: tickets::Epoch::default() },
        ),
        (
            |body| {
                let two = IndexOffset::new(2).unwrap();
                body.interval = Interval::new(body.interval.first(), two).unwrap();
            },
            TicketRefusal::Aggregate { offset: 2 },
        ),
        (
            |body| body.probability = WinProbability::from_f64(0.5).unwrap(),
            TicketRefusal::Probability { found: half, min: WinProbability::ALWAYS },
        ),
        (
            |body| body.amount = amount(PRICE - 1),
            TicketRefusal::Price { found: amount(PRICE - 1), min: MinAmount(Some(amount(PRICE))) },
        ),
        (
            |body| body.amount = amount(DEPOSIT + 1),
            TicketRefusal::Balance { amount: amount(DEPOSIT + 1), left: amount(DEPOSIT) },
        ),
        (
            |body| body.amount = Amount::ZERO,
            TicketRefusal::Price { found: Amount::ZERO, min: MinAmount(Some(amount(PRICE))) },
        ),
    ];
    for (change, refusal) in cases {
        let frame = with(&town, change);
        let challenge = Msg::challenge_in(&frame).unwrap();
        let (reply, reason) = refused(town.inbound(0, 1, frame));
        assert_eq!(reason, Rejection::Ticket(refusal));
        let code = FailureCode::Refused(refusal.code());
        assert_eq!(reply, Entry::Failure { challenge, code });
        assert_eq!(town.load()[1], (0, 0));
    }
    assert!(matches!(town.inbound(0, 1, with(&town, |_| {})), Verdict::Forward(_)));

    // The index of the ticket before, while that waits and afterwards.
    let first = Msg::decode(with(&town, |_| {})).unwrap().ticket.body.interval.first();
    let last = index(first.get() - 1);
    let again = with(&town, |body| body.interval = Interval::of_one(index(8)).unwrap());
    assert!(matches!(refused(town.inbound(0, 1, again)).1,
        Rejection::Ticket(TicketRefusal::Seen { index: seen }) if seen == last));
    // What is below the floor.
    let late = town.now.after(std::time::Duration::from_mins(1));
    let frame = with(&town, |body| body.interval = Interval::of_one(index(3)).unwrap());
    town.engine(1).expire(late);
    assert_eq!(town.engine(1).incoming().settle(&expected, late), index(9));
    let (_, reason) = refused(town.inbound(0, 1, frame));
    let below = TicketRefusal::Index { found: index(3), min: index(9) };
    assert_eq!(reason, Rejection::Ticket(below));
}

#[test]
fn a_ticket_is_refused_that_the_channel_cannot_pay_beside_the_others() {
    let town = Town::new(3);
    let rest = DEPOSIT - PRICE;
    assert!(matches!(town.inbound(0, 1, with(&town, |_| {})), Verdict::Forward(_)));
    let frame = with(&town, |body| body.amount = amount(DEPOSIT - PRICE + 1));
    let (_, reason) = refused(town.inbound(0, 1, frame));
    let refusal = TicketRefusal::Balance { amount: amount(rest + 1), left: amount(rest) };
    assert_eq!(reason, Rejection::Ticket(refusal));
    let frame = with(&town, |body| body.amount = amount(DEPOSIT - PRICE));
    assert!(matches!(town.inbound(0, 1, frame), Verdict::Forward(_)));
    assert_eq!(town.load()[1], (2, DEPOSIT));
}

#[test]
fn a_ticket_is_refused_that_its_source_did_not_sign() {
    let town = Town::new(3);
    let mut msg = Msg::decode(town.send(0, 2).unwrap().frame).unwrap();
    let body = msg.ticket.body;
    msg.ticket = body.sign(&key(2), ledger_params().separator()).leak();
    let (_, reason) = refused(town.inbound(0, 1, msg.to_frame()));
    let recovered = key(2).address();
    let refusal = TicketRefusal::Signature(BadSignature::Signer { recovered });
    assert_eq!(reason, Rejection::Ticket(refusal));
    // Signed, and brought by somebody else; and by somebody whom the ledger does not know.
    for from in [2, 8] {
        let frame = town.send(0, 2).unwrap().frame;
        let (_, reason) = refused(town.inbound(from, 1, frame));
        assert_eq!(reason, Rejection::Ticket(TicketRefusal::NoChannel));
    }
    assert_eq!(town.load()[1], (0, 0));
}

#[test]
fn a_recipient_wants_no_money() {
    let town = Town::new(3);
    let mut msg = Msg::decode(town.send(0, 1).unwrap().frame).unwrap();
    msg.ticket.body.amount = amount(1);
    let (reply, reason) = refused(town.inbound(0, 1, msg.to_frame()));
    assert_eq!(reason, Rejection::Ticket(TicketRefusal::Form { amount: amount(1) }));
    assert!(matches!(reply, Entry::Failure { .. }));
}

#[test]
fn a_packet_that_comes_again_changes_nothing_and_gets_no_answer() {
    let mut town = Town::new(3);
    let frame = town.send(0, 2).unwrap().frame;
    assert!(matches!(town.inbound(0, 1, frame.clone()), Verdict::Forward(_)));
    let before = town.load();
    for from in [0, 2, 8] {
        let verdict = town.inbound(from, 1, frame.clone());
        assert!(matches!(verdict, Verdict::Drop(Dropped::Replayed)), "{verdict:?}");
    }
    // With a better ticket, too.
    let mut msg = Msg::decode(frame).unwrap();
    msg.ticket = town.send(1, 2).map(|it| Msg::decode(it.frame).unwrap().ticket).unwrap();
    assert!(matches!(town.inbound(0, 1, msg.to_frame()), Verdict::Drop(Dropped::Replayed)));
    town.settle();
    assert_eq!([town.load()[1], before[1]], [(1, PRICE); 2]);
    assert_eq!(town.count(1, "dropped_replayed"), 4);
}

/// A packet whose next challenge is that of another which is waited for.
#[test]
fn a_challenge_that_is_waited_for_is_not_waited_for_twice() {
    let mut town = Town::new(3);
    town.launch(0, 2);
    let (_, _, Way::Msg(frame)) = town.under_way.pop_front().unwrap() else { panic!() };
    // A second relay with the same key finds out which challenge it will be.
    let twin = super::town::engine(&town.ledger, 1, WinProbability::ALWAYS);
    futures::executor::block_on(twin.reserve(&peer(2))).unwrap();
    let Some(Verdict::Forward(onward)) =
        twin.inbound(vec![(peer(0), frame.clone())], town.now).pop()
    else {
        panic!()
    };
    let challenge = Msg::challenge_in(&onward.frame).unwrap();
    let taken = Waiting::Sent(Sent {
        id: SendId(5),
        acknowledgement: onward.reply.half.challenge(),
        acknowledged: false,
        receipt: onward.reply.half.challenge(),
        veil: crate::por::Veil::default(),
        direct: true,
        end: town.now,
    });
    let due = town.now.after(std::time::Duration::from_secs(10));
    town.engine(1).pending().insert((peer(2), challenge), None, taken, due).unwrap();
    let (reply, reason) = refused(town.inbound(0, 1, frame));
    assert_eq!(reason, Rejection::Pending(pending::Refused::Duplicate));
    let code = FailureCode::Refused(RefusalCode::Challenge);
    assert!(matches!(reply, Entry::Failure { code: it, .. } if it == code));
    assert_eq!(town.load()[1], (1, 0));
}

#[test]
fn a_peer_that_fills_its_share_is_told_and_owes_nothing_for_the_rest() {
    let town = Town::new(3);
    let sent: Vec<_> = (0..32).map(|id| town.send(id, 2).unwrap().frame).collect();
    let batch: Vec<_> = sent.into_iter().map(|frame| (peer(0), frame)).collect();
    let verdicts = town.engine(1).inbound(batch, town.now);
    assert!(verdicts.iter().all(|it| matches!(it, Verdict::Forward(_))));
    assert_eq!(town.load()[1], (32, 32 * PRICE));
    // Its own table is as full; that of a sender which forgot them is not.
    assert!((32..40).all(|id| town.send(id, 2).is_ok()));
    let refusal = town.send(40, 2).map(|it| it.to).unwrap_err();
    assert_eq!(refusal, Unsent::Pending(pending::Refused::Share { max: 40 }));
    let other = super::town::engine(&town.ledger, 0, WinProbability::ALWAYS);
    futures::executor::block_on(other.reserve(&peer(1))).unwrap();
    let message = crate::sphinx::Message::new(0, Vec::new()).unwrap();
    let path = [peer(1), peer(2)];
    // It draws the same packets; skip those that came.
    let mut frame = Bytes::new();
    for _ in 0..34 {
        let sent = other.outbound(SendId(0), &path, &message, town.now);
        let Ok(sent) = sent else { panic!() };
        other.undelivered(sent.to, &sent.frame, FailureCode::Overloaded);
        frame = sent.frame;
    }
    let mut msg = Msg::decode(frame).unwrap();
    let mut body = msg.ticket.body;
    body.interval = Interval::of_one(TicketIndex::new(900).unwrap()).unwrap();
    msg.ticket = body.sign(&key(0), ledger_params().separator()).leak();
    let (_, reason) = refused(town.inbound(0, 1, msg.to_frame()));
    assert_eq!(reason, Rejection::Pending(pending::Refused::Share { max: 32 }));
    assert_eq!(reason.code(), FailureCode::Overloaded);
    assert_eq!(town.load()[1], (32, 32 * PRICE));
}

#[test]
fn a_packet_without_room_costs_no_index() {
    let town = Town::new(4);
    let inbound = |id| town.inbound(0, 1, town.send(id, 3).unwrap().frame);
    let Verdict::Forward(first) = inbound(0) else { panic!() };
    assert!((1..32).all(|id| matches!(inbound(id), Verdict::Forward(_))));
    assert!((32..38).all(|id| matches!(inbound(id), Verdict::Refuse { .. })));
    town.failure(2, 1, &first.frame, FailureCode::Unreachable);
    let Verdict::Forward(next) = inbound(38) else { panic!() };
    let index = Msg::decode(next.frame).unwrap().ticket.body.interval.first();
    assert_eq!(index.get(), 32);
}

/// Packets that a relay has sent on, and the acknowledgements that it waits for.
fn waiting(town: &Town, count: u64) -> Vec<Entry> {
    let relay = |id| {
        let Verdict::Forward(onward) = town.inbound(0, 1, town.send(id, 2).unwrap().frame) else {
            panic!("not sent on")
        };
        let Verdict::Deliver(delivered) = town.inbound(1, 2, onward.frame) else {
            panic!("not delivered")
        };
        delivered.reply.taken()
    };
    (0..count).map(relay).collect()
}

fn spoil(entry: &Entry, bytes: [u8; 32]) -> Entry {
    Entry::Ack { challenge: entry.challenge(), half: Zeroizing::new(bytes) }
}

#[test]
fn acknowledgements_that_are_wrong_spoil_no_others_and_the_right_ones_may_follow() {
    let town = Town::new(3);
    let good = waiting(&town, 30);
    let Entry::Ack { half: borrowed, .. } = good[0].clone() else { panic!() };
    let mut batch = good.clone();
    batch[3] = spoil(&good[3], [0; 32]);
    batch[7] = spoil(&good[7], [0xff; 32]);
    batch[11] = spoil(&good[11], [1; 32]);
    batch[12] = spoil(&good[12], *borrowed);
    // Nobody waits for this one.
    batch.push(Entry::Ack { challenge: ChallengeAddress([5; 20]), half: borrowed });
    let news = town.engine(1).acknowledge(vec![(peer(2), batch)], town.now);
    assert_eq!((news.earned.len(), news.pass_on.len()), (26, 26));
    assert_eq!((town.count(1, "half_key_wrong"), town.count(1, "entry_unexpected")), (4, 1));
    assert_eq!(town.load()[1], (4, 30 * PRICE));
    let news = town.engine(1).acknowledge(vec![(peer(2), good)], town.now);
    assert_eq!((news.earned.len(), news.pass_on.len()), (4, 4));
    assert_eq!(town.count(1, "entry_unexpected"), 27);
}

#[test]
fn an_acknowledgement_counts_once_and_from_one_peer() {
    let town = Town::new(3);
    let good = waiting(&town, 2);
    for other in [0, 1, 8] {
        let news = town.engine(1).acknowledge(vec![(peer(other), good.clone())], town.now);
        assert!(news.earned.is_empty() && news.pass_on.is_empty());
    }
    // Twice in one batch, once more in another.
    let twice = vec![(peer(2), vec![good[0].clone(), good[0].clone()]), (peer(2), good.clone())];
    let news = town.engine(1).acknowledge(twice, town.now);
    assert_eq!((news.earned.len(), news.pass_on.len()), (2, 2));
    let news = town.engine(1).acknowledge(vec![(peer(2), good)], town.now);
    assert!(news.earned.is_empty() && news.pass_on.is_empty());
    assert_eq!(town.load()[1], (0, 2 * PRICE));
    assert_eq!(town.count(1, "ticket_won"), 2);
}

#[test]
fn only_the_recipient_can_prove_that_a_message_arrived() {
    let mut town = Town::new(3);
    let acks: Vec<_> = waiting(&town, 1);
    let Entry::Ack { half, .. } = &acks[0] else { panic!() };
    let frame = town.send(8, 2).unwrap().frame;
    let challenge = Msg::challenge_in(&frame).unwrap();
    let Verdict::Forward(onward) = town.inbound(0, 1, frame) else { panic!() };
    let Entry::Ack { half: own, .. } = onward.reply.taken() else { panic!() };
    // Half keys of other packets, of the relay, and none; and the right one from a third.
    for half in [half.clone(), own, Zeroizing::new([0; 32])] {
        let forged = Entry::Receipt { challenge, half };
        let news = town.engine(0).acknowledge(vec![(peer(1), vec![forged])], town.now);
        assert!(news.outcomes.is_empty());
    }
    let Verdict::Deliver(delivered) = town.inbound(1, 2, onward.frame) else { panic!() };
    let mut news =
        town.engine(1).acknowledge(vec![(peer(2), vec![delivered.reply.taken()])], town.now);
    let Some((_, receipt)) = news.pass_on.pop() else { panic!() };
    let news = town.engine(0).acknowledge(vec![(peer(2), vec![receipt.clone()])], town.now);
    assert!(news.outcomes.is_empty());
    // In one batch with a failure, which comes second and so too late.
    let failure = Entry::Failure { challenge, code: FailureCode::NoRoute };
    let batch = vec![receipt.clone(), failure, receipt];
    let news = town.engine(0).acknowledge(vec![(peer(1), batch)], town.now);
    assert_eq!(news.outcomes, [(SendId(8), Outcome::Delivered)]);
    town.take(0, news);
    assert_eq!(town.count(0, "entry_unexpected"), 3);
}

#[test]
fn a_relay_passes_on_one_end_and_none_that_it_did_not_ask_for() {
    let town = Town::new(4);
    let frame = town.send(8, 3).unwrap().frame;
    let Verdict::Forward(first) = town.inbound(0, 1, frame) else { panic!() };
    let challenge = Msg::challenge_in(&first.frame).unwrap();
    let half = Zeroizing::new([1; 32]);
    let failure = Entry::Failure { challenge, code: FailureCode::NoRoute };
    let receipt = Entry::Receipt { challenge, half };
    let news = town.engine(1).acknowledge(vec![(peer(3), vec![failure.clone()])], town.now);
    assert!(news.pass_on.is_empty());
    let batch = vec![failure.clone(), receipt.clone(), failure, receipt];
    let news = town.engine(1).acknowledge(vec![(peer(2), batch)], town.now);
    let [(to, Entry::Failure { code: FailureCode::NoRoute, .. })] = news.pass_on[..] else {
        panic!("{news:?}")
    };
    assert_eq!(to, peer(0));
    // The recipient has nobody to receive a receipt from.
    let frame = town.send(9, 2).unwrap().frame;
    let Verdict::Forward(last) = town.inbound(0, 1, frame) else { panic!() };
    let challenge = Msg::challenge_in(&last.frame).unwrap();
    let receipt = Entry::Receipt { challenge, half: Zeroizing::new([1; 32]) };
    let news = town.engine(1).acknowledge(vec![(peer(2), vec![receipt])], town.now);
    assert!(news.pass_on.is_empty());
}

#[test]
fn a_refusal_by_the_first_node_is_told_as_such() {
    let town = Town::new(3);
    let frame = town.send(8, 2).unwrap().frame;
    let challenge = Msg::challenge_in(&frame).unwrap();
    let code = FailureCode::Refused(RefusalCode::Price);
    let refusal = Entry::Failure { challenge, code };
    let news = town.engine(0).acknowledge(vec![(peer(1), vec![refusal])], town.now);
    assert_eq!(news.outcomes, [(SendId(8), Outcome::Refused(RefusalCode::Price))]);
    // Behind it, it is a failure.
    let frame = town.send(9, 2).unwrap().frame;
    let challenge = Msg::challenge_in(&frame).unwrap();
    let Verdict::Forward(onward) = town.inbound(0, 1, frame) else { panic!() };
    let refusal = Entry::Failure { challenge, code };
    let batch = vec![(peer(1), vec![onward.reply.taken(), refusal])];
    let news = town.engine(0).acknowledge(batch, town.now);
    assert_eq!(news.outcomes, [(SendId(9), Outcome::Failed(code))]);
}

#[test]
fn no_secret_is_in_a_debug_line() {
    let town = Town::new(3);
    let frame = town.send(8, 2).unwrap().frame;
    let verdict = town.inbound(0, 1, frame);
    let shown = format!("{verdict:?} {:?} {:?}", town.engine(0), town.engine(1).incoming());
    assert!(shown.contains("HalfKey { .. }") && !shown.contains("secret"), "{shown}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn garbage_is_dropped_in_silence(bytes in proptest::collection::vec(any::<u8>(), 0..1_700)) {
        let town = Town::new(2);
        let verdict = town.inbound(0, 1, bytes.into());
        prop_assert!(matches!(verdict, Verdict::Drop(_)));
    }

    /// One byte of a good frame changed: whatever it is, nothing is taken and nothing owed.
    #[test]
    fn a_changed_frame_leaves_no_trace(at in 0..Msg::LEN, change in 1..=u8::MAX) {
        let town = Town::new(3);
        let mut bytes = town.send(0, 2).unwrap().frame.to_vec();
        bytes[at] ^= change;
        // A changed payload is noticed by the recipient alone.
        let payload = 394..1_438;
        let verdict = town.inbound(0, 1, bytes.into());
        match verdict {
            Verdict::Forward(onward) => {
                prop_assert!(payload.contains(&at));
                let verdict = town.inbound(1, 2, onward.frame);
                let payload = Dropped::Packet(Refusal::Payload);
                prop_assert!(matches!(verdict, Verdict::Drop(it) if it == payload));
            }
            Verdict::Drop(_) | Verdict::Refuse { .. } => prop_assert_eq!(town.load()[1], (0, 0)),
            Verdict::Deliver(_) => prop_assert!(false, "delivered"),
        }
    }
}
