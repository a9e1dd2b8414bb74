//! Both pipelines of three nodes, and links between them that are plain channels: no swarm, no
//! socket.
//!
//! Alice and Carol are both linked with Bob, and not with each other. Alice writes to Bob, and to
//! Carol, who is away: Bob keeps that for her, and cannot read it.
#![expect(clippy::print_stdout, reason = "an example shows what happens")]

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::error::Error;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use libp2p_identity::{Keypair, PeerId};
use meshwork_dht::{
    Config, Dht, DhtInboundMessage, FromWire, OutboundMessageRequester, Outcome, ServicePipeline,
    ToWire,
};
use rand::TryRng as _;
use rand::rngs::SysRng;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::PollSender;
use tower::{ServiceBuilder, service_fn};

/// Seeds of keys by which Bob is between the other two: a message goes only to whoever is closer to
/// its recipient.
const ALICE: [u8; 32] = [11; 32];
const BOB: [u8; 32] = [71; 32];
const CAROL: [u8; 32] = [131; 32];

/// One node, as its application sees it.
struct Node {
    peer: PeerId,
    requester: OutboundMessageRequester,
    letters: mpsc::Receiver<DhtInboundMessage>,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut room = Room::default();
    let mut bob = room.enter(BOB).await?;
    let alice = room.enter(ALICE).await?;
    room.link(alice.peer, bob.peer).await;

    let sending = alice.requester.send_direct(bob.peer, "hello Bob").await?;
    let letter = bob.letters.recv().await.ok_or("Bob has stopped")?;
    println!("Bob reads {:?}", letter.payload);
    println!("Alice is told: {:?}", sending.end().await?);

    let away = Keypair::ed25519_from_bytes(CAROL)?.public().to_peer_id();
    let mut sending = alice.requester.send_direct(away, "hello Carol").await?;
    while let Some(outcome) = sending.next().await {
        println!("Carol is away, and Alice is told: {outcome:?}");
        if matches!(outcome, Outcome::Stored { .. }) {
            break;
        }
    }

    let mut carol = room.enter(CAROL).await?;
    room.link(carol.peer, bob.peer).await;
    let letter = carol.letters.recv().await.ok_or("Carol has stopped")?;
    println!("Carol reads {:?}", letter.payload);
    assert!(letter.sealed && letter.sender == alice.peer);
    println!("Alice is told: {:?}", sending.end().await?);
    assert!(bob.letters.try_recv().is_err(), "Bob has read what is for Carol");
    Ok(())
}

/// The nodes that run, and what goes into each.
#[derive(Default)]
struct Room {
    tasks: JoinSet<()>,
    wires: Wires,
}

type Wires = Arc<Mutex<BTreeMap<PeerId, mpsc::Sender<FromWire>>>>;

impl Room {
    /// A node: its DHT, and the two pipelines around what the application does.
    async fn enter(&mut self, key: [u8; 32]) -> Result<Node, Box<dyn Error>> {
        let mut seed = [0; 32];
        SysRng.try_fill_bytes(&mut seed)?;
        let builder = Dht::builder(Keypair::ed25519_from_bytes(key)?).network("example");
        let mut dht = builder.config(Config::fast()).build(seed).await?;

        // Inbound: what arrives, the stages, and a service that puts letters into a channel. While
        // that is full, letters for it wait, and what is only carried on does not.
        let (inbox, letters) = mpsc::channel(16);
        let application = service_fn(move |letter| {
            let inbox = inbox.clone();
            async move {
                inbox.send(letter).await.ok();
                Ok::<_, Infallible>(())
            }
        });
        let stack = ServiceBuilder::new().layer(dht.inbound_middleware_layer());
        let arrived = dht.take_inbound_receiver().ok_or("taken before")?;
        let inbound = ServicePipeline::new(arrived, stack.service(application));
        inbound.spawn_with(|run| self.tasks.spawn(async { run.await.unwrap_or(()) }));

        // Outbound: what is to be sent, the stages, and the way into the core.
        let stack = ServiceBuilder::new().layer(dht.outbound_middleware_layer());
        let requested = dht.take_outbound_receiver().ok_or("taken before")?;
        let outbound = ServicePipeline::new(requested, stack.service(dht.sink()));
        outbound.spawn_with(|run| self.tasks.spawn(async { run.await.unwrap_or(()) }));

        let (peer, requester) = (dht.local(), dht.outbound_requester());
        self.run(dht);
        Ok(Node { peer, requester, letters })
    }

    /// Runs the core, with a channel in each direction for all of its links.
    fn run(&mut self, dht: Dht) {
        let own = dht.local();
        let (to_node, mut from_wire) = mpsc::channel(256);
        let (to_wire, mut from_node) = mpsc::channel(256);
        lock(&self.wires).insert(own, to_node);
        let from_wire = futures::stream::poll_fn(move |cx| from_wire.poll_recv(cx));
        let run = dht.run(from_wire, PollSender::new(to_wire));
        self.tasks.spawn(async { run.await.unwrap_or(()) });
        let wires = Arc::clone(&self.wires);
        self.tasks.spawn(async move {
            while let Some(item) = from_node.recv().await {
                match item {
                    ToWire::Frame(to, frame) => give(&wires, to, FromWire::Frame(own, frame)).await,
                    ToWire::Close(to) => give(&wires, to, FromWire::Left(own)).await,
                }
            }
        });
    }

    /// Whoever makes a link has proven who is at each end of it.
    async fn link(&self, one: PeerId, other: PeerId) {
        give(&self.wires, one, FromWire::Joined(other)).await;
        give(&self.wires, other, FromWire::Joined(one)).await;
    }
}

async fn give(wires: &Wires, to: PeerId, what: FromWire) {
    let wire = lock(wires).get(&to).cloned();
    if let Some(wire) = wire {
        wire.send(what).await.ok();
    }
}

fn lock(wires: &Wires) -> MutexGuard<'_, BTreeMap<PeerId, mpsc::Sender<FromWire>>> {
    wires.lock().unwrap_or_else(PoisonError::into_inner)
}
