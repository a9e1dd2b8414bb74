//! The entry point: syncs with peers, and lets peers sync.

mod beside;
mod budget;
mod config;
mod fetching;
mod lanes;
mod line;
mod network;
mod rounds;
mod serving;
mod sessions;
mod shards;

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use machine::PeerId;
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha12Rng;
use transport::pool::Pool;

use self::budget::{Budgets, Who};
pub use self::config::{Allowance, Config, ConfigError, Params};
use self::lanes::Lanes;
pub use self::network::{
    Change, Event, Network, OpenFailed, Protocol, Score, ServeError, Standing, SyncId,
};
pub use self::rounds::{NoOrders, NoOrdersFromPeer, Synced};
use crate::intake::Intake;
use crate::{
    Book, Context, Filter, Form, Item, Leave, NoMatchingSubprotocols, RawRequest, Room,
    Subprotocols, json,
};

/// Syncs with peers, and lets peers sync. Clones share everything but the name of the sync that they
/// are for.
pub struct Service<I: Item, N> {
    inner: Arc<Inner<I, N>>,
    /// For which sync this clone is.
    sync: SyncId,
}

struct Inner<I: Item, N> {
    network: N,
    intake: Intake<I>,
    pool: Pool,
    filter: I::Filter,
    subprotocols: Subprotocols<I>,
    params: Params,
    budgets: Budgets,
    /// Whom a sync asks now.
    lanes: Lanes,
    /// For the sets that are compared under a key of their own.
    sessions: Room,
    rng: Mutex<ChaCha12Rng>,
}

impl<I: Item, N> Service<I, N> {
    /// A service that takes items in through `intake`, computes on `pool`, asks its peers for what
    /// `filter` wants, and supports `subprotocols`, the most preferred first.
    ///
    /// `seed` makes the keys of its sessions: drawn anew at each start, and known to nobody.
    pub fn new(
        network: N,
        intake: Intake<I>,
        pool: Pool,
        filter: I::Filter,
        subprotocols: Subprotocols<I>,
        params: Params,
        seed: [u8; 32],
    ) -> Self {
        let budgets = Budgets::new(params.clone());
        let sessions = Room::new(params.sessions_bytes);
        let rng = Mutex::new(ChaCha12Rng::from_seed(seed));
        let inner = Inner {
            network,
            intake,
            pool,
            filter,
            subprotocols,
            params,
            budgets,
            lanes: Lanes::default(),
            sessions,
            rng,
        };
        Self { inner: Arc::new(inner), sync: SyncId::default() }
    }

    /// This service, for a sync of this name: what it tells of sessions says that they are of it, so
    /// that several syncs at a time can be told apart.
    #[must_use]
    pub fn for_sync(&self, sync: SyncId) -> Self {
        Self { sync, ..self.clone() }
    }

    /// The most preferred subprotocol of a request that this service supports, and its place in the
    /// request.
    ///
    /// # Errors
    /// [`NoMatchingSubprotocols`].
    pub fn matching_subprotocol(
        &self,
        request: &RawRequest<I>,
    ) -> Result<(String, usize), NoMatchingSubprotocols> {
        self.inner.subprotocols.matching_subprotocol(request)
    }

    /// The items.
    pub fn book(&self) -> &Arc<Book<I>> {
        self.inner.intake.book()
    }

    /// The way of items into the book.
    pub fn intake(&self) -> &Intake<I> {
        &self.inner.intake
    }

    fn network(&self) -> &N {
        &self.inner.network
    }

    fn pool(&self) -> &Pool {
        &self.inner.pool
    }

    fn params(&self) -> &Params {
        &self.inner.params
    }

    fn budgets(&self) -> &Budgets {
        &self.inner.budgets
    }

    fn subprotocols(&self) -> &Subprotocols<I> {
        &self.inner.subprotocols
    }

    fn with_rng<T>(&self, draw: impl FnOnce(&mut ChaCha12Rng) -> T) -> T {
        draw(&mut self.inner.rng.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// What a peer that is served may put this node to.
    fn leave(&self, who: Who) -> Leave {
        let budgets = self.budgets().clone();
        Leave::new(move || budgets.look(who), self.inner.sessions.clone())
    }

    fn context(&self, peer: PeerId, protocol: Protocol) -> Context<I> {
        let form = match protocol {
            Protocol::Binary => Form::Binary,
            Protocol::Json(_) => Form::Json,
        };
        let mut secret = [0; 32];
        self.with_rng(|rng| rng.fill_bytes(&mut secret));
        Context {
            book: Arc::clone(self.book()),
            peer,
            form,
            filter: self.inner.filter.clone().carried_by(protocol),
            page: match form {
                Form::Json => self.inner.params.page.min(json::PAGE_MAX),
                Form::Binary => self.inner.params.page,
            },
            secret,
            scans: Leave::fixed(false),
            push: self.inner.params.push,
        }
    }
}

impl<I: Item, N: Network> Service<I, N> {
    fn tell(&self, event: Event) {
        self.inner.network.tell(event);
    }
}

impl<I: Item, N> Clone for Service<I, N> {
    fn clone(&self) -> Self {
        Self { inner: Arc::clone(&self.inner), sync: self.sync }
    }
}

impl<I: Item, N> fmt::Debug for Service<I, N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Service")
            .field("subprotocols", &self.inner.subprotocols)
            .finish_non_exhaustive()
    }
}
