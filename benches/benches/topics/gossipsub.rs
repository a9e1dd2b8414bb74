//! libp2p-gossipsub as it comes, every message signed and every signature checked.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use futures::{FutureExt, StreamExt};
use libp2p::Swarm;
use libp2p::gossipsub::{
    AllowAllSubscriptionFilter, Behaviour, ConfigBuilder, DataTransform, Event, IdentTopic,
    Message, MessageAuthenticity, RawMessage, TopicHash,
};
use libp2p::identity::Keypair;
use libp2p_swarm::SwarmEvent;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, interval, sleep};
use transport::Builder;

use crate::Failure;
use crate::measure::{Burst, Ledger, Outcome, connect};

/// Heartbeats build the mesh, one a second.
const WARM_UP: Duration = Duration::from_secs(4);

/// Counts what arrives before it is told apart from what was there already.
struct Counting(Arc<Ledger>);

impl DataTransform for Counting {
    fn inbound_transform(&self, raw: RawMessage) -> Result<Message, io::Error> {
        self.0.copies.fetch_add(1, Relaxed);
        let RawMessage { source, data, sequence_number, topic, .. } = raw;
        Ok(Message { source, data, sequence_number, topic })
    }

    fn outbound_transform(&self, _: &TopicHash, data: Vec<u8>) -> Result<Vec<u8>, io::Error> {
        Ok(data)
    }
}

type Gossip = Behaviour<Counting, AllowAllSubscriptionFilter>;

/// Runs a burst over gossipsub.
pub(crate) async fn run(burst: Burst) -> Result<Outcome, Failure> {
    let ledger = Ledger::open(burst.bytes);
    let topic = IdentTopic::new("bench");
    let mut swarms = Vec::new();
    for _ in 0..burst.nodes {
        let key = Keypair::generate_ed25519();
        let config = ConfigBuilder::default().build()?;
        let author = MessageAuthenticity::Signed(key.clone());
        let mut gossip = Gossip::new_with_transform(author, config, Counting(Arc::clone(&ledger)))?;
        gossip.subscribe(&topic)?;
        swarms.push(Builder::new(key).tcp().build(gossip)?);
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

async fn live(
    mut swarm: Swarm<Gossip>,
    topic: IdentTopic,
    node: usize,
    burst: Burst,
    mut started: watch::Receiver<bool>,
    ledger: Arc<Ledger>,
) {
    let mut number = 0;
    while !*started.borrow_and_update() {
        tokio::select! {
            _ = started.changed() => {}
            _ = swarm.select_next_some() => {}
        }
    }
    let (start, mut tick) = (Instant::now(), interval(Duration::from_millis(1)));
    loop {
        let event = if number < burst.due(node, start) {
            let data = ledger.stamp(node, number);
            if swarm.behaviour_mut().publish(topic.clone(), data).is_ok() {
                number += 1;
                ledger.accepted.fetch_add(1, Relaxed);
            } else {
                // As one does who wants it delivered: lets the swarm move, then tries again.
                ledger.refused.fetch_add(1, Relaxed);
                tokio::task::yield_now().await;
            }
            swarm.select_next_some().now_or_never()
        } else {
            tokio::select! {
                event = swarm.select_next_some() => Some(event),
                _ = tick.tick(), if number < burst.share(node) => None,
            }
        };
        if let Some(SwarmEvent::Behaviour(Event::Message { message, .. })) = event {
            ledger.deliver(&message.data);
        }
    }
}
