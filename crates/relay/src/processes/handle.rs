//! What an application has of a relay.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use libp2p_identity::PeerId;
use machine::Undelivered;
use tickets::{ChannelId, TicketIndex};
use tokio::sync::{mpsc, oneshot};
use tokio::task::AbortHandle;
use tokio::time::timeout;
use tokio_util::sync::DropGuard;
use tokio_util::task::TaskTracker;
use transport::pool::PoolError;

use super::msg_out::ToSend;
use super::shared::Shared;
use super::upkeep::Returned;
use crate::engine::{Outcome, Unsent};
use crate::failure::FailureCode;
use crate::path::NoPath;
use crate::sphinx::Message;

/// How long a stop waits for what is under way.
const GRACE: Duration = Duration::from_secs(5);

/// Which way a message goes.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Route {
    /// Over these peers in order; the last is the recipient.
    Over(Vec<PeerId>),
    /// Over so many relays, as [`path::select`](crate::path::select) draws them.
    Random {
        /// The recipient.
        to: PeerId,
        /// At most [`RELAYS_MAX`](crate::sphinx::RELAYS_MAX).
        relays: u8,
    },
}

/// Why a message never left, so that nothing was spent on it.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum SendError {
    /// There is no path for it.
    #[error("no path: {0}")]
    NoPath(#[from] NoPath),
    /// It could not be packed.
    #[error("not sent: {0}")]
    Unsent(#[source] Unsent),
    /// The pool had no place for it.
    #[error("not packed: {0}")]
    Overloaded(#[source] PoolError),
    /// The relay stops or has stopped. What became of a message that had left already is not known.
    #[error("relay stops")]
    Stopped,
}

/// A relay at work, to send messages with. Clones are one. It stops when the last is dropped.
#[derive(Clone)]
pub struct Relay {
    shared: Arc<Shared>,
    sends: mpsc::Sender<ToSend>,
    returns: mpsc::Sender<Returned>,
    tasks: Arc<Tasks>,
}

struct Tasks {
    tracker: TaskTracker,
    aborts: Vec<AbortHandle>,
    _stop: DropGuard,
}

impl Relay {
    pub(super) fn new(
        shared: Arc<Shared>,
        sends: mpsc::Sender<ToSend>,
        returns: mpsc::Sender<Returned>,
        tracker: TaskTracker,
        aborts: Vec<AbortHandle>,
    ) -> Self {
        let stop = shared.stop.clone().drop_guard();
        Self { shared, sends, returns, tasks: Arc::new(Tasks { tracker, aborts, _stop: stop }) }
    }

    /// Sends a message and waits for what comes of it: at most about as long as
    /// [`end_timeout`](crate::pending::Config::end_timeout), after a wait for its turn among own messages.
    ///
    /// # Errors
    /// [`SendError`] if it never left. Once it has, every end is an [`Outcome`], unless the relay is
    /// stopped before that: then it is [`SendError::Stopped`].
    ///
    /// # Cancel safety
    /// When the future is dropped, the message may have been sent or not.
    pub async fn send(&self, message: Message, route: Route) -> Result<Outcome, SendError> {
        let (told, packed) = oneshot::channel();
        let send = ToSend { message, route, told };
        self.sends.send(send).await.map_err(|_| SendError::Stopped)?;
        let outcome = packed.await.map_err(|_| SendError::Stopped)??;
        tokio::select! {
            biased;
            outcome = outcome => outcome.map_err(|_| SendError::Stopped),
            // Nobody is left who could tell.
            () = self.tasks.tracker.wait() => Err(SendError::Stopped),
        }
    }

    /// The path that [`Route::Random`] would lead over just now: the relays in order, and the
    /// recipient.
    ///
    /// # Errors
    /// [`SendError::NoPath`], or [`SendError::Overloaded`].
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn choose(&self, to: PeerId, relays: u8) -> Result<Vec<PeerId>, SendError> {
        let chosen = self.shared.compute(move |shared| shared.choose(to, relays)).await;
        Ok(chosen.map_err(SendError::Overloaded)??)
    }

    /// Up to which index no more tickets of a channel come, at this moment: what is below may be
    /// aggregated. [`Incoming::settle`](crate::accounts::Incoming::settle) says more.
    pub fn settle(&self, channel: &ChannelId) -> TicketIndex {
        self.shared.engine.incoming().settle(channel, self.shared.now())
    }

    /// Takes back a packet that a link could not deliver: whoever sent it is told at once, instead of
    /// after a time-out.
    ///
    /// Never blocks. When more than 1,024 have come back that were not looked at, it is left to the
    /// time-out, and counted.
    pub fn undelivered(&self, peer: PeerId, frame: Bytes, cause: Undelivered) {
        let code = match cause {
            Undelivered::OutboxFull => FailureCode::Overloaded,
            Undelivered::NotConnected
            | Undelivered::Unsupported
            | Undelivered::Unanswered
            | Undelivered::TooLarge => FailureCode::Unreachable,
        };
        if self.returns.try_send(Returned { peer, frame, code }).is_err() {
            self.shared.tallies.unreturned.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// What happened since the start, by its name.
    pub fn counts(&self) -> BTreeMap<&'static str, u64> {
        let shared = &self.shared;
        let (packets, acks) = (shared.packets.counts(), shared.acks.counts());
        let tallies = &shared.tallies;
        let of_tallies = [
            ("msg_unopened", &tallies.unopened),
            ("msg_unmixed", &tallies.unmixed),
            ("msg_undelivered", &tallies.undelivered),
            ("msg_untaken", &tallies.untaken),
            ("msg_unreturned", &tallies.unreturned),
            ("ack_unchecked", &tallies.unchecked),
            ("ack_malformed", &tallies.malformed),
        ];
        let of_tallies = of_tallies.map(|(name, count)| (name, count.load(Ordering::Relaxed)));
        let of_queues = [
            ("msg_accepted", packets.accepted),
            ("msg_over_items", packets.over_items),
            ("msg_over_bytes", packets.over_bytes),
            ("msg_over_total", packets.over_total),
            ("ack_accepted", acks.accepted),
            ("ack_over_items", acks.over_items),
            ("ack_over_bytes", acks.over_bytes),
            ("ack_over_total", acks.over_total),
        ];
        let of_engine = shared.engine.counts();
        of_engine.into_iter().chain(of_tallies).chain(of_queues).collect()
    }

    /// Bytes of packets and acknowledgements that wait for the pool.
    pub fn bytes_waiting(&self) -> usize {
        self.shared.packets.bytes().saturating_add(self.shared.acks.bytes())
    }

    /// Messages of this node whose outcome is waited for.
    pub fn outcomes_waiting(&self) -> usize {
        self.shared.waited_for()
    }

    /// Stops: nothing more is taken in, what is under way is done, entries and packets that wait
    /// leave, and what came is written down. Tickets that were earned are still handed on, so
    /// [`Running::earned`](super::Running::earned) is to be read to its end.
    ///
    /// Returns when all processes have ended. What takes longer than 5 s is dropped where it waits.
    ///
    /// # Cancel safety
    /// Cancel safe: it stops from the first poll on, and this may be called again.
    pub async fn stop(&self) {
        self.shared.stop.cancel();
        if timeout(GRACE, self.tasks.tracker.wait()).await.is_err() {
            tracing::warn!("a process of the relay does not end");
            for abort in &self.tasks.aborts {
                abort.abort();
            }
            self.tasks.tracker.wait().await;
        }
    }
}

impl fmt::Debug for Relay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Relay")
            .field("outcomes_waiting", &self.outcomes_waiting())
            .finish_non_exhaustive()
    }
}
