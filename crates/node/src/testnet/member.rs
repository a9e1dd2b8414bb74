//! One node of a test network: started as `meshwork run` would start it, killed as a crash would.

use std::fmt;
use std::future::Future;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use libp2p::{Multiaddr, PeerId};
use session::Registry;
use storage::Storage;
use tokio::runtime::Runtime;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use crate::config::{Config, ConfigError, DialAddress, Environment, Flag, KeyPath, Layers, Params};
use crate::datadir::{DataDir, DataDirError};
use crate::handle::Handle;
use crate::messaging::Messaging;
use crate::orders::Orders;
use crate::payments::Payments;
use crate::service::{Service, ServiceError};

/// Longest time for the store of a killed node to be closed, so that it can be opened again.
const CLOSE_PATIENCE: Duration = Duration::from_secs(5);

/// One node.
pub(super) struct Member {
    pub(super) number: u8,
    pub(super) name: String,
    pub(super) peer: PeerId,
    pub(super) listen: Vec<Multiaddr>,
    pub(super) handle: Handle,
    pub(super) orders: Orders,
    pub(super) payments: Payments,
    pub(super) messaging: Messaging,
    storage: Storage,
    life: JoinSet<()>,
    world: World,
}

/// The runtime of one node, with all its tasks and sockets: what a process is to a node elsewhere.
struct World(Option<Runtime>);

impl World {
    /// Has `future` run in it; `tasks` waits for it.
    fn run<F>(&self, tasks: &mut JoinSet<F::Output>, future: F)
    where
        F: Future<Output: Send> + Send + 'static,
    {
        if let Some(runtime) = &self.0 {
            tasks.spawn_on(future, runtime.handle());
        }
    }

    /// Ends everything in it at once.
    fn end(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

/// A runtime must not be dropped where others are waited for.
impl Drop for World {
    fn drop(&mut self) {
        self.end();
    }
}

/// Why a node of a test network did not start.
#[derive(Debug, thiserror::Error)]
pub enum MemberError {
    /// Its data directory.
    #[error(transparent)]
    DataDir(#[from] DataDirError),
    /// Its configuration.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// Its threads.
    #[error("cannot start its runtime")]
    Runtime(#[source] io::Error),
    /// The node itself.
    #[error(transparent)]
    Service(#[from] ServiceError),
    /// It ended while it started.
    #[error("it ended while it started")]
    Lost,
}

impl Member {
    /// Makes a node in `directory` and starts it on what it finds there.
    pub(super) async fn make(
        number: u8,
        directory: &Path,
        config: &Config,
        seed: [u8; 32],
        end: CancellationToken,
    ) -> Result<Self, MemberError> {
        let dir = DataDir::at(&place_of(directory, number))?;
        // The claim ends with the node: making it and running it are two lives.
        dir.claim()?.init(config)?;
        Self::start(number, &dir, Vec::new(), seed, end).await
    }

    /// Starts a node that was there before, on the addresses that it had.
    pub(super) async fn restart(
        &self,
        directory: &Path,
        seed: [u8; 32],
        end: CancellationToken,
    ) -> Result<Self, MemberError> {
        let dir = DataDir::at(&directory.join(&self.name))?;
        let listen: Vec<_> = self.listen.iter().map(|address| bare(address).to_string()).collect();
        let key = KeyPath::find("network.listen").expect("a key of the manual");
        let flag = Flag { key, option: "--listen", value: listen.into() };
        Self::start(self.number, &dir, vec![flag], seed, end).await
    }

    async fn start(
        number: u8,
        dir: &DataDir,
        flags: Vec<Flag>,
        seed: [u8; 32],
        end: CancellationToken,
    ) -> Result<Self, MemberError> {
        let (params, claim) = (params(dir, flags)?, dir.claim()?);
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name(name_of(number))
            .enable_all()
            .build()
            .map_err(MemberError::Runtime)?;
        let world = World(Some(runtime));
        let mut starting = JoinSet::new();
        let start = async move { Service::start(claim, params, Registry::new(), Some(seed)).await };
        world.run(&mut starting, start);
        let Some(Ok(service)) = starting.join_next().await else {
            // It panicked, which has been reported, or was dropped, which nobody did.
            return Err(MemberError::Lost);
        };
        let service = service?;
        let name = name_of(number);
        let span = tracing::info_span!("member", %name);
        let (peer, listen) = (service.peer_id(), service.listen().to_vec());
        let (handle, orders, storage) = (service.handle(), service.orders(), service.storage());
        let (payments, messaging) = (service.payments(), service.messaging());
        let mut life = JoinSet::new();
        world.run(&mut life, service.run(end.cancelled_owned()).instrument(span));
        Ok(Self {
            number,
            name,
            peer,
            listen,
            handle,
            orders,
            payments,
            messaging,
            storage,
            life,
            world,
        })
    }

    /// Ends it without a word to anybody. What it was told is durable is on the disk; the rest is
    /// lost.
    pub(super) async fn kill(&mut self) {
        self.world.end();
        self.ended().await;
        // Its file is this process's: it has to be closed before it can be opened again.
        if timeout(CLOSE_PATIENCE, self.storage.close()).await.is_err() {
            tracing::warn!(name = self.name, "the disk is slow");
        }
    }

    /// Waits for its end.
    pub(super) async fn ended(&mut self) {
        while self.life.join_next().await.is_some() {}
    }

    pub(super) fn lives(&self) -> bool {
        !self.life.is_empty()
    }

    /// Where others find it.
    pub(super) fn dial_addresses(&self) -> Vec<DialAddress> {
        let dial = |address: &Multiaddr| DialAddress::of(self.peer, bare(address));
        self.listen.iter().map(dial).collect()
    }
}

/// The data directory of a node, in that of the network.
pub(super) fn place_of(directory: &Path, number: u8) -> PathBuf {
    directory.join(name_of(number))
}

fn name_of(number: u8) -> String {
    if number == 0 { "seed".to_owned() } else { format!("node-{number}") }
}

/// The address without the peer at its end.
fn bare(address: &Multiaddr) -> Multiaddr {
    let mut address = address.clone();
    if let Some(libp2p::multiaddr::Protocol::P2p(_)) = address.iter().last() {
        address.pop();
    }
    address
}

fn params(dir: &DataDir, flags: Vec<Flag>) -> Result<Params, ConfigError> {
    let environment = Environment::default();
    let file = dir.config_file();
    Ok(Layers { file: Some(&file), environment: &environment, flags }.load()?.params)
}

impl fmt::Debug for Member {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Member").field("name", &self.name).finish_non_exhaustive()
    }
}
