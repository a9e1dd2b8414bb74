//! What a relay does with packets and with what it hears of them, without tasks and sockets.
//!
//! One [`Engine`] for a node, used on any thread: its calls take what came in batches, do all that
//! takes time at once, and hold its locks for moments. Whoever calls it has the queues.

mod counts;
mod heard;
#[cfg(test)]
mod tests;
mod waiting;

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::FutureExt as _;
use futures::future::{BoxFuture, ready};
use libp2p_identity::PeerId;
use machine::Instant;
use tickets::issuing::{Indices, ReserveError};
use tickets::ledger::{Replica, State};
use tickets::{
    Address, Body, ChainKey, ChallengeAddress, Channel, ChannelId, ChannelStatus, DomainSeparator,
    Interval, Signature, Ticket, Verifier, WinProbability,
};

use self::counts::Counts;
pub(crate) use self::waiting::{Relayed, Sent, Waiting};
use crate::accounts::Incoming;
pub use crate::outcome::{
    Delivered, Dropped, News, Onward, Outbound, Outcome, Rejection, Reply, SendId, Terms,
    Unpayable, Unsent, Verdict,
};
use crate::pending::{self, Table};
use crate::replay::Guard;
use crate::sphinx::NodeSecret;

/// What an engine is made of.
pub struct Parts {
    /// The account that earns and pays.
    pub key: ChainKey,
    /// What opens packets.
    pub node: NodeSecret,
    /// The ledger on which tickets are redeemed.
    pub separator: DomainSeparator,
    /// What is known of it.
    pub replica: Replica,
    /// The numbers of the tickets that are issued.
    pub indices: Arc<Indices>,
    /// Knows which packets came before.
    pub guard: Arc<Guard>,
    /// What is paid and asked.
    pub terms: Terms,
    /// How much is waited for, and how long.
    pub pending: pending::Params,
    /// 32 random bytes, other ones at each start.
    pub seed: [u8; 32],
}

impl fmt::Debug for Parts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { key, node, terms, pending, .. } = self;
        let mut shown = f.debug_struct("Parts");
        shown.field("key", key).field("node", node).field("terms", terms);
        shown.field("pending", pending).finish_non_exhaustive()
    }
}

/// A relay without its queues.
pub struct Engine {
    pub(crate) key: ChainKey,
    pub(crate) node: NodeSecret,
    pub(crate) separator: DomainSeparator,
    pub(crate) replica: Replica,
    pub(crate) guard: Arc<Guard>,
    pub(crate) terms: Terms,
    pub(crate) params: pending::Params,
    pub(crate) incoming: Arc<Incoming>,
    pub(crate) verifier: Verifier,
    indices: Arc<Indices>,
    pending: Mutex<Table<Waiting>>,
    counts: Mutex<Counts>,
    seed: [u8; 32],
    draws: AtomicU64,
}

/// Names what is drawn from an engine's seed.
const CONTEXT: &str = "meshwork relay 2026-11 seeds of packets";

impl Engine {
    /// One that waits for nothing.
    pub fn new(parts: Parts) -> Self {
        let Parts { key, node, separator, replica, indices, guard, terms, pending, seed } = parts;
        Self {
            key,
            node,
            separator,
            replica,
            guard,
            terms,
            incoming: Arc::new(Incoming::new()),
            verifier: Verifier::new(),
            indices,
            pending: Mutex::new(Table::new(&pending)),
            params: pending,
            counts: Mutex::new(Counts::default()),
            seed: blake3::derive_key(CONTEXT, &seed),
            draws: AtomicU64::new(0),
        }
    }

    /// The account that earns and pays.
    pub fn address(&self) -> Address {
        self.key.address()
    }

    /// What is paid and asked.
    pub const fn terms(&self) -> &Terms {
        &self.terms
    }

    /// What others owe.
    pub const fn incoming(&self) -> &Arc<Incoming> {
        &self.incoming
    }

    /// What happened so far, by name.
    pub fn counts(&self) -> Vec<(&'static str, u64)> {
        self.count().all()
    }

    /// When to call [`Self::expire`] next.
    pub fn next_deadline(&self) -> Option<Instant> {
        self.pending().next_deadline()
    }

    /// Sees to it that tickets for a peer have indices, if a channel leads there. To be called when a
    /// channel is opened, and after packets went to the peer; ends at once while there are enough.
    ///
    /// # Errors
    /// [`ReserveError`] of the future, if nothing could be reserved.
    ///
    /// # Cancel safety
    /// When the future is dropped, indices may be skipped, and that is all.
    pub fn reserve(&self, peer: &PeerId) -> BoxFuture<'static, Result<(), ReserveError>> {
        match self.replica.read(|state| Payee::find(state, &self.address(), peer)).open() {
            Some(channel) => self.indices.reserve(&channel.id(), channel.epoch),
            None => ready(Ok(())).boxed(),
        }
    }

    /// The ticket that goes with a packet to `payee`, which pays for `hops` hops.
    pub(crate) fn issue(
        &self,
        payee: &Payee,
        hops: u8,
        probability: WinProbability,
        challenge: ChallengeAddress,
    ) -> Result<Ticket, Unpayable> {
        if hops == 0 {
            // It pays nothing, so nobody has to be bound by it, and nobody looks at who is.
            let to = payee.address.unwrap_or(Address::ZERO);
            let body = Body::zero_hop(&self.address(), &to, challenge);
            return Ok(Ticket { body, signature: Signature([0; 64]) });
        }
        let amount = self.terms.amount(hops, probability)?;
        let channel = payee.open().ok_or(Unpayable::NoChannel)?;
        if amount > channel.balance {
            return Err(Unpayable::Balance { amount, balance: channel.balance });
        }
        let (id, epoch) = (channel.id(), channel.epoch);
        let index = self.indices.take(&id, epoch).map_err(|_| Unpayable::NotReserved)?;
        let interval = Interval::of_one(index).map_err(|_| Unpayable::NotReserved)?;
        let body = Body { channel: id, epoch, interval, amount, probability, challenge };
        Ok(body.sign(&self.key, &self.separator).leak())
    }

    /// 32 bytes that nobody can foretell, other ones each time.
    pub(crate) fn draw(&self) -> [u8; 32] {
        let number = self.draws.fetch_add(1, Ordering::Relaxed);
        *blake3::keyed_hash(&self.seed, &number.to_le_bytes()).as_bytes()
    }

    pub(crate) fn pending(&self) -> MutexGuard<'_, Table<Waiting>> {
        // Nothing under the lock panics.
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn count(&self) -> MutexGuard<'_, Counts> {
        // Nothing under the lock panics.
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Engine");
        shown.field("address", &self.address()).field("pending", &self.pending().len());
        shown.finish_non_exhaustive()
    }
}

/// Who is to be paid, as the ledger knows it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Payee {
    address: Option<Address>,
    channel: Option<Channel>,
}

impl Payee {
    pub(crate) fn find(state: &State, from: &Address, peer: &PeerId) -> Self {
        let address = state.account_of(peer);
        let channel = address.map(|to| ChannelId::between(from, &to));
        let channel = channel.and_then(|id| state.channel(&id)).copied();
        Self { address, channel }
    }

    /// The channel, if tickets may be issued from it.
    fn open(&self) -> Option<Channel> {
        self.channel.filter(|channel| channel.status == ChannelStatus::Open)
    }
}
