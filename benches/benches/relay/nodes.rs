//! Messages between relays that run, each with its own swarm, its own pool of one thread and its own
//! queues, over links of the loopback, in one process: all of them share the cores of the machine.
//!
//! `rate`: messages whose delivery was proven to their sender, in a second, with many under way.
//! `latency`: one message at a time.

use std::collections::BTreeSet;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::channel::mpsc;
use futures::{StreamExt as _, stream};
use libp2p::Swarm;
use libp2p_core::Multiaddr;
use libp2p_identity::PeerId;
use libp2p_swarm::{NetworkBehaviour, SwarmEvent};
use relay::engine::Outcome;
use relay::pipe::{self, Command, Event};
use relay::replay::{Keeper, MemoryJournal};
use relay::sphinx::Message;
use relay::{Link, Linked, Parts, Relay, Route, TagFilter, run_msg_ack_protocol};
use tickets::aggregation::{Kept, MemoryStore};
use tickets::issuing::Indices;
use tickets::ledger::LocalLedger;
use tokio::sync::{mpsc as tokio_mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};
use transport::conversation::{self, Behaviour};
use transport::pool::Pool;
use transport::{Builder, NoJobs};

use crate::forward::{config, engine, keypair, ledger};
use crate::{Failure, report_ratio};

/// The sender, three relays, and the recipient.
const NODES: u8 = 5;

/// Messages under way for the rate.
const AT_ONCE: usize = 256;

/// Messages for the latency.
const ONE_BY_ONE: usize = 300;

/// The longest anything may take.
const PATIENCE: Duration = Duration::from_mins(2);

#[derive(NetworkBehaviour)]
struct Pipes {
    msg: Behaviour<pipe::Msg>,
    ack: Behaviour<pipe::Ack>,
}

type Frames = mpsc::Sender<(PeerId, Bytes)>;

/// What a swarm hands frames to.
struct Ends {
    msg: Frames,
    ack: Frames,
    relay: Relay,
    linked: watch::Sender<BTreeSet<PeerId>>,
}

impl Ends {
    fn hear(&mut self, event: SwarmEvent<PipesEvent>) {
        // A frame for which there is no room is lost, and its packet times out: it is counted.
        let SwarmEvent::Behaviour(event) = event else { return };
        match event {
            PipesEvent::Msg(transport::Event::Core(event)) => match event {
                Event::Joined(peer) => {
                    self.linked.send_if_modified(|linked| linked.insert(peer));
                }
                Event::Received { peer, frame } => drop(self.msg.try_send((peer, frame))),
                Event::Returned { peer, frame, cause } => {
                    self.relay.undelivered(peer, frame, cause);
                }
                Event::Left(_) | Event::Handed(_) => {}
            },
            PipesEvent::Ack(transport::Event::Core(Event::Received { peer, frame })) => {
                drop(self.ack.try_send((peer, frame)));
            }
            PipesEvent::Ack(_) | PipesEvent::Msg(_) => {}
        }
    }
}

/// Drives a swarm until the relay has nothing more to send.
async fn drive(
    mut swarm: Swarm<Pipes>,
    [mut msg, mut ack]: [mpsc::Receiver<(PeerId, Bytes)>; 2],
    mut ends: Ends,
) {
    loop {
        tokio::select! {
            event = swarm.select_next_some() => ends.hear(event),
            frame = msg.next() => {
                let Some((peer, frame)) = frame else { return };
                swarm.behaviour_mut().msg.command(Command::Send { peer, frame });
            }
            frame = ack.next() => {
                let Some((peer, frame)) = frame else { return };
                swarm.behaviour_mut().ack.command(Command::Send { peer, frame });
            }
        }
    }
}

/// Which links.
#[derive(Clone, Copy)]
enum Net {
    Tcp,
    Quic,
}

impl Net {
    const fn name(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Quic => "quic",
        }
    }

    fn anywhere(self) -> Result<Multiaddr, Failure> {
        Ok(match self {
            Self::Tcp => "/ip4/127.0.0.1/tcp/0",
            Self::Quic => "/ip4/127.0.0.1/udp/0/quic-v1",
        }
        .parse()?)
    }
}

