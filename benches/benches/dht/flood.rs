//! One link that floods a node as fast as it is read, beside others that bring what they may.
//!
//! A real run: a runtime, a pool, channels for links, of which each is read in turn as a node reads
//! its connections. First the node's capacity is measured without allowances; then so many links as
//! make up 30 % of it bring messages at nine tenths of their default allowance, once alone and once
//! beside the flood: messages that all are genuine and for this node. `goodput`: what the application
//! gets of the others' messages. `memory`: by what factor the process grows beside the flood, from
//! a quarter of the time to its end, to that by which it grows alone; about 1 where the flood adds
//! nothing, rather more, as the smaller process is that of the flood, which comes first.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use dht::{
    Clock, Config, Destination, Dht, DhtInboundMessage, Flags, FromWire, Kind, Letter, LetterId,
    Lifetime, Message, Sealer, ServicePipeline, Terms, ToWire,
};
use futures::channel::mpsc;
use futures::stream::select_all;
use futures::{SinkExt as _, StreamExt as _};
use libp2p_identity::{Keypair, PeerId};
use rand::SeedableRng as _;
use rand_chacha::ChaCha20Rng;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{Instant, interval, sleep, timeout_at};
use tower::{ServiceBuilder, service_fn};
use transport::pool::Pool;
use wire::Frame as _;

use crate::town::{RECIPIENT, keypair, lifted, network, peer};
use crate::{Failure, report_ratio};

const PAYLOAD: usize = 64;
/// What the links bring together, of what the node could take.
const LOAD: f64 = 0.3;
/// What one link brings in a second: nine tenths of what it may.
const PER_SECOND: u32 = 90;
/// Links by which the capacity is measured, and messages of each.
const FULL: (u16, u32) = (16, 400);
/// Messages that the flood has, again and again.
const FLOOD: u32 = 2_000;
/// Frames that are on their way on one link.
const ON_THE_WIRE: usize = 64;
/// Envelopes that a link may have under way.
const UNDER_WAY: usize = 4;
const THREADS: NonZeroUsize = NonZeroUsize::new(2).expect("it is not zero");

#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "ratios of counts"
)]
pub(crate) fn run(quick: bool) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(THREADS.get())
        .enable_time()
        .build()?;
    let span = Duration::from_secs(if quick { 4 } else { 20 });
    let capacity = runtime.block_on(capacity())?;
    let links = ((capacity * LOAD / f64::from(PER_SECOND)) as u16).max(1);
    // The second run finds memory that the first one left: that is not to favour the flood.
    let beside = runtime.block_on(paced(links, span, true))?;
    let alone = runtime.block_on(paced(links, span, false))?;
    let flooded = beside.flooded as f64 / span.as_secs_f64();
    let details = format!(
        "{} of {} messages got through beside a flood of {flooded:.0} frames/s, aim 0.9; alone {}; \
         {links} links, {:.0} % of {capacity:.0} messages/s",
        beside.delivered,
        beside.sent,
        alone.delivered,
        f64::from(links) * f64::from(PER_SECOND) / capacity * 100.0,
    );
    report_ratio("flood/goodput", beside.delivered as f64 / alone.delivered as f64, &details);
    let [beside, alone] = [beside, alone].map(|it| it.memory.map(|bytes| bytes as f64));
    let mib = |[early, late]: [f64; 2]| {
        format!("from {:.1} to {:.1} MiB", early / f64::from(1 << 20), late / f64::from(1 << 20))
    };
    let details = format!(
        "beside the flood {} in three quarters of {span:?}, alone {}; aim 1",
        mib(beside),
        mib(alone),
    );
    let growth = |[early, late]: [f64; 2]| late / early;
    report_ratio("flood/memory", growth(beside) / growth(alone), &details);
    Ok(())
}

/// What came of a run.
struct Outcome {
    sent: u64,
    delivered: u64,
    /// Frames of the flood.
    flooded: u64,
    /// Of the process, in bytes: early and at the end.
    memory: [u64; 2],
}

