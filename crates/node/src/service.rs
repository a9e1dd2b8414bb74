//! A complete node: its data directory, its life in the network, and its control API.

use std::future::Future;
use std::io;
use std::num::NonZeroUsize;
use std::panic::resume_unwind;
use std::sync::Arc;
use std::thread::available_parallelism;
use std::time::Duration;

use futures::future::OptionFuture;
use libp2p::identity::Keypair;
use libp2p::{Multiaddr, PeerId};
use rand::TryRng;
use rand::rngs::SysRng;
use session::Registry;
use storage::Storage;
use tickets::ledger::OpenLedgerError;
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use transport::pool::Pool;

use crate::config::{LedgerServe, Params, Role};
use crate::control::{BindError, LedgerServer, Listen, Server};
use crate::datadir::{Claim, DataDirError};
use crate::handle::Handle;
use crate::memory::{Memory, MemoryError};
use crate::messaging::{self, Messaging, MessagingError};
use crate::node::{Node, Setup, StartError};
use crate::orders::Orders;
use crate::payments::{ChainKeyError, Payments, Wish, key};
use crate::relaying::{self, Relaying, RelayingError};
use crate::syncing::Syncing;

/// How long the control API goes on when the node has ended, for the answers under way.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// Most peers of the address book that messages begin with: those that are looked up first lead to
/// the others.
const CONTACTS_MAX: usize = 64;

/// Longest time for the disk to take what was learned last.
const LAST_WRITE: Duration = Duration::from_secs(1);

/// Most jobs that wait to be done on orders: two batches under way take a fraction of it, and peers
/// wait for the rest.
const ORDERS_QUEUE_MAX: usize = 256;