/// All nodes, each linked to each.
struct Town {
    peers: Vec<PeerId>,
    addresses: Vec<Multiaddr>,
    relays: Vec<Relay>,
    /// When the recipient got messages.
    delivered: tokio_mpsc::Receiver<Instant>,
    /// What runs, until this is dropped.
    tasks: JoinSet<()>,
}

impl Town {
    async fn start(net: Net) -> Result<Self, Failure> {
        let ledger = tokio::task::spawn_blocking(|| ledger(NODES)).await??;
        let (told, delivered) = tokio_mpsc::channel(ONE_BY_ONE);
        let mut town = Self {
            peers: Vec::new(),
            addresses: Vec::new(),
            relays: Vec::new(),
            delivered,
            tasks: JoinSet::new(),
        };
        for number in 1..=NODES {
            town.join(net, number, &ledger, told.clone()).await?;
        }
        Ok(town)
    }

    async fn join(
        &mut self,
        net: Net,
        number: u8,
        ledger: &LocalLedger,
        told: tokio_mpsc::Sender<Instant>,
    ) -> Result<(), Failure> {
        let key = keypair(number)?;
        let pipes = Pipes {
            msg: Behaviour::new(pipe::Msg::default(), NoJobs, conversation::Config::default()),
            ack: Behaviour::new(pipe::Ack::default(), NoJobs, conversation::Config::default()),
        };
        let mut swarm = Builder::new(key.clone()).tcp().quic().build(pipes)?;
        swarm.listen_on(net.anywhere()?)?;
        let address = loop {
            if let SwarmEvent::NewListenAddr { address, .. } = swarm.select_next_some().await {
                break address;
            }
        };
        for (peer, address) in self.peers.iter().zip(&self.addresses) {
            let address = address.clone().with_p2p(*peer).map_err(|_| "another peer's address")?;
            swarm.dial(address)?;
        }

        let linked = watch::Sender::<BTreeSet<PeerId>>::default();
        let [msg_out, ack_out, msg_in, ack_in] = [(); 4].map(|()| mpsc::channel(4_096));
        let msg = Link::new(msg_out.0, msg_in.1);
        let ack = Link::new(ack_out.0, ack_in.1);
        let running = run_msg_ack_protocol(parts(number, ledger, &linked).await?, msg, ack);
        let relay = running.relay;
        let mut links = linked.subscribe();
        let ends = Ends { msg: msg_in.0, ack: ack_in.0, relay: relay.clone(), linked };
        self.tasks.spawn(drive(swarm, [msg_out.1, ack_out.1], ends));
        let tell = move || {
            // When many are under way nobody listens.
            let _told = told.try_send(Instant::now()).is_ok();
        };
        let (mut delivered, mut earned) = (running.delivered, running.earned);
        self.tasks.spawn(async move {
            while delivered.recv().await.is_some() {
                tell();
            }
        });
        self.tasks.spawn(async move { while earned.recv().await.is_some() {} });

        let others = self.peers.len();
        timeout(PATIENCE, links.wait_for(|links| links.len() == others)).await??;
        self.peers.push(key.public().to_peer_id());
        self.addresses.push(address);
        self.relays.push(relay);
        Ok(())
    }

    /// The way from the first node over so many relays to the last.
    fn route(&self, relays: usize) -> Route {
        let over = self.peers.iter().skip(1).take(relays);
        Route::Over(over.chain(self.peers.last()).copied().collect())
    }

    async fn send(&self, relays: usize) -> Result<Outcome, Failure> {
        let message = Message::new(1, vec![7; Message::BYTES_MAX])?;
        let relay = self.relays.first().ok_or("no node")?;
        Ok(timeout(PATIENCE, relay.send(message, self.route(relays))).await??)
    }

