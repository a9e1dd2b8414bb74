//! The swarm's half: which connections the inner behaviour knows.

mod banning;
mod decide;
mod dials;
mod held;
mod swarm;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use futures::future::BoxFuture;
use libp2p_core::{ConnectedPoint, Multiaddr};
use libp2p_identity::PeerId;
use libp2p_swarm::{
    CloseConnection, ConnectionId, NetworkBehaviour, NotifyHandler, StreamProtocol, THandler,
    ToSwarm,
};
use machine::Instant;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use tokio::sync::mpsc;
use transport::clock::Clock;
use transport::pool::Pool;
use wire::signed::SignedRecord;

use self::banning::Stored;
use self::dials::Dials;
use self::held::HeldDials;
use crate::bans::Bans;
use crate::dialer::DialRequest;
use crate::exchange::Side;
use crate::handler::{FromGate, Shared};
use crate::messages::Version;
use crate::rivals::Progress;
use crate::{
    BanStore, Banned, Dialer, Event, Feature, Params, Refusal, SessionKind, Sessions, Theirs,
};

/// Shows `B` only the connections on which both sides accepted the other's version.
///
/// Until then `B` neither sees a connection nor has a protocol negotiated on it, and for each
/// `ConnectionEstablished` that it sees there is one `ConnectionClosed`. Protocols that are meant
/// for strangers stand beside the gate.
pub struct Gate<B: NetworkBehaviour> {
    inner: B,
    local: PeerId,
    shared: Shared,
    clock: Clock,
    rng: ChaCha8Rng,
    sessions: Sessions,
    /// Every connection there is, inside or not. Bounded by the connection limits.
    guests: BTreeMap<ConnectionId, Guest>,
    /// Those that the inner behaviour knows, oldest first.
    inside: BTreeMap<PeerId, Vec<ConnectionId>>,
    /// Whom the operator named.
    named: BTreeSet<PeerId>,
    /// Our own signed record, for the next Version.
    record: Bytes,
    /// Whom to name to those that we refuse.
    alternatives: Vec<SignedRecord>,
    bans: Bans,
    ban_store: Arc<dyn BanStore>,
    /// What the store is to do, in the order in which it was asked; the first is under way.
    storing: VecDeque<BoxFuture<'static, Stored>>,
    dials: Dials,
    held: HeldDials,
    dialer: Dialer,
    requests: mpsc::Receiver<DialRequest>,
    refused: BTreeMap<&'static str, u64>,
    out: VecDeque<Step<B>>,
}

/// What the gate asks of the swarm.
type Step<B> = ToSwarm<Event<<B as NetworkBehaviour>::ToSwarm>, FromGate<THandler<B>>>;

/// One connection.
struct Guest {
    peer: PeerId,
    side: Side,
    /// What the dialer opened it for; of a remote that dialled, an ordinary link until it says.
    declared: SessionKind,
    nonce: u64,
    /// Known from the moment the swarm announces the connection.
    arrival: Option<Arrival>,
    stage: Stage,
    since: Instant,
    /// How often it was [spared](Gate::spare): a stranger that is turned out after all others.
    spared: u32,
}

struct Arrival {
    endpoint: ConnectedPoint,
    failed: Vec<Multiaddr>,
}

/// How far a connection has come.
enum Stage {
    /// The remote dialled and has not opened the handshake.
    Stranger,
    /// We dialled, and there is not going to be a handshake.
    Outside,
    /// We have not decided.
    Pending,
    /// We accepted, and wait for their decision.
    Accepted { theirs: Box<Theirs>, features: Vec<Feature> },
    /// Both accepted, and the inner behaviour knows it.
    Inside,
    /// Both accepted, and that was all.
    Visited,
    /// It stays outside and is on its way out.
    Refused(Refusal),
}

/// What a gate is built from, besides its inner behaviour.
#[derive(Clone, Debug)]
pub struct Setup {
    /// Our own peer id.
    pub local: PeerId,
    /// The rules.
    pub params: Params,
    /// Every inbound name of the inner behaviour. A peer that was accepted may open a substream
    /// before our side is ready: if its name is listed here it waits, else it is refused.
    pub names: Vec<StreamProtocol>,
    /// Where signatures are checked.
    pub pool: Pool,
    /// Where the gate writes what was agreed, for all to read.
    pub sessions: Sessions,
    /// Seed of the nonces.
    pub seed: [u8; 32],
}

impl<B: NetworkBehaviour> Gate<B> {
    /// Guards what `inner` makes, which may dial through the gate; `bans` keeps bans over restarts.
    pub fn new(inner: impl FnOnce(&Dialer) -> B, setup: Setup, bans: impl BanStore) -> Self {
        let Setup { local, params, names, pool, sessions, seed } = setup;
        let (dialer, requests) = Dialer::new();
        let ban_store: Arc<dyn BanStore> = Arc::new(bans);
        let storing = VecDeque::from([banning::load(&*ban_store)]);
        Self {
            inner: inner(&dialer),
            local,
            shared: Shared { params, pool, names: names.into() },
            clock: Clock::start(),
            rng: ChaCha8Rng::from_seed(seed),
            sessions,
            guests: BTreeMap::new(),
            inside: BTreeMap::new(),
            named: BTreeSet::new(),
            record: Bytes::new(),
            alternatives: Vec::new(),
            bans: Bans::default(),
            ban_store,
            storing,
            dials: Dials::default(),
            held: HeldDials::default(),
            dialer,
            requests,
            refused: BTreeMap::new(),
            out: VecDeque::new(),
        }
    }

    /// The guarded behaviour, to read.
    pub fn inner(&self) -> &B {
        &self.inner
    }

