//! Makes a request of tickets: their outputs in parts, on as many threads as there are, and then the
//! proof of all.

use std::ops::Range;

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
    /// The request, with the output of `key` for each ticket, all on this thread. Takes some 80 µs for
    /// each.
    pub fn run(self, key: &ChainKey, separator: &DomainSeparator) -> Request {
        let outputs = self.part(key, separator, 0..self.tickets.len());
        self.whole(key, &outputs)
    }

    /// The outputs of `key` for the tickets in these places.
    pub(in crate::aggregation) fn part(
        &self,
        key: &ChainKey,
        separator: &DomainSeparator,
        places: Range<usize>,
    ) -> Vec<Evaluation> {
        let redeemer = key.address();
        let tickets = self.tickets.get(places).unwrap_or_default().iter();
        let output = |(ticket, _): &(Ticket, Response)| {
            let ticket = ticket.body.hash(separator);
            Evaluation::new(key, Statement { redeemer, ticket, separator: *separator })
        };
        tickets.map(output).collect()
    }

    /// The request. `outputs` is what [`Self::part`] gave of all places, in their order.
    pub(in crate::aggregation) fn whole(&self, key: &ChainKey, outputs: &[Evaluation]) -> Request {
        let proof = KeyProof::new(key, outputs, &self.randomness.0);
        let winner = |((ticket, response), output): (&(Ticket, Response), &Evaluation)| {
            let body = ticket.body;
            Winner {
                interval: body.interval,
                amount: body.amount,
                probability: body.probability,
                signature: ticket.signature,
                response: response.clone(),
                output: output.output().to_bytes(),
            }
        };
        Request {
            attempt: self.attempt,
            channel: self.channel,
            epoch: self.epoch,
            proof: proof.to_bytes(),
            tickets: self.tickets.iter().zip(outputs).map(winner).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Channel;
    use crate::aggregation::sample::{NO_DOMAIN, channel, published, redeemer, request};

    #[test]
    fn proven_in_parts_it_is_the_same() {
        let winners = published(&[1, 4, 5, 7]);
        let Channel { epoch, .. } = channel();
        let ticket = |it: &Winner| (it.ticket(channel().id(), epoch), it.response.clone());
        let batch = ProveBatch {
            attempt: AttemptId(7),
            channel: channel().id(),
            epoch,
            tickets: winners.iter().map(ticket).collect(),
            randomness: Randomness([5; 64]),
        };
        let parts = [0..1, 1..3, 3..4].map(|places| batch.part(&redeemer(), &NO_DOMAIN, places));
        let outputs = parts.concat();
        assert_eq!(batch.whole(&redeemer(), &outputs), request(winners.clone()));
        assert_eq!(batch.run(&redeemer(), &NO_DOMAIN), request(winners));
    }
}
