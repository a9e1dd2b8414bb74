//! What runs in the swarm: the limits around everything, identify and ping for anybody, and behind
//! the gate the seed protocol and the application's.

use std::collections::BTreeMap;
use std::io;
use std::num::NonZeroUsize;
use std::thread::available_parallelism;

use handshake::seed::{self, Core, Seed};
use handshake::{Dialer, Gate, MemoryBans, Sessions};
use libp2p::identity::Keypair;
use libp2p::swarm::{NetworkBehaviour, StreamProtocol};
use libp2p::{Multiaddr, PeerId, identify, ping};
use machine::Machine;
use rand::RngExt;
use rand::rngs::StdRng;
use session::Registry;
use transport::limits;
use transport::pool::Pool;
use transport::question;

use crate::config::{Params, Role};

/// Signature checks that wait. More come only from a flood, which is then refused.
const POOL_QUEUE_MAX: usize = 1024;

/// What identify names as the protocol of the network.
const IDENTIFY: &str = "/meshwork/1";

#[derive(NetworkBehaviour)]
pub(super) struct Behaviour {
    pub(super) limits: limits::Behaviour,
    pub(super) identify: identify::Behaviour,
    pub(super) ping: ping::Behaviour,
    pub(super) gate: Gate<Gated>,
}

/// What only a peer that passed the handshake can reach.
#[derive(NetworkBehaviour)]
pub(super) struct Gated {
    pub(super) seed: seed::Behaviour,
    pub(super) session: session::Behaviour,
}

/// Builds everything for the node of `identity`.
pub(super) fn build(
    identity: &Keypair,
    params: &Params,
    protocols: Registry,
    sessions: &Sessions,
    rng: &mut StdRng,
) -> io::Result<Behaviour> {
    let local = identity.public().to_peer_id();
    let network = &params.config().network;
    let pool = Pool::new(available_parallelism().unwrap_or(NonZeroUsize::MIN), POOL_QUEUE_MAX)?;

    let mut names = protocols.accepted();
    if network.role == Role::Seed {
        names.extend(Core::NAMES.iter().copied().map(StreamProtocol::new));
    }
    let agreed = sessions.clone();
    let session =
        session::Behaviour::new(protocols, session::Config::default(), move |id| agreed.get(id));
    let core = Core::new(params.seed.clone(), visits(local, params), rng.random());
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
        let worker = seed::Worker::new(dialer.clone(), pool, network.allow_private);
        Gated { seed: seed::Behaviour::new(core, worker, question::Config::new(role)), session }
    };
    let mut gate = Gate::new(gated, setup, MemoryBans::default());
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
        gate,
    })
}

/// Whom the seed protocol may visit, and what can be dialled.
fn visits(local: PeerId, params: &Params) -> seed::Setup {
    let mut seeds: BTreeMap<PeerId, Vec<Multiaddr>> = BTreeMap::new();
    for seed in &params.config().network.seeds {
        seeds.entry(seed.peer()).or_default().push(seed.multiaddr().clone());
    }
    let seeds = seeds.into_iter().map(|(peer, addresses)| Seed { peer, addresses }).collect();
    seed::Setup { local, seeds, transports: vec!["tcp".to_owned(), "quic".to_owned()] }
}
