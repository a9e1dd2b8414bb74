//! A few nodes and the links between them.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use libp2p_identity::PeerId;
use machine::{Instant, UnixTime};
use meshwork_dht::{
    Clock, Config, Dht, DhtDiscoveryRequester, DhtInboundMessage, DhtRequester, Event, FromWire,
    Key, Moment, Monitor, OutboundMessageRequester, ServicePipeline, ToWire,
};
use tokio::sync::{broadcast, mpsc, watch};
use tokio::task::JoinSet;
use tokio_util::sync::PollSender;
use tower::{ServiceBuilder, service_fn};
use wire::signed::SignedRecord;

use crate::core::world::{keys, peer};

/// Some time in 2026.
const BEGIN: u64 = 1_790_000_000_000;

/// Three numbers of which the second is closer to either of the others than they are to each
/// other: so the way between them leads over it.
pub(super) fn in_a_row() -> [u8; 3] {
    let key = |number| Key::of(&peer(number));
    let far = |a, b| key(a).distance(&key(b));
    let fits = |&(a, b, c): &(u8, u8, u8)| far(b, c) < far(a, c) && far(a, b) < far(a, c);
    let triples = (10..60_u8).map(|n| (n, n + 60, n + 120));
    let (a, b, c) = triples.into_iter().find(fits).unwrap();
    [a, b, c]
}

/// The links that there are, and the way to each node.
#[derive(Default)]
struct Wires {
    nodes: BTreeMap<PeerId, mpsc::Sender<FromWire>>,
    links: BTreeSet<(PeerId, PeerId)>,
    /// Who has said something to whom.
    spoken: BTreeSet<(PeerId, PeerId)>,
}

impl Wires {
    fn give(&self, to: PeerId, what: FromWire) {
        if let Some(node) = self.nodes.get(&to) {
            node.try_send(what).ok();
        }
    }

    fn close(&mut self, one: PeerId, other: PeerId) {
        if self.links.remove(&(one, other)) | self.links.remove(&(other, one)) {
            self.give(one, FromWire::Left(other));
            self.give(other, FromWire::Left(one));
        }
    }
}

/// A few nodes and the links between them.
pub(super) struct Town {
    wires: Arc<Mutex<Wires>>,
    changed: watch::Sender<()>,
    tasks: JoinSet<()>,
}

impl Town {
    pub(super) fn new() -> Self {
        Self { wires: Arc::default(), changed: watch::Sender::new(()), tasks: JoinSet::new() }
    }

    pub(super) async fn node(&mut self, number: u8) -> Node {
        let began = tokio::time::Instant::now();
        let clock = Clock::new(move || Moment {
            now: Instant::at(began.elapsed()),
            wall: UnixTime::from_millis(BEGIN).after(began.elapsed()),
        });
        let address = format!("/ip4/10.0.0.{number}/tcp/4001").parse().unwrap();
        let record = SignedRecord::seal(&keys(number), 1, vec![address]).unwrap();
        let builder = Dht::builder(keys(number)).network("test").config(Config::fast());
        let builder = builder.clock(clock).record(Arc::new(record));
        let mut dht = builder.build([number; 32]).await.unwrap();
        let node = Node::of(&dht);
        let inbox = node.inbox.clone();
        let application = ServiceBuilder::new()
            .layer(dht.inbound_middleware_layer())
            .service(service_fn(move |message| inbox.clone().take_in(message)));
        let outbound =
            ServiceBuilder::new().layer(dht.outbound_middleware_layer()).service(dht.sink());
        let arrived = dht.take_inbound_receiver().unwrap();
        let requested = dht.take_outbound_receiver().unwrap();
        self.tasks.spawn(ended(ServicePipeline::new(arrived, application).run()));
        self.tasks.spawn(ended(ServicePipeline::new(requested, outbound).run()));
        self.connect(dht);
        node
    }

