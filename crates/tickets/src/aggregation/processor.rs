//! Aggregation over any request-response protocol: the same core, without our swarm around it.
//!
//! `T` is what answers one request of another node, `U` is what names one request of this node:
//! with libp2p the channel of a response, and the id of an outbound request.
//!
//! One aggregate:
//! 1. [`TicketAggregationActions::aggregate_tickets`] gives an awaiter;
//! 2. the processor yields [`TicketAggregationProcessed::Send`]: its owner sends the request, and
//!    keeps the finalizer under the request's name;
//! 3. the owner hands in what comes back, [`TicketAggregationActions::receive_ticket`], or says that
//!    nothing does, [`TicketAggregationFinalizer::fail`];
//! 4. when the aggregate is durable the processor yields [`TicketAggregationProcessed::Receive`] with
//!    that name: the owner finalizes, and who awaits is told. A refusal, a bad reply and the time-out
//!    reach who awaits at once, and by themselves.

mod handles;
mod run;

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures::channel::mpsc;
use futures::stream::{FusedStream, Stream, StreamExt as _};
use machine::{Effect, Input, PeerId, Undelivered};
use transport::question::{Question, QuestionId};

use self::handles::{Slot, ToProcess};
use self::run::Runner;
use super::{AttemptId, Command, Core, Event, Fault, Reply, Request};
use crate::ChannelId;

pub use self::handles::{
    AwaitError, NotQueued, TicketAggregationActions, TicketAggregationAwaiter,
    TicketAggregationFinalizer,
};

/// Inputs that wait to be taken. The owner polls the processor, so a few are enough for a burst.
const INPUTS_MAX: usize = 4096;

/// What the owner of a processor has to do.
#[derive(Debug)]
pub enum TicketAggregationProcessed<T, U> {
    /// Send a request, and keep the finalizer under its name.
    Send(PeerId, Box<Request>, TicketAggregationFinalizer),
    /// The reply to the request of this name made an aggregate, which is durable: finalize it.
    Receive(PeerId, U),
    /// Answer.
    Reply(PeerId, Reply, T),
    /// A peer broke a rule; the fault knows its price.
    Fault(PeerId, Fault),
    /// The core tells something else.
    Event(Box<Event>),
}

/// Runs a [`Core`] between the application and a request-response protocol. It does so while it is
/// polled.
pub struct TicketAggregationProcessor<T, U> {
    runner: Runner,
    inputs: mpsc::Receiver<ToProcess<T, U>>,
    /// For the finalizers.
    failed: mpsc::Sender<ToProcess<T, U>>,
    /// Who waits for the end of the attempt in each channel.
    awaited: BTreeMap<ChannelId, Slot>,
    /// Requests that were sent. As many as the core has attempts.
    asked: BTreeMap<AttemptId, Asked<U>>,
    /// Requests of others. The core answers all but a few at once.
    asking: BTreeMap<QuestionId, T>,
    asking_next: u64,
    out: VecDeque<TicketAggregationProcessed<T, U>>,
}

/// A request that was sent.
struct Asked<U> {
    id: QuestionId,
    peer: PeerId,
    request: Request,
    /// The name of the request that was answered.
    answered: Option<U>,
}

impl<T, U> TicketAggregationProcessor<T, U>
where
    T: Send + 'static,
    U: Send + 'static,
{
    /// Runs `core`, whose slow work `worker` does.
    pub fn new(
        core: Core,
        worker: impl transport::Worker<Core>,
    ) -> (Self, TicketAggregationActions<T, U>) {
        let (sender, inputs) = mpsc::channel(INPUTS_MAX);
        let processor = Self {
            runner: Runner::new(core, Box::new(worker)),
            inputs,
            failed: sender.clone(),
            awaited: BTreeMap::new(),
            asked: BTreeMap::new(),
            asking: BTreeMap::new(),
            asking_next: 0,
            out: VecDeque::new(),
        };
        (processor, TicketAggregationActions::new(sender))
    }

    /// The core, to look at.
    pub const fn core(&self) -> &Core {
        self.runner.core()
    }
}

/// The number of no question: what comes under it is late.
const UNASKED: QuestionId = QuestionId(u64::MAX);

