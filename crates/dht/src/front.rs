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
    pub async fn finish(mut self) -> Result<(), StoreError> {
        tokio::select! {
            // It may be writing, and nobody else writes meanwhile.
            never = &mut self.journal => match never {},
            written = self.writer.write() => written,
        }
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use bytes::Bytes;
    use futures::future::{BoxFuture, FutureExt as _};
    use libp2p_identity::Keypair;
    use rand::SeedableRng as _;
    use rand_chacha::ChaCha20Rng;
    use tokio::sync::Semaphore;
    use tokio::time::{advance, timeout};

    use crate::envelope::{Flags, Lifetime, Sealer, Terms};
    use crate::letter::{Kind, Letter, LetterId};
    use crate::mailbox::Arrival;
    use crate::network::Network;
    use crate::store::{Change, MemoryStore, Snapshot, Store, StoreError};

    /// A store that writes once for each permit that it is given.
    struct Slow(MemoryStore, Arc<Semaphore>);

    impl Store for Slow {
        fn load(&self) -> BoxFuture<'static, Result<Snapshot, StoreError>> {
            self.0.load()
        }

        fn save(&self, changes: Vec<Change>) -> BoxFuture<'static, Result<(), StoreError>> {
            let (store, permits) = (self.0.clone(), Arc::clone(&self.1));
            async move {
                permits.acquire().await.unwrap().forget();
                store.save(changes).await
            }
            .boxed()
        }

        fn read(
            &self,
            arrivals: Vec<Arrival>,
        ) -> BoxFuture<'static, Result<Vec<Option<Bytes>>, StoreError>> {
            self.0.read(arrivals)
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_runner_that_ends_while_it_writes_waits_for_that_and_no_longer() {
        let (store, permits) = (MemoryStore::default(), Arc::new(Semaphore::new(0)));
        let slow = Arc::new(Slow(store.clone(), Arc::clone(&permits)));
        let keys = Keypair::ed25519_from_bytes([1; 32]).unwrap();
        let dht = crate::Dht::builder(keys.clone()).network("test").store(slow);
        let (_core, _worker, mut front) = dht.build([1; 32]).await.unwrap().into_parts();
        let network = Network::new("test").unwrap();
        let sealer = Sealer::new(network.clone(), &keys).unwrap();
        let letter = Letter { id: LetterId([1; 16]), kind: Kind::Domain, payload: Bytes::new() };
        let moment = front.clock.read();
        let (flags, lifetime) = (Flags::NONE, Lifetime::HOUR);
        let terms = Terms { flags, created: moment.wall, lifetime };
        let to = sealer.own();
        let mut rng = ChaCha20Rng::from_seed([1; 32]);
        let envelope = sealer.seal(&to, &letter, terms, &mut rng).unwrap();
        front.seen.sent(&envelope.identify(&network), envelope.expires(), moment);

        assert!(front.next().now_or_never().is_none());
        advance(Duration::from_secs(1)).await;
        assert!(
            front.next().now_or_never().is_none(),
            "it writes, and is left in the middle of it"
        );
        assert_eq!(front.seen.gauges().unwritten, 0);
        permits.add_permits(2);
        timeout(Duration::from_secs(1), front.finish())
            .await
            .expect("it waits for itself")
            .unwrap();
        assert_eq!(store.snapshot().seen.len(), 1);
    }
}
