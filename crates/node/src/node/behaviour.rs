//! What runs in the swarm: the limits around everything, identify and ping for anybody, and behind
//! the gate gossip, the seed protocol and the application's.

use std::collections::BTreeMap;
use std::io;
use std::num::NonZeroUsize;
use std::sync::{Arc, OnceLock};
use std::thread::available_parallelism;
use std::time::Duration;

use handshake::seed::{self, Seed, SeedMemory};
use handshake::{Ban, Banned, Dialer, Gate, Sessions};
use libp2p::identity::Keypair;
use libp2p::swarm::behaviour::toggle::Toggle;
use libp2p::swarm::{ConnectionId, NetworkBehaviour, StreamProtocol};
use libp2p::{Multiaddr, PeerId, identify, ping};
use machine::Machine;
use ordersync::{ID, ID_BINARY, ID_V4};
use rand::RngExt;
use rand::rngs::StdRng;
use relay::pipe;
use session::Registry;
use tickets::aggregation;
use topics::{Command, Rules};
use transport::clock::Clock;
use transport::pool::Pool;
use transport::{JobLimits, NoJobs, conversation, limits, question, session as turns};

use super::links::is_lasting;

use crate::config::{DialAddress, Params, Role};
use crate::memory::Memory;
use crate::syncing::topics_of;

/// Signature checks that wait. More come only from a flood, which is then refused.
const POOL_QUEUE_MAX: usize = 1024;

/// Time for the orders of a message to be checked: some hundred signatures, when everybody has some.
const JUDGE_TIMEOUT: Duration = Duration::from_secs(5);

/// Bytes per second that are asked for of one publisher in the long run: some 15,000 orders, about
/// what one core can check.
const PUBLISHER_RATE: u64 = 2 << 20;

/// Packets that may wait for one peer, and their bytes: a fifth of a second of what one core relays.
/// More come back, and their senders are told.
const PACKETS_MAX: usize = 1024;
const PACKETS_BYTES_MAX: usize = 2 << 20;

/// Jobs that messages may have under way: four for each of a hundred links and more. One more is
/// refused, and what it was for is tried again.
const MESSAGE_JOBS_MAX: usize = 512;

/// What identify names as the protocol of the network.
const IDENTIFY: &str = "/meshwork/1";

#[derive(NetworkBehaviour)]
pub(super) struct Behaviour {
    pub(super) limits: limits::Behaviour,
    pub(super) identify: identify::Behaviour,
    pub(super) ping: ping::Behaviour,
    /// Orders in the words of 0x-Mesh: for remotes that do not pass the gate, in both directions.
    pub(super) outside: turns::Behaviour,
    pub(super) gate: Gate<Gated>,
}

/// Orders as nodes of ours bring them together.
pub(super) const BINARY: StreamProtocol = StreamProtocol::new(ID_BINARY);

/// Orders of version 3 as nodes of 0x-Mesh do.
pub(super) const JSON: StreamProtocol = StreamProtocol::new(ID);

/// Orders of version 4 as nodes of 0x-Mesh do.
pub(super) const JSON_V4: StreamProtocol = StreamProtocol::new(ID_V4);

/// What only a peer that passed the handshake can reach.
#[derive(NetworkBehaviour)]
pub(super) struct Gated {
    pub(super) gossip: gossip::Behaviour,
    pub(super) seed: seed::Behaviour,
    pub(super) session: session::Behaviour,
    pub(super) orders: turns::Behaviour,
    /// Not of a seed: who visits it has no use for it.
    pub(super) topics: Toggle<topics::Behaviour>,
    /// Tickets for others. These three only of a node that relays.
    pub(super) aggregation: Toggle<aggregation::Behaviour>,
    /// Packets.
    pub(super) msg: Toggle<conversation::Behaviour<pipe::Msg>>,
    /// What is said about packets.
    pub(super) ack: Toggle<conversation::Behaviour<pipe::Ack>>,
    /// Messages. Only of a node that carries them.
    pub(super) dht: Toggle<conversation::Behaviour<dht::Core>>,
}

/// What trades tickets, and how long one question may take.
pub(super) type Trader = (aggregation::Core, aggregation::Worker, Duration);

/// What carries messages, and where it looks for whom it dials with.
pub(super) type Carrier = (dht::Core, dht::Worker, Arc<OnceLock<Dialer>>);

/// What not every node has.
pub(super) struct Extras {
    pub(super) trader: Option<Trader>,
    pub(super) carrier: Option<Carrier>,
}

