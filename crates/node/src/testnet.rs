//! A whole network in one process: complete nodes over real loopback sockets, and what they must
//! manage together.

mod checks;
mod deal;
mod ground;
mod heal;
mod mail;
mod member;
mod pay;
mod phases;
mod profile;
mod summary;
mod watch;

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use gossip::Band;
use rand::SeedableRng;
use rand::rngs::StdRng;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

pub use self::checks::Shortcoming;
pub use self::deal::Unopened;
pub use self::ground::Ground;
pub use self::mail::Undelivered;
use self::member::Member;
pub use self::member::MemberError;
pub use self::pay::Unsettled;
pub use self::phases::{PHASES, Phase, PhaseError};
pub use self::profile::Profile;
pub use self::summary::{NodeSummary, PhaseSummary, Summary};
pub use self::watch::Progress;
use crate::config::{Config, Gossip, ListenAddress, Role};

/// Most nodes: each has a network group of its own on loopback, and an IPv4 octet names it.
pub const NODES_MAX: u8 = 200;

/// How often a node syncs by itself: as often as may be.
const SYNC_EVERY: Duration = Duration::from_secs(10);

/// With how many others: a node has few.
const SYNC_PEERS: usize = 3;

/// Most orders of a node: whatever file somebody has.
const ORDERS_MAX: usize = 1 << 22;

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
    /// A file of orders, one a line, that the nodes bring together; by default those that every
    /// copy of this program has.
    pub orders: Option<PathBuf>,
    /// Where the nodes' data directories are made.
    pub directory: PathBuf,
}

/// A network, as far as it has come.
pub struct Testnet {
    plan: Plan,
    ground: Ground,
    rng: StdRng,
    /// The seed first, then the nodes.
    members: Vec<Member>,
    end: CancellationToken,
    /// Cancelled when the operator has seen enough.
    enough: CancellationToken,
    /// When the present phase began.
    begun: Instant,
    /// Told how it goes, every now and then.
    watch: Box<dyn Fn(&Progress) + Send + Sync>,
}

impl Testnet {
    /// A network that has not begun. Must be run within a tokio runtime. `enough` ends the time for
    /// which it is watched, and every other phase as a failure; `watch` is told how it goes.
    pub fn new(
        plan: Plan,
        enough: CancellationToken,
        watch: impl Fn(&Progress) + Send + Sync + 'static,
    ) -> Self {
        let ground = Ground::find(plan.nodes);
        Self::on(ground, plan, enough, watch)
    }

    fn on(
        ground: Ground,
        plan: Plan,
        enough: CancellationToken,
        watch: impl Fn(&Progress) + Send + Sync + 'static,
    ) -> Self {
        let rng = StdRng::seed_from_u64(plan.rng_seed);
        let (end, watch) = (CancellationToken::new(), Box::new(watch));
        let begun = Instant::now();
        Self { plan, ground, rng, members: Vec::new(), end, enough, begun, watch }
    }

    /// What was planned.
    pub const fn plan(&self) -> &Plan {
        &self.plan
    }

    /// On which addresses it lives.
    pub const fn ground(&self) -> Ground {
        self.ground
    }

    /// How fast everything happens in it.
    pub fn profile(&self) -> Profile {
        Profile::of(&self.gossip())
    }

    /// How many links each node should have.
    fn band(&self) -> Band {
        let Gossip { min, expected, max, .. } = self.gossip();
        Band::new(min, expected, max).expect("the profile is in order")
    }

    /// The fast profile, in a network that may be too small for it.
    fn gossip(&self) -> Gossip {
        let fast = Gossip::from(gossip::Config::fast());
        let others = usize::from(self.plan.nodes.saturating_sub(1));
        // All share one network group where all share one address.
        let outbound_per_group_max = match self.ground {
            Ground::Groups => fast.outbound_per_group_max,
            Ground::Shared => fast.max,
        };
        let (min, expected) = (fast.min.min(others), fast.expected.min(others));
        // The cap is by the hour: a network that lives for minutes would be done after one exchange.
        let swap_share_max = 1000;
        Gossip { min, expected, outbound_per_group_max, swap_share_max, ..fast }
    }

    /// The ordinary nodes.
    fn nodes(&self) -> &[Member] {
        self.members.get(1..).unwrap_or_default()
    }

    /// Makes and starts one node; number 0 is the seed.
    async fn start(&self, number: u8, seed: [u8; 32]) -> Result<Member, PhaseError> {
        let config = self.config_of(number);
        let member = Member::make(number, &self.plan.directory, &config, seed, self.end.clone());
        member.await.map_err(|source| PhaseError::start(number, source))
    }

    fn config_of(&self, number: u8) -> Config {
        let mut config = Config::default();
        let network = &mut config.network;
        network.name = "testnet".parse().expect("a short word");
        network.allow_private = true;
        network.listen = ListenAddress::anywhere_on(self.ground.address(number));
        if number == 0 {
            network.role = Role::Seed;
        } else {
            let seed = self.members.first();
            network.seeds = seed.map(Member::dial_addresses).unwrap_or_default();
        }
        config.gossip = self.gossip();
        self.payments_of(number, &mut config);
        config.orders.sync_every = SYNC_EVERY;
        config.orders.min_peers = SYNC_PEERS;
        config.orders.items_max = ORDERS_MAX;
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
        let ended = async {
            for member in &mut self.members {
                member.ended().await;
            }
        };
        if timeout(END_PATIENCE, ended).await.is_ok() {
            return 0;
        }
        self.members.iter().filter(|member| member.lives()).count()
    }
}

impl fmt::Debug for Testnet {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Testnet")
            .field("plan", &self.plan)
            .field("members", &self.members)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use std::path::Path;

    fn plan(directory: &Path) -> Plan {
        let directory = directory.to_owned();
        Plan { nodes: 3, hold: Duration::ZERO, rng_seed: 1, orders: None, directory }
    }

    #[tokio::test]
    async fn a_network_also_forms_where_all_share_one_address() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let plan = plan(directory.path());
        let mut testnet = Testnet::on(Ground::Shared, plan, CancellationToken::new(), |_| {});
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
        let mut testnet = Testnet::new(plan(directory.path()), enough.clone(), |_| {});
        enough.cancel();
        let outcome = PHASES[0].run(&mut testnet).await;
        assert!(matches!(outcome, Err(PhaseError::Interrupted)), "{outcome:?}");
        assert_eq!(testnet.end().await, 0);
    }
}
