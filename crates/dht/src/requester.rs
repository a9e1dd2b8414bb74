//! What an application asks the DHT with.

use std::sync::Arc;

use bytes::Bytes;
use libp2p_identity::PeerId;
use tokio::sync::{mpsc, oneshot, watch};
use wire::signed::SignedRecord;

use crate::clock::Randomness;
use crate::event::{Command, DiscoverError, LookUpError, Outcome};
use crate::feed::Waiting;
use crate::key::Key;
use crate::letter::LetterId;
use crate::outbound::{DhtOutboundError, DhtOutboundRequest, SendOptions};
use crate::sent::Sent;
use crate::strategy::BroadcastStrategy;

/// Why the DHT did not do what it was asked.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum DhtActorError {
    /// It does not run, or no longer.
    #[error("the DHT has stopped")]
    Stopped,
    /// Nothing was looked up.
    #[error("nothing was looked up")]
    LookUp(#[source] LookUpError),
    /// The peer was not found.
    #[error("the peer was not found")]
    Discover(#[source] DiscoverError),
}

/// Sends messages. Clones send over the same pipeline.
#[derive(Clone, Debug)]
pub struct OutboundMessageRequester {
    pub(crate) requests: mpsc::Sender<DhtOutboundRequest>,
    pub(crate) waiting: Waiting,
    pub(crate) randomness: Randomness,
}

impl OutboundMessageRequester {
    /// Sends a message by a strategy: sealed if that has one recipient, else in clear, with the
    /// signature of this node.
    ///
    /// Returns as soon as the core has it; what becomes of it, [`Sending`] tells.
    ///
    /// # Errors
    /// [`DhtOutboundError`]: it is not sent at all.
    ///
    /// # Cancel safety
    /// When the future is dropped, the message may be sent or not, and nobody is told of it.
    pub async fn send_message(
        &self,
        strategy: BroadcastStrategy,
        payload: impl Into<Bytes> + Send,
        options: SendOptions,
    ) -> Result<Sending, DhtOutboundError> {
        let letter = LetterId::random(&mut self.randomness.fork());
        let (listening, history) = self.waiting.send(letter);
        let (reply, handed) = oneshot::channel();
        let request = DhtOutboundRequest::new(strategy, letter, payload.into());
        let request = request.with_options(options).with_reply(reply);
        self.requests.send(request).await.map_err(|_| DhtOutboundError::Stopped)?;
        handed.await.map_err(|_| DhtOutboundError::Stopped)??;
        if !listening.handed_over() {
            return Err(DhtOutboundError::Stopped);
        }
        Ok(Sending { letter, history, told: 0 })
    }

    /// Sends a message to one peer, however far: sealed, and kept for it if it is away.
    ///
    /// # Errors
    /// [`DhtOutboundError`].
    ///
    /// # Cancel safety
    /// That of [`send_message`](Self::send_message).
    pub async fn send_direct(
        &self,
        peer: PeerId,
        payload: impl Into<Bytes> + Send,
    ) -> Result<Sending, DhtOutboundError> {
        let strategy = BroadcastStrategy::DirectOrClosest { peer, n: 1, exclude: vec![] };
        self.send_message(strategy, payload, SendOptions::default()).await
    }
}

/// A message on its way.
///
/// Dropped, the message goes on. A clone is told what the original has not been told yet.
#[derive(Clone, Debug)]
pub struct Sending {
    letter: LetterId,
    history: watch::Receiver<Vec<Outcome>>,
    /// How much of the history was told.
    told: usize,
}

/// An own message of before a restart.
#[derive(Clone, Debug)]
pub struct Restored {
    /// What is known of it.
    pub sent: Sent,
    /// What follows; `None` if it has its end. Its history begins with what was before.
    pub sending: Option<Sending>,
}

impl Restored {
    pub(crate) fn new(sent: Sent, waiting: &Waiting) -> Self {
        let (letter, before) = (sent.letter, sent.outcomes());
        let goes_on = sent.end().is_none();
        let sending = goes_on.then(|| {
            let told = before.len();
            Sending { letter, history: waiting.resume(letter, before), told }
        });
        Self { sent, sending }
    }
}

impl Sending {
    /// What its recipient knows it by.
    pub fn letter(&self) -> LetterId {
        self.letter
    }

    /// What became of it so far, the oldest first. At most 256 news, and the end.
    pub fn history(&self) -> Vec<Outcome> {
        self.history.borrow().clone()
    }

    /// The next news of it; `None` after the end, and when the DHT has stopped.
    ///
    /// # Cancel safety
    /// No news are lost when the future is dropped.
    pub async fn next(&mut self) -> Option<Outcome> {
        loop {
            let news = self.history.borrow_and_update().get(self.told).copied();
            if let Some(outcome) = news {
                self.told = self.told.saturating_add(1);
                return Some(outcome);
            }
            self.history.changed().await.ok()?;
        }
    }

    /// The end: the one [outcome](Outcome::is_end) that nothing follows.
    ///
    /// # Errors
    /// [`DhtActorError::Stopped`] if there is none, since the DHT has stopped.
    ///
    /// # Cancel safety
    /// When the future is dropped, nobody waits for it any more; the message goes on.
    pub async fn end(mut self) -> Result<Outcome, DhtActorError> {
        while let Some(outcome) = self.next().await {
            if outcome.is_end() {
                return Ok(outcome);
            }
        }
        Err(DhtActorError::Stopped)
    }
}

/// Asks about the network, and tells of it. Clones ask the same core.
#[derive(Clone, Debug)]
pub struct DhtRequester {
    pub(crate) commands: mpsc::Sender<Command>,
    pub(crate) waiting: Waiting,
}

impl DhtRequester {
    /// Looks for the peers closest to a key: those that answered, the closest first, at most 20.
    ///
    /// # Errors
    /// [`DhtActorError::LookUp`], [`DhtActorError::Stopped`].
    ///
    /// # Cancel safety
    /// When the future is dropped, nobody waits for the answer.
    pub async fn look_up(&self, target: Key) -> Result<Vec<PeerId>, DhtActorError> {
        // Nobody is to wait for what is not asked.
        let place = self.commands.reserve().await.map_err(|_| DhtActorError::Stopped)?;
        let answer = self.waiting.look_up(target);
        place.send(Command::LookUp { target });
        let found = answer.await.map_err(|_| DhtActorError::Stopped)?;
        found.map_err(DhtActorError::LookUp)
    }

    /// Tells the core of a peer whose record came in another way.
    ///
    /// # Errors
    /// [`DhtActorError::Stopped`].
    pub async fn meet(&self, record: Arc<SignedRecord>) -> Result<(), DhtActorError> {
        self.command(Command::Met(record)).await
    }

    /// Tells the core where this node is reached from now on.
    ///
    /// # Errors
    /// [`DhtActorError::Stopped`].
    pub async fn announce(&self, record: Arc<SignedRecord>) -> Result<(), DhtActorError> {
        self.command(Command::Announce(record)).await
    }

    /// Makes the core forget a peer, which was banned.
    ///
    /// # Errors
    /// [`DhtActorError::Stopped`].
    pub async fn forget(&self, peer: PeerId) -> Result<(), DhtActorError> {
        self.command(Command::Forget { peer }).await
    }

    async fn command(&self, command: Command) -> Result<(), DhtActorError> {
        self.commands.send(command).await.map_err(|_| DhtActorError::Stopped)
    }
}

/// Finds out where peers are. Clones ask the same core.
#[derive(Clone, Debug)]
pub struct DhtDiscoveryRequester {
    pub(crate) commands: mpsc::Sender<Command>,
    pub(crate) waiting: Waiting,
}

impl DhtDiscoveryRequester {
    /// Where a peer is, signed by it: asked of those close to it, or of itself by a sealed message
    /// that only it can answer.
    ///
    /// # Errors
    /// [`DhtActorError::Discover`], [`DhtActorError::Stopped`].
    ///
    /// # Cancel safety
    /// When the future is dropped, nobody waits for the answer.
    pub async fn discover_peer(&self, peer: PeerId) -> Result<Arc<SignedRecord>, DhtActorError> {
        let place = self.commands.reserve().await.map_err(|_| DhtActorError::Stopped)?;
        let answer = self.waiting.discover(peer);
        place.send(Command::Discover { peer });
        let found = answer.await.map_err(|_| DhtActorError::Stopped)?;
        found.map_err(DhtActorError::Discover)
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;

    use super::*;

    #[tokio::test]
    async fn whoever_gives_up_before_asking_waits_for_nothing() {
        let (commands, _core) = mpsc::channel(1);
        let waiting = Waiting::new();
        let keys = libp2p_identity::Keypair::ed25519_from_bytes([1; 32]).expect("32 bytes");
        let peer = keys.public().to_peer_id();
        commands.try_send(Command::Forget { peer }).expect("there is a place");
        let dht = DhtRequester { commands: commands.clone(), waiting: waiting.clone() };
        let discovery = DhtDiscoveryRequester { commands, waiting: waiting.clone() };
        assert!(dht.look_up(Key::of(&peer)).now_or_never().is_none());
        assert!(discovery.discover_peer(peer).now_or_never().is_none());
        assert_eq!(waiting.asked(), 0);
    }
}