/// Messages that a node takes in a second when nothing holds them up.
async fn capacity() -> Result<f64, Failure> {
    let (links, each) = FULL;
    let frames = (1..=links).map(|link| letters(link, each)).collect::<Result<Vec<_>, _>>()?;
    let mut node = Node::start(links, None, lifted()).await?;
    let all = u64::from(links) * u64::from(each);
    let start = Instant::now();
    for (link, frames) in (1..=links).zip(frames) {
        let mut link = node.link(link)?;
        node.tasks.spawn(async move {
            for frame in frames {
                link.bring(frame).await;
            }
        });
    }
    node.until(all, start + Duration::from_mins(1)).await?;
    Ok(f64::from(links) * f64::from(each) / start.elapsed().as_secs_f64())
}

/// Links that bring messages at their pace, alone or beside a flood.
async fn paced(links: u16, span: Duration, is_flooded: bool) -> Result<Outcome, Failure> {
    let each = PER_SECOND * u32::try_from(span.as_secs())?;
    let frames = (1..=links).map(|link| letters(link, each)).collect::<Result<Vec<_>, _>>()?;
    let flooder = links + 1;
    let flood = letters(flooder, FLOOD)?;
    let mut node = Node::start(flooder, Some(flooder), Config::default()).await?;
    for (link, frames) in (1..=links).zip(frames) {
        let mut link = node.link(link)?;
        node.tasks.spawn(async move {
            let mut pace = interval(Duration::from_secs(1) / PER_SECOND);
            for frame in frames {
                pace.tick().await;
                link.bring(frame).await;
            }
        });
    }
    if is_flooded {
        let mut link = node.link(flooder)?;
        let flooded = Arc::clone(&node.flooded);
        node.tasks.spawn(async move {
            for frame in flood.iter().cycle() {
                if link.send(frame.clone()).await.is_err() {
                    return;
                }
                flooded.fetch_add(1, Ordering::Relaxed);
            }
        });
    }
    sleep(span / 4).await;
    let early = memory()?;
    sleep(span / 4 * 3).await;
    let (late, flooded) = (memory()?, node.flooded.load(Ordering::Relaxed));
    let sent = u64::from(links) * u64::from(each);
    // What is under way arrives, or it never does.
    node.until(sent, Instant::now() + Duration::from_secs(1)).await.ok();
    let delivered = node.delivered.load(Ordering::Relaxed);
    Ok(Outcome { sent, delivered, flooded, memory: [early, late] })
}

/// A node that runs, with a link to each of its neighbours.
struct Node {
    tasks: JoinSet<()>,
    links: BTreeMap<PeerId, Link>,
    /// Letters that the application has, but for those of the flood.
    delivered: Arc<AtomicU64>,
    flooded: Arc<AtomicU64>,
}

impl Node {
    async fn start(links: u16, flooder: Option<u16>, config: Config) -> Result<Self, Failure> {
        let builder = Dht::builder(keypair(RECIPIENT)?).config(config);
        let mut dht = builder.pool(Pool::new(THREADS, 1_024)?).build([7; 32]).await?;
        let mut tasks = JoinSet::new();
        let delivered = Arc::new(AtomicU64::new(0));
        let flooder = flooder.map(keys).transpose()?.map(|keys| keys.public().to_peer_id());
        let count = Arc::clone(&delivered);
        let application = service_fn(move |letter: DhtInboundMessage| {
            count.fetch_add(u64::from(Some(letter.sender) != flooder), Ordering::Relaxed);
            futures::future::ready(Ok::<_, Infallible>(()))
        });
        let stack = ServiceBuilder::new().layer(dht.inbound_middleware_layer());
        let arrived = dht.take_inbound_receiver().ok_or("taken before")?;
        let inbound = ServicePipeline::new(arrived, stack.service(application));
        inbound.spawn_with(|run| tasks.spawn(async { run.await.unwrap_or(()) }));

        let (mut ends, mut streams) = (BTreeMap::new(), Vec::new());
        for link in 1..=links {
            let (mut wire, stream) = mpsc::channel(ON_THE_WIRE);
            let peer = keys(link)?.public().to_peer_id();
            wire.try_send(FromWire::Joined(peer))?;
            let places = Arc::new(Semaphore::new(UNDER_WAY));
            ends.insert(peer, Link { peer, wire, places });
            streams.push(stream);
        }
        let (to_wire, from_node) = mpsc::channel(ON_THE_WIRE);
        let run = dht.run(select_all(streams), to_wire);
        tasks.spawn(async { run.await.unwrap_or(()) });
        tasks.spawn(answer(from_node, ends.clone()));
        Ok(Self { tasks, links: ends, delivered, flooded: Arc::default() })
    }