/// Builds everything for the node of `identity`.
pub(super) fn build(
    identity: &Keypair,
    params: &Params,
    protocols: Registry,
    memory: Memory,
    extras: Extras,
    sessions: &Sessions,
    rng: &mut StdRng,
) -> io::Result<Behaviour> {
    let Extras { trader, carrier } = extras;
    let local = identity.public().to_peer_id();
    let network = &params.config().network;
    let pool = Pool::new(available_parallelism().unwrap_or(NonZeroUsize::MIN), POOL_QUEUE_MAX)?;

    let names = names(&protocols, network.role, (trader.is_some(), carrier.is_some()));
    let spreads = (network.role == Role::Node).then(|| broadcast(identity, params, pool.clone()));
    let orders =
        turns::Behaviour::new(sessions_of_orders(), accepted_inside(network.role, sessions));
    let Memory { bans, seeds, book, kept, .. } = memory;
    let session = application(protocols, sessions);
    let visits = visits(local, params, kept.seeds);
    let visitor = seed::Core::new(params.seed.clone(), visits, rng.random());
    let overlay = overlay(local, params, &kept.bans, kept.book);
    let overlay = gossip::Core::new(params.gossip.clone(), overlay, rng.random());
    let role = match network.role {
        Role::Node => question::Role::Asks,
        Role::Seed => question::Role::Both,
    };
    let setup = handshake::Setup {
        local,
        params: params.gate.clone(),
        names,
        pool: pool.clone(),
        sessions: sessions.clone(),
        seed: rng.random(),
    };
    let gated = |dialer: &Dialer| {
        let (dialer, allow_private) = (dialer.clone(), network.allow_private);
        let reached = dialer.clone();
        let links = gossip::Worker::new(dialer.clone(), pool.clone(), book, allow_private);
        let visits = seed::Worker::new(dialer, pool, seeds, allow_private);
        let pipes = trader.is_some();
        Gated {
            gossip: gossip::Behaviour::new(overlay, links, conversation::Config::default()),
            seed: seed::Behaviour::new(visitor, visits, question::Config::new(role)),
            session,
            orders,
            topics: spreads.into(),
            aggregation: trader.map(trade).into(),
            msg: carry(pipes),
            ack: carry(pipes),
            dht: carrier.map(|carrier| messages(carrier, &reached)).into(),
        }
    };
    let mut gate = Gate::new(gated, setup, bans);
    for peer in &network.peers {
        gate.name_peer(peer.peer());
    }
    let about = identify::Config::new(IDENTIFY.to_owned(), identity.public())
        .with_agent_version(params.gate.agent.clone())
        // Addresses that strangers tell are nobody's to dial.
        .with_cache_size(0);
    Ok(Behaviour {
        limits: limits::Behaviour::new(params.limits),
        identify: identify::Behaviour::new(about),
        ping: ping::Behaviour::default(),
        outside: outside(params),
        gate,
    })
}

/// The protocols of the application.
fn application(protocols: Registry, sessions: &Sessions) -> session::Behaviour {
    let sessions = sessions.clone();
    session::Behaviour::new(protocols, session::Config::default(), move |id| sessions.get(id))
}

/// Every name behind the gate that a remote may open.
fn names(protocols: &Registry, role: Role, (relays, carries): (bool, bool)) -> Vec<StreamProtocol> {
    let mut names = protocols.accepted();
    if relays {
        let each = [aggregation::Core::NAMES, pipe::Msg::NAMES, pipe::Ack::NAMES];
        names.extend(each.concat().into_iter().map(StreamProtocol::new));
    }
    if carries {
        names.extend(dht::Core::NAMES.iter().copied().map(StreamProtocol::new));
    }
    names.extend(gossip::Core::NAMES.iter().copied().map(StreamProtocol::new));
    match role {
        Role::Seed => names.extend(seed::Core::NAMES.iter().copied().map(StreamProtocol::new)),
        Role::Node => {
            names.extend(topics::Core::NAMES.iter().copied().map(StreamProtocol::new));
            names.push(BINARY);
        }
    }
    names
}

/// Tickets for others. The core has a time-out of its own, after which nobody needs the answer.
fn trade((core, worker, timeout): Trader) -> aggregation::Behaviour {
    let config = question::Config { timeout, ..question::Config::new(question::Role::Both) };
    aggregation::Behaviour::new(core, worker, config)
}

