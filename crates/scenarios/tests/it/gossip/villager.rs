//! A node that runs gossip behind its gate, and nothing else.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use ::gossip::{
    Behaviour, Command, Config, Core, Direction, Event, MemoryBook, Opened, Snapshot, Worker,
};
use handshake::{Event as GateEvent, Gate, MemoryBans, SessionInfo, SessionKind, Sessions};
use libp2p_core::Multiaddr;
use libp2p_identity::{Keypair, PeerId};
use libp2p_swarm::{NetworkBehaviour, Swarm, SwarmEvent};
use machine::{Machine, UnixTime};
use transport::conversation;
use transport::pool::Pool;
use wire::signed::SignedRecord;

use crate::live::{Live, Log};
use crate::net::{Net, builder};

/// What runs in the swarm.
pub(crate) type All = Gate<Behaviour>;

/// How the links among a few neighbours on one machine are kept.
pub(crate) fn quick() -> Config {
    Config { allow_private: true, outbound_per_group_max: 64, ..Config::fast() }
}

/// Links are what the test makes them, and exchanged as soon as that may be.
pub(crate) fn exchanging() -> Config {
    Config {
        min: 0,
        expected: 0,
        max: 60,
        anchors: 0,
        swap_period: Duration::from_secs(1),
        swap_age_min: Duration::ZERO,
        swap_protected: 0,
        ..quick()
    }
}

/// What goes around a behaviour behind the gate.
pub(crate) fn gate_setup(key: &Keypair, network: &str, pool: &Pool) -> handshake::Setup {
    let config = handshake::Config {
        network: network.to_owned(),
        allow_private: true,
        ..handshake::Config::default()
    };
    handshake::Setup {
        local: key.public().to_peer_id(),
        params: config.check().unwrap(),
        names: Core::NAMES.iter().copied().map(libp2p_swarm::StreamProtocol::new).collect(),
        pool: pool.clone(),
        sessions: Sessions::default(),
        seed: key.derive_secret(b"nonces").unwrap(),
    }
}

/// A running node.
pub(crate) struct Villager {
    live: Live<All, Seen>,
    pub(crate) record: Arc<SignedRecord>,
}

impl Deref for Villager {
    type Target = Live<All, Seen>;

    fn deref(&self) -> &Self::Target {
        &self.live
    }
}

impl Villager {
    pub(crate) async fn start(config: Config) -> Self {
        Self::of_network("net", config).await
    }

    pub(crate) async fn of_network(network: &str, config: Config) -> Self {
        let key = Keypair::generate_ed25519();
        let pool = Pool::new(1.try_into().unwrap(), 64).unwrap();
        let swarm = swarm(&key, network, &pool, config);
        let live = Box::pin(Live::start(swarm, Net::Tcp)).await;
        let record = SignedRecord::seal(&key, 1, vec![live.address.clone()]).unwrap();
        let ours = record.clone();
        live.run(move |swarm| swarm.behaviour_mut().set_record(&ours)).await;
        Self { live, record: Arc::new(record) }
    }

    /// Is told of others, by some seed.
    pub(crate) async fn learn(&self, others: &[&Self]) {
        let source = PeerId::random();
        let records = others.iter().map(|other| Arc::clone(&other.record)).collect();
        self.command(Command::Learned { source, address: None, records }).await;
    }

    pub(crate) async fn command(&self, command: Command) {
        self.run(|swarm| swarm.behaviour_mut().inner_mut().command(command)).await;
    }

    /// Dials another, and waits until both count the link.
    pub(crate) async fn link(&self, other: &Self) {
        let dialer = self.run(|swarm| swarm.behaviour().dialer()).await;
        let addresses = vec![other.address.clone()];
        dialer.dial(other.peer, addresses, SessionKind::Outbound).await.unwrap();
        let (me, they) = (self.peer, other.peer);
        self.until("the link", |seen| seen.links.contains(&they)).await;
        other.until("the link", |seen| seen.links.contains(&me)).await;
    }
}

