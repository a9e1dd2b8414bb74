//! Our own topic broadcast, every message signed and every signature checked.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use futures::StreamExt;
use libp2p::Swarm;
use libp2p::identity::Keypair;
use libp2p_swarm::SwarmEvent;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, interval, sleep};
use topics::{Behaviour, Command, Config, Core, Event, Rules, Topic, Worker};
use transport::pool::Pool;
use transport::{Builder, conversation};

use crate::Failure;
use crate::measure::{Burst, Ledger, Outcome, connect};

/// Time to dial and to learn who is subscribed.
const WARM_UP: Duration = Duration::from_secs(1);

/// Publishes that wait for their answer.
const AT_ONCE: usize = 32;

/// Runs a burst over our own topics.
pub(crate) async fn run(burst: Burst) -> Result<Outcome, Failure> {
    let ledger = Ledger::open(burst.bytes);
    let topic = Topic::new("bench")?;
    // One pool for all, as large as the machine: each node has its own in real life.
    let pool = Pool::new(NonZeroUsize::new(2).ok_or("two is not zero")?, 1024)?;
    let mut swarms = Vec::new();
    for _ in 0..burst.nodes {
        let key = Keypair::generate_ed25519();
        let core = Core::new(Config::default().check()?, key.public().to_peer_id());
        let worker = Worker::new(key.clone(), pool.clone());
        let mut behaviour = Behaviour::new(core, worker, conversation::Config::default());
        behaviour.command(Command::Subscribe { topic: topic.clone(), rules: Rules::default() });
        swarms.push(Builder::new(key).tcp().build(behaviour)?);
    }
    connect(&burst, &mut swarms).await?;
    let (start, started) = watch::channel(false);
    let mut nodes = JoinSet::new();
    for (node, swarm) in swarms.into_iter().enumerate() {
        let (ledger, topic) = (Arc::clone(&ledger), topic.clone());
        nodes.spawn(live(swarm, topic, node, burst, started.clone(), ledger));
    }
    sleep(WARM_UP).await;
    start.send(true)?;
    Ok(ledger.close(&burst).await)
}

/// What a node has still to publish.
struct Publisher {
    topic: Topic,
    node: usize,
    /// Messages accepted.
    number: usize,
    /// Publishes without an answer.
    open: usize,
    /// Whether there was no room, and has not been since.
    busy: bool,
}

impl Publisher {
    fn push(&mut self, due: usize, swarm: &mut Swarm<Behaviour>, ledger: &Ledger) {
        while !self.busy && self.open < AT_ONCE && self.number + self.open < due {
            let payload = ledger.stamp(self.node, self.number + self.open).into();
            let (topic, tag) = (self.topic.clone(), 0);
            self.open += 1;
            swarm.behaviour_mut().command(Command::Publish { topic, tag, payload });
        }
    }

    fn hear(&mut self, event: Event, ledger: &Ledger) {
        match event {
            Event::Arrived { payload, .. } => ledger.deliver(&payload),
            Event::Published { outcome, .. } => {
                self.open -= 1;
                if outcome.is_ok() {
                    self.number += 1;
                    ledger.accepted.fetch_add(1, Relaxed);
                } else {
                    self.busy = true;
                    ledger.refused.fetch_add(1, Relaxed);
                }
            }
            Event::Writable { .. } => self.busy = false,
            _ => {}
        }
    }
}

async fn live(
    mut swarm: Swarm<Behaviour>,
    topic: Topic,
    node: usize,
    burst: Burst,
    mut started: watch::Receiver<bool>,
    ledger: Arc<Ledger>,
) {
    while !*started.borrow_and_update() {
        tokio::select! {
            _ = started.changed() => {}
            _ = swarm.select_next_some() => {}
        }
    }
    let mut publisher = Publisher { topic, node, number: 0, open: 0, busy: false };
    let mut copies = 0;
    let (start, mut tick) = (Instant::now(), interval(Duration::from_millis(1)));
    loop {
        publisher.push(burst.due(node, start), &mut swarm, &ledger);
        let event = tokio::select! {
            event = swarm.select_next_some() => Some(event),
            _ = tick.tick(), if burst.pace.is_some() && publisher.number < burst.share(node) => None,
        };
        if let Some(SwarmEvent::Behaviour(transport::Event::Core(event))) = event {
            publisher.hear(event, &ledger);
        }
        let counts = swarm.behaviour().core().counts();
        let now = usize::try_from(counts.copies).unwrap_or(usize::MAX);
        ledger.copies.fetch_add(now - copies, Relaxed);
        copies = now;
    }
}