impl<T, U> TicketAggregationProcessor<T, U>
where
    T: Send + 'static,
    U: Send + 'static,
{
    fn apply(&mut self, input: ToProcess<T, U>) {
        let input = match input {
            ToProcess::Aggregate(command, channel, slot) => {
                return self.aggregate(command, channel, slot);
            }
            ToProcess::Command(command) => Input::Command(command),
            ToProcess::Request(peer, request, answer) => {
                let id = QuestionId(self.asking_next);
                self.asking_next = self.asking_next.wrapping_add(1);
                self.asking.insert(id, answer);
                Input::Received { peer, message: Question::Ask { id, ask: *request } }
            }
            ToProcess::Reply(peer, reply, name) => {
                let asked = self.asked.get_mut(&reply.attempt);
                // A second reply to one request is late as well.
                let asked = asked.filter(|asked| asked.peer == peer && asked.answered.is_none());
                let id = asked.map_or(UNASKED, |asked| {
                    asked.answered = Some(name);
                    asked.id
                });
                Input::Received { peer, message: Question::Answer { id, answer: reply } }
            }
            ToProcess::Failed(attempt, cause) => {
                let Some(asked) = self.asked.get(&attempt) else { return };
                let message = Question::Ask { id: asked.id, ask: asked.request.clone() };
                Input::Undelivered { peer: asked.peer, message, cause }
            }
        };
        let effects = self.runner.feed(input);
        self.carry_out(effects);
    }

    /// What ends at once ends here: while an attempt is under way, another is refused.
    fn aggregate(&mut self, command: Command, channel: ChannelId, slot: Slot) {
        let mut effects = self.runner.feed(Input::Command(command));
        let ended = effects.iter().position(|effect| {
            matches!(effect, Effect::Emit(Event::Aggregated { channel: of, .. }) if *of == channel)
        });
        match ended.and_then(|at| effects.remove(at)) {
            Some(Effect::Emit(Event::Aggregated { outcome, .. })) => slot.tell(outcome),
            Some(_) | None => drop(self.awaited.insert(channel, slot)),
        }
        self.carry_out(effects);
    }

    fn carry_out(&mut self, effects: VecDeque<Effect<Core>>) {
        for effect in effects {
            match effect {
                Effect::Send { peer, message: Question::Ask { id, ask } } => {
                    self.send(peer, id, ask);
                }
                Effect::Send { peer, message: Question::Answer { id, answer } } => {
                    if let Some(handle) = self.asking.remove(&id) {
                        let reply = TicketAggregationProcessed::Reply(peer, answer, handle);
                        self.out.push_back(reply);
                    }
                }
                Effect::Report { peer, fault } => {
                    self.out.push_back(TicketAggregationProcessed::Fault(peer, fault));
                }
                Effect::Emit(Event::Aggregated { channel, outcome }) => {
                    let asked = self.end_of(&channel);
                    let Some(slot) = self.awaited.remove(&channel) else { continue };
                    match asked {
                        Some((peer, name)) if outcome.is_ok() => {
                            slot.get_ready(outcome);
                            self.out.push_back(TicketAggregationProcessed::Receive(peer, name));
                        }
                        Some(_) | None => slot.tell(outcome),
                    }
                }
                Effect::Emit(event) => {
                    self.out.push_back(TicketAggregationProcessed::Event(Box::new(event)));
                }
                // Neither is an effect of this core that its owner could do anything about.
                Effect::Close { .. } | Effect::Start { .. } => {}
            }
        }
    }

    fn send(&mut self, peer: PeerId, id: QuestionId, request: Request) {
        let Some(slot) = self.awaited.get(&request.channel).cloned() else { return };
        let (attempt, mut failed) = (request.attempt, self.failed.clone());
        let told = slot.clone();
        let failing = move |cause: Undelivered| {
            // If there is no room for it, at least who awaits hears of it.
            if failed.try_send(ToProcess::Failed(attempt, cause)).is_err() {
                told.tell(Err(super::AggregateError::Undelivered(cause)));
            }
        };
        let finalizer = TicketAggregationFinalizer::new(slot, Box::new(failing));
        self.asked.insert(attempt, Asked { id, peer, request: request.clone(), answered: None });
        let send = TicketAggregationProcessed::Send(peer, Box::new(request), finalizer);
        self.out.push_back(send);
    }

    /// Forgets the request of a channel; who answered it, and under which name.
    fn end_of(&mut self, channel: &ChannelId) -> Option<(PeerId, U)> {
        let asked = self.asked.iter().find(|(_, asked)| asked.request.channel == *channel);
        let attempt = *asked?.0;
        let Asked { peer, answered, .. } = self.asked.remove(&attempt)?;
        Some((peer, answered?))
    }
}

impl<T, U> Stream for TicketAggregationProcessor<T, U>
where
    T: Send + Unpin + 'static,
    U: Send + Unpin + 'static,
{
    type Item = TicketAggregationProcessed<T, U>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            if let Some(next) = self.out.pop_front() {
                return Poll::Ready(Some(next));
            }
            if let Poll::Ready(effects) = self.runner.poll(cx) {
                self.carry_out(effects);
                continue;
            }
            match self.inputs.poll_next_unpin(cx) {
                Poll::Ready(Some(input)) => self.apply(input),
                Poll::Ready(None) | Poll::Pending => return Poll::Pending,
            }
        }
    }
}

/// It never ends.
impl<T, U> FusedStream for TicketAggregationProcessor<T, U>
where
    T: Send + Unpin + 'static,
    U: Send + Unpin + 'static,
{
    fn is_terminated(&self) -> bool {
        false
    }
}

impl<T, U> fmt::Debug for TicketAggregationProcessor<T, U> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TicketAggregationProcessor")
            .field("runner", &self.runner)
            .field("asked", &self.asked.len())
            .field("asking", &self.asking.len())
            .finish_non_exhaustive()
    }
}
