//! The issuer's side: what it answers when it is asked for an aggregate.
//!
//! One request:
//! 1. what can be told without computing is looked at first ([`rules`]), and the same request again
//!    gets the answer that it got;
//! 2. what is left is computed elsewhere ([`super::check`]), one request of a channel at a time;
//! 3. the rules are looked at again, for the ledger may have moved meanwhile;
//! 4. the aggregate is kept, and only then told.

mod allowance;
mod history;
mod rules;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::time::Duration;

use machine::{Instant, PeerId};
use transport::question::QuestionId;

use self::allowance::Allowance;
use self::history::History;
use self::rules::Plan;
use super::{AttemptId, Change, CheckRequest, Issued, Refusal, RefusalCode, Reply, Request, Row};
use crate::{Address, Body, Channel, ChannelId, Epoch, Interval, Ticket, WinProbability};

/// Until an asker may come again who came while something was under way, or had to be sent away for
/// a fault of this node. Twice as long and tickets lie idle; half as long and it comes twice.
const COME_AGAIN: Duration = Duration::from_secs(1);

/// What askers may take.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Limits {
    /// The least likely ticket that is taken.
    pub probability_min: WinProbability,
    /// How many tickets of one peer are checked in a second, in the long run.
    pub tickets_per_second: NonZeroU32,
    /// How many are checked at once after a pause; never less than
    /// [`TICKETS_MAX`](super::TICKETS_MAX).
    pub tickets_burst: NonZeroU32,
    /// How many requests are under way at once, of all peers.
    pub under_way_max: usize,
}

/// What came of a write.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Written {
    /// It is durable.
    Done,
    /// Nothing of it took effect.
    Failed,
    /// Nobody can say yet; one of the others follows.
    Unknown,
}

/// What happens next.
#[derive(Debug)]
pub(super) enum Step {
    /// Nothing.
    Nothing,
    /// The asker is answered.
    Answer { peer: PeerId, id: QuestionId, reply: Reply },
    /// The request is to be computed; [`Responder::on_checked`] is told what comes of it.
    Check(CheckRequest),
    /// The changes are to be made durable; [`Responder::on_written`] is told whether they are.
    Write { channel: ChannelId, changes: Vec<Change> },
    /// The asker is answered with an aggregate that is new. No ticket of its interval, nor one below
    /// it, may be issued from now on.
    Issued {
        channel: ChannelId,
        epoch: Epoch,
        interval: Interval,
        peer: PeerId,
        id: QuestionId,
        reply: Reply,
    },
}

/// The issuer's side of the protocol.
#[derive(Debug)]
pub(super) struct Responder {
    me: Address,
    limits: Limits,
    /// The channels from which this node pays. As many as the ledger has.
    views: BTreeMap<ChannelId, View>,
    history: History,
    /// At most [`Limits::under_way_max`].
    under_way: BTreeMap<ChannelId, UnderWay>,
    allowance: Allowance,
}

/// A channel as the ledger has it, and the peer that its destination announced.
#[derive(Debug)]
struct View {
    channel: Channel,
    peer: Option<PeerId>,
}

/// A request that is not answered yet.
#[derive(Debug)]
struct UnderWay {
    asker: Asker,
    job: CheckRequest,
    /// What is being kept, once it is signed.
    writing: Option<Issued>,
}

#[derive(Clone, Copy, Debug)]
struct Asker {
    peer: PeerId,
    id: QuestionId,
    attempt: AttemptId,
}

impl Asker {
    fn answer(self, outcome: Result<Ticket, Refusal>) -> Step {
        let Self { peer, id, attempt } = self;
        Step::Answer { peer, id, reply: Reply { attempt, outcome } }
    }
}

impl Responder {
    /// One that pays from the channels of `me`, and has issued `issued` before it was stopped.
    pub(super) fn new(me: Address, limits: Limits, issued: Vec<Issued>) -> Self {
        Self {
            me,
            limits,
            views: BTreeMap::new(),
            history: History::new(issued),
            under_way: BTreeMap::new(),
            allowance: Allowance::new(limits.tickets_per_second, limits.tickets_burst),
        }
    }

    /// The ledger has `channel`, whose destination announced `peer`. What is returned need not be
    /// kept any more.
    pub(super) fn on_view(&mut self, channel: &Channel, peer: Option<PeerId>) -> Vec<Change> {
        if channel.source != self.me {
            return Vec::new();
        }
        self.views.insert(channel.id(), View { channel: *channel, peer });
        self.history.settle(channel).into_iter().map(Change::Remove).collect()
    }

    /// Nothing more is asked about a channel that is closed, and room is needed for another.
    pub(super) fn forget(&mut self, channel: &ChannelId) {
        self.views.remove(channel);
    }

