//! What was issued before, what is under way, and what moves meanwhile.

use super::*;
use crate::aggregation::sample::{EACH, amount, epoch, index, interval, made, made_like, peer};
use crate::{ChannelStatus, TicketIndex};

/// Asks at the beginning of time.
fn ask(responder: &mut Responder, request: Request) -> Step {
    responder.on_ask(asker(), ID, request, Instant::START)
}

/// Asks, and gets something to compute.
fn ask_well(responder: &mut Responder, request: Request) -> CheckRequest {
    match ask(responder, request) {
        Step::Check(job) => job,
        step => panic!("{step:?} for a good request"),
    }
}

fn busy() -> Result<Ticket, Refusal> {
    Err(Refusal::busy(Duration::from_secs(1)))
}

fn refused(code: RefusalCode, index: Option<u16>) -> Result<Ticket, Refusal> {
    Err(Refusal { index, ..Refusal::new(code) })
}

fn of(indices: &[u64]) -> Request {
    request(published(indices))
}

#[test]
fn the_same_request_gets_the_same_answer_at_once() {
    let mut responder = responder(&channel(), Vec::new());
    let first = answer(&mut responder, of(&[1, 4, 5, 7]));
    assert!(first.is_ok());
    // Another attempt, and a proof that nobody looks at.
    let other = Request { attempt: AttemptId(8), proof: [0; 97], ..of(&[1, 4, 5, 7]) };
    let Step::Answer { reply, .. } = ask(&mut responder, other) else {
        panic!("it is known");
    };
    assert_eq!(reply, Reply { attempt: AttemptId(8), outcome: first });
    // Nobody else gets it.
    let step = responder.on_ask(peer(2), ID, of(&[1, 4, 5, 7]), Instant::START);
    let Step::Answer { reply, .. } = step else { panic!("it is nobody's channel") };
    assert_eq!(reply.outcome, refused(RefusalCode::NoChannel, None));
}

#[test]
fn the_same_request_gets_the_same_answer_after_a_restart() {
    let mut before = responder(&channel(), Vec::new());
    let job = ask_well(&mut before, of(&[1, 4, 5, 7]));
    let Step::Write { channel: id, changes } = compute(&mut before, &job) else {
        panic!("they have won");
    };
    let (issued, _) = put(changes);
    // It may stop before it is told that the row is durable, or after.
    let mut between = responder(&channel(), vec![issued]);
    assert_eq!(told(ask(&mut between, of(&[1, 4, 5, 7]))), Ok(issued.ticket));
    assert_eq!(told(before.on_written(id, Written::Done)), Ok(issued.ticket));
    // And what overlaps is refused.
    assert_eq!(told(ask(&mut between, of(&[1, 4]))), refused(RefusalCode::Overlaps, Some(0)));
}

#[test]
fn what_was_issued_is_not_denied_before_the_ledger_has_shown_its_channel() {
    let issued = {
        let mut responder = responder(&channel(), Vec::new());
        let ticket = answer(&mut responder, of(&[1, 4])).unwrap();
        Issued { digest: of(&[1, 4]).digest(), ticket }
    };
    let mut anew = Responder::new(issuer().address(), LIMITS, vec![issued]);
    let mut code = |view: Option<(Channel, Option<PeerId>)>| {
        if let Some((channel, peer)) = view {
            assert_eq!(anew.on_view(&channel, peer), []);
        }
        told(ask(&mut anew, of(&[1, 4]))).map_err(|refusal| refusal.code)
    };
    let unavailable = Err(RefusalCode::Unavailable);
    assert_eq!(code(None), unavailable);
    // The channel as it was before it was opened, before its redeemer announced a peer, and then.
    let before = Channel { epoch: epoch(0), ..channel() };
    let closed = Channel { status: ChannelStatus::Closed, ..before };
    assert_eq!(code(Some((closed, None))), unavailable);
    assert_eq!(code(Some((closed, Some(asker())))), unavailable);
    assert_eq!(code(Some((before, Some(asker())))), unavailable);
    assert_eq!(code(Some((channel(), Some(peer(2))))), Err(RefusalCode::NoChannel));
    assert_eq!(code(Some((channel(), Some(asker())))), Ok(issued.ticket));
}

