//! What is measured, and how: the burst, the topology, the ledger that every node writes to.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::StreamExt;
use libp2p::{Multiaddr, Swarm};
use libp2p_swarm::{NetworkBehaviour, SwarmEvent};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tokio::time::{Instant, interval};

use crate::Failure;

/// A burst that makes no progress for this long is over.
const STALL: Duration = Duration::from_secs(3);
/// Every so many deliveries of a node one latency is kept.
const SAMPLE: usize = 7;

/// What is published in what network.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Burst {
    pub(crate) nodes: usize,
    /// Links that each node dials.
    pub(crate) links: usize,
    pub(crate) publishers: usize,
    /// Of all publishers together.
    pub(crate) messages: usize,
    pub(crate) bytes: usize,
    /// Time between two messages of one publisher; without it, as fast as may be.
    pub(crate) pace: Option<Duration>,
    pub(crate) seed: u64,
}

impl Burst {
    /// Who dials whom: a ring, so that the network is whole, and chords drawn from the seed.
    pub(crate) fn dials(&self) -> Vec<(usize, usize)> {
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
        let mut links = BTreeSet::new();
        for node in 0..self.nodes {
            links.insert((node, (node + 1) % self.nodes));
            while links.iter().filter(|(from, _)| *from == node).count() < self.links {
                let other = rng.random_range(0..self.nodes);
                if other != node && !links.contains(&(other, node)) {
                    links.insert((node, other));
                }
            }
        }
        links.into_iter().collect()
    }

    /// Messages that this node has published by now, if there was room.
    pub(crate) fn due(&self, node: usize, since: Instant) -> usize {
        let share = self.share(node);
        self.pace.map_or(share, |pace| {
            let due = since.elapsed().as_nanos() / pace.as_nanos().max(1);
            usize::try_from(due).map_or(share, |due| due.min(share))
        })
    }

    /// Messages that this node publishes.
    pub(crate) fn share(&self, node: usize) -> usize {
        if node < self.publishers { self.messages / self.publishers } else { 0 }
    }
}

/// Everything that the nodes of one run count together.
#[derive(Debug)]
pub(crate) struct Ledger {
    start: Instant,
    bytes: usize,
    pub(crate) accepted: AtomicUsize,
    pub(crate) refused: AtomicUsize,
    pub(crate) delivered: AtomicUsize,
    /// Messages received whole, duplicates included.
    pub(crate) copies: AtomicUsize,
    last_nanos: AtomicU64,
    latencies: Mutex<Vec<Duration>>,
}

impl Ledger {
    pub(crate) fn open(bytes: usize) -> Arc<Self> {
        Arc::new(Self {
            start: Instant::now(),
            bytes,
            accepted: AtomicUsize::new(0),
            refused: AtomicUsize::new(0),
            delivered: AtomicUsize::new(0),
            copies: AtomicUsize::new(0),
            last_nanos: AtomicU64::new(0),
            latencies: Mutex::default(),
        })
    }

    fn nanos(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    /// A payload that knows when it was made, and is like no other.
    pub(crate) fn stamp(&self, node: usize, number: usize) -> Vec<u8> {
        let mut payload = Vec::with_capacity(self.bytes);
        payload.extend_from_slice(&self.nanos().to_be_bytes());
        payload.extend_from_slice(&(node as u64).to_be_bytes());
        payload.extend_from_slice(&(number as u64).to_be_bytes());
        payload.resize(self.bytes, 0x5a);
        payload
    }

    /// A node was given a message for the first time.
    pub(crate) fn deliver(&self, payload: &[u8]) {
        let now = self.nanos();
        self.last_nanos.fetch_max(now, Relaxed);
        if self.delivered.fetch_add(1, Relaxed).is_multiple_of(SAMPLE)
            && let Some(stamp) = payload.first_chunk()
        {
            let latency = Duration::from_nanos(now.saturating_sub(u64::from_be_bytes(*stamp)));
            self.latencies.lock().unwrap_or_else(PoisonError::into_inner).push(latency);
        }
    }

    /// Waits until all is delivered or nothing moves any more, and sums up.
    pub(crate) async fn close(&self, burst: &Burst) -> Outcome {
        let began = self.nanos();
        let receivers = burst.nodes - 1;
        let mut progress = (0, Instant::now());
        let mut tick = interval(Duration::from_millis(20));
        let published = burst.messages / burst.publishers * burst.publishers;
        while self.delivered.load(Relaxed) < published * receivers {
            tick.tick().await;
            let now = self.delivered.load(Relaxed) + self.accepted.load(Relaxed);
            if now != progress.0 {
                progress = (now, Instant::now());
            } else if progress.1.elapsed() > STALL {
                break;
            }
        }
        let accepted = self.accepted.load(Relaxed);
        let delivered = self.delivered.load(Relaxed);
        let mut latencies = self.latencies.lock().unwrap_or_else(PoisonError::into_inner);
        latencies.sort_unstable();
        let at = |share: usize| latencies.get(latencies.len() * share / 100).copied();
        let span = self.last_nanos.load(Relaxed).saturating_sub(began).max(1);
        Outcome {
            accepted,
            refused: self.refused.load(Relaxed),
            delivered: share(delivered, accepted * receivers),
            per_second: share(delivered, 1) / Duration::from_nanos(span).as_secs_f64(),
            p50: at(50).unwrap_or_default(),
            p99: at(99).unwrap_or_default(),
            copies: share(self.copies.load(Relaxed), delivered),
        }
    }
}

fn share(of: usize, all: usize) -> f64 {
    let [of, all] = [of, all].map(|count| u32::try_from(count).map_or(f64::NAN, f64::from));
    of / all
}

/// What came of a burst.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Outcome {
    pub(crate) accepted: usize,
    pub(crate) refused: usize,
    /// Share of the deliveries that the accepted messages call for.
    pub(crate) delivered: f64,
    pub(crate) per_second: f64,
    pub(crate) p50: Duration,
    pub(crate) p99: Duration,
    /// Received whole, for each delivery.
    pub(crate) copies: f64,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { accepted, refused, delivered, per_second, p50, p99, copies } = self;
        write!(
            f,
            "{:.3} % of {accepted} accepted messages delivered, {per_second:.0} deliveries/s, \
             p50 {p50:.0?}, p99 {p99:.0?}, {copies:.2} copies, {refused} refusals",
            delivered * 100.0
        )
    }
}

/// Has every swarm listen, and dial as the burst says.
pub(crate) async fn connect<B: NetworkBehaviour>(
    burst: &Burst,
    swarms: &mut [Swarm<B>],
) -> Result<(), Failure> {
    let mut addresses: Vec<Multiaddr> = Vec::new();
    for swarm in &mut *swarms {
        swarm.listen_on("/ip4/127.0.0.1/tcp/0".parse()?)?;
        let address = loop {
            if let SwarmEvent::NewListenAddr { address, .. } = swarm.select_next_some().await {
                break address;
            }
        };
        addresses.push(address);
    }
    for (from, to) in burst.dials() {
        if let (Some(swarm), Some(address)) = (swarms.get_mut(from), addresses.get(to)) {
            swarm.dial(address.clone())?;
        }
    }
    Ok(())
}
