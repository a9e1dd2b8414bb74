//! What a redeemer asks of an issuer and is answered, and how it looks on the wire.
//!
//! Lengths and counts are enforced from the tables in `proto/meshwork/tickets/v1/aggregation.proto`
//! before anything is decoded.

mod codec;
#[cfg(test)]
mod tests;

use std::fmt;

use super::{BatchDigest, Refusal};
use crate::vrf::{KeyProof, Output};
use crate::{
    AcknowledgedTicket, Amount, Body, ChannelId, Epoch, Interval, Response, Signature, Ticket,
    WinProbability,
};

/// Most tickets of one request. Twice as many would take both sides a tenth of a second; with half
/// as many twice as many aggregates are left to aggregate.
pub const TICKETS_MAX: usize = 500;

/// Matches a reply to its request: random, and new for each time that a request is sent.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct AttemptId(pub u64);

impl fmt::Display for AttemptId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "attempt {:016x}", self.0)
    }
}

/// Asks the issuer of tickets for their aggregate. Nothing in it is verified.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Request {
    /// Repeated by the reply.
    pub attempt: AttemptId,
    /// The channel of all tickets.
    pub channel: ChannelId,
    /// The epoch of all tickets.
    pub epoch: Epoch,
    /// The encoding of a [`KeyProof`] of all outputs, in the order of the tickets.
    pub proof: [u8; KeyProof::LEN],
    /// The tickets, by index.
    ///
    /// # Bounds
    /// [`TICKETS_MAX`] when it is decoded.
    pub tickets: Vec<Winner>,
}

/// A ticket that is said to have won, without what it has in common with the others of its request,
/// and without its challenge, which its response implies.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Winner {
    /// The indices that it stands for.
    pub interval: Interval,
    /// What it is worth.
    pub amount: Amount,
    /// How likely it was to win.
    pub probability: WinProbability,
    /// That of its issuer.
    pub signature: Signature,
    /// What solves its challenge.
    pub response: Response,
    /// The encoding of the [`Output`] that makes its luck.
    pub output: [u8; Output::LEN],
}

/// Answers a [`Request`].
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Reply {
    /// That of the request.
    pub attempt: AttemptId,
    /// The aggregate, of which nothing is verified, or why there is none.
    pub outcome: Result<Ticket, Refusal>,
}

impl Request {
    /// Names what is asked for: the same each time that the same tickets are sent, whatever the
    /// attempt and the proofs.
    pub fn digest(&self) -> BatchDigest {
        let mut hasher = blake3::Hasher::new_derive_key("meshwork 2026-11-21 tickets to aggregate");
        hasher.update(&self.channel.0).update(&self.epoch.to_bytes());
        for ticket in &self.tickets {
            let Winner { interval, amount, probability, signature, response, output: _ } = ticket;
            hasher.update(&interval.first().to_bytes());
            hasher.update(&interval.offset().get().to_be_bytes());
            hasher.update(&amount.to_bytes()).update(&probability.to_bytes());
            hasher.update(&signature.0).update(response.as_bytes());
        }
        BatchDigest(hasher.finalize().into())
    }
}

impl Winner {
    /// The ticket as it travels in a request.
    pub fn new(ticket: &AcknowledgedTicket, output: &Output) -> Self {
        let Ticket { body, signature } = ticket.ticket().leak();
        Self {
            interval: body.interval,
            amount: body.amount,
            probability: body.probability,
            signature,
            response: ticket.response().clone(),
            output: output.to_bytes(),
        }
    }

    /// The ticket, if it is one of this channel and epoch, and the response solves its challenge. If
    /// not, its signature is nobody's. Takes some 15 µs.
    pub fn ticket(&self, channel: ChannelId, epoch: Epoch) -> Ticket {
        let body = Body {
            channel,
            epoch,
            interval: self.interval,
            amount: self.amount,
            probability: self.probability,
            challenge: self.response.challenge_address(),
        };
        Ticket { body, signature: self.signature }
    }
}
