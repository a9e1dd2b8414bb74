//! A small network of whole nodes: cores in virtual time, with the stage functions inline.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use libp2p_identity::{Keypair, PeerId};
use machine::{JobError, UnixTime};
use meshwork_dht::{
    BroadcastStrategy, Change, Command, Config, Core, Destination, DhtInboundMessage,
    DhtOutboundRequest, DialError, Disposition, Done, Envelope, Event, Flags, Gate, Job, Kind,
    Letter, LetterId, Lifetime, MemoryStore, Moment, Network, Opener, Outcome, Params, Refusal,
    Sealer, Seen, SendOptions, Sent, Setup, StoreError, Stored, Terms, broadcast, decide, pass,
    seal,
};
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha20Rng;
use simnet::{Net, News, Wall, Weather};
use transport::records::BadRecord;
use wire::signed::SignedRecord;

/// Begins a quantum.
pub(crate) const START: UnixTime = UnixTime::from_millis(1_790_000_100_000);

/// What a node has besides its core.
struct Node {
    keys: Keypair,
    gate: Gate,
    sealer: Sealer,
    store: MemoryStore,
    record: Arc<SignedRecord>,
    inbox: Vec<DhtInboundMessage>,
}

/// An envelope that somebody took on for another.
#[derive(Clone, Debug)]
pub(crate) struct Carried {
    pub(crate) by: PeerId,
    /// With how many hops it came.
    pub(crate) hops: u8,
    pub(crate) envelope: Bytes,
}

/// The network.
pub(crate) struct World {
    pub(crate) net: Net<Core>,
    params: Params,
    nodes: BTreeMap<PeerId, Node>,
    /// Who accepts what it should carry on, and drops it.
    pub(crate) droppers: BTreeSet<PeerId>,
    /// Whose disk writes no messages of others.
    pub(crate) broken: BTreeSet<PeerId>,
    /// Whose disk writes no own messages.
    pub(crate) unwritable: BTreeSet<PeerId>,
    /// Who stops at which write of its own messages, counted from here on, and whether that write is
    /// still made.
    pub(crate) stops: BTreeMap<PeerId, (usize, bool)>,
    /// Whose application takes nothing.
    pub(crate) stuck: BTreeSet<PeerId>,
    pub(crate) history: BTreeMap<LetterId, Vec<Outcome>>,
    /// Envelopes that nodes took on for others, in order.
    pub(crate) carried: Vec<Carried>,
    /// What nodes made of each arrival, by the name of the refusal or disposition.
    pub(crate) settled: Vec<(PeerId, &'static str)>,
    /// All else that cores said.
    pub(crate) events: Vec<(PeerId, Event)>,
    rng: ChaCha20Rng,
}

pub(crate) fn keys(number: u8) -> Keypair {
    Keypair::ed25519_from_bytes([number; 32]).unwrap()
}

/// Who `number` is.
pub(crate) fn peer(number: u8) -> PeerId {
    keys(number).public().to_peer_id()
}

pub(crate) fn network() -> Network {
    Network::new("test").unwrap()
}

/// A letter from one to another, sealed unless it is a join.
pub(crate) fn envelope(from: u8, to: u8, kind: Kind, payload: &[u8]) -> Envelope {
    let sealer = Sealer::new(network(), &keys(from)).unwrap();
    let terms = Terms { flags: Flags::NONE, created: START, lifetime: Lifetime::HOUR };
    let payload = Bytes::copy_from_slice(payload);
    let letter = Letter { id: LetterId([from; 16]), kind, payload };
    let to = Destination::of(&peer(to)).unwrap();
    if kind == Kind::Join {
        return sealer.clear(Some(to), &letter, terms).unwrap();
    }
    sealer.seal(&to, &letter, terms, &mut ChaCha20Rng::seed_from_u64(from.into())).unwrap()
}

/// The record of the owner of `keys`, at a private address of its own.
pub(crate) fn record(keys: &Keypair, port: u8) -> Arc<SignedRecord> {
    let addresses = vec![format!("/ip4/10.0.0.1/tcp/{}", 1_000 + u16::from(port)).parse().unwrap()];
    Arc::new(SignedRecord::seal(keys, 1, addresses).unwrap())
}

impl World {
    pub(crate) fn new(seed: u64, config: Config) -> Self {
        let ms = Duration::from_millis;
        let weather = Weather { delay_min: ms(5), delay_max: ms(20), ..Weather::default() };
        let wall = Some(Wall { start: START, every: Duration::from_secs(5) });
        let mut net = Net::new(seed, simnet::Setup { weather, wall, ..simnet::Setup::default() });
        net.drive();
        Self {
            net,
            params: config.check().unwrap(),
            nodes: BTreeMap::new(),
            droppers: BTreeSet::new(),
            broken: BTreeSet::new(),
            unwritable: BTreeSet::new(),
            stops: BTreeMap::new(),
            stuck: BTreeSet::new(),
            history: BTreeMap::new(),
            carried: Vec::new(),
            settled: Vec::new(),
            events: Vec::new(),
            rng: ChaCha20Rng::seed_from_u64(seed),
        }
    }