    pub(super) fn on_ask(
        &mut self,
        peer: PeerId,
        id: QuestionId,
        request: Request,
        now: Instant,
    ) -> Step {
        let asker = Asker { peer, id, attempt: request.attempt };
        match self.take(asker, request, now) {
            Ok(step) => step,
            Err(refusal) => asker.answer(Err(refusal)),
        }
    }

    fn take(&mut self, asker: Asker, request: Request, now: Instant) -> Result<Step, Refusal> {
        let channel = self.channel(asker.peer, &request)?;
        if let Some(issued) = self.history.find(&channel, &request) {
            return Ok(asker.answer(Ok(issued.ticket)));
        }
        let full = self.under_way.len() >= self.limits.under_way_max;
        if full || self.under_way.contains_key(&request.channel) {
            return Err(Refusal::busy(COME_AGAIN));
        }
        let count = rules::count(&request)?;
        self.allowance.take(asker.peer, count, now).map_err(Refusal::busy)?;
        let plan = rules::plan(&request, &channel, &self.history, self.limits.probability_min)?;
        let Plan { interval, amount, .. } = plan;
        let job = CheckRequest::new(request, channel.destination, interval, amount);
        self.under_way.insert(channel.id(), UnderWay { asker, job: job.clone(), writing: None });
        Ok(Step::Check(job))
    }

    /// The channel by which `peer` is paid, if the request is about it.
    fn channel(&self, peer: PeerId, request: &Request) -> Result<Channel, Refusal> {
        let view = self.views.get(&request.channel);
        let announced = view.and_then(|view| view.peer);
        let view = view.filter(|_| announced == Some(peer));
        let channel = view.ok_or(Refusal::new(RefusalCode::NoChannel)).map(|view| view.channel);
        let standing = channel.and_then(|it| rules::standing(request, &it).map(|()| it));
        // Started anew, it may have issued what the ledger has not shown it yet: its no is not final.
        let stranger = announced.is_some_and(|it| it != peer);
        let behind = !stranger && self.history.knows(request.channel, request.epoch);
        standing.map_err(|refusal| if behind { failed() } else { refusal })
    }

    /// What was under way for `channel` came to this. A job that was lost comes to
    /// [`RefusalCode::Unavailable`].
    pub(super) fn on_checked(
        &mut self,
        channel: ChannelId,
        outcome: Result<Ticket, Refusal>,
    ) -> Step {
        let checked = |it: &&UnderWay| it.writing.is_none();
        let Some(UnderWay { asker, job, .. }) = self.under_way.get(&channel).filter(checked) else {
            return Step::Nothing;
        };
        let (asker, job) = (*asker, job.clone());
        self.under_way.remove(&channel);
        match outcome.and_then(|ticket| Ok((ticket, self.look_again(job.request())?))) {
            Ok((ticket, _)) if job.count() == 1 => asker.answer(Ok(ticket)),
            Ok((ticket, plan)) => {
                let issued = Issued { digest: job.request().digest(), ticket };
                let gone = plan.covered.into_iter().map(Change::Remove);
                let changes = gone.chain([Change::Put(Row::Issued(issued))]).collect();
                self.under_way.insert(channel, UnderWay { asker, job, writing: Some(issued) });
                Step::Write { channel, changes }
            }
            Err(refusal) => asker.answer(Err(refusal)),
        }
    }

    /// What became of the changes of [`Step::Write`]. Whoever waits for an answer waits on while
    /// nobody can say.
    pub(super) fn on_written(&mut self, channel: ChannelId, written: Written) -> Step {
        if written == Written::Unknown {
            return Step::Nothing;
        }
        let writing = self.under_way.get(&channel).and_then(|it| Some((it.asker, it.writing?)));
        let Some((asker, issued)) = writing else { return Step::Nothing };
        self.under_way.remove(&channel);
        if written == Written::Failed {
            return asker.answer(Err(failed()));
        }
        self.history.insert(issued);
        let Asker { peer, id, attempt } = asker;
        let Body { epoch, interval, .. } = issued.ticket.body;
        let reply = Reply { attempt, outcome: Ok(issued.ticket) };
        Step::Issued { channel, epoch, interval, peer, id, reply }
    }

    /// The rules for a request that kept them when it came.
    fn look_again(&self, request: &Request) -> Result<Plan, Refusal> {
        let view = self.views.get(&request.channel);
        let channel = view.ok_or(Refusal::new(RefusalCode::NoChannel))?.channel;
        rules::standing(request, &channel)?;
        rules::plan(request, &channel, &self.history, self.limits.probability_min)
    }
}

/// It is this node's fault.
fn failed() -> Refusal {
    let retry_after = Some(COME_AGAIN);
    Refusal { retry_after, ..Refusal::new(RefusalCode::Unavailable) }
}
