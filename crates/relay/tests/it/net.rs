//! Relays that run, connected by channels instead of links.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use futures::executor::block_on;
use futures::future::BoxFuture;
use futures::{FutureExt as _, Sink, StreamExt as _, sink, stream};
use libp2p_identity::PeerId;
use machine::Undelivered;
use meshwork_relay::config::ProtocolConfig;
use meshwork_relay::engine::{self, Engine, Outcome};
use meshwork_relay::replay::{Keeper, MemoryJournal};
use meshwork_relay::sphinx::{Message, NodeSecret};
use meshwork_relay::{
    Link, Linked, Parts, Relay, Route, Running, SendError, TagFilter, run_msg_ack_protocol,
};
use tickets::aggregation::{Change, Kept, Loader, MemoryStore, Store, StoreError};
use tickets::issuing::Indices;
use tokio::sync::mpsc;
use tokio::time::timeout;
use transport::pool::Pool;

use crate::town::Town;

/// What happens to a frame on its way.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Fate {
    Arrives,
    IsLost,
    ComesBack,
    DoesNotFit,
    ArrivesTwice,
}

/// Which protocol a frame is of.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Kind {
    Msg,
    Ack,
}

/// Decides by the protocol, and by the numbers of who sends and who is to get it.
pub(crate) type Rule = Box<dyn FnMut(Kind, usize, usize) -> Fate + Send>;

type Frames = mpsc::Sender<(PeerId, Bytes)>;

/// Carries frames between nodes.
pub(crate) struct Hub {
    peers: Vec<PeerId>,
    /// Where each gets its packets, and its acknowledgements.
    ends: OnceLock<Vec<[Frames; 2]>>,
    relays: OnceLock<Vec<Relay>>,
    rule: Mutex<Rule>,
    /// Frames carried so far, by protocol.
    carried: Mutex<BTreeMap<(bool, usize), u64>>,
}

impl Hub {
    async fn carry(&self, kind: Kind, from: usize, (to, frame): (PeerId, Bytes)) {
        let Some(to) = self.peers.iter().position(|peer| *peer == to) else {
            return self.give_back(from, to, frame, Undelivered::NotConnected);
        };
        *self.carried.lock().unwrap().entry((kind == Kind::Msg, from)).or_default() += 1;
        let fate = (self.rule.lock().unwrap())(kind, from, to);
        let times = match fate {
            Fate::Arrives => 1,
            Fate::ArrivesTwice => 2,
            Fate::IsLost => 0,
            Fate::ComesBack => {
                return self.give_back(from, self.peers[to], frame, Undelivered::NotConnected);
            }
            Fate::DoesNotFit => {
                return self.give_back(from, self.peers[to], frame, Undelivered::OutboxFull);
            }
        };
        let end = &self.ends.get().unwrap()[to][usize::from(kind == Kind::Ack)];
        for _ in 0..times {
            // An error is a node that stopped.
            let _stopped = end.send((self.peers[from], frame.clone())).await.is_err();
        }
    }

    fn give_back(&self, from: usize, to: PeerId, frame: Bytes, cause: Undelivered) {
        self.relays.get().unwrap()[from].undelivered(to, frame, cause);
    }

    fn sink(
        self: &Arc<Self>,
        kind: Kind,
        from: usize,
    ) -> impl Sink<(PeerId, Bytes), Error = Infallible> + Send + 'static {
        sink::unfold(Arc::clone(self), move |hub: Arc<Self>, frame| async move {
            hub.carry(kind, from, frame).await;
            Ok(hub)
        })
    }

    /// How many frames of a protocol a node has sent.
    pub(crate) fn carried(&self, kind: Kind, from: usize) -> u64 {
        let carried = self.carried.lock().unwrap();
        carried.get(&(kind == Kind::Msg, from)).copied().unwrap_or(0)
    }
}

/// One relay and what it runs on.
pub(crate) struct Node {
    pub(crate) running: Running,
    pub(crate) journal: MemoryJournal,
    pub(crate) tags: Arc<TagFilter>,
}

/// Relays that can reach each other, except for what the rule takes away.
pub(crate) struct Net {
    pub(crate) town: Town,
    pub(crate) hub: Arc<Hub>,
    pub(crate) nodes: Vec<Node>,
}

/// Settings with which tests take no longer than they have to.
pub(crate) fn quick() -> ProtocolConfig {
    let mut config = ProtocolConfig::default();
    config.msg.mixer.delay_range = Duration::from_millis(5);
    config.msg.replay.capacity = 10_000;
    config
}

/// The same, for tests that wait until nobody waits any more.
pub(crate) fn impatient() -> ProtocolConfig {
    let mut config = quick();
    config.ack.pending.ack_timeout = Duration::from_millis(800);
    config.ack.pending.end_timeout = Duration::from_secs(5);
    config
}

pub(crate) fn always() -> Rule {
    Box::new(|_, _, _| Fate::Arrives)
}

/// A disk that is in no hurry, except with what is written first.
#[derive(Default)]
struct Disk(MemoryStore, AtomicBool);