    /// Starts node `number`; after [`stop`](Self::stop), again with what it has kept.
    pub(crate) fn start(&mut self, number: u8) -> PeerId {
        let keys = keys(number);
        let peer = keys.public().to_peer_id();
        let (params, record) = (&self.params, record(&keys, number));
        let store = self.nodes.remove(&peer).map(|node| node.store).unwrap_or_default();
        let opener = Arc::new(Opener::new(network(), &keys).unwrap());
        let node = Node {
            gate: Gate::new(params, opener, Seen::new(network(), params)),
            sealer: Sealer::new(network(), &keys).unwrap(),
            keys,
            record: Arc::clone(&record),
            inbox: Vec::new(),
            store,
        };
        let setup = Setup {
            record: Some(record),
            kept: node.store.snapshot(),
            ..Setup::new(peer, network())
        };
        self.net.insert(peer, Core::new(params.clone(), setup, [number; 32]));
        self.nodes.insert(peer, node);
        peer
    }

    /// Stops a node. Others hear that their links are gone.
    pub(crate) fn stop(&mut self, peer: PeerId) {
        self.net.crash(peer);
    }

    /// Links two nodes, which learn each other's record as nodes do that shake hands.
    pub(crate) fn link(&mut self, a: PeerId, b: PeerId) {
        assert!(self.net.join(a, b), "both run");
        for (me, other) in [(a, b), (b, a)] {
            let record = Arc::clone(&self.nodes[&other].record);
            self.net.command(me, Command::Met(record));
        }
    }

    /// Links two nodes of which neither learns where the other is.
    pub(crate) fn link_strangers(&mut self, a: PeerId, b: PeerId) {
        assert!(self.net.join(a, b), "both run");
    }

    /// Sends a message to a peer by its id alone.
    pub(crate) fn send(&mut self, from: PeerId, to: PeerId, text: &str, keep: bool) -> LetterId {
        let exclude = Vec::new();
        let strategy = BroadcastStrategy::DirectOrClosest { peer: to, n: 1, exclude };
        self.send_by(from, strategy, text, keep)
    }

    pub(crate) fn send_by(
        &mut self,
        from: PeerId,
        strategy: BroadcastStrategy,
        text: &str,
        keep: bool,
    ) -> LetterId {
        let letter = LetterId(self.rng.random());
        self.send_letter(from, strategy, (letter, text), keep)
    }

    /// The same as the letter with this id.
    pub(crate) fn send_letter(
        &mut self,
        from: PeerId,
        strategy: BroadcastStrategy,
        (letter, text): (LetterId, &str),
        keep: bool,
    ) -> LetterId {
        let options = SendOptions { keep, ..SendOptions::default() };
        let payload = Bytes::copy_from_slice(text.as_bytes());
        let request = DhtOutboundRequest::new(strategy, letter, payload).with_options(options);
        let wall = self.wall();
        let addressed = broadcast(&self.params, &from, request, wall).unwrap();
        let node = &self.nodes[&from];
        let dispatch = seal(&node.sealer, addressed, &mut self.rng).unwrap();
        node.gate.seen().sent(&dispatch.identified(), dispatch.envelope().expires(), self.moment());
        self.net.command(from, Command::Dispatch(Box::new(dispatch)));
        letter
    }

