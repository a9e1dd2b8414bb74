//! What runs in the swarm: the limits around everything, identify and ping for anybody, and behind
//! the gate gossip, the seed protocol and the application's.

use std::collections::BTreeMap;
use std::io;
use std::num::NonZeroUsize;
use std::thread::available_parallelism;

use handshake::seed::{self, Seed, SeedMemory};
use handshake::{Ban, Banned, Dialer, Gate, Sessions};
use libp2p::identity::Keypair;
use libp2p::swarm::{NetworkBehaviour, StreamProtocol};
use libp2p::{Multiaddr, PeerId, identify, ping};
use machine::Machine;
use rand::RngExt;
use rand::rngs::StdRng;
use session::Registry;
use transport::clock::Clock;
use transport::pool::Pool;
use transport::{conversation, limits, question};

use crate::config::{DialAddress, Params, Role};
use crate::memory::Memory;

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
    pub(super) gossip: gossip::Behaviour,
    pub(super) seed: seed::Behaviour,
    pub(super) session: session::Behaviour,
}

/// Builds everything for the node of `identity`.
pub(super) fn build(
    identity: &Keypair,
    params: &Params,
    protocols: Registry,
    memory: Memory,
    sessions: &Sessions,
    rng: &mut StdRng,
) -> io::Result<Behaviour> {
    let local = identity.public().to_peer_id();
    let network = &params.config().network;
    let pool = Pool::new(available_parallelism().unwrap_or(NonZeroUsize::MIN), POOL_QUEUE_MAX)?;

    let mut names = protocols.accepted();
    names.extend(gossip::Core::NAMES.iter().copied().map(StreamProtocol::new));
    if network.role == Role::Seed {
        names.extend(seed::Core::NAMES.iter().copied().map(StreamProtocol::new));
    }
    let Memory { bans, seeds, book, kept, .. } = memory;
    let agreed = sessions.clone();
    let session =
        session::Behaviour::new(protocols, session::Config::default(), move |id| agreed.get(id));
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
        let links = gossip::Worker::new(dialer.clone(), pool.clone(), book, allow_private);
        let visits = seed::Worker::new(dialer, pool, seeds, allow_private);
        Gated {
            gossip: gossip::Behaviour::new(overlay, links, conversation::Config::default()),
            seed: seed::Behaviour::new(visitor, visits, question::Config::new(role)),
            session,
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
        gate,
    })
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
