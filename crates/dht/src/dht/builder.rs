//! Puts the DHT of one node together.

use std::fmt;
use std::sync::Arc;

use libp2p_identity::Keypair;
use tokio::sync::mpsc;
use tokio_util::sync::PollSender;
use transport::pool::Pool;
use wire::signed::SignedRecord;

use super::Dht;
use crate::clock::{Clock, Randomness};
use crate::config::{Config, Params};
use crate::core::{Core, Setup};
use crate::envelope::{NotEd25519, Opener, Sealer};
use crate::error::ConfigError;
use crate::feed::Waiting;
use crate::front::Front;
use crate::inbound::Gate;
use crate::journal::Journal;
use crate::layers::{InboundLayer, OutboundLayer, SettleLayer};
use crate::metrics::Metrics;
use crate::network::{BadNetwork, Network};
use crate::pipeline::OnPoolLayer;
use crate::requester::Restored;
use crate::seen::Seen;
use crate::store::{MemoryStore, Store, StoreError};
use crate::work::{Dialler, Worker, nobody};

/// Messages of others that wait for the inbound pipeline. Links have four under way each: with
/// fewer, a thousand links refuse each other's.
const ARRIVED_MAX: usize = 4_096;
/// Requests that wait for the outbound pipeline, own messages that wait for the core, and what is
/// asked of it. Who has more to say waits: half as many would do as well.
const REQUESTS_MAX: usize = 64;