#[test]
fn a_second_request_waits_and_the_first_is_unharmed() {
    let mut responder = responder(&channel(), Vec::new());
    let job = ask_well(&mut responder, of(&[1, 4, 5, 7]));
    assert_eq!(told(ask(&mut responder, of(&[4, 5]))), busy());
    assert_eq!(told(ask(&mut responder, of(&[1, 4, 5, 7]))), busy());
    let Step::Write { channel: id, changes } = compute(&mut responder, &job) else {
        panic!("they have won");
    };
    assert_eq!(told(ask(&mut responder, of(&[1, 4, 5, 7]))), busy());
    let (issued, _) = put(changes);
    assert_eq!(told(responder.on_written(id, Written::Done)), Ok(issued.ticket));
    assert_eq!(told(ask(&mut responder, of(&[1, 4, 5, 7]))), Ok(issued.ticket));
}

#[test]
fn nothing_is_told_before_it_is_durable() {
    let mut responder = responder(&channel(), Vec::new());
    let job = ask_well(&mut responder, of(&[1, 4, 5, 7]));
    let Step::Write { channel: id, .. } = compute(&mut responder, &job) else {
        panic!("they have won");
    };
    let refusal = told(responder.on_written(id, Written::Failed)).unwrap_err();
    assert!(refusal.is_passing());
    assert_eq!(refusal.code, RefusalCode::Unavailable);
    // Nothing was told, so others may be asked for, and the same.
    assert!(answer(&mut responder, of(&[1, 4])).is_ok());
}

#[test]
fn while_nobody_knows_whether_it_is_durable_nobody_is_told_anything() {
    let mut responder = responder(&channel(), Vec::new());
    let job = ask_well(&mut responder, of(&[1, 4]));
    let Step::Write { channel: id, changes } = compute(&mut responder, &job) else {
        panic!("they have won");
    };
    assert!(matches!(responder.on_written(id, Written::Unknown), Step::Nothing));
    assert_eq!(told(ask(&mut responder, of(&[1, 4]))), busy());
    assert_eq!(told(responder.on_written(id, Written::Done)), Ok(put(changes).0.ticket));
}

#[test]
fn what_overlaps_an_aggregate_is_refused_unless_that_is_among_the_tickets() {
    let with = |first: &[u64], then: &[u64]| {
        let mut responder = responder(&channel(), Vec::new());
        assert!(answer(&mut responder, of(first)).is_ok());
        answer(&mut responder, of(then))
    };
    let overlaps = |place| refused(RefusalCode::Overlaps, place);
    assert_eq!(with(&[1, 4, 5], &[1, 4, 5, 7]), overlaps(Some(0)));
    assert_eq!(with(&[4, 7], &[1, 5]), overlaps(Some(1)));
    assert_eq!(with(&[1, 7], &[4, 5]), overlaps(Some(0)));
    // No ticket is in it, but the interval is around it.
    assert_eq!(with(&[4, 5], &[1, 7]), overlaps(None));
    // One alone is not given back either, for it could be redeemed with the aggregate.
    assert_eq!(with(&[4, 7], &[5]), overlaps(Some(0)));
    assert!(with(&[1, 4], &[5, 7]).is_ok());
    assert!(with(&[5, 7], &[1, 4]).is_ok());
}

#[test]
fn an_aggregate_is_aggregated_with_what_came_after_it() {
    let mut responder = responder(&channel(), Vec::new());
    let first = answer(&mut responder, of(&[1, 4, 5])).unwrap();
    let aggregate = made_like(&first, &published(&[1])[0].response);
    let more = vec![aggregate, published(&[7]).remove(0), made(interval(20, 1), 5)];
    let job = ask_well(&mut responder, request(more.clone()));
    let Step::Write { channel: id, changes } = compute(&mut responder, &job) else {
        panic!("they have won");
    };
    let (issued, removed) = put(changes);
    let earlier = Key::Issued { channel: id, epoch: epoch(1), index: index(1) };
    assert_eq!(removed, [earlier]);
    assert_eq!(issued.ticket.body.interval, interval(1, 20));
    assert_eq!(issued.ticket.body.amount, amount(4 * EACH + 5));
    assert!(told(responder.on_written(id, Written::Done)).is_ok());
    // The earlier one is settled: neither is it asked for again, nor are parts of it.
    let overlaps = refused(RefusalCode::Overlaps, Some(0));
    assert_eq!(told(ask(&mut responder, of(&[1, 4, 5]))), overlaps);
    assert_eq!(told(ask(&mut responder, of(&[4, 7]))), overlaps);
    assert_eq!(told(ask(&mut responder, request(more))), Ok(issued.ticket));
}