    /// Messages a second, and the share of them that was delivered.
    async fn rate(&self, relays: usize, count: u32) -> Result<(f64, f64), Failure> {
        let start = Instant::now();
        let sends = stream::iter(0..count).map(|_| self.send(relays)).buffer_unordered(AT_ONCE);
        let outcomes: Vec<_> = sends.collect().await;
        let time = start.elapsed().as_secs_f64();
        let mut delivered = 0;
        for outcome in outcomes {
            delivered += u32::from(outcome? == Outcome::Delivered);
        }
        Ok((f64::from(delivered) / time, f64::from(delivered) / f64::from(count)))
    }

    /// Times until a message is at its recipient, and until its sender knows it, sorted each.
    async fn latency(&mut self, relays: usize) -> Result<[Vec<Duration>; 2], Failure> {
        while self.delivered.try_recv().is_ok() {}
        let [mut there, mut known] = [const { Vec::new() }; 2];
        for _ in 0..ONE_BY_ONE {
            let start = Instant::now();
            let outcome = self.send(relays).await?;
            known.push(start.elapsed());
            if outcome != Outcome::Delivered {
                return Err(format!("{outcome:?} over {relays} relays").into());
            }
            let delivered = timeout(PATIENCE, self.delivered.recv()).await?;
            there.push(delivered.ok_or("the recipient is gone")? - start);
        }
        there.sort_unstable();
        known.sort_unstable();
        Ok([there, known])
    }
}

async fn parts(
    number: u8,
    ledger: &LocalLedger,
    linked: &watch::Sender<BTreeSet<PeerId>>,
) -> Result<Parts<MemoryJournal>, Failure> {
    let mut config = config();
    config.msg.replay.capacity = 1_000_000;
    let params = config.check()?;
    let keeper = Keeper::open(params.replay(), [7; 16], MemoryJournal::default()).await?;
    let store = Arc::new(MemoryStore::default());
    let indices = Arc::new(Indices::new(store, &Kept::default()));
    let guard = Arc::clone(keeper.guard());
    let engine = engine(number, ledger.replica(), guard, Arc::clone(&indices))?;
    let linked = linked.clone();
    Ok(Parts {
        engine: Arc::new(engine),
        keeper,
        replica: ledger.replica().clone(),
        indices,
        pool: Pool::new(NonZeroUsize::MIN, 1_024)?,
        params,
        tags: Arc::new(TagFilter::all()),
        linked: Linked::new(move |peer| linked.borrow().contains(peer)),
        seed: [number; 32],
    })
}

/// The time that so many of a hundred are below.
fn percentile(sorted: &[Duration], percent: usize) -> Duration {
    sorted.get(sorted.len() * percent / 100).copied().unwrap_or_default()
}

async fn over(net: Net, count: u32) -> Result<(), Failure> {
    let mut town = Town::start(net).await?;
    // Ledgers are followed and indices reserved.
    timeout(PATIENCE, async {
        while town.send(3).await? != Outcome::Delivered {}
        Ok::<_, Failure>(())
    })
    .await??;
    let mut direct = None;
    for relays in 0..=3 {
        let (rate, share) = town.rate(relays, count).await?;
        let [there, known] = town.latency(relays).await?;
        let (direct_rate, direct_there) = *direct.get_or_insert((rate, percentile(&there, 50)));
        let name = |row: &str| format!("nodes/{}/{relays}_relays/{row}", net.name());
        let details = format!(
            "{rate:.0} messages/s, direct {direct_rate:.0}; {:.2} % of {count} delivered, \
             {AT_ONCE} at once",
            share * 100.0,
        );
        report_ratio(&name("rate"), rate / direct_rate, &details);
        let [half, most] = [50, 99].map(|percent| percentile(&there, percent));
        let ratio = half.as_secs_f64() / direct_there.as_secs_f64();
        let details = format!(
            "there after {half:.1?}, 99 % within {most:.1?}, direct {direct_there:.1?}; known to the \
             sender after {:.1?}",
            percentile(&known, 50),
        );
        report_ratio(&name("latency"), ratio, &details);
    }
    Ok(())
}

pub(crate) fn run(count: u32) -> Result<(), Failure> {
    for net in [Net::Tcp, Net::Quic] {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        runtime.block_on(over(net, count))?;
    }
    Ok(())
}