/// Why a complete node did not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServiceError {
    /// Its data directory.
    #[error(transparent)]
    DataDir(#[from] DataDirError),
    /// What it remembers.
    #[error(transparent)]
    Memory(#[from] MemoryError),
    /// Its orders.
    #[error("cannot read the orders")]
    Orders(#[from] ordersync::StoreError),
    /// The key of its account.
    #[error(transparent)]
    ChainKey(#[from] ChainKeyError),
    /// Its ledger.
    #[error("cannot open the ledger")]
    Ledger(#[from] OpenLedgerError),
    /// Its packets and tickets.
    #[error(transparent)]
    Relaying(#[from] RelayingError),
    /// Its messages.
    #[error(transparent)]
    Messaging(#[from] MessagingError),
    /// Its network side.
    #[error(transparent)]
    Start(#[from] StartError),
    /// Its control API.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// The system gives no random numbers.
    #[error("the system gives no random numbers")]
    Randomness(#[source] io::Error),
}

/// A complete node that serves.
#[derive(Debug)]
pub struct Service {
    node: Node,
    handle: Handle,
    orders: Orders,
    payments: Payments,
    messaging: Messaging,
    /// Who the account is announced to be, and where that can be reached. Not of a seed.
    announced: Option<(Keypair, Vec<Multiaddr>)>,
    /// Where others find the ledger.
    ledger: Option<LedgerServer>,
    /// Not of a seed.
    syncing: Option<Syncing>,
    /// If it relays.
    relaying: Option<Relaying>,
    /// If it carries messages.
    carrying: Option<messaging::Outside>,
    server: Option<Server>,
    listen: Vec<Multiaddr>,
    storage: Storage,
    /// Nobody else uses the data directory as long as the node lives.
    claim: Claim,
}

impl Service {
    /// Starts the node of a data directory, which becomes one if it is empty: listens, and opens the
    /// control API. `seed` replaces the system's randomness in everything but keys.
    ///
    /// Must be called within a tokio runtime. Blocks on the disk for a moment.
    ///
    /// # Errors
    /// [`ServiceError`]; nothing is served then.
    ///
    /// # Cancel safety
    /// Dropping the future undoes everything but what it wrote to the directory.
    pub async fn start(
        claim: Claim,
        params: Params,
        protocols: Registry,
        seed: Option<[u8; 32]>,
    ) -> Result<Self, ServiceError> {
        let identity = claim.identity()?;
        let seed = seed.map_or_else(random_seed, Ok)?;
        let server = Server::bind(&params.config().control, &claim)?;
        let memory = Memory::open(&claim).await?;
        let storage = memory.storage();
        let threads = available_parallelism().unwrap_or(NonZeroUsize::MIN);
        let pool = Pool::new(threads, ORDERS_QUEUE_MAX).map_err(StartError::Threads)?;
        let kept = Arc::new(storage.orders());
        let (orders, wishes) =
            Box::pin(Orders::open(&params.orders, kept, pool.clone(), random_seed()?)).await?;
        let (payments, asked, ledger) = Box::pin(open_payments(&params, &storage, &claim)).await?;
        let theirs = (payments.clone(), asked);
        let (inside, outside) =
            Box::pin(open_relaying(theirs, &params, &storage, &identity)).await?;
        let (carrier, carrying, messaging) =
            Box::pin(open_messaging(&params, &storage, &identity, &memory)).await?;
        let setup = Setup {
            identity: identity.clone(),
            params: params.clone(),
            protocols,
            memory,
            orders: orders.clone(),
            relaying: inside,
            messaging: carrier,
            seed,
        };
        let (mut node, handle, port) = Node::new(setup)?;
        let (dialer, sessions) = (port.dialer.clone(), node.sessions());
        // Who visits a seed brings no orders and wants none.
        let syncs = params.config().network.role == Role::Node;
        let session_keys = random_seed()?;
        let theirs = (orders.clone(), wishes);
        let syncing = syncs.then(|| Syncing::new(theirs, port, &params, pool, session_keys));
        let listen = Box::pin(node.listen()).await?;
        let announced = syncs.then(|| (identity, node.announced()));
        let relaying = outside.map(|outside| Relaying::begin(outside, dialer, sessions));
        Ok(Self {
            node,
            handle,
            orders,
            payments,
            messaging,
            announced,
            ledger,
            syncing,
            relaying,
            carrying,
            server,
            listen,
            storage,
            claim,
        })
    }

    /// Who the node is.
    pub fn peer_id(&self) -> PeerId {
        self.node.peer_id()
    }

    /// Where it listens.
    pub fn listen(&self) -> &[Multiaddr] {
        &self.listen
    }

    /// Where its control API is, as the command line takes it.
    pub fn control(&self) -> Listen {
        let path = self.server.as_ref().map(|server| server.path().display().to_string());
        path.map_or(Listen::Off, Listen::Unix)
    }

    /// The file of what it has learned. It is closed when the node has ended; who kills the node
    /// closes it before it starts again.
    pub(crate) fn storage(&self) -> Storage {
        self.storage.clone()
    }

    /// Asks the node.
    pub fn handle(&self) -> Handle {
        self.handle.clone()
    }

    /// Its orders.
    pub fn orders(&self) -> Orders {
        self.orders.clone()
    }

    /// Its payments.
    pub fn payments(&self) -> Payments {
        self.payments.clone()
    }

    /// Its messages.
    pub fn messaging(&self) -> Messaging {
        self.messaging.clone()
    }

    /// Lives until `end` is there or a client asks for the end; then says goodbye.
    ///
    /// # Panics
    /// With what made its orders panic, once it has said goodbye: it cannot go on without them.
    ///
    /// # Bounds
    /// The goodbye takes at most three seconds, and one more is left to clients of the control API.
    ///
    /// # Cancel safety
    /// Dropping the future cuts every connection.
    pub async fn run(self, end: impl Future<Output = ()>) {
        let Self { node, handle, orders, payments, messaging, announced, ledger, .. } = self;
        let Self { syncing, relaying, carrying, server, storage, claim, .. } = self;
        let relays = relaying.is_some();
        let ended = CancellationToken::new();
        let mut broken = None;
        let end = async {
            tokio::select! {
                () = end => {}
                panic = orders.broken() => {
                    tracing::error!("orders are not taken in any more: the node ends");
                    broken = Some(panic);
                }
            }
        };
        let live = async {
            node.run(end).await;
            ended.cancel();
        };
        let tend = ended.run_until_cancelled(orders.tend());
        let sync = ended.run_until_cancelled(OptionFuture::from(syncing.map(Syncing::run)));
        let relay = ended.run_until_cancelled(OptionFuture::from(relaying.map(Relaying::run)));
        let carry =
            ended.run_until_cancelled(OptionFuture::from(carrying.map(messaging::Outside::run)));
        let serve = async {
            let Some(server) = server else { return };
            // A client that never says a word would hold up the end for ever.
            let too_late = async {
                ended.cancelled().await;
                sleep(LAST_WORDS).await;
            };
            tokio::select! {
                served = server.serve(
                    handle,
                    orders.clone(),
                    payments.clone(),
                    messaging,
                    ended.cancelled(),
                ) => {
                    if let Err(error) = served {
                        tracing::error!(%error, "the node goes on without its control API");
                    }
                }
                () = too_late => tracing::debug!("cut off the clients of the control API"),
            }
        };
        let pay = ended.run_until_cancelled(async {
            if let Some((identity, addresses)) = announced {
                payments.tend(&identity, addresses, relays).await;
            }
        });
        let lend = serve_ledger(ledger, &payments, &ended);
        tokio::join!(live, serve, tend, sync, Box::pin(relay), Box::pin(carry), pay, lend);
        // Whoever claims the directory next finds the file closed.
        match timeout(LAST_WRITE, storage.close()).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::error!(%error, "what was learned last may be lost"),
            Err(_elapsed) => tracing::error!("the disk is too slow to close the store"),
        }
        drop(claim);
        if let Some(panic) = broken {
            resume_unwind(panic);
        }
    }
}

/// The payments of a node, what is asked of those who relay, and the place where others find its
/// ledger, if they are to.
async fn open_payments(
    params: &Params,
    storage: &Storage,
    claim: &Claim,
) -> Result<(Payments, mpsc::Receiver<Wish>, Option<LedgerServer>), ServiceError> {
    let mut params = params.payments.clone();
    let key = key::load_or_create(&claim.dir().chain_key_file())?;
    let server = params.serve.as_ref().map(|place| LedgerServer::bind(place, claim)).transpose()?;
    params.serve = server.as_ref().map(LedgerServer::place);
    let kept = Arc::new(storage.ledger());
    let (payments, wishes) = Payments::open(params, key, kept, claim.dir()).await?;
    Ok((payments, wishes, server))
}

/// What relays, if the node does: what lives in the swarm, and what beside it.
async fn open_relaying(
    (payments, wishes): (Payments, mpsc::Receiver<Wish>),
    params: &Params,
    storage: &Storage,
    identity: &Keypair,
) -> Result<(Option<relaying::Inside>, Option<relaying::Outside>), ServiceError> {
    if !params.config().relays() {
        // Whoever asks what only a relay does is told that this is none.
        return Ok((None, None));
    }
    let (config, seed) = (params.config(), random_seed()?);
    let start = relaying::Start { payments, wishes, storage, identity, config, seed };
    let (inside, outside) = relaying::open(start).await?;
    Ok((Some(inside), Some(outside)))
}

/// What carries messages, if the node does: what lives in the swarm, what lives beside it, and where
/// it is asked.
async fn open_messaging(
    params: &Params,
    storage: &Storage,
    identity: &Keypair,
    memory: &Memory,
) -> Result<(Option<messaging::Inside>, Option<messaging::Outside>, Messaging), ServiceError> {
    if !params.config().carries() {
        return Ok((None, None, Messaging::off()));
    }
    let dials = !params.config().network.private;
    let start = messaging::Start {
        storage,
        identity,
        network: params.config().network.name.as_str(),
        dials,
        contacts: if dials { memory.reached(CONTACTS_MAX) } else { Vec::new() },
        config: params.dht.clone(),
        seed: random_seed()?,
    };
    let (inside, outside, messaging) = messaging::open(start).await?;
    Ok((Some(inside), Some(outside), messaging))
}

/// Serves the ledger to others until the node ends.
async fn serve_ledger(server: Option<LedgerServer>, payments: &Payments, end: &CancellationToken) {
    let (Some(server), Some(ledger)) = (server, payments.own_ledger()) else { return };
    let place = LedgerServe(Some(server.place()));
    tracing::info!(%place, "the ledger is served");
    // Those who follow end at once; one that never says a word would hold up the end for ever.
    let too_late = async {
        end.cancelled().await;
        sleep(LAST_WORDS).await;
    };
    tokio::select! {
        served = server.serve(ledger, end.cancelled()) => {
            if let Err(error) = served {
                tracing::error!(%error, "the ledger is not served any more");
            }
        }
        () = too_late => {}
    }
}

fn random_seed() -> Result<[u8; 32], ServiceError> {
    let mut seed = [0; 32];
    let filled = SysRng.try_fill_bytes(&mut seed);
    filled.map_err(|error| ServiceError::Randomness(error.into()))?;
    Ok(seed)
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use bytes::Bytes;
    use futures::future::{BoxFuture, FutureExt, ready};
    use futures::{StreamExt, stream};
    use orders::sample::SAMPLE_V3;
    use ordersync::{Change, Loader, Store, StoreError};
    use tokio::task::JoinSet;

    use super::*;
    use crate::config::{Environment, Layers};
    use crate::datadir::DataDir;
    use crate::orders::tests::kept_in;

    /// Panics when it is to keep anything.
    struct Faulty;

    impl Store for Faulty {
        fn load(&self, _: Loader) -> BoxFuture<'static, Result<usize, StoreError>> {
            ready(Ok(0)).boxed()
        }

        fn apply(&self, _: Vec<Change>) -> BoxFuture<'static, Result<(), StoreError>> {
            panic!("a mistake in the store")
        }
    }

    #[tokio::test]
    async fn a_node_that_cannot_take_orders_in_any_more_ends() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let environment: Environment =
            [("MESHWORK_NETWORK__LISTEN", "/ip4/127.0.0.1/tcp/0")].into_iter().collect();
        let layers = Layers { file: None, environment: &environment, flags: Vec::new() };
        let params = layers.load().expect("a good address").params;
        let claim = DataDir::at(dir.path()).expect("an absolute path").claim().expect("nobody's");
        let service = Service::start(claim, params, Registry::new(), None).await;
        let mut service = service.expect("there is a port");
        let (orders, _syncs) = kept_in(Faulty).await;
        service.orders = orders.clone();
        let mut life = JoinSet::new();
        life.spawn(service.run(pending()));

        let line = SAMPLE_V3.lines().next().expect("a line");
        let line = stream::iter([Ok::<_, StoreError>(Bytes::from(line))]);
        let batches: Vec<_> = orders.import(line).collect().await;
        assert_eq!(batches[0].as_ref().map(|batch| batch.bad[0].code), Ok("later"));
        let ended = timeout(Duration::from_secs(20), life.join_next()).await.expect("in time");
        let panic = ended.expect("it ran").expect_err("it is a mistake").into_panic();
        assert_eq!(panic.downcast_ref(), Some(&"a mistake in the store"));
    }
}
