//! What an issuer computes before it signs: whether tickets have won in the hands of the asker.
//!
//! A request is checked in parts, on as many threads as there are, and then as a whole.

use std::ops::Range;
use std::sync::Arc;

use super::{Refusal, RefusalCode, Request, Winner};
use crate::vrf::{Evaluation, KeyProof, Output, Statement};
use crate::{
    Address, Amount, Body, ChainKey, ChannelId, DomainSeparator, Interval, Ticket, VerifiedTicket,
    Verifier, WinProbability, luck, verify_batch,
};

/// Who signs aggregates.
#[derive(Debug)]
pub struct Issuer {
    key: ChainKey,
    separator: DomainSeparator,
    verifier: Verifier,
}

impl Issuer {
    /// One that signs with `key`, for the contract of `separator`.
    pub fn new(key: ChainKey, separator: DomainSeparator) -> Self {
        Self { key, separator, verifier: Verifier::new() }
    }
}

/// A request that breaks no rule that can be told without computing. Cloning it is cheap.
#[derive(Clone, Debug)]
pub struct CheckRequest(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    request: Request,
    redeemer: Address,
    interval: Interval,
    amount: Amount,
}

impl CheckRequest {
    /// A request of `redeemer` for a ticket that stands for these indices and is worth so much. That
    /// the tickets cover the one and make up the other is for the caller to know.
    pub fn new(request: Request, redeemer: Address, interval: Interval, amount: Amount) -> Self {
        Self(Arc::new(Inner { request, redeemer, interval, amount }))
    }

    pub(super) fn request(&self) -> &Request {
        &self.0.request
    }

    /// The channel of all tickets.
    pub fn channel(&self) -> ChannelId {
        self.0.request.channel
    }

    /// How many tickets there are.
    pub fn count(&self) -> usize {
        self.0.request.tickets.len()
    }
}

/// A ticket that the issuer signed, and an output that is said to be the asker's.
#[derive(Debug)]
pub struct Signed {
    ticket: VerifiedTicket,
    evaluation: Evaluation,
    /// Whether it wins if the output is the asker's.
    wins: bool,
}

/// Checks all of a request on this thread, and signs. Of 500 tickets some 60 ms.
///
/// # Errors
/// As [`part`] and [`whole`].
pub fn check(issuer: &Issuer, job: &CheckRequest) -> Result<Ticket, Refusal> {
    let signed = part(issuer, job, 0..job.count())?;
    whole(issuer, job, &signed)
}

/// Checks the tickets in these places, each by itself.
///
/// # Errors
/// [`RefusalCode::Output`], then [`RefusalCode::SignatureOrResponse`], of the first ticket that has it.
pub fn part(
    issuer: &Issuer,
    job: &CheckRequest,
    places: Range<usize>,
) -> Result<Vec<Signed>, Refusal> {
    let Inner { request, redeemer, .. } = &*job.0;
    let offset = places.start;
    let at = |code, place: usize| Refusal::at(code, offset.saturating_add(place));
    let winners = request.tickets.get(places).unwrap_or_default();

    let output = |(place, winner): (usize, &Winner)| {
        Output::from_bytes(&winner.output).ok_or_else(|| at(RefusalCode::Output, place))
    };
    let outputs = winners.iter().enumerate().map(output).collect::<Result<Vec<_>, _>>()?;

    let me = issuer.key.address();
    let ticket = |it: &Winner| (it.ticket(request.channel, request.epoch), me);
    let tickets: Vec<_> = winners.iter().map(ticket).collect();
    let verified = verify_batch(&tickets, &issuer.separator, &issuer.verifier);
    let signed = |(place, verified): (usize, Result<VerifiedTicket, _>)| {
        verified.map_err(|_| at(RefusalCode::SignatureOrResponse, place))
    };
    let signed = verified.into_iter().enumerate().map(signed).collect::<Result<Vec<_>, _>>()?;

    let of = |((ticket, output), winner): ((VerifiedTicket, Output), &Winner)| Signed {
        ticket,
        evaluation: Evaluation::of(statement(&ticket, redeemer), output),
        wins: luck::wins(&ticket, &output, &winner.response),
    };
    Ok(signed.into_iter().zip(outputs).zip(winners).map(of).collect())
}

fn statement(ticket: &VerifiedTicket, redeemer: &Address) -> Statement {
    Statement { redeemer: *redeemer, ticket: *ticket.hash(), separator: *ticket.separator() }
}

/// Checks what the tickets show together, and signs what stands for all of them; a single one is
/// given back. `signed` is what [`part`] gave of all places, in their order.
///
/// # Errors
/// [`RefusalCode::KeyProof`], then [`RefusalCode::Losing`] of the first ticket that does not win;
/// [`RefusalCode::Unavailable`] if tickets are missing.
pub fn whole(issuer: &Issuer, job: &CheckRequest, signed: &[Signed]) -> Result<Ticket, Refusal> {
    let Inner { request, interval, amount, .. } = &*job.0;
    let (Some(first), true) = (signed.first(), signed.len() == job.count()) else {
        return Err(Refusal::new(RefusalCode::Unavailable));
    };
    let evaluations: Vec<_> = signed.iter().map(|it| it.evaluation).collect();
    let proof = KeyProof::from_bytes(&request.proof).ok();
    let proof = proof.and_then(|proof| proof.verify(&evaluations).ok());
    proof.ok_or(Refusal::new(RefusalCode::KeyProof))?;
    // Only now does luck mean anything: neither the outputs nor the responses can have been chosen.
    if let Some(place) = signed.iter().position(|it| !it.wins) {
        return Err(Refusal::at(RefusalCode::Losing, place));
    }
    if signed.len() == 1 {
        return Ok(first.ticket.leak());
    }
    let aggregate = Body {
        interval: *interval,
        amount: *amount,
        probability: WinProbability::ALWAYS,
        ..*first.ticket.body()
    };
    Ok(aggregate.sign(&issuer.key, &issuer.separator).leak())
}