fn swarm(key: &Keypair, network: &str, pool: &Pool, config: Config) -> Swarm<All> {
    let setup = ::gossip::Setup {
        local: key.public().to_peer_id(),
        transports: vec!["tcp".to_owned()],
        trusted: Vec::new(),
        banned: Vec::new(),
        kept: Snapshot::default(),
        started: UnixTime::from_millis(1_000_000_000_000),
    };
    let seed = key.derive_secret(b"gossip").unwrap();
    let core = Core::new(config.check().unwrap(), setup, seed);
    let inner = |dialer: &handshake::Dialer| {
        let store = Arc::new(MemoryBook::default());
        let worker = Worker::new(dialer.clone(), pool.clone(), store, true);
        Behaviour::new(core, worker, conversation::Config::default())
    };
    let gate = Gate::new(inner, gate_setup(key, network, pool), MemoryBans::default());
    builder(key.clone()).idle_timeout(Duration::from_secs(10)).build(gate).unwrap()
}

/// What came of it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seen {
    /// To whom links are counted, once gossip has said so.
    pub(crate) links: BTreeSet<PeerId>,
    pub(crate) events: Vec<Event>,
    /// From whom bytes came that are no gossip.
    pub(crate) malformed: Vec<PeerId>,
    pub(crate) refused: Vec<String>,
    connections: BTreeMap<PeerId, usize>,
}

impl Seen {
    pub(crate) fn any(&self, found: impl Fn(&Event) -> bool) -> bool {
        self.events.iter().any(found)
    }

    fn note_gate(
        &mut self,
        event: GateEvent<<Behaviour as NetworkBehaviour>::ToSwarm>,
        swarm: &mut Swarm<All>,
    ) {
        let gate = swarm.behaviour_mut();
        match event {
            GateEvent::Inner(transport::Event::Core(event)) => {
                match &event {
                    Event::Linked { peer } => drop(self.links.insert(*peer)),
                    Event::Unlinked { peer } => drop(self.links.remove(peer)),
                    Event::HangUp { peer } => gate.disconnect(*peer),
                    Event::SeedsWanted { .. } => {
                        let outcome = Err(Duration::from_secs(1));
                        gate.inner_mut().command(Command::Sought { outcome });
                    }
                    _ => {}
                }
                self.events.push(event);
            }
            GateEvent::Inner(transport::Event::Malformed { peer, .. }) => self.malformed.push(peer),
            GateEvent::Inner(transport::Event::Fault { peer, fault }) => {
                let honest = machine::Blame::verdict(&fault) == machine::Verdict::Note;
                assert!(honest, "{peer} is charged for {fault}");
            }
            GateEvent::Opened(info) => {
                *self.connections.entry(info.peer).or_default() += 1;
                gate.inner_mut().command(opened(&info));
            }
            GateEvent::Closed(info) => {
                let left = self.connections.get_mut(&info.peer).unwrap();
                *left -= 1;
                if *left == 0 {
                    gate.inner_mut().command(Command::Closed { peer: info.peer });
                }
            }
            GateEvent::Refused { refusal, .. } => self.refused.push(refusal.to_string()),
            _ => {}
        }
    }
}

fn opened(info: &SessionInfo) -> Command {
    let direction =
        if info.kind == SessionKind::Inbound { Direction::Inbound } else { Direction::Outbound };
    let address: Multiaddr = info.address.clone();
    let record = info.record.clone().map(Arc::new);
    Command::Opened(Box::new(Opened { peer: info.peer, direction, address, record }))
}

impl Log<All> for Seen {
    fn note(
        &mut self,
        event: SwarmEvent<GateEvent<<Behaviour as NetworkBehaviour>::ToSwarm>>,
        swarm: &mut Swarm<All>,
    ) {
        if let SwarmEvent::Behaviour(event) = event {
            self.note_gate(event, swarm);
        }
    }
}
