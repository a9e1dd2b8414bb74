//! The half that asks for aggregates: one attempt at a time in each channel.

mod plan;
mod prove;
mod select;

use std::collections::BTreeMap;

use machine::{Effect, Instant, JobError, JobId, PeerId, Undelivered};
use rand::RngExt as _;
use transport::question::{Question, QuestionId};

use self::plan::Plan;
use self::select::{Terms, select};
use super::core::errands::{Context, Errand, Lane, View};
use super::core::writer::{Token, Written};
use super::{
    AggregateError, Aggregated, AttemptId, BadReply, Batch, Change, Done, Event, Fault, Held, Job,
    Key, Mark, Prerequisites, Refusal, RefusalCode, Reply, Row, Stats, Unwritten,
};
use crate::{Channel, ChannelId, Ticket, TicketIndex};

pub use self::prove::ProveBatch;

/// Attempts, by channel.
#[derive(Debug, Default)]
pub(super) struct Requester {
    attempts: BTreeMap<ChannelId, Attempt>,
    asked: u64,
}

/// One attempt at an aggregate.
#[derive(Debug)]
struct Attempt {
    id: AttemptId,
    peer: PeerId,
    plan: Plan,
    stage: Stage,
    /// When the command gives up; `None` when its end is told and only the disk is waited for.
    due: Option<Instant>,
}

/// Where an attempt is.
#[derive(Debug)]
enum Stage {
    /// The batch is being made durable.
    Planned,
    /// The request is being made.
    Proving(JobId),
    /// The issuer has it.
    Sent(QuestionId),
    /// He replied, with what was asked for; whether he is bound by it is being checked.
    Replied(JobId, Ticket),
    /// The aggregate is taking the place of the tickets.
    Verified(Ticket),
    /// He refused for good: the batch is being forgotten.
    Refused(AggregateError),
}

impl Requester {
    /// Attempts that somebody waits for.
    pub(super) fn waited_for(&self) -> usize {
        self.attempts.values().filter(|attempt| attempt.due.is_some()).count()
    }

