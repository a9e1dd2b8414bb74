//! What goes over the wire, byte for byte as the page has it.

use bytes::BytesMut;
use meshwork_tickets::aggregation::{AttemptId, Winner};
use meshwork_tickets::vrf::{Evaluation, KeyProof, Statement};
use wire::Frame;

use super::*;
use crate::common::{NO_DOMAIN, issuer, redeemer, row};
use crate::page;

fn frame(message: &impl Frame) -> BytesMut {
    let mut out = BytesMut::new();
    message.encode(&mut out);
    out
}

fn reply(outcome: Result<meshwork_tickets::Ticket, Refusal>) -> BytesMut {
    frame(&Reply { attempt: AttemptId(7), outcome })
}

#[test]
fn the_requests_and_replies_of_the_page() {
    let tickets = [1, 4].map(|index| row(index).acknowledged());
    let of = |it| Statement { redeemer: redeemer().address(), ticket: it, separator: NO_DOMAIN };
    let outputs = [0, 1]
        .map(|place: usize| Evaluation::new(&redeemer(), of(*tickets[place].ticket().hash())));
    let winners = tickets.iter().zip(&outputs).map(|(it, output)| Winner::new(it, output.output()));
    let first = *tickets[0].ticket().body();
    let proof = KeyProof::new(&redeemer(), &outputs, &[5; 64]).to_bytes();
    let request = Request {
        attempt: AttemptId(7),
        channel: first.channel,
        epoch: first.epoch,
        proof,
        tickets: winners.collect(),
    };
    let aggregate = Body {
        interval: interval(1, 4),
        amount: amount(2 * first.amount.get()),
        probability: WinProbability::ALWAYS,
        ..first
    };
    let aggregate = aggregate.sign(&issuer(), &NO_DOMAIN).leak();
    let losing = Refusal { index: Some(1), ..Refusal::new(RefusalCode::Losing) };
    page::has(&[
        &[&proof],
        &[&frame(&request)],
        &[&request.digest().0],
        &[&reply(Ok(aggregate))],
        &[&reply(Err(losing)), &reply(Err(Refusal::busy(Duration::from_secs(1))))],
    ]);
}
