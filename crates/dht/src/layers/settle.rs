//! The first stage: whatever becomes of a message, the core is told.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures::channel::mpsc;
use pin_project_lite::pin_project;
use tower::{Layer, Service};

use crate::inbound::{Disposition, InboundMessage, Ticket};
use crate::refusal::Refusal;

/// What became of the message with a ticket.
#[derive(Debug)]
pub struct Settlement {
    /// Its ticket.
    pub ticket: Ticket,
    /// What is left to do, or why nothing is.
    pub outcome: Result<Disposition, Refusal>,
}

/// Makes [`Settle`].
#[derive(Clone, Debug)]
pub struct SettleLayer {
    settled: mpsc::Sender<Settlement>,
}

impl SettleLayer {
    /// Told to the receiver of this channel. Each message has a place in it as long as it is on its
    /// way, whatever the channel's own bound.
    pub const fn new(settled: mpsc::Sender<Settlement>) -> Self {
        Self { settled }
    }

    /// Gives back the place of a message that does not get into the pipeline.
    pub(crate) fn refuse(&self, ticket: Ticket) {
        drop(Place { ticket, settled: Some(self.settled.clone()) });
    }

    /// Tells what becomes of a message that is still on its way.
    pub(crate) fn tell(&self, ticket: Ticket, outcome: Result<Disposition, Refusal>) {
        Place { ticket, settled: Some(self.settled.clone()) }.settle(outcome);
    }
}

impl<S> Layer<S> for SettleLayer {
    type Service = Settle<S>;

    fn layer(&self, inner: S) -> Settle<S> {
        Settle { settled: self.settled.clone(), inner }
    }
}

/// Tells the core what became of each message, also of one whose future is dropped: that is
/// [`Refusal::Busy`]. One that the application has in hand for long is told of twice.
#[derive(Clone, Debug)]
pub struct Settle<S> {
    settled: mpsc::Sender<Settlement>,
    inner: S,
}

impl<S> Service<InboundMessage> for Settle<S>
where
    S: Service<InboundMessage, Response = Disposition, Error = Refusal>,
{
    /// The core has it.
    type Response = ();
    type Error = Refusal;
    type Future = Settling<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Refusal>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, message: InboundMessage) -> Settling<S::Future> {
        // A sender of its own: it has a place that nobody else can take.
        let place = Place { ticket: message.ticket, settled: Some(self.settled.clone()) };
        Settling { call: self.inner.call(message), place }
    }
}

pin_project! {
    /// A message on its way through the pipeline.
    pub struct Settling<F> {
        #[pin]
        call: F,
        place: Place,
    }
}

impl<F: Future<Output = Result<Disposition, Refusal>>> Future for Settling<F> {
    type Output = Result<(), Refusal>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let outcome = ready!(this.call.poll(cx));
        let end = outcome.as_ref().map(|_| ()).map_err(|refusal| *refusal);
        this.place.settle(outcome);
        Poll::Ready(end)
    }
}

impl<F> fmt::Debug for Settling<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settling").field("ticket", &self.place.ticket).finish_non_exhaustive()
    }
}

/// The place of a message, given back once.
struct Place {
    ticket: Ticket,
    settled: Option<mpsc::Sender<Settlement>>,
}

impl Place {
    fn settle(&mut self, outcome: Result<Disposition, Refusal>) {
        if let Some(mut settled) = self.settled.take() {
            // There is room for one from each sender, so it fails only if the core is no more.
            drop(settled.try_send(Settlement { ticket: self.ticket, outcome }));
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.settle(Err(Refusal::Busy));
    }
}