#[test]
fn an_aggregate_at_the_end_is_counted_to_its_end() {
    let mut responder = responder(&channel(), Vec::new());
    let tail = answer(&mut responder, of(&[4, 7])).unwrap();
    let tickets = vec![published(&[1]).remove(0), made_like(&tail, &published(&[4])[0].response)];
    let aggregate = answer(&mut responder, request(tickets)).unwrap();
    assert_eq!(aggregate.body.interval, interval(1, 7));
}

#[test]
fn an_aggregate_that_only_resembles_an_earlier_one_is_not_it() {
    let mut responder = responder(&channel(), Vec::new());
    let first = answer(&mut responder, of(&[1, 4])).unwrap();
    let aggregate = made_like(&first, &published(&[1])[0].response);
    for spoilt in [
        Winner { interval: interval(1, 3), ..aggregate.clone() },
        Winner { signature: published(&[1])[0].signature, ..aggregate.clone() },
    ] {
        let refusal = ask(&mut responder, request(vec![spoilt, published(&[7]).remove(0)]));
        assert_eq!(told(refusal), refused(RefusalCode::Overlaps, Some(0)));
    }
    // With its signature and indices it is, or nobody signed it.
    let worth_more = Winner { amount: amount(9 * EACH), ..aggregate };
    let refusal = answer(&mut responder, request(vec![worth_more, published(&[7]).remove(0)]));
    assert_eq!(refusal, refused(RefusalCode::SignatureOrResponse, Some(0)));
}

#[test]
fn what_is_promised_is_never_more_than_the_channel_holds() {
    let poor = |balance| Channel { balance: amount(balance), ..channel() };
    let mut exact = responder(&poor(4 * EACH), Vec::new());
    assert!(answer(&mut exact, of(&[1, 4])).is_ok());
    assert!(answer(&mut exact, of(&[5, 7])).is_ok());

    let mut short = responder(&poor(4 * EACH - 1), Vec::new());
    let first = answer(&mut short, of(&[1, 4])).unwrap();
    assert_eq!(told(ask(&mut short, of(&[5, 7]))), refused(RefusalCode::Balance, Some(1)));
    // What is among the tickets is not counted twice.
    let tickets = vec![made_like(&first, &published(&[1])[0].response), published(&[5]).remove(0)];
    assert!(answer(&mut short, request(tickets)).is_ok());
    // There is less than what was promised: nothing more is.
    short.on_view(&poor(EACH), Some(asker()));
    assert_eq!(told(ask(&mut short, of(&[7]))), refused(RefusalCode::Balance, None));
}

#[test]
fn what_the_ledger_has_passed_is_forgotten() {
    let mut responder = responder(&channel(), Vec::new());
    assert!(answer(&mut responder, of(&[1, 4])).is_ok());
    assert!(answer(&mut responder, of(&[5, 7])).is_ok());
    let key = |first| {
        Change::Remove(Key::Issued {
            channel: channel().id(),
            epoch: epoch(1),
            index: index(first),
        })
    };
    // The first was redeemed.
    let redeemed = Channel { index: index(5), ..channel() };
    assert_eq!(responder.on_view(&redeemed, Some(asker())), [key(1)]);
    assert_eq!(responder.on_view(&redeemed, Some(asker())), []);
    assert_eq!(told(ask(&mut responder, of(&[1, 4]))), refused(RefusalCode::Redeemed, Some(0)));
    assert!(told(ask(&mut responder, of(&[5, 7]))).is_ok());
    // One ticket of the second was redeemed instead: the aggregate is worth nothing, the rest is.
    let within = Channel { index: index(6), ..channel() };
    assert_eq!(responder.on_view(&within, Some(asker())), [key(5)]);
    let rest = vec![published(&[7]).remove(0), made(interval(9, 1), 5)];
    assert!(answer(&mut responder, request(rest)).is_ok());
    // The channel was closed and opened again.
    let reopened = Channel { epoch: epoch(2), index: TicketIndex::ZERO, ..channel() };
    assert_eq!(responder.on_view(&reopened, Some(asker())), [key(7)]);
    assert_eq!(told(ask(&mut responder, of(&[5, 7]))), refused(RefusalCode::Epoch, None));
}