/// Why there is no DHT.
#[derive(Debug, thiserror::Error)]
pub enum DhtInitializationError {
    /// The key is of another kind.
    #[error("the node's key cannot be used")]
    Key(#[from] NotEd25519),
    /// The network cannot have that name.
    #[error("the network's name cannot be used")]
    Network(#[from] BadNetwork),
    /// A setting is out of its bounds.
    #[error("the settings cannot be used")]
    Config(#[from] ConfigError),
    /// What is kept for others could not be read.
    #[error("what is kept cannot be read")]
    Store(#[from] StoreError),
}

/// Puts the DHT of one node together.
///
/// Unless something else is said: the settings' defaults, the network `meshwork`, what is kept is
/// kept in memory, nobody is dialled, and all work is done where the pipelines run.
pub struct DhtBuilder {
    keys: Keypair,
    network: String,
    config: Config,
    pool: Option<Pool>,
    store: Arc<dyn Store>,
    dialler: Dialler,
    clock: Clock,
    record: Option<Arc<SignedRecord>>,
    contacts: Vec<Arc<SignedRecord>>,
}

impl DhtBuilder {
    pub(super) fn new(keys: Keypair) -> Self {
        Self {
            keys,
            network: "meshwork".to_owned(),
            config: Config::default(),
            pool: None,
            store: Arc::new(MemoryStore::default()),
            dialler: nobody(),
            clock: Clock::system(),
            record: None,
            contacts: vec![],
        }
    }

    /// In the network with this name, 1 to 64 bytes.
    #[must_use]
    pub fn network(self, name: impl Into<String>) -> Self {
        Self { network: name.into(), ..self }
    }

    /// With these settings.
    #[must_use]
    pub fn config(self, config: Config) -> Self {
        Self { config, ..self }
    }

    /// With its cryptography on this pool.
    #[must_use]
    pub fn pool(self, pool: Pool) -> Self {
        Self { pool: Some(pool), ..self }
    }

    /// With what survives a restart kept here: messages for others, and which messages came.
    #[must_use]
    pub fn store(self, store: Arc<dyn Store>) -> Self {
        Self { store, ..self }
    }

    /// With links that are opened by this.
    #[must_use]
    pub fn dialler(self, dialler: Dialler) -> Self {
        Self { dialler, ..self }
    }

    /// By this clock, whose `now` is that of the core as well.
    #[must_use]
    pub fn clock(self, clock: Clock) -> Self {
        Self { clock, ..self }
    }

    /// Reached as this record says.
    #[must_use]
    pub fn record(self, record: Arc<SignedRecord>) -> Self {
        Self { record: Some(record), ..self }
    }

    /// With peers that were known before.
    #[must_use]
    pub fn contacts(self, contacts: Vec<Arc<SignedRecord>>) -> Self {
        Self { contacts, ..self }
    }

    /// The DHT. All randomness follows from `seed`: 32 bytes drawn at random, never used twice.
    ///
    /// # Errors
    /// [`DhtInitializationError`].
    ///
    /// # Cancel safety
    /// Nothing has happened when the future is dropped.
    pub async fn build(self, seed: [u8; 32]) -> Result<Dht, DhtInitializationError> {
        let params = self.config.clone().check()?;
        let network = Network::new(&self.network)?;
        let sealer = Arc::new(Sealer::new(network.clone(), &self.keys)?);
        let opener = Arc::new(Opener::new(network.clone(), &self.keys)?);
        let mut kept = self.store.load().await?;
        let rows = std::mem::take(&mut kept.seen);
        let seen = Seen::restored(network.clone(), &params, rows, self.clock.read());
        let gate = Gate::new(&params, opener, seen);
        let local = self.keys.public().to_peer_id();
        let sent = kept.sent.clone();
        let setup = Setup {
            record: self.record.clone(),
            contacts: self.contacts.clone(),
            kept,
            ..Setup::new(local, network)
        };
        let randomness = Randomness::new(seed);
        let core = Core::new(params.clone(), setup, randomness.seed());
        let mut dht = self.assemble(params, (sealer, gate), randomness, core);
        dht.restored = sent.into_iter().map(|sent| Restored::new(sent, &dht.waiting)).collect();
        Ok(dht)
    }

    fn assemble(
        self,
        params: Params,
        (sealer, gate): (Arc<Sealer>, Gate),
        randomness: Randomness,
        core: Core,
    ) -> Dht {
        let clock = self.clock;
        let pool = self.pool.clone().map_or(OnPoolLayer::inline(), OnPoolLayer::new);
        // Its own bound is that of the messages on their way.
        let (settle, settled) = futures::channel::mpsc::channel(0);
        let (arriving, arrived) = mpsc::channel(ARRIVED_MAX);
        let (requests, requested) = mpsc::channel(REQUESTS_MAX);
        let (sink, dispatches) = mpsc::channel(REQUESTS_MAX);
        let (commands, commanded) = mpsc::channel(REQUESTS_MAX);
        let (waiting, metrics) = (Waiting::new(), Metrics::default());
        let journal = Journal::new(gate.seen().clone(), Arc::clone(&self.store), clock.clone());
        let front = Front {
            settled,
            dispatches,
            commands: commanded,
            inbound: arriving,
            waiting: waiting.clone(),
            metrics: metrics.clone(),
            seen: gate.seen().clone(),
            clock: clock.clone(),
            journal: journal.clone().behind(),
            writer: journal.clone(),
        };
        let worker = Worker {
            keys: self.keys,
            sealer: Arc::clone(&sealer),
            randomness: randomness.clone(),
            seen: gate.seen().clone(),
            clock: clock.clone(),
            pool: self.pool,
            store: self.store,
            dialler: self.dialler,
            allow_private: params.routing().allow_private,
        };
        let inbound = InboundLayer {
            settle: SettleLayer::new(settle),
            gate: gate.clone(),
            clock: clock.clone(),
            pool: pool.clone(),
            journal,
        };
        let sealing = (sealer, randomness.clone());
        let outbound = OutboundLayer::new(Arc::new(params), sealing, clock.clone(), pool);
        Dht {
            local: core.local(),
            inbound,
            outbound,
            sink: PollSender::new(sink),
            restored: Vec::new(),
            arrived: Some(arrived),
            requested: Some(requested),
            requests,
            commands,
            waiting,
            metrics,
            randomness,
            seen: gate.seen().clone(),
            clock,
            core,
            worker,
            front,
        }
    }
}

impl fmt::Debug for DhtBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DhtBuilder")
            .field("network", &self.network)
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}
