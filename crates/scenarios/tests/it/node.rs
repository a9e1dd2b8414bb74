//! A whole node, as a scenario makes it and speaks to it.

use std::ops::{Deref, Range};
use std::sync::Arc;
use std::time::Duration;

use futures::future::{BoxFuture, FutureExt, ready};
use handshake::{
    BanStore, Config, Dialer, Gate, MemoryBans, Refusal, SessionInfo, Sessions, Setup,
};
use libp2p::{gossipsub, identify, ping};
use libp2p_core::Multiaddr;
use libp2p_identity::{Keypair, PeerId};
use libp2p_request_response as rr;
use libp2p_swarm::behaviour::toggle::Toggle;
use libp2p_swarm::{NetworkBehaviour, StreamProtocol, Swarm};
use machine::JobError;
use testkit::chatter;
use transport::pool::Pool;
use transport::{Worker, conversation, limits};

use crate::live::Live;
use crate::net::{Net, builder};
use crate::probe::Probe;
use crate::seen::Seen;

/// The request-response protocol inside the gate.
pub(crate) const ECHO: StreamProtocol = StreamProtocol::new("/echo/1");

/// The conversation inside the gate.
pub(crate) const CHATTER: StreamProtocol = StreamProtocol::new("/meshwork/chatter/1");

/// Topics, inside the gate.
pub(crate) const GOSSIP: StreamProtocol = StreamProtocol::new("/gossip/1");

/// What is behind the gate.
#[derive(NetworkBehaviour)]
#[behaviour(prelude = "libp2p_swarm::derive_prelude")]
pub(crate) struct Inner {
    /// The first to be asked about a connection: request-response cannot bear that another denies
    /// one which it has welcomed.
    pub(crate) probe: Probe,
    pub(crate) echo: rr::json::Behaviour<u32, u32>,
    pub(crate) chatter: Toggle<conversation::Behaviour<chatter::Core>>,
    pub(crate) gossip: Toggle<gossipsub::Behaviour>,
}

/// What a node runs.
#[derive(NetworkBehaviour)]
#[behaviour(prelude = "libp2p_swarm::derive_prelude")]
pub(crate) struct All {
    pub(crate) limits: limits::Behaviour,
    pub(crate) gate: Gate<Inner>,
    pub(crate) identify: identify::Behaviour,
    pub(crate) ping: ping::Behaviour,
}

/// How a node is made.
pub(crate) struct Plan {
    pub(crate) net: Net,
    pub(crate) key: Keypair,
    pub(crate) config: Config,
    pub(crate) limits: limits::Config,
    /// After how long a connection is closed that nothing holds.
    pub(crate) idle: Duration,
    /// After how long a connection is closed that is not secured.
    pub(crate) secured_within: Duration,
    /// Whether the conversation runs behind the gate.
    pub(crate) chats: bool,
    /// Whether gossipsub does.
    pub(crate) gossips: bool,
}

impl Plan {
    /// A node with short deadlines, which believes private addresses and does not count those of
    /// one machine as a crowd.
    pub(crate) fn new(net: Net) -> Self {
        Self {
            net,
            key: Keypair::generate_ed25519(),
            config: Config {
                network: "net".to_owned(),
                deadline: Duration::from_secs(2),
                allow_private: true,
                ..Config::default()
            },
            limits: limits::Config {
                per_subnet_max: 96,
                pending_per_subnet_max: 64,
                ..limits::Config::default()
            },
            idle: Duration::from_secs(10),
            secured_within: Duration::from_secs(10),
            chats: true,
            gossips: false,
        }
    }

    pub(crate) fn configured(net: Net, change: impl FnOnce(&mut Config)) -> Self {
        let mut plan = Self::new(net);
        change(&mut plan.config);
        plan
    }

    pub(crate) async fn start(self) -> Node {
        self.start_with(MemoryBans::default()).await
    }

    pub(crate) async fn start_with(self, bans: impl BanStore) -> Node {
        let (net, key, sessions) = (self.net, self.key.clone(), Sessions::default());
        let swarm = self.swarm(sessions.clone(), bans);
        let dialer = swarm.behaviour().gate.dialer();
        Node { live: Box::pin(Live::start(swarm, net)).await, key, dialer, sessions }
    }

    fn swarm(self, sessions: Sessions, bans: impl BanStore) -> Swarm<All> {
        let public = self.key.public();
        let setup = Setup {
            local: public.to_peer_id(),
            params: self.config.check().unwrap(),
            names: vec![ECHO, CHATTER, GOSSIP],
            pool: Pool::new(1.try_into().unwrap(), 64).unwrap(),
            sessions,
            // Two nodes with equal nonces would take each other for themselves.
            seed: self.key.derive_secret(b"nonces").unwrap(),
        };
        let gossip = self.gossips.then(|| gossip(&self.key));
        let ping = ping::Config::new().with_interval(Duration::from_millis(200));
        let all = All {
            limits: limits::Behaviour::new(self.limits.check().unwrap()),
            gate: Gate::new(|_| inner(self.chats, gossip), setup, bans),
            identify: identify::Behaviour::new(identify::Config::new("/it/1".into(), public)),
            ping: ping::Behaviour::new(ping),
        };
        let transport = builder(self.key).idle_timeout(self.idle);
        transport.connection_timeout(self.secured_within).build(all).unwrap()
    }
}