    fn connect(&mut self, dht: Dht) {
        let (to_node, mut from_wire) = mpsc::channel(1_024);
        let (to_wire, mut from_node) = mpsc::channel(16);
        let own = dht.local();
        self.wires.lock().unwrap().nodes.insert(own, to_node);
        let frames = futures::stream::poll_fn(move |cx| from_wire.poll_recv(cx));
        self.tasks.spawn(async move {
            dht.run(frames, PollSender::new(to_wire)).await.unwrap();
        });
        let (wires, changed) = (Arc::clone(&self.wires), self.changed.clone());
        self.tasks.spawn(async move {
            while let Some(item) = from_node.recv().await {
                let mut wires = wires.lock().unwrap();
                match item {
                    ToWire::Frame(to, frame) if wires.links.contains(&(own, to)) => {
                        wires.give(to, FromWire::Frame(own, frame));
                        wires.spoken.insert((own, to));
                    }
                    ToWire::Frame(..) => {}
                    ToWire::Close(to) => wires.close(own, to),
                }
                changed.send_replace(());
            }
        });
    }

    /// Links two nodes, and waits until both know.
    pub(super) async fn link(&self, one: PeerId, other: PeerId) {
        let both = [(one, other), (other, one)];
        {
            let mut wires = self.wires.lock().unwrap();
            wires.links.extend(both);
            wires.give(one, FromWire::Joined(other));
            wires.give(other, FromWire::Joined(one));
        }
        self.until(|wires| both.iter().all(|link| wires.spoken.contains(link))).await;
    }

    async fn until(&self, done: impl Fn(&Wires) -> bool) {
        let mut changed = self.changed.subscribe();
        while !done(&self.wires.lock().unwrap()) {
            changed.changed().await.unwrap();
        }
    }

    pub(super) fn say(&self, from: PeerId, to: PeerId, frame: Bytes) {
        self.wires.lock().unwrap().give(to, FromWire::Frame(from, frame));
    }

    /// Waits until there is no such link.
    pub(super) async fn closed(&self, one: PeerId, other: PeerId) {
        self.until(|wires| !wires.links.contains(&(one, other))).await;
    }

    /// Takes the node off all links; it stops.
    pub(super) async fn stop(&mut self, node: Node) {
        {
            let mut wires = self.wires.lock().unwrap();
            let of_node = |(one, _): &&(PeerId, PeerId)| *one == node.peer;
            for (one, other) in wires.links.iter().filter(of_node).copied().collect::<Vec<_>>() {
                wires.close(one, other);
            }
            wires.nodes.remove(&node.peer);
        }
        // The sink of frames closes when the node is gone.
        self.tasks.join_next().await.unwrap().unwrap();
    }
}

/// However it ends: a pipeline does when its node stops.
async fn ended<E>(run: impl Future<Output = Result<(), E>>) {
    run.await.ok();
}

/// What the application has and has to do.
#[derive(Clone)]
pub(super) struct Inbox {
    letters: Arc<Mutex<Letters>>,
    held: watch::Sender<bool>,
}

#[derive(Default)]
struct Letters {
    taken: VecDeque<DhtInboundMessage>,
    to_refuse: u32,
    refused: u32,
}

impl Inbox {
    async fn take_in(self, message: DhtInboundMessage) -> Result<(), &'static str> {
        self.held.subscribe().wait_for(|held| !held).await.unwrap();
        let mut letters = self.letters.lock().unwrap();
        if letters.to_refuse > 0 {
            letters.to_refuse -= 1;
            letters.refused += 1;
            return Err("not now");
        }
        letters.taken.push_back(message);
        Ok(())
    }
}

/// One node, as its application sees it.
pub(super) struct Node {
    pub(super) peer: PeerId,
    pub(super) requester: OutboundMessageRequester,
    pub(super) dht: DhtRequester,
    pub(super) discovery: DhtDiscoveryRequester,
    pub(super) events: broadcast::Receiver<Event>,
    pub(super) monitor: Monitor,
    inbox: Inbox,
}

impl Node {
    fn of(dht: &Dht) -> Self {
        Self {
            peer: dht.local(),
            requester: dht.outbound_requester(),
            dht: dht.dht_requester(),
            discovery: dht.discovery_service_requester(),
            events: dht.subscribe(),
            monitor: dht.monitor(),
            inbox: Inbox { letters: Arc::default(), held: watch::Sender::new(false) },
        }
    }

    pub(super) fn take(&self) -> Vec<DhtInboundMessage> {
        self.inbox.letters.lock().unwrap().taken.drain(..).collect()
    }

    pub(super) fn hold(&self, held: bool) {
        self.inbox.held.send_replace(held);
    }

    pub(super) fn refuse(&self, times: u32) {
        self.inbox.letters.lock().unwrap().to_refuse = times;
    }

    pub(super) fn refused(&self) -> u32 {
        self.inbox.letters.lock().unwrap().refused
    }
}
