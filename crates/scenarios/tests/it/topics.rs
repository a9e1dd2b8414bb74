//! Broadcast over real swarms: what is published around a ring arrives whole, in order and once.

use std::num::NonZeroUsize;

use bytes::Bytes;
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use libp2p_core::Multiaddr;
use libp2p_identity::Keypair;
use libp2p_swarm::{Swarm, SwarmEvent};
use topics::{Behaviour, Command, Config, Core, Event, PublishError, Rules, Topic, Worker};
use transport::conversation;
use transport::pool::Pool;

use crate::net::{Net, builder, listen, soon};

/// Each is signed by itself, since the next is published when the last one was accepted.
const MESSAGES: u32 = 1000;

/// Bytes of each.
const LEN: usize = 1024;

over_every_net! { what_is_published_around_a_ring_arrives_whole_and_once }

fn topic() -> Topic {
    Topic::new("news").unwrap()
}

fn member(pool: &Pool) -> Swarm<Behaviour> {
    let key = Keypair::generate_ed25519();
    let core = Core::new(Config::default().check().unwrap(), key.public().to_peer_id());
    let worker = Worker::new(key.clone(), pool.clone());
    let mut behaviour = Behaviour::new(core, worker, conversation::Config::default());
    behaviour.command(Command::Subscribe { topic: topic(), rules: Rules::default() });
    builder(key).build(behaviour).unwrap()
}

fn numbered(number: u32) -> Bytes {
    let mut payload = vec![0; LEN];
    payload[..4].copy_from_slice(&number.to_be_bytes());
    payload.into()
}

fn number_of(payload: &[u8]) -> u32 {
    u32::from_be_bytes(payload[..4].try_into().unwrap())
}

/// What one of the ring has published so far.
#[derive(Default)]
struct Publisher {
    accepted: u32,
    waits: bool,
}

impl Publisher {
    fn hear(&mut self, event: &Event) {
        match event {
            Event::Published { outcome: Ok(()), .. } => {
                self.accepted += 1;
                self.waits = false;
            }
            // Until there is room again.
            Event::Published { outcome: Err(PublishError::Busy), .. } => {}
            Event::Published { outcome: Err(error), .. } => panic!("{error}"),
            Event::Writable { .. } => self.waits = false,
            _ => {}
        }
    }

    fn publish(&mut self, swarm: &mut Swarm<Behaviour>) {
        if !self.waits && self.accepted < MESSAGES {
            self.waits = true;
            let payload = numbered(self.accepted);
            swarm.behaviour_mut().command(Command::Publish { topic: topic(), tag: 0, payload });
        }
    }
}

/// Each swarm waits for its next event; who has one is waited for again.
async fn next(mut swarm: Swarm<Behaviour>, at: usize) -> (Swarm<Behaviour>, usize, Option<Event>) {
    let event = match swarm.select_next_some().await {
        SwarmEvent::Behaviour(transport::Event::Core(event)) => Some(event),
        SwarmEvent::Behaviour(other) => panic!("{other:?}"),
        _ => None,
    };
    (swarm, at, event)
}

async fn what_is_published_around_a_ring_arrives_whole_and_once(net: Net) {
    let pool = Pool::new(NonZeroUsize::new(2).unwrap(), 1024).unwrap();
    let mut swarms: Vec<_> = (0..4).map(|_| member(&pool)).collect();
    let mut addresses: Vec<Multiaddr> = Vec::new();
    for swarm in &mut swarms {
        addresses.push(listen(swarm, net.anywhere()).await);
    }
    for (at, swarm) in swarms.iter_mut().enumerate() {
        swarm.dial(addresses[(at + 1) % 4].clone()).unwrap();
    }
    let mut waiting: FuturesUnordered<_> =
        swarms.into_iter().enumerate().map(|(at, swarm)| Box::pin(next(swarm, at))).collect();
    let mut heard = [0_u32; 4];
    let (mut neighbours, mut first) = (0, None);
    let mut publisher = Publisher::default();
    soon("everything everywhere", async {
        while heard.iter().filter(|count| **count == MESSAGES).count() < 3 {
            let (mut swarm, at, event) = waiting.next().await.unwrap();
            match event {
                Some(Event::Neighbour { .. }) => neighbours += 1,
                Some(Event::Arrived { payload, .. }) => {
                    assert_eq!(number_of(&payload), heard[at], "in order, and each once");
                    heard[at] += 1;
                }
                Some(Event::TooSlow { .. } | Event::Missed { .. }) => panic!("{event:?}"),
                Some(event) if first == Some(at) => publisher.hear(&event),
                _ => {}
            }
            // Four links, each with two ends that know of the other's subscription. Who hears of the
            // last one begins.
            if neighbours == 8 && *first.get_or_insert(at) == at {
                publisher.publish(&mut swarm);
            }
            waiting.push(Box::pin(next(swarm, at)));
        }
    })
    .await;
    assert_eq!(publisher.accepted, MESSAGES);
}