    pub(crate) fn wall(&self) -> UnixTime {
        START.after(self.net.now().elapsed())
    }

    pub(crate) fn moment(&self) -> Moment {
        Moment { now: self.net.now(), wall: self.wall() }
    }

    pub(crate) fn inbox(&self, peer: PeerId) -> Vec<String> {
        let text = |m: &DhtInboundMessage| String::from_utf8(m.payload.to_vec()).unwrap();
        self.nodes[&peer].inbox.iter().map(text).collect()
    }

    /// What the application of `peer` was given, in order.
    pub(crate) fn letters(&self, peer: PeerId) -> &[DhtInboundMessage] {
        &self.nodes[&peer].inbox
    }

    pub(crate) fn outcomes(&self, letter: LetterId) -> &[Outcome] {
        self.history.get(&letter).map(Vec::as_slice).unwrap_or_default()
    }

    pub(crate) fn end(&self, letter: LetterId) -> Option<Outcome> {
        self.outcomes(letter).last().copied().filter(Outcome::is_end)
    }

    /// Lets time pass.
    pub(crate) fn run(&mut self, span: Duration) {
        let end = self.net.now().after(span);
        loop {
            while let Some(news) = self.net.take_news() {
                self.on_news(news);
            }
            let left = end.since(self.net.now());
            if !self.net.run_until(left, Net::has_news) {
                return;
            }
        }
    }

    /// Lets time pass until a message has its end, and says which.
    pub(crate) fn run_to_end(&mut self, letter: LetterId, limit: Duration) -> Option<Outcome> {
        let end = self.net.now().after(limit);
        while self.end(letter).is_none() && self.net.now() < end {
            self.run(Duration::from_millis(100));
        }
        self.end(letter)
    }

    fn on_news(&mut self, news: News<Core>) {
        match news {
            News::Asked { me, job, ticket } => {
                if let Some(made) = self.stops_at(me, &job) {
                    if made {
                        drop(self.work(me, job));
                    }
                    return self.stop(me);
                }
                let (after, outcome) = self.work(me, job);
                self.net.answer(ticket, outcome, after);
            }
            News::Event { me, event: Event::Arrived(message) } => {
                let (ticket, hops, envelope) =
                    (message.ticket, message.hops, message.envelope.clone());
                if let Some(outcome) = self.take(me, message) {
                    let name = match &outcome {
                        Ok(disposition) => disposition.name(),
                        Err(refusal) => refusal.reason(),
                    };
                    self.settled.push((me, name));
                    let carried = |net: &Net<Core>| net.core(me).unwrap().gauges().carried;
                    let before = carried(&self.net);
                    self.net.command(me, Command::Settled { ticket, outcome });
                    if carried(&self.net) > before && name == "carry" {
                        self.carried.push(Carried { by: me, hops, envelope });
                    }
                }
            }
            News::Event { event: Event::Outcome { letter, outcome }, .. } => {
                assert!(self.end(letter).is_none(), "{outcome:?} after the end");
                self.history.entry(letter).or_default().push(outcome);
            }
            News::Event { me, event: Event::Release { peer } } => {
                self.net.cut(me, peer);
                self.events.push((me, Event::Release { peer }));
            }
            News::Event { event: Event::Freed { .. }, .. } => {}
            News::Event { me, event } => self.events.push((me, event)),
            News::Reported { me, peer, fault } => {
                let free = machine::Blame::verdict(&fault) == machine::Verdict::Note;
                assert!(free, "{me} blames {peer}: {fault}");
            }
            News::Left { .. } | News::Alarm { .. } => {}
        }
    }

    fn fails(&self, me: PeerId, changes: &[Change]) -> bool {
        let failing = if is_own(changes) { &self.unwritable } else { &self.broken };
        failing.contains(&me)
    }