#[test]
fn the_ledger_moves_while_a_request_is_under_way() {
    let moved = |change: fn(&mut Channel)| {
        let mut responder = responder(&channel(), Vec::new());
        let job = ask_well(&mut responder, of(&[1, 4, 5, 7]));
        let mut channel = channel();
        change(&mut channel);
        responder.on_view(&channel, Some(asker()));
        let step = compute(&mut responder, &job);
        assert!(responder.under_way.is_empty() || matches!(step, Step::Write { .. }));
        if let Step::Write { .. } = step { None } else { Some(told(step)) }
    };
    assert_eq!(moved(|_| {}), None);
    assert_eq!(moved(|it| it.index = index(1)), None);
    assert_eq!(moved(|it| it.index = index(2)), Some(refused(RefusalCode::Redeemed, Some(0))));
    let poorer = moved(|it| it.balance = amount(4 * EACH - 1));
    assert_eq!(poorer, Some(refused(RefusalCode::Balance, Some(3))));
    let closed = moved(|it| it.status = ChannelStatus::Closed);
    assert_eq!(closed, Some(refused(RefusalCode::Closed, None)));
    let reopened = moved(|it| it.epoch = epoch(2));
    assert_eq!(reopened, Some(refused(RefusalCode::Epoch, None)));
}

#[test]
fn only_so_many_are_under_way_at_once() {
    let mut responder = responder(&channel(), Vec::new());
    let mut others = (1..=4).map(|number| {
        let destination = Address([number; 20]);
        let channel = Channel { destination, ..channel() };
        (channel, Request { channel: channel.id(), ..of(&[1, 4]) }, peer(10 + number))
    });
    let first = others.next().unwrap();
    for (channel, request, peer) in others {
        responder.on_view(&channel, Some(peer));
        let step = responder.on_ask(peer, ID, request, Instant::START);
        assert!(matches!(step, Step::Check(_)));
    }
    let job = ask_well(&mut responder, of(&[1, 4]));
    let (channel, request, peer) = first;
    responder.on_view(&channel, Some(peer));
    let step = responder.on_ask(peer, ID, request.clone(), Instant::START);
    assert!(matches!(step, Step::Answer { reply, .. } if reply.outcome == busy()));
    compute(&mut responder, &job);
    responder.on_written(job.request().channel, Written::Done);
    let step = responder.on_ask(peer, ID, request, Instant::START);
    assert!(matches!(step, Step::Check(_)));
}

#[test]
fn whoever_has_much_computed_is_told_when_to_come_again() {
    let mut responder = responder(&channel(), Vec::new());
    let known = answer(&mut responder, of(&[1, 4]));
    let four = request((20..24).map(|first| made(interval(first, 1), 1)).collect());
    let cheat = |responder: &mut Responder, now| {
        let step = responder.on_ask(asker(), ID, four.clone(), now);
        let Step::Check(job) = step else { return told(step) };
        let refused = Refusal::new(RefusalCode::KeyProof);
        told(responder.on_checked(job.request().channel, Err(refused)))
    };
    let now = Instant::at(Duration::from_secs(9));
    for _ in 0..TICKETS_MAX / 4 {
        assert_eq!(cheat(&mut responder, now), refused(RefusalCode::KeyProof, None));
    }
    // At a ticket in a second, four more take so long.
    let later = Err(Refusal::busy(Duration::from_secs(4)));
    assert_eq!(cheat(&mut responder, now), later);
    let almost = now.after(Duration::from_millis(3_999));
    assert_eq!(cheat(&mut responder, almost), Err(Refusal::busy(Duration::from_millis(1))));
    let then = now.after(Duration::from_secs(4));
    assert_eq!(cheat(&mut responder, then), refused(RefusalCode::KeyProof, None));
    assert_eq!(cheat(&mut responder, then), later);
    // The rules are looked at ticket by ticket, and that is paid for as well.
    let unordered = told(responder.on_ask(asker(), ID, of(&[7, 5]), then));
    assert_eq!(unordered, Err(Refusal::busy(Duration::from_secs(2))));
    // What is known costs nothing.
    assert!(known.is_ok());
    assert_eq!(told(responder.on_ask(asker(), ID, of(&[1, 4]), then)), known);
}

#[test]
fn what_ends_twice_or_never_began_does_nothing() {
    let mut responder = responder(&channel(), Vec::new());
    let id = channel().id();
    let lost = || Err(Refusal::new(RefusalCode::Unavailable));
    assert!(matches!(responder.on_checked(id, lost()), Step::Nothing));
    assert!(matches!(responder.on_written(id, Written::Done), Step::Nothing));
    let job = ask_well(&mut responder, of(&[1, 4]));
    assert!(matches!(responder.on_written(id, Written::Done), Step::Nothing));
    assert!(matches!(compute(&mut responder, &job), Step::Write { .. }));
    assert!(matches!(compute(&mut responder, &job), Step::Nothing));
    assert!(matches!(responder.on_written(id, Written::Done), Step::Issued { .. }));
    assert!(matches!(responder.on_written(id, Written::Done), Step::Nothing));
}