    pub(super) fn len(&self) -> usize {
        self.attempts.len()
    }

    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.attempts.values().filter_map(|attempt| attempt.due).min()
    }

    pub(super) fn ask(
        &mut self,
        channel: ChannelId,
        below: Option<TicketIndex>,
        prerequisites: Prerequisites,
        cx: &mut Context<'_>,
    ) {
        let outcome = match self.begin(channel, below, prerequisites, cx) {
            Ok(true) => return,
            Ok(false) => Ok(None),
            Err(error) => Err(error),
        };
        cx.errands.emit(Event::Aggregated { channel, outcome });
    }

    /// Whether there is something to do, which is begun then.
    fn begin(
        &mut self,
        channel: ChannelId,
        below: Option<TicketIndex>,
        prerequisites: Prerequisites,
        cx: &mut Context<'_>,
    ) -> Result<bool, AggregateError> {
        let view = cx.books.paying(&channel)?;
        let peer = view.peer.ok_or(AggregateError::NoPeer)?;
        if cx.books.lanes.contains_key(&channel) {
            return Err(AggregateError::Busy);
        }
        let max = cx.params.attempts_max;
        if self.attempts.len() >= max {
            return Err(AggregateError::TooMany { max });
        }
        let epoch = view.channel.epoch;
        let batch = cx.books.wallet.batch(&channel);
        let batch = batch.filter(|_| !cx.books.ends_batch(&channel, epoch, view.floor()));
        let is_new = batch.is_none();
        let plan = if let Some(batch) = batch {
            unanswered(batch, &view, cx)
        } else {
            let below = below.unwrap_or(TicketIndex::MAX);
            let below = Some(below.min(cx.books.earning_from(channel, epoch)));
            let probability_min = cx.params.least_probability();
            let terms = Terms { below, prerequisites, probability_min };
            let held = cx.books.wallet.of_epoch(&channel, epoch, view.floor());
            Plan::of(&select(held, &view, &terms))
        };
        let Some(plan) = plan else { return Ok(false) };
        if is_new {
            let batch = Change::Put(Row::Batch(plan.batch()));
            cx.write(Token::Errand(channel), vec![batch], None)?;
        }
        let id = AttemptId(cx.rng.random());
        let due = Some(cx.now.after(cx.params.timeout));
        let mut attempt = Attempt { id, peer, plan, stage: Stage::Planned, due };
        if !is_new {
            attempt.prove(cx);
        }
        cx.books.lanes.insert(channel, Lane::Aggregate);
        self.attempts.insert(channel, attempt);
        Ok(true)
    }

    pub(super) fn on_proven(
        &mut self,
        channel: ChannelId,
        id: JobId,
        outcome: Result<Done, JobError>,
        cx: &mut Context<'_>,
    ) {
        let Some(attempt) = self.attempts.get_mut(&channel) else { return };
        if !matches!(attempt.stage, Stage::Proving(job) if job == id) {
            return;
        }
        match outcome {
            Ok(Done::Proven(request)) => {
                let id = QuestionId(self.asked);
                self.asked = self.asked.wrapping_add(1);
                attempt.stage = Stage::Sent(id);
                let message = Question::Ask { id, ask: *request };
                cx.errands.effects.push(Effect::Send { peer: attempt.peer, message });
            }
            outcome => self.conclude(channel, Err(AggregateError::Job(lost(&outcome))), cx),
        }
    }

    pub(super) fn on_reply(
        &mut self,
        peer: PeerId,
        id: QuestionId,
        reply: Reply,
        cx: &mut Context<'_>,
    ) {
        let asked = self.attempts.iter_mut().find(|(_, attempt)| {
            attempt.is_asked(id) && attempt.peer == peer && attempt.id == reply.attempt
        });
        let Some((&channel, attempt)) = asked else {
            return cx.errands.report(peer, Fault::Late);
        };
        let ticket = match reply.outcome {
            Ok(ticket) => ticket,
            Err(refusal) if refusal.is_passing() => {
                let error =
                    AggregateError::Refused { refusal, index: attempt.plan.index(&refusal) };
                return self.conclude(channel, Err(error), cx);
            }
            Err(refusal) => return self.on_refusal(channel, refusal, cx),
        };
        let view = match cx.books.paying(&channel) {
            Ok(view) => view,
            Err(error) => return self.conclude(channel, Err(error.into()), cx),
        };
        let Channel { source: issuer, balance, epoch, .. } = view.channel;
        let held = cx.books.wallet.of_epoch(&channel, epoch, view.floor());
        let held = held.map(|held| held.ticket.body.amount);
        if let Err(bad) = attempt.plan.check(&ticket, || attempt.plan.room(balance, held)) {
            return self.on_bad_reply(channel, bad, cx);
        }
        let job = cx.errands.start(Errand::Verify(channel), Job::Verify { ticket, issuer });
        attempt.stage = Stage::Replied(job, ticket);
    }

    /// He will not sign: all tickets are free again, and the one that he objects to is set aside.
    fn on_refusal(&mut self, channel: ChannelId, refusal: Refusal, cx: &mut Context<'_>) {
        let Some(attempt) = self.attempts.get_mut(&channel) else { return };
        let index = attempt.plan.index(&refusal);
        let mut changes = vec![Change::Remove(Key::Batch(channel))];
        let place = index.filter(|_| is_about_one(refusal.code));
        let place = place.map(|index| (attempt.plan.epoch(), index));
        if let Some(held) = place.and_then(|place| cx.books.wallet.get(&channel, &place)) {
            changes.push(Change::Put(Row::Held(Held { mark: Mark::Doubtful, ..held.clone() })));
        }
        self.retreat(channel, changes, AggregateError::Refused { refusal, index }, cx);
    }

    fn on_bad_reply(&mut self, channel: ChannelId, bad: BadReply, cx: &mut Context<'_>) {
        if let Some(attempt) = self.attempts.get(&channel) {
            cx.errands.report(attempt.peer, Fault::BadReply(bad));
        }
        let changes = vec![Change::Remove(Key::Batch(channel))];
        self.retreat(channel, changes, AggregateError::BadReply(bad), cx);
    }

    fn retreat(
        &mut self,
        channel: ChannelId,
        changes: Vec<Change>,
        error: AggregateError,
        cx: &mut Context<'_>,
    ) {
        let Some(attempt) = self.attempts.get_mut(&channel) else { return };
        match cx.write(Token::Errand(channel), changes, None) {
            Ok(()) => attempt.stage = Stage::Refused(error),
            // The next attempt hears the same, and forgets the batch then.
            Err(_) => self.conclude(channel, Err(error), cx),
        }
    }

    pub(super) fn on_undelivered(
        &mut self,
        id: QuestionId,
        cause: Undelivered,
        cx: &mut Context<'_>,
    ) {
        let asked = self.attempts.iter().find(|(_, attempt)| attempt.is_asked(id));
        if let Some((&channel, _)) = asked {
            self.conclude(channel, Err(AggregateError::Undelivered(cause)), cx);
        }
    }

    pub(super) fn on_verified(
        &mut self,
        channel: ChannelId,
        id: JobId,
        outcome: Result<Done, JobError>,
        cx: &mut Context<'_>,
    ) {
        let Some(attempt) = self.attempts.get(&channel) else { return };
        let Stage::Replied(job, ticket) = attempt.stage else { return };
        if job != id {
            return;
        }
        match outcome {
            Ok(Done::Verified(Ok(()))) => self.commit(channel, ticket, cx),
            Ok(Done::Verified(Err(bad))) => {
                self.on_bad_reply(channel, BadReply::Signature(bad), cx);
            }
            outcome => self.conclude(channel, Err(AggregateError::Job(lost(&outcome))), cx),
        }
    }

    /// Puts the aggregate in the place of the tickets, if the ledger has not passed them.
    fn commit(&mut self, channel: ChannelId, ticket: Ticket, cx: &mut Context<'_>) {
        let Some(attempt) = self.attempts.get_mut(&channel) else { return };
        let (epoch, index) = (ticket.body.epoch, ticket.body.interval.first());
        let over = match cx.books.paying(&channel) {
            Ok(view) if view.is_over(epoch, index) => AggregateError::Overtaken { index },
            Ok(_) => {
                let changes = attempt.plan.replace(ticket);
                let replaced = u64::try_from(attempt.plan.len()).unwrap_or(u64::MAX);
                let tally = Stats { aggregated: replaced, ..Stats::new(channel) };
                match cx.write(Token::Errand(channel), changes, Some(tally)) {
                    Ok(()) => return attempt.stage = Stage::Verified(ticket),
                    Err(error) => error.into(),
                }
            }
            Err(error) => error.into(),
        };
        self.conclude(channel, Err(over), cx);
    }

    pub(super) fn on_written(
        &mut self,
        channel: ChannelId,
        written: Written,
        cx: &mut Context<'_>,
    ) {
        let Some(attempt) = self.attempts.get_mut(&channel) else { return };
        let outcome = match (written, &attempt.stage) {
            (Written::Unknown, Stage::Refused(error)) => {
                return attempt.tell(Err(error.clone()), cx);
            }
            (Written::Unknown, _) => return attempt.tell(Err(Unwritten::Unknown.into()), cx),
            (Written::Done, Stage::Planned) if attempt.due.is_some() => return attempt.prove(cx),
            (Written::Done, Stage::Verified(ticket)) => {
                Ok(Some(Aggregated { ticket: *ticket, replaced: attempt.plan.len() }))
            }
            (_, Stage::Refused(error)) => Err(error.clone()),
            (Written::Done | Written::Failed, _) => Err(Unwritten::Failed.into()),
        };
        self.conclude(channel, outcome, cx);
    }

    pub(super) fn tick(&mut self, cx: &mut Context<'_>) {
        let late = |attempt: &Attempt| attempt.due.is_some_and(|due| due <= cx.now);
        let late = self.attempts.iter().filter(|(_, attempt)| late(attempt));
        let late: Vec<_> = late.map(|(channel, _)| *channel).collect();
        for channel in late {
            let Some(attempt) = self.attempts.get_mut(&channel) else { continue };
            match attempt.stage {
                // What is being written comes to its end by itself.
                Stage::Planned | Stage::Verified(_) | Stage::Refused(_) => {
                    attempt.tell(Err(AggregateError::TimedOut), cx);
                }
                Stage::Proving(_) | Stage::Sent(_) | Stage::Replied(..) => {
                    self.conclude(channel, Err(AggregateError::TimedOut), cx);
                }
            }
        }
    }

    /// The only end of an attempt.
    fn conclude(
        &mut self,
        channel: ChannelId,
        outcome: Result<Option<Aggregated>, AggregateError>,
        cx: &mut Context<'_>,
    ) {
        if let Some(mut attempt) = self.attempts.remove(&channel) {
            attempt.tell(outcome, cx);
            cx.books.leave(channel);
        }
    }
}

