//! Between the core and the pipelines: what they have for each other.

use futures::StreamExt as _;
use futures::channel::mpsc as guaranteed;
use tokio::sync::mpsc;

use crate::clock::Clock;
use crate::event::{Command, Event};
use crate::feed::Waiting;
use crate::inbound::InboundMessage;
use crate::journal::{Behind, Journal};
use crate::layers::Settlement;
use crate::metrics::Metrics;
use crate::outbound::Dispatch;
use crate::refusal::Refusal;
use crate::seen::Seen;
use crate::store::StoreError;
use crate::work::remember;

/// The pipelines and requesters, as whoever runs the core sees them.
///
/// It takes their commands out with [`next`](Self::next), one after the other, and puts the core's
/// events in with [`tell`](Self::tell). Neither waits for an application: so the core is never held
/// up by one. While `next` is polled, what came is written to the store besides.
#[derive(Debug)]
pub struct Front {
    pub(crate) settled: guaranteed::Receiver<Settlement>,
    pub(crate) dispatches: mpsc::Receiver<Dispatch>,
    pub(crate) commands: mpsc::Receiver<Command>,
    pub(crate) inbound: mpsc::Sender<InboundMessage>,
    pub(crate) waiting: Waiting,
    pub(crate) metrics: Metrics,
    pub(crate) seen: Seen,
    pub(crate) clock: Clock,
    pub(crate) journal: Behind,
    pub(crate) writer: Journal,
}

impl Front {
    /// The next command for the core.
    ///
    /// What became of messages of others comes first: it frees what they take up.
    ///
    /// # Cancel safety
    /// No command is lost when the future is dropped.
    pub async fn next(&mut self) -> Command {
        tokio::select! {
            biased;
            // Hardly ever has anything to do, and must not wait until nothing else has.
            never = &mut self.journal => match never {},
            Some(settlement) = self.settled.next() => self.settle(settlement),
            Some(dispatch) = self.dispatches.recv() => self.dispatch(dispatch),
            Some(command) = self.commands.recv() => command,
        }
    }

    /// Tells whom it concerns. Returns a command if that is answered at once.
    #[must_use = "the core waits for the answer"]
    pub fn tell(&mut self, event: Event) -> Option<Command> {
        match event {
            Event::Arrived(message) => {
                let refused = self.inbound.try_send(message).err()?;
                let ticket = refused.into_inner().ticket;
                // No room, or no pipeline any more.
                Some(self.settle(Settlement { ticket, outcome: Err(Refusal::Busy) }))
            }
            Event::Freed { .. } => None,
            Event::Outcome { letter, outcome } => {
                self.metrics.outcome(&outcome);
                self.waiting.tell(Event::Outcome { letter, outcome });
                None
            }
            Event::Met { .. }
            | Event::Announced { .. }
            | Event::LookedUp { .. }
            | Event::Discovered { .. }
            | Event::Forgotten { .. }
            | Event::Release { .. } => {
                self.waiting.tell(event);
                None
            }
        }
    }

    /// Writes down which messages came, for a runner that ends: the last half a second of it may be
    /// unwritten.
    ///
    /// # Errors
    /// [`StoreError`]: a restart may find some of them new that were carried only.
    pub async fn finish(self) -> Result<(), StoreError> {
        self.writer.write().await
    }

    fn settle(&self, settlement: Settlement) -> Command {
        let Settlement { ticket, outcome } = settlement;
        self.metrics.settled(&outcome);
        Command::Settled { ticket, outcome }
    }

    fn dispatch(&self, dispatch: Dispatch) -> Command {
        remember(&self.seen, &self.clock, &dispatch);
        Command::Dispatch(Box::new(dispatch))
    }
}

impl Drop for Front {
    fn drop(&mut self) {
        self.waiting.stop();
    }
}
