//! The orders of the node, for whoever looks after it: import, list, export, watch, sync.

mod changes;
mod export;
mod import;
mod lines;
mod list;
mod sync;
mod tend;
#[cfg(test)]
pub(crate) mod tests;

use std::any::Any;
use std::convert::Infallible;
use std::fmt;
use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use orders::{Address, Network, Version};
use ordersync::book::Counts;
use ordersync::zeroex::{Order, Wanted};
use ordersync::{Book, Holding, Intake, Store, StoreError};
use tokio::sync::{Mutex, mpsc};
use tokio::task::{JoinError, JoinSet};
use transport::pool::{Pool, PoolError};

pub use self::changes::{Changed, Changes};
pub use self::export::Exported;
pub use self::import::{Batch, Refused};
pub use self::list::{Listing, Query};
pub use self::sync::{NoSync, SyncError, SyncReport, SyncRequest, SyncWish};
use crate::config::OrdersParams;

/// Most syncs that wait for somebody to run them.
const SYNCS_MAX: usize = 4;

/// The orders of a node. Clones share them.
#[derive(Clone)]
pub struct Orders {
    shared: Arc<Shared>,
}

struct Shared {
    intake: Intake<Order>,
    /// Takes in what is offered, until nobody has the orders any more.
    driving: Mutex<JoinSet<Infallible>>,
    pool: Pool,
    network: Network,
    wanted: Wanted,
    min_peers: usize,
    syncs: mpsc::Sender<SyncRequest>,
}

/// The orders at the time of asking.
#[derive(Clone, Debug)]
pub struct OrdersStatus {
    /// How many there are.
    pub count: u64,
    /// The hash of all their hashes: equal on two nodes when their orders are.
    pub digest: [u8; 32],
    /// How many there may be.
    pub items_max: usize,
    /// Where those of version 3 are traded.
    pub network: Network,
    /// Which contract of the same chain trades those of version 4; `None` if the node takes none.
    pub exchange_v4: Option<Address>,
    /// The JSON schema that those of version 3 satisfy.
    pub schema: String,
    /// What happened since the start.
    pub counts: Counts,
}

impl Orders {
    /// The orders that `store` keeps, with a queue of the syncs that somebody asks for. `seed` makes
    /// the keys of the book, and must be known to nobody.
    ///
    /// Must be called within a tokio runtime.
    ///
    /// # Errors
    /// [`StoreError`]: they cannot be read.
    ///
    /// # Cancel safety
    /// Nothing but what has ended is removed from the store.
    pub async fn open(
        params: &OrdersParams,
        store: Arc<dyn Store>,
        pool: Pool,
        seed: [u8; 32],
    ) -> Result<(Self, mpsc::Receiver<SyncRequest>), StoreError> {
        let OrdersParams { network, wanted, rules, book, intake, min_peers } = params.clone();
        let book = Arc::new(Book::new(book, seed).holding_only(wanted.clone()));
        let (intake, mut driver) = Intake::new(book, store, Arc::new(rules), pool.clone(), intake);
        let restored = driver.restore().await?;
        if restored.unreadable > 0 {
            let count = restored.unreadable;
            tracing::warn!(count, "orders cannot be read and are left alone");
        }
        if restored.left_out > 0 {
            let count = restored.left_out;
            tracing::warn!(
                count,
                "orders are kept and not shown: of another network, schema or kind of signature, or over \
                 orders.items_max"
            );
        }
        tracing::debug!(?restored, "orders");
        let (syncs, queue) = mpsc::channel(SYNCS_MAX);
        let mut driving = JoinSet::new();
        driving.spawn(async move { driver.run().await });
        let driving = Mutex::new(driving);
        let shared = Shared { intake, driving, pool, network, wanted, min_peers, syncs };
        Ok((Self { shared: Arc::new(shared) }, queue))
    }

    /// Waits until orders are not taken in any more, which a mistake in Meshwork makes happen and
    /// nothing mends: what the task that does it has panicked with. Told once.
    ///
    /// # Cancel safety
    /// May be dropped at any time.
    pub(crate) async fn broken(&self) -> Box<dyn Any + Send> {
        let ended = self.shared.driving.lock().await.join_next().await;
        match ended.map(|end| end.map_err(JoinError::try_into_panic)) {
            Some(Err(Ok(panic))) => panic,
            Some(Ok(never)) => match never {},
            // Told before, or the runtime ends.
            Some(Err(Err(_))) | None => pending().await,
        }
    }

    /// The way of orders into the book, for those who bring them together with others.
    pub fn intake(&self) -> &Intake<Order> {
        &self.shared.intake
    }

    /// Which orders the node wants of its peers.
    pub fn wanted(&self) -> &Wanted {
        &self.shared.wanted
    }

    /// With how many peers a sync is, unless somebody says otherwise.
    pub fn min_peers(&self) -> usize {
        self.shared.min_peers
    }

    /// How many orders there are, and what they add up to.
    pub fn status(&self) -> OrdersStatus {
        let book = self.book();
        let summary = book.summary();
        OrdersStatus {
            count: summary.count,
            digest: summary.hash,
            items_max: book.capacity(),
            network: self.shared.network,
            exchange_v4: self.shared.wanted.v4().map(|network| network.exchange),
            schema: self.shared.wanted.schema().to_owned(),
            counts: book.counts(),
        }
    }

    /// How many of the orders are of version 4. Goes through all of them.
    ///
    /// # Errors
    /// [`PoolError`].
    ///
    /// # Cancel safety
    /// May be dropped at any time.
    pub async fn count_v4(&self) -> Result<u64, PoolError> {
        let book = Arc::clone(self.book());
        self.on_pool(move || book.ids(&Wanted::ALL.of(Version::V4)).len() as u64).await
    }

    /// The orders themselves.
    pub(crate) fn book(&self) -> &Arc<Book<Order>> {
        self.shared.intake.book()
    }

    /// Runs `work` on the pool, and waits for a place there.
    pub(crate) async fn on_pool<T, F>(&self, work: F) -> Result<T, PoolError>
    where
        T: Send + 'static,
        F: FnOnce() -> T + Send + 'static,
    {
        self.shared.pool.run_patiently(Duration::MAX, work).await
    }
}

impl fmt::Debug for Orders {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Orders").field("book", self.book()).finish_non_exhaustive()
    }
}

/// An order, and how the node holds it.
pub type Held = Holding<Order>;