    /// The guarded behaviour.
    pub fn inner_mut(&mut self) -> &mut B {
        &mut self.inner
    }

    /// A handle that dials.
    pub fn dialer(&self) -> Dialer {
        self.dialer.clone()
    }

    /// Our own record, told to everybody we meet from now on.
    pub fn set_record(&mut self, record: &SignedRecord) {
        self.record = record.encoded().clone();
    }

    /// Whom to name to those that we refuse: records of nodes that we ourselves have reached.
    pub fn set_alternatives(&mut self, records: Vec<SignedRecord>) {
        self.alternatives = records;
    }

    /// Marks a peer that the operator named: it takes no slot, and a private node accepts it.
    pub fn name_peer(&mut self, peer: PeerId) {
        self.named.insert(peer);
    }

    /// Takes [`name_peer`](Self::name_peer) back: `peer` is one as any other, from its next
    /// connection on.
    pub fn unname_peer(&mut self, peer: &PeerId) {
        self.named.remove(peer);
    }

    /// Whether a stranger is to be turned out only after all that are not spared: it uses what
    /// stands beside the gate. It is spared until this was taken back as often as it was said. How
    /// many are spared at a time is the caller's to bound.
    pub fn spare(&mut self, connection: ConnectionId, spared: bool) {
        if let Some(guest) = self.guests.get_mut(&connection) {
            guest.spared = if spared {
                guest.spared.saturating_add(1)
            } else {
                guest.spared.saturating_sub(1)
            };
        }
    }

    /// Where the remote of a connection is that has not come in, from when the swarm announced it.
    pub fn remote(&self, connection: ConnectionId) -> Option<&Multiaddr> {
        let arrival = self.guests.get(&connection)?.arrival.as_ref()?;
        Some(arrival.endpoint.get_remote_address())
    }

    /// Whether `peer` itself is banned, and not only where it is. Of strangers nobody else asks.
    pub fn is_banned(&self, peer: PeerId) -> bool {
        self.bans.find(Banned::Peer(peer), Clock::wall()).is_some()
    }

    /// Closes all connections to `peer`.
    pub fn disconnect(&mut self, peer: PeerId) {
        let connection = CloseConnection::All;
        self.out.push_back(ToSwarm::CloseConnection { peer_id: peer, connection });
    }

    /// Time on the gate's clock, for [`SessionInfo::since`](crate::SessionInfo::since).
    pub fn now(&self) -> Instant {
        self.clock.now()
    }

    /// Remotes that are connected and have not opened a handshake.
    pub fn strangers(&self) -> usize {
        self.guests.values().filter(|guest| matches!(guest.stage, Stage::Stranger)).count()
    }

    /// Handshakes under way.
    pub fn pending(&self) -> usize {
        let pending =
            |guest: &&Guest| matches!(guest.stage, Stage::Pending | Stage::Accepted { .. });
        self.guests.values().filter(pending).count()
    }

    /// How often a connection stayed outside, by [`Refusal::name`].
    pub fn refused(&self) -> &BTreeMap<&'static str, u64> {
        &self.refused
    }

    fn emit(&mut self, event: Event<B::ToSwarm>) {
        self.out.push_back(ToSwarm::GenerateEvent(event));
    }

    fn close(&mut self, peer: PeerId, id: ConnectionId) {
        let connection = CloseConnection::One(id);
        self.out.push_back(ToSwarm::CloseConnection { peer_id: peer, connection });
    }

    fn notify(&mut self, peer: PeerId, id: ConnectionId, event: FromGate<THandler<B>>) {
        let handler = NotifyHandler::One(id);
        self.out.push_back(ToSwarm::NotifyHandler { peer_id: peer, handler, event });
    }

    /// What we say of ourselves on a new connection.
    fn version(&self, kind: SessionKind, nonce: u64, seen_at: &Multiaddr) -> Version {
        let params = &self.shared.params;
        Version {
            network: params.network.clone(),
            application: params.application.clone(),
            agent: params.agent.clone(),
            version: params.version,
            nonce,
            observed: Some(seen_at.clone()).filter(|address| address.to_vec().len() <= 256),
            kind,
            features: params.features.clone(),
            record: self.record.clone(),
        }
    }
}

impl Guest {
    fn address(&self) -> Multiaddr {
        match self.arrival.as_ref().map(|arrival| &arrival.endpoint) {
            Some(endpoint) => endpoint.get_remote_address().clone(),
            None => Multiaddr::empty(),
        }
    }

    /// What we hold it for.
    fn kind(&self) -> SessionKind {
        match self.side {
            Side::Dialer => self.declared,
            Side::Listener => SessionKind::Inbound,
        }
    }

    /// How it competes with others to the same peer; probes and the lost do not.
    fn progress(&self) -> Option<Progress> {
        match self.stage {
            _ if self.declared == SessionKind::Refine => None,
            Stage::Stranger | Stage::Pending => Some(Progress::Pending),
            Stage::Accepted { .. } => Some(Progress::Accepted),
            Stage::Inside => Some(Progress::Open),
            Stage::Outside | Stage::Visited | Stage::Refused(_) => None,
        }
    }

    /// Whether it takes one of the slots of its kind.
    fn takes_slot(&self) -> bool {
        matches!(self.progress(), Some(Progress::Accepted | Progress::Open))
    }

    fn is_undecided(&self) -> bool {
        matches!(self.stage, Stage::Stranger | Stage::Pending | Stage::Accepted { .. })
    }
}

impl<B: NetworkBehaviour + fmt::Debug> fmt::Debug for Gate<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gate")
            .field("inner", &self.inner)
            .field("guests", &self.guests.len())
            .finish_non_exhaustive()
    }
}
