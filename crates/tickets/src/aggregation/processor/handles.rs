//! What others hold of a processor: the inputs, and the two ends of an attempt.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::channel::{mpsc, oneshot};
use futures::future::{Either, select};
use futures_timer::Delay;
use machine::{PeerId, Undelivered};
use thiserror::Error;

use crate::aggregation::{
    AggregateError, Aggregated, AttemptId, Command, Prerequisites, Reply, Request,
};
use crate::{ChannelId, TicketIndex};

/// What goes into a processor.
#[derive(Debug)]
pub(super) enum ToProcess<T, U> {
    Aggregate(Command, ChannelId, Slot),
    Command(Command),
    Request(PeerId, Box<Request>, T),
    Reply(PeerId, Reply, U),
    Failed(AttemptId, Undelivered),
}

/// An input was not taken.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
pub enum NotQueued {
    /// Too many wait. Later is better.
    #[error("too many inputs wait")]
    Full,
    /// The processor is gone.
    #[error("the processor is gone")]
    Gone,
}

/// The inputs of a processor. Clones share it.
pub struct TicketAggregationActions<T, U>(mpsc::Sender<ToProcess<T, U>>);

impl<T, U> Clone for TicketAggregationActions<T, U> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T, U> fmt::Debug for TicketAggregationActions<T, U> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TicketAggregationActions").finish_non_exhaustive()
    }
}

impl<T, U> TicketAggregationActions<T, U> {
    pub(super) const fn new(inputs: mpsc::Sender<ToProcess<T, U>>) -> Self {
        Self(inputs)
    }

    /// Asks the issuer of the tickets of a channel for an aggregate, of those that end at or before
    /// `below`.
    ///
    /// # Errors
    /// [`NotQueued`].
    pub fn aggregate_tickets(
        &mut self,
        channel: &ChannelId,
        below: Option<TicketIndex>,
        prerequisites: Prerequisites,
    ) -> Result<TicketAggregationAwaiter, NotQueued> {
        let (sender, outcome) = oneshot::channel();
        let (channel, slot) = (*channel, Slot::new(sender));
        let command = Command::Aggregate { channel, below, prerequisites };
        self.queue(ToProcess::Aggregate(command, channel, slot))?;
        Ok(TicketAggregationAwaiter(outcome))
    }

    /// Hands in what came back for the request of this name.
    ///
    /// # Errors
    /// [`NotQueued`].
    pub fn receive_ticket(&mut self, peer: PeerId, reply: Reply, name: U) -> Result<(), NotQueued> {
        self.queue(ToProcess::Reply(peer, reply, name))
    }

    /// Hands in a request of another node, and what will answer it.
    ///
    /// # Errors
    /// [`NotQueued`].
    pub fn receive_aggregation_request(
        &mut self,
        peer: PeerId,
        request: Request,
        answer: T,
    ) -> Result<(), NotQueued> {
        self.queue(ToProcess::Request(peer, Box::new(request), answer))
    }

    /// Asks the core for anything else; how it ends is told as
    /// [`TicketAggregationProcessed::Event`](super::TicketAggregationProcessed::Event).
    ///
    /// # Errors
    /// [`NotQueued`].
    pub fn command(&mut self, command: Command) -> Result<(), NotQueued> {
        self.queue(ToProcess::Command(command))
    }

    fn queue(&mut self, input: ToProcess<T, U>) -> Result<(), NotQueued> {
        self.0.try_send(input).map_err(|error| {
            if error.is_disconnected() { NotQueued::Gone } else { NotQueued::Full }
        })
    }
}

/// How a command ended.
type Outcome = Result<Option<Aggregated>, AggregateError>;

/// Where the end of a command is put, once.
#[derive(Clone, Debug)]
pub(super) struct Slot(Arc<Mutex<Place>>);

#[derive(Debug)]
struct Place {
    sender: Option<oneshot::Sender<Outcome>>,
    /// What the finalizer will tell.
    ready: Option<Outcome>,
}

impl Slot {
    fn new(sender: oneshot::Sender<Outcome>) -> Self {
        Self(Arc::new(Mutex::new(Place { sender: Some(sender), ready: None })))
    }

    /// Tells now.
    pub(super) fn tell(&self, outcome: Outcome) {
        let mut place = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(sender) = place.sender.take() {
            // Who does not wait any more need not be told.
            drop(sender.send(outcome));
        }
    }

    /// Says what is to be told when the request is finalized.
    pub(super) fn get_ready(&self, outcome: Outcome) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).ready = Some(outcome);
    }

    fn finalize(&self) {
        let ready = self.0.lock().unwrap_or_else(PoisonError::into_inner).ready.take();
        if let Some(outcome) = ready {
            self.tell(outcome);
        }
    }
}

/// Says that a request failed.
pub(super) type Failing = Box<dyn FnOnce(Undelivered) + Send>;

/// What the owner of a processor keeps of a request until that is over.
pub struct TicketAggregationFinalizer {
    slot: Slot,
    failing: Failing,
}

impl TicketAggregationFinalizer {
    pub(super) const fn new(slot: Slot, failing: Failing) -> Self {
        Self { slot, failing }
    }

    /// Tells who awaits the aggregate that it is there, if the processor has said so.
    pub fn finalize(self) {
        self.slot.finalize();
    }

    /// Says that no reply will come. Who awaits is told at once.
    pub fn fail(self, cause: Undelivered) {
        (self.failing)(cause);
    }
}

impl fmt::Debug for TicketAggregationFinalizer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TicketAggregationFinalizer").finish_non_exhaustive()
    }
}

/// Waits for the end of an attempt.
#[derive(Debug)]
pub struct TicketAggregationAwaiter(oneshot::Receiver<Outcome>);

/// Why there is no aggregate to be told of.
#[derive(Clone, Debug, Error, PartialEq)]
pub enum AwaitError {
    /// Not in the time that the caller gave. The attempt goes on.
    #[error("not done within {0:?}")]
    TimedOut(Duration),
    /// The processor is gone, or its owner has dropped the finalizer.
    #[error("nobody will tell any more")]
    Gone,
    /// It failed.
    #[error(transparent)]
    Failed(#[from] AggregateError),
}

impl TicketAggregationAwaiter {
    /// What is durable in place of the tickets; nothing if there was nothing worth the trouble.
    ///
    /// # Errors
    /// [`AwaitError`].
    ///
    /// # Cancel safety
    /// When dropped, the attempt goes on.
    pub async fn consume_and_wait(
        self,
        patience: Duration,
    ) -> Result<Option<Aggregated>, AwaitError> {
        match select(self.0, Delay::new(patience)).await {
            Either::Left((Ok(outcome), _)) => Ok(outcome?),
            Either::Left((Err(oneshot::Canceled), _)) => Err(AwaitError::Gone),
            Either::Right(((), _)) => Err(AwaitError::TimedOut(patience)),
        }
    }
}
