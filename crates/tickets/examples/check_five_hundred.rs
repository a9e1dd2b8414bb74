//! How long an issuer computes before it gives an aggregate for 500 tickets, on one thread and on two.
#![expect(clippy::disallowed_types, clippy::print_stdout, reason = "a measurement, which is shown")]

use std::error::Error;
use std::thread;
use std::time::Instant;

use meshwork_tickets::aggregation::{
    AttemptId, CheckRequest, Issuer, Request, TICKETS_MAX, Winner, check,
};
use meshwork_tickets::vrf::{Evaluation, KeyProof, Statement};
use meshwork_tickets::{
    AcknowledgedTicket, Amount, Body, ChainKey, ChannelId, DomainSeparator, Epoch, Interval,
    Response, TicketIndex, WinProbability, keccak256,
};

fn main() -> Result<(), Box<dyn Error>> {
    let (key, redeemer) = (ChainKey::from_bytes(&[1; 32])?, ChainKey::from_bytes(&[2; 32])?);
    let issuer = Issuer::new(key.clone(), DomainSeparator::default());

    let begun = Instant::now();
    let job = job(&key, &redeemer)?;
    println!("{TICKETS_MAX} tickets made and proven in {:?}", begun.elapsed());

    for round in 1..=3 {
        let begun = Instant::now();
        let alone = check::check(&issuer, &job)?;
        println!("round {round}: one thread {:?}", begun.elapsed());

        let begun = Instant::now();
        let half = job.count() / 2;
        let signed = thread::scope(|scope| {
            let first = scope.spawn(|| check::part(&issuer, &job, 0..half));
            let mut signed = check::part(&issuer, &job, half..job.count())?;
            let mut both = first.join().expect("it does not panic")?;
            both.append(&mut signed);
            Ok::<_, meshwork_tickets::aggregation::Refusal>(both)
        })?;
        let parts = begun.elapsed();
        assert_eq!(check::whole(&issuer, &job, &signed)?, alone);
        println!("round {round}: two threads {:?}, of which in parts {parts:?}", begun.elapsed());
    }
    Ok(())
}

/// A good request, for a channel of its own.
fn job(issuer: &ChainKey, redeemer: &ChainKey) -> Result<CheckRequest, Box<dyn Error>> {
    let separator = DomainSeparator::default();
    let channel = ChannelId::between(&issuer.address(), &redeemer.address());
    let epoch = Epoch::new(1)?;
    let (mut tickets, mut evaluations) = (Vec::new(), Vec::new());
    for number in 0..u64::try_from(TICKETS_MAX)? {
        let response = Response::from_bytes(&keccak256(&number.to_be_bytes()))?;
        let body = Body {
            channel,
            epoch,
            interval: Interval::of_one(TicketIndex::new(number)?)?,
            amount: Amount::new(10_000_000_000_000_000)?,
            probability: WinProbability::ALWAYS,
            challenge: response.challenge_address(),
        };
        let ticket = body.sign(issuer, &separator);
        let statement =
            Statement { redeemer: redeemer.address(), ticket: *ticket.hash(), separator };
        let evaluation = Evaluation::new(redeemer, statement);
        let acknowledged = AcknowledgedTicket::new(ticket, response)?;
        tickets.push(Winner::new(&acknowledged, evaluation.output()));
        evaluations.push(evaluation);
    }
    let proof = KeyProof::new(redeemer, &evaluations, &[3; 64]).to_bytes();
    let amounts = tickets.iter().map(|ticket| ticket.amount);
    let amount = Amount::checked_sum(amounts).ok_or("too much")?;
    let [first, .., last] = &tickets[..] else { return Err("too few".into()) };
    let interval = first.interval.covering(&last.interval)?;
    let request = Request { attempt: AttemptId(1), channel, epoch, proof, tickets };
    Ok(CheckRequest::new(request, redeemer.address(), interval, amount))
}