impl Attempt {
    fn is_asked(&self, question: QuestionId) -> bool {
        matches!(self.stage, Stage::Sent(id) if id == question)
    }

    fn prove(&mut self, cx: &mut Context<'_>) {
        let job = self.plan.prove(self.id, cx.randomness());
        let job = cx.errands.start(Errand::Prove(self.plan.channel()), Job::Prove(Box::new(job)));
        self.stage = Stage::Proving(job);
    }

    /// Tells the end of the command, once.
    fn tell(&mut self, outcome: Result<Option<Aggregated>, AggregateError>, cx: &mut Context<'_>) {
        if self.due.take().is_some() {
            cx.errands.emit(Event::Aggregated { channel: self.plan.channel(), outcome });
        }
    }
}

/// The plan for a batch that the issuer may have answered. `None` while one of its tickets is on its
/// way to the ledger: which of the two will be paid is not known, so nothing else is asked for either.
fn unanswered(batch: &Batch, view: &View, cx: &Context<'_>) -> Option<Plan> {
    let Batch { channel, epoch, indices } = batch;
    let held = |index: &TicketIndex| cx.books.wallet.get(channel, &(*epoch, *index));
    let held: Vec<_> = indices.iter().map(held).collect::<Option<_>>()?;
    let usable = held.iter().all(|held| held.mark != Mark::BeingRedeemed);
    if usable && *epoch == view.channel.epoch { Plan::of(&held) } else { None }
}

/// Whether a refusal is about one ticket and not about what it stands beside.
const fn is_about_one(code: RefusalCode) -> bool {
    matches!(
        code,
        RefusalCode::SignatureOrResponse
            | RefusalCode::Output
            | RefusalCode::Losing
            | RefusalCode::TooUnlikely
    )
}

/// Why a job has no outcome; one of another kind than was asked for is none.
fn lost(outcome: &Result<Done, JobError>) -> JobError {
    outcome.as_ref().err().copied().unwrap_or(JobError::Lost)
}
