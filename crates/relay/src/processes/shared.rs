//! What the processes share, and the way of news to whom they concern.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use libp2p_identity::PeerId;
use rand::SeedableRng as _;
use rand_chacha::ChaCha20Rng;
use tickets::AcknowledgedTicket;
use tickets::issuing::Indices;
use tickets::ledger::Replica;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;
use transport::clock::Clock;
use transport::pool::{Pool, PoolError};

use super::inbox::Inbox;
use super::messages::Mailbox;
use super::{Linked, Parts};
use crate::TagFilter;
use crate::config::Params;
use crate::engine::{Engine, News, Outcome, SendId};
use crate::failure::FailureCode;
use crate::liveness::Liveness;
use crate::path::{self, NoPath, Wanted};
use crate::replay::Keeper;
use crate::wire::Entry;

/// How long a batch waits for a place in the pool. What waited for longer is of no use to anybody.
const PATIENCE: Duration = Duration::from_secs(5);

/// What all processes may look at.
pub(super) struct Shared {
    pub(super) engine: Arc<Engine>,
    pub(super) replica: Replica,
    pub(super) indices: Arc<Indices>,
    pub(super) params: Params,
    pub(super) tags: Arc<TagFilter>,
    pub(super) linked: Linked,
    pub(super) liveness: Liveness,
    pub(super) mailbox: Arc<Mailbox>,
    pub(super) packets: Inbox<Bytes>,
    pub(super) acks: Inbox<Bytes>,
    pub(super) stop: CancellationToken,
    /// The version of the ledger in whose channels indices are reserved.
    pub(super) reserved: watch::Sender<Option<u64>>,
    pub(super) tallies: Tallies,
    pool: Pool,
    clock: Clock,
    /// Who waits for the outcome of a message.
    waiting: Mutex<HashMap<SendId, oneshot::Sender<Outcome>>>,
}

/// Where processes hand things on.
#[derive(Clone)]
pub(super) struct Outlets {
    /// Packets to send, to the mixer.
    pub(super) mix: mpsc::Sender<(PeerId, Bytes)>,
    /// What to say about packets.
    pub(super) entries: mpsc::Sender<(PeerId, Entry)>,
    /// Tickets, to the application.
    pub(super) earn: mpsc::Sender<AcknowledgedTicket>,
}

/// What the runner itself had to give up.
#[derive(Debug, Default)]
pub(super) struct Tallies {
    /// Packets for which the pool had no place in time.
    pub(super) unopened: AtomicU64,
    /// Frames of acknowledgements likewise.
    pub(super) unchecked: AtomicU64,
    /// Packets that the mixer had no place for.
    pub(super) unmixed: AtomicU64,
    /// Messages that the application had no place for.
    pub(super) undelivered: AtomicU64,
    /// Messages with a tag that nobody takes.
    pub(super) untaken: AtomicU64,
    /// Frames of acknowledgements that are none.
    pub(super) malformed: AtomicU64,
    /// Frames that came back and were not looked at, for want of room.
    pub(super) unreturned: AtomicU64,
}

pub(super) fn add(count: &AtomicU64, more: usize) {
    count.fetch_add(u64::try_from(more).unwrap_or(u64::MAX), Ordering::Relaxed);
}

impl Shared {
    pub(super) fn new<J>(parts: Parts<J>, mailbox: Arc<Mailbox>) -> (Self, Keeper<J>) {
        let Parts { engine, keeper, replica, indices, pool, params, tags, linked, seed: _ } = parts;
        let shared = Self {
            engine,
            replica,
            indices,
            tags,
            linked,
            mailbox,
            liveness: Liveness::new(params.heartbeat()),
            packets: Inbox::new(params.msg_bounds()),
            acks: Inbox::new(params.ack_bounds()),
            stop: CancellationToken::new(),
            reserved: watch::Sender::new(None),
            tallies: Tallies::default(),
            pool,
            clock: Clock::start(),
            waiting: Mutex::default(),
            params,
        };
        (shared, keeper)
    }

    pub(super) fn now(&self) -> machine::Instant {
        self.clock.now()
    }

    /// Runs `work` on the pool.
    pub(super) fn compute<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&Self) -> T + Send + 'static,
    ) -> impl Future<Output = Result<T, PoolError>> + Send + 'static {
        let (pool, shared) = (self.pool.clone(), Arc::clone(self));
        async move { pool.run_patiently(PATIENCE, move || work(&shared)).await }
    }

    /// Draws a path over this many relays. Takes up to some milliseconds.
    pub(super) fn choose(&self, to: PeerId, relays: u8) -> Result<Vec<PeerId>, NoPath> {
        let now = self.now();
        let wanted = Wanted {
            from: self.engine.address(),
            to,
            relays,
            price: self.params.price_per_packet(),
            probability: self.params.outgoing_probability(),
        };
        let mut may = |place: usize, peer: &PeerId| {
            (place > 0 || self.linked.has(peer)) && self.liveness.is_live(peer, now)
        };
        let mut rng = ChaCha20Rng::from_seed(self.engine.draw());
        self.replica.read(|state| path::select(state, &wanted, &mut may, &mut rng))
    }

    /// Has the outcome of a message told to who waits for it.
    pub(super) fn await_outcome(&self, id: SendId, tell: oneshot::Sender<Outcome>) {
        self.waiting().insert(id, tell);
    }

    /// Tells nobody any more.
    pub(super) fn forget(&self, id: SendId) {
        self.waiting().remove(&id);
    }

    /// Messages whose outcome is waited for.
    pub(super) fn waited_for(&self) -> usize {
        self.waiting().len()
    }

    /// Hands a packet to the mixer. If there is no place, whoever sent it to us is told.
    pub(super) async fn mix(&self, outlets: &Outlets, to: PeerId, frame: Bytes) -> Mixed {
        match outlets.mix.try_send((to, frame)) {
            Ok(()) => Mixed::Yes,
            Err(TrySendError::Full((to, frame)) | TrySendError::Closed((to, frame))) => {
                add(&self.tallies.unmixed, 1);
                let news = self.engine.undelivered(to, &frame, FailureCode::Overloaded);
                self.tell(outlets, news).await;
                Mixed::No
            }
        }
    }

    /// Brings news to whom they concern. Waits while tickets or entries find no place.
    pub(super) async fn tell(&self, outlets: &Outlets, news: News) {
        let News { earned, pass_on, outcomes } = news;
        for (id, outcome) in outcomes {
            let tell = self.waiting().remove(&id);
            // Who dropped the future does not want to know.
            let _unheard = tell.map(|tell| tell.send(outcome));
        }
        for entry in pass_on {
            say(outlets, entry).await;
        }
        for ticket in earned {
            if outlets.earn.send(ticket).await.is_err() {
                tracing::warn!("a ticket was earned, and nobody takes tickets any more");
                return;
            }
        }
    }

    /// Nothing panics under the lock.
    fn waiting(&self) -> MutexGuard<'_, HashMap<SendId, oneshot::Sender<Outcome>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether the mixer took a packet.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Mixed {
    Yes,
    No,
}

/// Queues an entry. When the link is gone, there is nobody to be told.
pub(super) async fn say(outlets: &Outlets, entry: (PeerId, Entry)) {
    let _link_gone = outlets.entries.send(entry).await.is_err();
}