    /// Whether `me` stops at this job, and does it nevertheless.
    fn stops_at(&mut self, me: PeerId, job: &Job) -> Option<bool> {
        let Job::Keep(changes) = job else { return None };
        let (left, _) = self.stops.get_mut(&me).filter(|_| is_own(changes))?;
        let Some(fewer) = left.checked_sub(1) else {
            return self.stops.remove(&me).map(|(_, made)| made);
        };
        *left = fewer;
        None
    }

    pub(crate) fn store(&self, peer: PeerId) -> &MemoryStore {
        &self.nodes[&peer].store
    }

    /// What `peer` knows of an own message after a restart.
    pub(crate) fn sent(&self, peer: PeerId, letter: LetterId) -> Option<Sent> {
        let kept = self.nodes[&peer].store.snapshot().sent;
        kept.into_iter().find(|sent| sent.letter == letter)
    }

    /// The inbound pipeline.
    fn take(
        &mut self,
        me: PeerId,
        message: meshwork_dht::InboundMessage,
    ) -> Option<Result<Disposition, Refusal>> {
        let moment = self.moment();
        let node = self.nodes.get_mut(&me).unwrap();
        let recorded = match pass(&node.gate, message, moment) {
            Ok(recorded) => recorded,
            Err(refusal) => return Some(Err(refusal)),
        };
        match decide(recorded) {
            ControlFlow::Break(Ok(Disposition::Carry(recorded))) => {
                if self.droppers.contains(&me) {
                    recorded.settle();
                    return Some(Ok(Disposition::Unreadable));
                }
                Some(Ok(Disposition::Carry(recorded)))
            }
            ControlFlow::Break(outcome) => Some(outcome),
            ControlFlow::Continue(_) if self.stuck.contains(&me) => None,
            ControlFlow::Continue(delivery) => {
                node.inbox.push(delivery.message().clone());
                Some(Ok(delivery.delivered()))
            }
        }
    }

    /// The worker.
    fn work(&mut self, me: PeerId, job: Job) -> (Duration, Result<Done, JobError>) {
        let quick = Duration::from_millis(1);
        let done = match job {
            Job::Dial { peer, .. } => return self.dial(me, peer),
            Job::Verify { records } => Done::Verified(records.iter().map(|r| open(r)).collect()),
            Job::Seal(addressed) => {
                let sealer = &self.nodes[&me].sealer;
                Done::Sealed(seal(sealer, *addressed, &mut self.rng).map(Box::new))
            }
            Job::CheckStored { id, stored } => Done::Checked(stored.verify(&id).is_ok()),
            Job::Keep(changes) if self.fails(me, &changes) => {
                Done::Kept(Err(StoreError { message: "disk full".to_owned() }))
            }
            Job::Keep(changes) => {
                self.nodes[&me].store.apply(changes);
                Done::Kept(Ok(()))
            }
            Job::Read(arrivals) => Done::Read(Ok(self.nodes[&me].store.envelopes(&arrivals))),
            Job::Sign(list) => {
                let keys = &self.nodes[&me].keys;
                let sign = |(id, until)| Stored::sign(keys, &id, until).unwrap().signature;
                Done::Signed(list.into_iter().map(sign).collect())
            }
        };
        (quick, Ok(done))
    }

    fn dial(&mut self, me: PeerId, peer: PeerId) -> (Duration, Result<Done, JobError>) {
        let reached = self.net.core(peer).is_some();
        if reached && !self.net.linked(me, peer) {
            self.link(me, peer);
        }
        let outcome = if reached { Ok(()) } else { Err(DialError::Unreachable) };
        (Duration::from_millis(50), Ok(Done::Dialled(outcome)))
    }
}

/// Whether changes are about own messages: no write is about those of others as well.
fn is_own(changes: &[Change]) -> bool {
    let own = |change: &Change| {
        matches!(change, Change::Send { .. } | Change::Sent(_) | Change::Unsent { .. })
    };
    changes.iter().any(own)
}

pub(crate) fn open(bytes: &[u8]) -> Result<SignedRecord, BadRecord> {
    SignedRecord::open(bytes).map_err(|error| BadRecord::Forged { reason: error.to_string() })
}
