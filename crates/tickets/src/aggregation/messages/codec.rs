//! Requests and replies as bytes.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use prost::Message as _;
use wire::bounds::Bounded;
use wire::proto::tickets::v1 as proto;
use wire::proto::tickets::v1::aggregation_reply::Outcome;
use wire::{Defect, Frame, Malformed};

use super::{AttemptId, Reply, Request, Winner};
use crate::aggregation::{Refusal, RefusalCode};
use crate::{
    Amount, ChannelId, Epoch, IndexOffset, Interval, Response, Signature, Ticket, TicketIndex,
    WinProbability,
};

const CHANNEL: &str = "aggregation_request.channel";
const EPOCH: &str = "aggregation_request.epoch";
const KEY_PROOF: &str = "aggregation_request.key_proof";
const INDEX_STEP: &str = "aggregation_ticket.index_step";
const FURTHER: &str = "aggregation_ticket.further";
const AMOUNT: &str = "aggregation_ticket.amount";
const PROBABILITY: &str = "aggregation_ticket.probability";
const SIGNATURE: &str = "aggregation_ticket.signature";
const RESPONSE: &str = "aggregation_ticket.response";
const OUTPUT: &str = "aggregation_ticket.output";
const OUTCOME: &str = "aggregation_reply.outcome";
const TICKET: &str = "aggregation_reply.ticket";
const REFUSED: &str = "aggregation_refusal.ticket";

impl Frame for Request {
    const MAX: usize = <proto::AggregationRequest as Bounded>::LEN_MAX;

    fn encode(&self, out: &mut BytesMut) {
        let mut before = Before::default();
        let message = proto::AggregationRequest {
            attempt: self.attempt.0,
            channel: Bytes::copy_from_slice(&self.channel.0),
            epoch: self.epoch.get(),
            key_proof: Bytes::copy_from_slice(&self.proof),
            tickets: self.tickets.iter().map(|ticket| before.step_to(ticket)).collect(),
        };
        message.encode_raw(out);
    }

    fn decode(frame: Bytes) -> Result<Self, Malformed> {
        let message: proto::AggregationRequest = wire::bounds::decode(frame)?;
        let mut before = Before::default();
        let tickets = message.tickets.iter().map(|ticket| before.step(ticket));
        Ok(Self {
            attempt: AttemptId(message.attempt),
            channel: ChannelId(array(&message.channel, CHANNEL)?),
            epoch: Epoch::new(message.epoch).map_err(|_| invalid(EPOCH))?,
            proof: array(&message.key_proof, KEY_PROOF)?,
            tickets: tickets.collect::<Result<_, _>>()?,
        })
    }
}

/// What of the ticket before it a ticket's encoding refers to.
#[derive(Default)]
struct Before {
    first: TicketIndex,
    probability: Option<WinProbability>,
}

impl Before {
    fn step_to(&mut self, ticket: &Winner) -> proto::AggregationTicket {
        let first = ticket.interval.first();
        let probability = Some(ticket.probability);
        let same = self.probability == probability;
        let message = proto::AggregationTicket {
            index_step: signed(first).wrapping_sub(signed(self.first)),
            further: ticket.interval.offset().get().saturating_sub(1),
            amount: short(&ticket.amount.to_bytes()),
            probability: if same { 0 } else { ticket.probability.get().saturating_add(1) },
            signature: Bytes::copy_from_slice(&ticket.signature.0),
            response: Bytes::copy_from_slice(ticket.response.as_bytes()),
            output: Bytes::copy_from_slice(&ticket.output),
        };
        *self = Self { first, probability };
        message
    }