/// Frames of one of the protocols of packets, if the node relays.
fn carry<K: pipe::Kind>(relays: bool) -> Toggle<conversation::Behaviour<pipe::Core<K>>> {
    let config = conversation::Config {
        outbox_messages_max: PACKETS_MAX,
        outbox_bytes_max: PACKETS_BYTES_MAX,
        ..conversation::Config::default()
    };
    let carries = || conversation::Behaviour::new(pipe::Core::default(), NoJobs, config);
    relays.then(carries).into()
}

/// Messages: the core asks for more work at once than others, as each link may bring some.
fn messages((core, worker, place): Carrier, dialer: &Dialer) -> conversation::Behaviour<dht::Core> {
    place.set(dialer.clone()).expect("nobody else begins with this core");
    let jobs = JobLimits { under_way_max: MESSAGE_JOBS_MAX, ..JobLimits::default() };
    let config = conversation::Config { jobs, ..conversation::Config::default() };
    conversation::Behaviour::new(core, worker, config)
}

/// Orders beside the gate.
fn outside(params: &Params) -> turns::Behaviour {
    let config = params.config();
    let serves = config.network.role == Role::Node && config.orders.serve_strangers;
    let mut names = if serves { vec![JSON] } else { Vec::new() };
    if serves && params.orders.wanted.v4().is_some() {
        names.push(JSON_V4);
    }
    turns::Behaviour::new(sessions_of_orders(), move |_, _| names.clone())
}

/// Who has ended one session may begin the next before this side has let go of the first.
fn sessions_of_orders() -> turns::Config {
    turns::Config { accepted_max: 2, ..turns::Config::default() }
}

/// What may be opened behind the gate: on links, and not on visits.
fn accepted_inside(
    role: Role,
    sessions: &Sessions,
) -> impl FnMut(PeerId, ConnectionId) -> Vec<StreamProtocol> + Send + 'static {
    let sessions = sessions.clone();
    move |_, connection| {
        let info = sessions.get(connection).filter(|_| role == Role::Node);
        if info.is_some_and(|info| is_lasting(&info)) { vec![BINARY] } else { Vec::new() }
    }
}

/// Where new orders spread.
fn broadcast(identity: &Keypair, params: &Params, pool: Pool) -> topics::Behaviour {
    let (judge_timeout, publisher_rate) = (JUDGE_TIMEOUT, PUBLISHER_RATE);
    let config = topics::Config { judge_timeout, publisher_rate, ..topics::Config::default() };
    let config = config.check().expect("the defaults are in their bounds, and so is this");
    let core = topics::Core::new(config, identity.public().to_peer_id());
    let worker = topics::Worker::new(identity.clone(), pool);
    let mut topics = topics::Behaviour::new(core, worker, conversation::Config::default());
    let rules = Rules { judged: true, ..Rules::default() };
    for topic in topics_of(&params.orders.wanted).into_values() {
        topics.command(Command::Subscribe { topic, rules });
    }
    topics
}

/// What can be dialled.
fn transports() -> Vec<String> {
    vec!["tcp".to_owned(), "quic".to_owned()]
}

/// Whom the seed protocol may visit.
fn visits(local: PeerId, params: &Params, memory: Vec<SeedMemory>) -> seed::Setup {
    let seeds = by_peer(&params.config().network.seeds);
    let seeds = seeds.map(|(peer, addresses)| Seed { peer, addresses }).collect();
    seed::Setup { local, seeds, transports: transports(), memory }
}

/// Who gossip is, whom it keeps whatever happens, and what it knows from before.
fn overlay(local: PeerId, params: &Params, bans: &[Ban], kept: gossip::Snapshot) -> gossip::Setup {
    let peer = |ban: &Ban| match ban.banned {
        Banned::Peer(peer) => Some(peer),
        Banned::Address(_) => None,
    };
    gossip::Setup {
        local,
        transports: transports(),
        trusted: by_peer(&params.config().network.peers).collect(),
        banned: bans.iter().filter_map(peer).collect(),
        kept,
        started: Clock::wall(),
    }
}

fn by_peer(addresses: &[DialAddress]) -> impl Iterator<Item = (PeerId, Vec<Multiaddr>)> {
    let mut by_peer: BTreeMap<PeerId, Vec<Multiaddr>> = BTreeMap::new();
    for address in addresses {
        by_peer.entry(address.peer()).or_default().push(address.multiaddr().clone());
    }
    by_peer.into_iter()
}
