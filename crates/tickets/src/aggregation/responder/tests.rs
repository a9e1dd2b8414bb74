//! What an issuer answers: a good request, and every way to spoil one.
#![expect(
    clippy::panic_in_result_fn,
    clippy::wildcard_enum_match_arm,
    clippy::arithmetic_side_effects,
    clippy::needless_pass_by_value,
    reason = "a test"
)]

mod histories;
mod history;
mod spoilt;

use machine::Instant;

use super::*;
use crate::aggregation::check::{self, Issuer};
use crate::aggregation::sample::{
    NO_DOMAIN, asker, bytes, channel, issuer, published, request, set,
};
use crate::aggregation::{Key, TICKETS_MAX, Winner};

const LIMITS: Limits = Limits {
    probability_min: WinProbability::NEVER,
    tickets_per_second: NonZeroU32::MIN,
    tickets_burst: NonZeroU32::MIN,
    under_way_max: 4,
};

const ID: QuestionId = QuestionId(3);

/// An issuer that has issued `issued`, and to which the ledger has shown `channel`.
fn responder(channel: &Channel, issued: Vec<Issued>) -> Responder {
    let mut responder = Responder::new(issuer().address(), LIMITS, issued);
    assert_eq!(responder.on_view(channel, Some(asker())), []);
    responder
}

/// The change that a write comes down to, and the ones that make room for it.
fn put(changes: Vec<Change>) -> (Issued, Vec<Key>) {
    let (mut issued, mut removed) = (None, Vec::new());
    for change in changes {
        match change {
            Change::Put(Row::Issued(row)) => assert_eq!(issued.replace(row), None),
            Change::Remove(key) => removed.push(key),
            Change::Put(row) => panic!("{row:?} is not the responder's"),
        }
    }
    (issued.unwrap(), removed)
}

/// Asks, computes, keeps, and says what was answered in the end.
fn answer(responder: &mut Responder, request: Request) -> Result<Ticket, Refusal> {
    let step = match responder.on_ask(asker(), ID, request, Instant::START) {
        Step::Check(job) => compute(responder, &job),
        step => step,
    };
    match step {
        Step::Write { channel, .. } => told(responder.on_written(channel, Written::Done)),
        step => told(step),
    }
}

fn compute(responder: &mut Responder, job: &CheckRequest) -> Step {
    let checked = check::check(&Issuer::new(issuer(), NO_DOMAIN), job);
    responder.on_checked(job.request().channel, checked)
}

/// What the asker is told.
fn told(step: Step) -> Result<Ticket, Refusal> {
    let (Step::Answer { peer, id, reply } | Step::Issued { peer, id, reply, .. }) = step else {
        panic!("{step:?} is no answer");
    };
    assert_eq!((peer, id, reply.attempt), (asker(), ID, AttemptId(7)));
    reply.outcome
}

/// The four of the published set that win.
fn winners() -> Vec<Winner> {
    published(&[1, 4, 5, 7])
}

#[test]
fn the_published_set_gets_the_published_aggregate() {
    let mut responder = responder(&channel(), Vec::new());
    let Step::Check(job) = responder.on_ask(asker(), ID, request(winners()), Instant::START) else {
        panic!("it is a good request");
    };
    let Step::Write { channel, changes } = compute(&mut responder, &job) else {
        panic!("they have won");
    };
    let (issued, removed) = put(changes);
    assert_eq!(removed, []);
    let Step::Issued { interval, reply, .. } = responder.on_written(channel, Written::Done) else {
        panic!("it is kept");
    };
    let ticket = reply.outcome.unwrap();
    assert_eq!(ticket, issued.ticket);
    assert_eq!(ticket.body.to_bytes(), bytes::<84>(set::AGGREGATE_BODY));
    assert_eq!(ticket.body.hash(&NO_DOMAIN).0, bytes::<32>(set::AGGREGATE_HASH));
    assert_eq!(ticket.signature.0, bytes::<64>(set::AGGREGATE_SIGNATURE));
    assert_eq!((interval.first().get(), interval.end().get()), (1, 8));
}

#[test]
fn checked_in_parts_it_is_the_same() {
    let issuer = Issuer::new(issuer(), NO_DOMAIN);
    let mut responder = responder(&channel(), Vec::new());
    let Step::Check(job) = responder.on_ask(asker(), ID, request(winners()), Instant::START) else {
        panic!("it is a good request");
    };
    let parts = [0..1, 1..3, 3..4].map(|places| check::part(&issuer, &job, places).unwrap());
    let mut signed: Vec<_> = parts.into_iter().flatten().collect();
    assert_eq!(check::whole(&issuer, &job, &signed), check::check(&issuer, &job));
    // One that is left out is not taken for checked.
    signed.pop();
    let refused = Refusal::new(RefusalCode::Unavailable);
    assert_eq!(check::whole(&issuer, &job, &signed), Err(refused));
}

#[test]
fn a_single_ticket_is_given_back_and_nothing_is_kept() {
    let mut responder = responder(&channel(), Vec::new());
    let alone = published(&[4]);
    let Step::Check(job) = responder.on_ask(asker(), ID, request(alone.clone()), Instant::START)
    else {
        panic!("it is a good request");
    };
    let answer = told(compute(&mut responder, &job));
    assert_eq!(answer, Ok(alone[0].ticket(channel().id(), channel().epoch)));
}