    fn step(&mut self, ticket: &proto::AggregationTicket) -> Result<Winner, Malformed> {
        let first = signed(self.first).checked_add(ticket.index_step);
        let first = first.and_then(|number| TicketIndex::new(number.try_into().ok()?).ok());
        self.first = first.ok_or(invalid(INDEX_STEP))?;
        if let Some(number) = ticket.probability.checked_sub(1) {
            let probability = WinProbability::new(number).map_err(|_| invalid(PROBABILITY))?;
            self.probability = Some(probability);
        }
        let offset = ticket.further.checked_add(1).and_then(|offset| IndexOffset::new(offset).ok());
        let interval = offset.and_then(|offset| Interval::new(self.first, offset).ok());
        let response = array(&ticket.response, RESPONSE)?;
        Ok(Winner {
            interval: interval.ok_or(invalid(FURTHER))?,
            amount: amount(&ticket.amount)?,
            probability: self.probability.ok_or(Malformed::new(PROBABILITY, Defect::Missing))?,
            signature: Signature(array(&ticket.signature, SIGNATURE)?),
            response: Response::from_bytes(&response).map_err(|_| invalid(RESPONSE))?,
            output: array(&ticket.output, OUTPUT)?,
        })
    }
}

impl Frame for Reply {
    const MAX: usize = <proto::AggregationReply as Bounded>::LEN_MAX;

    fn encode(&self, out: &mut BytesMut) {
        let outcome = match &self.outcome {
            Ok(ticket) => Outcome::Ticket(Bytes::copy_from_slice(&ticket.to_bytes())),
            Err(refusal) => Outcome::Refusal(refusal.to_proto()),
        };
        proto::AggregationReply { attempt: self.attempt.0, outcome: Some(outcome) }.encode_raw(out);
    }

    fn decode(frame: Bytes) -> Result<Self, Malformed> {
        let proto::AggregationReply { attempt, outcome } = wire::bounds::decode(frame)?;
        let outcome = match outcome.ok_or(Malformed::new(OUTCOME, Defect::Missing))? {
            Outcome::Ticket(bytes) => Ok(Ticket::from_bytes(&bytes).map_err(|_| invalid(TICKET))?),
            Outcome::Refusal(refusal) => Err(Refusal::of_proto(&refusal)?),
        };
        Ok(Self { attempt: AttemptId(attempt), outcome })
    }
}

impl Refusal {
    fn to_proto(self) -> proto::AggregationRefusal {
        let delay = self.retry_after.unwrap_or_default();
        // A part of a millisecond is waited for as a whole one.
        let millis = delay.as_nanos().div_ceil(1_000_000);
        proto::AggregationRefusal {
            code: self.code.to_proto().into(),
            ticket: self.index.map_or(0, |place| u32::from(place).saturating_add(1)),
            retry_after_ms: u32::try_from(millis).unwrap_or(u32::MAX),
        }
    }

    fn of_proto(message: &proto::AggregationRefusal) -> Result<Self, Malformed> {
        let place = message.ticket.checked_sub(1).map(u16::try_from).transpose();
        let delay = Duration::from_millis(message.retry_after_ms.into());
        Ok(Self {
            code: RefusalCode::of_proto(message.code),
            index: place.map_err(|_| invalid(REFUSED))?,
            retry_after: Some(delay).filter(|delay| !delay.is_zero()),
        })
    }
}

/// The amount without its leading zeros.
fn short(bytes: &[u8; 12]) -> Bytes {
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    Bytes::copy_from_slice(bytes.get(zeros..).unwrap_or_default())
}

fn amount(short: &[u8]) -> Result<Amount, Malformed> {
    if short.first() == Some(&0) {
        return Err(invalid(AMOUNT));
    }
    let mut bytes = [0; 12];
    for (to, from) in bytes.iter_mut().rev().zip(short.iter().rev()) {
        *to = *from;
    }
    Amount::from_bytes(bytes).map_err(|_| invalid(AMOUNT))
}

/// An index as a number that can be less than another.
fn signed(index: TicketIndex) -> i64 {
    i64::try_from(index.get()).expect("an index has 48 bits")
}

fn array<const LEN: usize>(bytes: &[u8], field: &'static str) -> Result<[u8; LEN], Malformed> {
    let defect = if bytes.is_empty() { Defect::Missing } else { Defect::Invalid };
    bytes.try_into().map_err(|_| Malformed::new(field, defect))
}

const fn invalid(field: &'static str) -> Malformed {
    Malformed::new(field, Defect::Invalid)
}