impl Store for Disk {
    fn load(&self, each: Loader) -> BoxFuture<'static, Result<usize, StoreError>> {
        self.0.load(each)
    }

    fn apply(&self, changes: Vec<Change>) -> BoxFuture<'static, Result<(), StoreError>> {
        let (applied, again) = (self.0.apply(changes), self.1.swap(true, Ordering::Relaxed));
        async move {
            if again {
                tokio::time::sleep(Duration::from_millis(300)).await;
            }
            applied.await
        }
        .boxed()
    }
}

/// The parts of one node; a pool of its own, so that no node waits for another.
pub(crate) fn parts(
    town: &Town,
    who: usize,
    config: ProtocolConfig,
) -> (Parts<MemoryJournal>, MemoryJournal, Arc<TagFilter>) {
    let params = config.check().unwrap();
    let journal = MemoryJournal::default();
    let seed = [u8::try_from(who).unwrap(); 32];
    let opened = Keeper::open(params.replay(), *b"16 random bytes!", journal.clone());
    let keeper = block_on(opened).unwrap();
    let indices = Arc::new(Indices::new(Arc::<Disk>::default(), &Kept::default()));
    let engine = Engine::new(engine::Parts {
        key: town.signers[who].key().clone(),
        node: NodeSecret::of(&town.keys[who]).unwrap(),
        separator: town.separator(),
        replica: town.replica.clone(),
        indices: Arc::clone(&indices),
        guard: Arc::clone(keeper.guard()),
        terms: params.terms(),
        pending: params.pending().clone(),
        seed,
    });
    let tags = Arc::new(TagFilter::all());
    let parts = Parts {
        engine: Arc::new(engine),
        keeper,
        replica: town.replica.clone(),
        indices,
        pool: Pool::new(std::num::NonZeroUsize::MIN, 64).unwrap(),
        params,
        tags: Arc::clone(&tags),
        linked: Linked::new(|_| true),
        seed,
    };
    (parts, journal, tags)
}

impl Net {
    /// Starts every account of the town.
    pub(crate) fn start(town: Town, configs: impl Fn(usize) -> ProtocolConfig, rule: Rule) -> Self {
        let peers: Vec<_> = (0..town.keys.len()).map(|who| town.peer(who)).collect();
        let hub = Arc::new(Hub {
            peers,
            ends: OnceLock::new(),
            relays: OnceLock::new(),
            rule: Mutex::new(rule),
            carried: Mutex::default(),
        });
        let (mut ends, mut nodes) = (Vec::new(), Vec::new());
        for who in 0..town.keys.len() {
            let (parts, journal, tags) = parts(&town, who, configs(who));
            let (links, own): (Vec<_>, Vec<_>) = [Kind::Msg, Kind::Ack]
                .into_iter()
                .map(|kind| {
                    let (end, frames) = mpsc::channel::<(PeerId, Bytes)>(64);
                    let frames = stream::unfold(frames, |mut frames| async {
                        frames.recv().await.map(|frame| (frame, frames))
                    });
                    (Link::new(hub.sink(kind, who), frames.boxed()), end)
                })
                .unzip();
            let [msg, ack] = <[Link; 2]>::try_from(links).unwrap();
            ends.push(<[Frames; 2]>::try_from(own).unwrap());
            nodes.push(Node { running: run_msg_ack_protocol(parts, msg, ack), journal, tags });
        }
        assert!(hub.ends.set(ends).is_ok());
        let relays = nodes.iter().map(|node| node.running.relay.clone()).collect();
        assert!(hub.relays.set(relays).is_ok());
        Self { town, hub, nodes }
    }

    /// Node 0 sends `text` over the nodes of `path`, the last of which is the recipient.
    pub(crate) async fn send(&self, path: &[usize], text: &str) -> Result<Outcome, SendError> {
        self.send_from(0, path, text).await
    }

    pub(crate) async fn send_from(
        &self,
        from: usize,
        path: &[usize],
        text: &str,
    ) -> Result<Outcome, SendError> {
        let path = path.iter().map(|who| self.town.peer(*who)).collect();
        self.route(from, Route::Over(path), text).await
    }

    pub(crate) async fn route(
        &self,
        from: usize,
        route: Route,
        text: &str,
    ) -> Result<Outcome, SendError> {
        let message = Message::new(7, text.as_bytes().to_vec()).unwrap();
        let relay = self.nodes[from].running.relay.clone();
        soon(relay.send(message, route)).await
    }

    /// The next message that a node got.
    pub(crate) async fn got(&mut self, who: usize) -> String {
        let message = soon(self.nodes[who].running.delivered.recv()).await.unwrap();
        String::from_utf8(message.into_data()).unwrap()
    }

    /// What the next ticket is worth that a node earned.
    pub(crate) async fn earned(&mut self, who: usize) -> u128 {
        let ticket = soon(self.nodes[who].running.earned.recv()).await.unwrap();
        assert!(ticket.response().solves(&ticket.ticket().body().challenge));
        ticket.ticket().body().amount.get()
    }

    pub(crate) fn count(&self, who: usize, name: &str) -> u64 {
        let counts = self.nodes[who].running.relay.counts();
        *counts.get(name).unwrap_or_else(|| panic!("{name} is among {counts:?}"))
    }
}

/// The result, if it is there within a time that no test should need.
pub(crate) async fn soon<T>(future: impl Future<Output = T>) -> T {
    timeout(Duration::from_secs(20), future).await.expect("it comes soon")
}
