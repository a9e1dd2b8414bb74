//! Makes a request of tickets.

use crate::aggregation::{AttemptId, Randomness, Request, Winner};
use crate::vrf::{Evaluation, KeyProof, Statement};
use crate::{ChainKey, ChannelId, DomainSeparator, Epoch, Response, Ticket};

/// Tickets that become a request.
#[derive(Clone, Debug)]
pub struct ProveBatch {
    /// Repeated by the reply.
    pub attempt: AttemptId,
    /// The channel of all tickets.
    pub channel: ChannelId,
    /// The epoch of all tickets.
    pub epoch: Epoch,
    /// The tickets with their responses, by index.
    pub tickets: Vec<(Ticket, Response)>,
    /// For the proof of their luck.
    pub randomness: Randomness,
}

impl ProveBatch {
    /// The request, with the output of `key` for each ticket. Takes some 80 µs for each.
    pub fn run(self, key: &ChainKey, separator: &DomainSeparator) -> Request {
        let Self { attempt, channel, epoch, tickets, randomness } = self;
        let redeemer = key.address();
        let outputs = tickets.iter().map(|(ticket, _)| {
            let ticket = ticket.body.hash(separator);
            let statement = Statement { redeemer, ticket, separator: *separator };
            Evaluation::new(key, statement)
        });
        let outputs: Vec<_> = outputs.collect();
        let proof = KeyProof::new(key, &outputs, &randomness.0);
        let winners = tickets.into_iter().zip(&outputs).map(|((ticket, response), evaluation)| {
            let body = ticket.body;
            Winner {
                interval: body.interval,
                amount: body.amount,
                probability: body.probability,
                signature: ticket.signature,
                response,
                output: evaluation.output().to_bytes(),
            }
        });
        let tickets = winners.collect();
        Request { attempt, channel, epoch, proof: proof.to_bytes(), tickets }
    }
}