fn inner(chats: bool, gossip: Option<gossipsub::Behaviour>) -> Inner {
    let settings = rr::Config::default().with_max_concurrent_streams(1000);
    let echo = rr::json::Behaviour::new([(ECHO, rr::ProtocolSupport::Full)], settings);
    let chatter = chats.then(|| {
        let pace = chatter::Config { ask_gap: Duration::ZERO, ..chatter::Config::default() };
        let core = chatter::Core::new(pace.check().unwrap(), [7; 32]);
        conversation::Behaviour::new(core, Counter, conversation::Config::default())
    });
    Inner { echo, probe: Probe::default(), chatter: chatter.into(), gossip: gossip.into() }
}

fn gossip(key: &Keypair) -> gossipsub::Behaviour {
    let name = GOSSIP.to_string();
    let config = gossipsub::ConfigBuilder::default()
        .protocol_id(name, gossipsub::Version::V1_1)
        .heartbeat_interval(Duration::from_millis(100))
        .build();
    let signed = gossipsub::MessageAuthenticity::Signed(key.clone());
    gossipsub::Behaviour::new(signed, config.unwrap()).unwrap()
}

/// Counts at once.
#[derive(Debug)]
pub(crate) struct Counter;

impl Worker<chatter::Core> for Counter {
    fn start(&mut self, job: chatter::Count) -> BoxFuture<'static, Result<u16, JobError>> {
        ready(Ok(job.wanted)).boxed()
    }
}

/// A running node.
pub(crate) struct Node {
    live: Live<All, Seen>,
    pub(crate) key: Keypair,
    pub(crate) dialer: Dialer,
    pub(crate) sessions: Sessions,
}

impl Deref for Node {
    type Target = Live<All, Seen>;

    fn deref(&self) -> &Self::Target {
        &self.live
    }
}

impl Node {
    /// An ordinary node.
    pub(crate) async fn start(net: Net) -> Self {
        Plan::new(net).start().await
    }

    /// A node of another network.
    pub(crate) async fn of_network(net: Net, network: &str) -> Self {
        Self::with(net, |config| network.clone_into(&mut config.network)).await
    }

    /// A node set up as `change` says.
    pub(crate) async fn with(net: Net, change: impl FnOnce(&mut Config)) -> Self {
        Plan::configured(net, change).start().await
    }

    /// Two ordinary nodes, not yet connected.
    pub(crate) async fn pair(net: Net) -> (Self, Self) {
        (Self::start(net).await, Self::start(net).await)
    }

    /// Two ordinary nodes, open to each other.
    pub(crate) async fn friends(net: Net) -> (Self, Self) {
        let (a, b) = Self::pair(net).await;
        a.dial(&b).await;
        a.until("the gate to open", |seen| seen.opened.len() == 1).await;
        b.until("the gate to open", |seen| seen.opened.len() == 1).await;
        (a, b)
    }

    /// Listens there as well and returns the address.
    pub(crate) async fn also_listen(&self, net: Net) -> Multiaddr {
        let before = self.now().listening;
        self.run(move |swarm| swarm.listen_on(net.anywhere())).await.unwrap();
        let what = "one more address";
        let seen = self.until(what, |seen| seen.listening.len() > before.len()).await;
        seen.listening.last().unwrap().clone()
    }

    /// Dials, whatever connections there are.
    pub(crate) async fn dial(&self, other: &Self) {
        self.dial_at(other.peer, other.address.clone()).await;
    }

    /// Sends one request for each of `numbers`.
    pub(crate) async fn ask(&self, peer: PeerId, numbers: Range<u32>) {
        self.run(move |swarm| ask(swarm, peer, numbers)).await;
    }

    /// From now on sends requests the moment the gate opens to `peer`.
    pub(crate) async fn greet(&self, peer: PeerId, numbers: Range<u32>) {
        self.run(move |swarm| probe(swarm).greets.insert(peer, numbers)).await;
    }

    /// Once sends requests the moment the swarm is connected with `peer`, before the gate opens.
    pub(crate) async fn greet_at_once(&self, peer: PeerId, numbers: Range<u32>) {
        self.run(move |swarm| probe(swarm).greets_at_once.insert(peer, numbers)).await;
    }

    /// Knows from now on where `other` is.
    pub(crate) async fn learn(&self, other: &Self) {
        let (peer, address) = (other.peer, other.address.clone());
        self.run(move |swarm| swarm.add_peer_address(peer, address)).await;
    }

    /// Waits until it is connected with nobody.
    pub(crate) async fn alone(&self) -> Seen {
        self.until("the last connection to go", |seen| seen.connections() == 0).await
    }

    /// Goes, and waits until every socket is closed.
    pub(crate) async fn stop(self) {
        self.live.stop().await;
    }
}

/// The probe behind the gate.
pub(crate) fn probe(swarm: &mut Swarm<All>) -> &mut Probe {
    &mut swarm.behaviour_mut().gate.inner_mut().probe
}

/// Sends one request for each of `numbers`.
pub(crate) fn ask(swarm: &mut Swarm<All>, peer: PeerId, numbers: Range<u32>) {
    for number in numbers {
        swarm.behaviour_mut().gate.inner_mut().echo.send_request(&peer, number);
    }
}

/// The only session that `seen` tells of.
#[track_caller]
pub(crate) fn only(opened: &[Arc<SessionInfo>]) -> &SessionInfo {
    assert_eq!(opened.len(), 1, "{opened:?}");
    &opened[0]
}

/// Who refused, with which code, and what was said about it.
pub(crate) fn told(refusal: &Refusal) -> String {
    match refusal {
        Refusal::Ours(reject) => format!("ours {reject}"),
        Refusal::Theirs { reject, .. } => format!("theirs {reject}"),
        other => other.name().to_owned(),
    }
}
