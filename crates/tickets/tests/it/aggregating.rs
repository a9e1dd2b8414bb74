//! One attempt at a time: which tickets go into it, how it ends, and that nothing is lost on the way.

mod attempt;
mod hostile;
mod redemption;
mod reply;
mod selection;
mod vectors;

use std::time::Duration;

use machine::{Effect, Input, Instant, Machine as _, Undelivered};
use meshwork_tickets::aggregation::{
    AggregateError, Aggregated, BadReply, Command, Config, Core, Done, EarnError, Event, Fault,
    Held, Job, Kept, Mark, Prerequisites, RedeemError, Redeemed, Refusal, RefusalCode, Reply,
    Request, Unwritten, ViewError,
};
use meshwork_tickets::ledger::{Code, SubmitError};
use meshwork_tickets::{
    Amount, BadSignature, Body, ChainKey, ChallengeAddress, Channel, ChannelId, ChannelStatus,
    Epoch, TicketIndex, WinProbability,
};
use transport::question::Question;

use crate::common::{amount, epoch, interval};
use crate::town::{self, DOMAIN, Disk, Message, Outcome, PRICE, Pair};

const RICH: u128 = 1_000_000;

const ANY: Prerequisites = Prerequisites { tickets_min: None, permille_min: None };

fn tickets_min(count: usize) -> Prerequisites {
    Prerequisites { tickets_min: Some(count), permille_min: None }
}

fn permille_min(permille: u16) -> Prerequisites {
    Prerequisites { tickets_min: None, permille_min: Some(permille) }
}

fn made(outcome: Outcome) -> Aggregated {
    outcome.unwrap().unwrap()
}

fn index(number: u64) -> TicketIndex {
    TicketIndex::new(number).unwrap()
}

impl Pair {
    fn marks(&self) -> Vec<(u64, Mark)> {
        let mark = |held: Held| (held.ticket.body.interval.first().get(), held.mark);
        self.redeemer.held().into_iter().map(mark).collect()
    }

    /// Shows both the channel with a change.
    fn view_with(&mut self, change: impl FnOnce(&mut Channel)) {
        let mut channel = town::channel(&self.ledger, &self.id);
        change(&mut channel);
        self.redeemer.view(channel, self.issuer.peer);
        self.issuer.view(channel, self.redeemer.peer);
        self.work();
        self.redeemer.events.clear();
    }
}
