//! A whole network in one process: complete nodes over real loopback sockets, and what they must
//! manage together.

mod ground;
mod phases;
mod summary;

use std::path::{Path, PathBuf};
use std::time::Duration;

use libp2p::{Multiaddr, PeerId};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use session::Registry;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

pub use self::ground::Ground;
pub use self::phases::{PHASES, Phase, PhaseError, Shortcoming};
pub use self::summary::{NodeSummary, PhaseSummary, Summary};
use crate::config::{Config, ConfigError, DialAddress, Environment, Layers, ListenAddress, Role};
use crate::datadir::{DataDir, DataDirError};
use crate::handle::Handle;
use crate::service::{Service, ServiceError};

/// Most nodes: each has a network group of its own on loopback, and an IPv4 octet names it.
pub const NODES_MAX: u8 = 200;

/// Longest time for all nodes to say goodbye. Each has three seconds.
const END_PATIENCE: Duration = Duration::from_secs(5);

/// What network to make.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Ordinary nodes, besides the seed. 1 to [`NODES_MAX`].
    pub nodes: u8,
    /// How long the network is watched once it stands.
    pub hold: Duration,
    /// Seeds every random choice but keys; what the sockets do remains their own.
    pub rng_seed: u64,
    /// Where the nodes' data directories are made.
    pub directory: PathBuf,
}

/// A network, as far as it has come.
#[derive(Debug)]
pub struct Testnet {
    plan: Plan,
    ground: Ground,
    rng: StdRng,
    /// The seed first, then the nodes.
    members: Vec<Member>,
    lives: JoinSet<()>,
    end: CancellationToken,
    /// Cancelled when the operator has seen enough.
    enough: CancellationToken,
}

/// One running node.
#[derive(Clone, Debug)]
struct Member {
    name: String,
    peer: PeerId,
    listen: Vec<Multiaddr>,
    handle: Handle,
}

impl Testnet {
    /// A network that has not begun. Must be run within a tokio runtime. `enough` ends the time for
    /// which it is watched, and every other phase as a failure.
    pub fn new(plan: Plan, enough: CancellationToken) -> Self {
        let ground = Ground::find(plan.nodes);
        Self::on(ground, plan, enough)
    }

    fn on(ground: Ground, plan: Plan, enough: CancellationToken) -> Self {
        let rng = StdRng::seed_from_u64(plan.rng_seed);
        let (lives, end) = (JoinSet::new(), CancellationToken::new());
        Self { plan, ground, rng, members: Vec::new(), lives, end, enough }
    }

    /// What was planned.
    pub const fn plan(&self) -> &Plan {
        &self.plan
    }

    /// On which addresses it lives.
    pub const fn ground(&self) -> Ground {
        self.ground
    }

    /// Peers that every node must have: three, or all there are.
    fn peers_min(&self) -> usize {
        usize::from(self.plan.nodes.saturating_sub(1)).min(3)
    }

    /// The ordinary nodes.
    fn nodes(&self) -> &[Member] {
        self.members.get(1..).unwrap_or_default()
    }

    /// Starts one node, as `meshwork run` would in its directory; number 0 is the seed.
    async fn start(&mut self, number: u8) -> Result<(), PhaseError> {
        let name = if number == 0 { "seed".to_owned() } else { format!("node-{number}") };
        let seed = self.rng.random();
        let service = service(&self.plan.directory.join(&name), &self.config_of(number), seed)
            .await
            .map_err(|source| PhaseError::Start { name: name.clone(), source })?;
        let member = Member {
            name,
            peer: service.peer_id(),
            listen: service.listen().to_vec(),
            handle: service.handle(),
        };
        let span = tracing::info_span!("member", name = %member.name);
        self.lives.spawn(service.run(self.end.clone().cancelled_owned()).instrument(span));
        self.members.push(member);
        Ok(())
    }

    fn config_of(&self, number: u8) -> Config {
        let mut config = Config::default();
        let network = &mut config.network;
        network.name = "testnet".parse().expect("a short word");
        network.allow_private = true;
        network.listen = ListenAddress::anywhere_on(self.ground.address(number));
        if number == 0 {
            network.role = Role::Seed;
            config.peers.target = 0;
        } else {
            let seed = self.members.first();
            network.seeds = seed.map(Member::dial_addresses).unwrap_or_default();
            config.peers.target = config.peers.target.min(usize::from(self.plan.nodes) - 1);
        }
        if self.ground == Ground::Shared {
            // Everybody has the same address.
            let limits = &mut config.limits;
            limits.per_subnet_max = limits.established_max;
            limits.pending_per_subnet_max = limits.pending_inbound_max;
        }
        config
    }

    /// Ends every node that still lives; the count of those that did not end in time.
    pub async fn end(mut self) -> usize {
        self.end.cancel();
        let ended = async { while self.lives.join_next().await.is_some() {} };
        if timeout(END_PATIENCE, ended).await.is_ok() { 0 } else { self.lives.len() }
    }
}

/// Makes a node in `directory` and starts it on what it finds there.
async fn service(
    directory: &Path,
    config: &Config,
    seed: [u8; 32],
) -> Result<Service, MemberError> {
    let dir = DataDir::at(directory)?;
    let claim = dir.claim()?;
    claim.init(config)?;
    let environment = Environment::default();
    let layers =
        Layers { file: Some(&dir.config_file()), environment: &environment, flags: Vec::new() };
    Ok(Service::start(claim, layers.load()?.params, Registry::new(), Some(seed)).await?)
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
    /// The node itself.
    #[error(transparent)]
    Service(#[from] ServiceError),
}

impl Member {
    /// Where others find it.
    fn dial_addresses(&self) -> Vec<DialAddress> {
        let dial = |address: &Multiaddr| DialAddress::of(self.peer, address.clone());
        self.listen.iter().map(dial).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(directory: &Path) -> Plan {
        Plan { nodes: 3, hold: Duration::ZERO, rng_seed: 1, directory: directory.to_owned() }
    }

    #[tokio::test]
    async fn a_network_also_forms_where_all_share_one_address() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let plan = plan(directory.path());
        let mut testnet = Testnet::on(Ground::Shared, plan, CancellationToken::new());
        for phase in PHASES {
            phase.run(&mut testnet).await.expect(phase.about);
        }
        let nodes = testnet.nodes_now().await;
        assert_eq!(nodes.len(), 3);
        let on_localhost = |address: &String| address.starts_with("/ip4/127.0.0.1/");
        assert!(nodes.iter().all(|node| node.listen.iter().all(on_localhost)), "{nodes:?}");
        assert_eq!(testnet.end().await, 0);
    }

    #[tokio::test]
    async fn an_operator_who_has_seen_enough_ends_whatever_is_under_way() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let enough = CancellationToken::new();
        let mut testnet = Testnet::new(plan(directory.path()), enough.clone());
        enough.cancel();
        let outcome = PHASES[0].run(&mut testnet).await;
        assert!(matches!(outcome, Err(PhaseError::Interrupted)), "{outcome:?}");
        assert_eq!(testnet.end().await, 0);
    }
}