    fn link(&self, number: u16) -> Result<Link, Failure> {
        let peer = keys(number)?.public().to_peer_id();
        Ok(self.links.get(&peer).ok_or("no such link")?.clone())
    }

    /// Waits until the application has so many.
    async fn until(&self, count: u64, end: Instant) -> Result<(), Failure> {
        let all = async {
            while self.delivered.load(Ordering::Relaxed) < count {
                sleep(Duration::from_millis(1)).await;
            }
        };
        Ok(timeout_at(end, all).await?)
    }
}

/// The far end of a link.
#[derive(Clone)]
struct Link {
    peer: PeerId,
    wire: mpsc::Sender<FromWire>,
    /// Envelopes that may yet be under way.
    places: Arc<Semaphore>,
}

impl Link {
    async fn send(&mut self, frame: Bytes) -> Result<(), mpsc::SendError> {
        self.wire.send(FromWire::Frame(self.peer, frame)).await
    }

    /// As a node does it: no more under way than may be.
    async fn bring(&mut self, frame: Bytes) {
        if let Ok(place) = self.places.acquire().await {
            place.forget();
        }
        self.send(frame).await.ok();
    }
}

/// The neighbours take what the node has for them: receipts, and verdicts, which free places.
async fn answer(mut from_node: mpsc::Receiver<ToWire>, mut links: BTreeMap<PeerId, Link>) {
    while let Some(said) = from_node.next().await {
        let ToWire::Frame(to, frame) = said else { continue };
        let Some(link) = links.get_mut(&to) else { continue };
        match Message::decode(frame) {
            Ok(Message::Verdict { .. }) => link.places.add_permits(1),
            Ok(Message::Carry { number, .. }) => {
                let retry_after = Duration::ZERO;
                let taken = encoded(&Message::Verdict { number, outcome: Ok(()), retry_after });
                // Without room the node hears nothing, and goes on.
                link.wire.try_send(FromWire::Frame(to, taken)).ok();
            }
            _ => {}
        }
    }
}

fn keys(link: u16) -> Result<Keypair, Failure> {
    let mut seed = [9; 32];
    seed[..2].copy_from_slice(&link.to_be_bytes());
    Ok(Keypair::ed25519_from_bytes(seed)?)
}

/// Frames in which a neighbour hands so many letters of its own to the node.
fn letters(link: u16, count: u32) -> Result<Vec<Bytes>, Failure> {
    let sealer = Sealer::new(network()?, &keys(link)?)?;
    let to = Destination::of(&peer(RECIPIENT)?)?;
    let created = Clock::system().read().wall;
    let terms = Terms { flags: Flags::NONE, created, lifetime: Lifetime::HOUR };
    let mut rng = ChaCha20Rng::seed_from_u64(link.into());
    let letter = |number: u32| {
        let id = LetterId((u128::from(link) << 64 | u128::from(number)).to_be_bytes());
        let letter = Letter { id, kind: Kind::Domain, payload: Bytes::from_static(&[7; PAYLOAD]) };
        let envelope = sealer.seal(&to, &letter, terms, &mut rng)?.bytes().clone();
        Ok(encoded(&Message::Carry { number, hops: 9, envelope }))
    };
    (0..count).map(letter).collect()
}

fn encoded(message: &Message) -> Bytes {
    let mut frame = BytesMut::new();
    message.encode(&mut frame);
    frame.freeze()
}

/// Bytes of this process that are in memory.
fn memory() -> Result<u64, Failure> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).ok_or("no VmRSS")?;
    let kib: u64 = line.trim().trim_end_matches(" kB").parse()?;
    Ok(kib << 10)
}
