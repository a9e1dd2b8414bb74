//! What an attempt asks for, and what the reply has to be.

use super::ProveBatch;
use crate::aggregation::{
    AttemptId, BadReply, Batch, Change, Held, Key, Mark, Randomness, Refusal, Row,
};
use crate::{
    Amount, ChallengeAddress, ChannelId, Epoch, Interval, Response, Ticket, TicketIndex,
    WinProbability,
};

/// Two tickets or more, and the one that they become.
#[derive(Debug)]
pub(super) struct Plan {
    channel: ChannelId,
    epoch: Epoch,
    interval: Interval,
    sum: Amount,
    challenge: ChallengeAddress,
    response: Response,
    tickets: Vec<(Ticket, Response)>,
}

impl Plan {
    /// The plan for these tickets, which are of one channel and epoch and in order. `None` if there
    /// are fewer than two, or no ticket can stand for them.
    pub(super) fn of(held: &[&Held]) -> Option<Self> {
        let ([first, .., last], Some(sum)) = (held, sum(held)) else { return None };
        let body = first.ticket.body;
        Some(Self {
            channel: body.channel,
            epoch: body.epoch,
            interval: body.interval.covering(&last.ticket.body.interval).ok()?,
            sum,
            challenge: body.challenge,
            response: first.response.clone(),
            tickets: held.iter().map(|held| (held.ticket, held.response.clone())).collect(),
        })
    }

    pub(super) const fn channel(&self) -> ChannelId {
        self.channel
    }

    pub(super) const fn epoch(&self) -> Epoch {
        self.epoch
    }

    pub(super) const fn len(&self) -> usize {
        self.tickets.len()
    }

    fn indices(&self) -> impl Iterator<Item = TicketIndex> {
        self.tickets.iter().map(|(ticket, _)| ticket.body.interval.first())
    }

    /// As it is kept until it is answered.
    pub(super) fn batch(&self) -> Batch {
        Batch { channel: self.channel, epoch: self.epoch, indices: self.indices().collect() }
    }

    pub(super) fn prove(&self, attempt: AttemptId, randomness: Randomness) -> ProveBatch {
        let Self { channel, epoch, tickets, .. } = self;
        ProveBatch {
            attempt,
            channel: *channel,
            epoch: *epoch,
            tickets: tickets.clone(),
            randomness,
        }
    }

    /// Which ticket a refusal is about.
    pub(super) fn index(&self, refusal: &Refusal) -> Option<TicketIndex> {
        self.indices().nth(usize::from(refusal.index?))
    }

    /// What the channel has for one that takes the place of the tickets, beside all others of those
    /// that are `held`, which are worth so much each.
    pub(super) fn room(
        &self,
        balance: Amount,
        held: impl Iterator<Item = Amount>,
    ) -> Option<Amount> {
        let all = Amount::checked_sum(held)?;
        balance.checked_sub(all.checked_sub(self.sum)?)
    }

    /// Whether a ticket is the one that the tickets become, its signature aside. It may be worth more
    /// than they are, but not more than there is `room` for: either it or others would not be paid.
    pub(super) fn check(
        &self,
        ticket: &Ticket,
        room: impl FnOnce() -> Option<Amount>,
    ) -> Result<(), BadReply> {
        let found = &ticket.body;
        if found.channel != self.channel {
            return Err(BadReply::Channel { found: found.channel, expected: self.channel });
        }
        if found.epoch != self.epoch {
            return Err(BadReply::Epoch { found: found.epoch, expected: self.epoch });
        }
        if found.interval != self.interval {
            return Err(BadReply::Interval { found: found.interval, expected: self.interval });
        }
        if found.amount != self.sum {
            let (least, room) = (self.sum, room());
            let most = room.map_or(least, |room| room.max(least));
            if !(least..=most).contains(&found.amount) {
                return Err(BadReply::Amount { found: found.amount, least, most });
            }
        }
        if found.probability != WinProbability::ALWAYS {
            return Err(BadReply::Probability { found: found.probability });
        }
        if found.challenge != self.challenge {
            return Err(BadReply::Challenge { found: found.challenge, expected: self.challenge });
        }
        Ok(())
    }

    /// Puts the aggregate in the place of the tickets; the response of the first solves it.
    pub(super) fn replace(&self, ticket: Ticket) -> Vec<Change> {
        let (channel, epoch) = (self.channel, self.epoch);
        let held = Held { ticket, response: self.response.clone(), mark: Mark::Untouched };
        self.indices()
            .map(|index| Change::Remove(Key::Held { channel, epoch, index }))
            .chain([Change::Remove(Key::Batch(channel)), Change::Put(Row::Held(held))])
            .collect()
    }
}

fn sum(held: &[&Held]) -> Option<Amount> {
    Amount::checked_sum(held.iter().map(|held| held.ticket.body.amount))
}
