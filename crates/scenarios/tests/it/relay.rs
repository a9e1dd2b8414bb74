//! Relays over real links: a message arrives, its relay earns, and a link that ends has a name.

use std::collections::BTreeSet;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt as _;
use futures::channel::mpsc;
use libp2p_core::Multiaddr;
use libp2p_identity::{Keypair, PeerId};
use libp2p_swarm::{NetworkBehaviour, Swarm, SwarmEvent};
use relay::config::ProtocolConfig;
use relay::engine::{self, Engine, Outcome};
use relay::pipe::{self, Command, Event};
use relay::replay::{Keeper, MemoryJournal};
use relay::sphinx::{Message, NodeSecret};
use relay::{
    FailureCode, Link, Linked, Parts, Relay, Route, Running, TagFilter, run_msg_ack_protocol,
};
use tickets::aggregation::{Kept, MemoryStore};
use tickets::issuing::Indices;
use tickets::ledger::{Call, Genesis, LocalLedger, SignedAnnouncement, Signer};
use tickets::{Amount, ChainKey, UnixTime};
use tokio::sync::watch;
use tokio::task::JoinSet;
use transport::NoJobs;
use transport::conversation::{self, Behaviour};
use transport::pool::Pool;

use crate::net::{Net, builder, listen, soon};

const PRICE: u128 = 10_000_000_000_000_000;

#[derive(NetworkBehaviour)]
struct Pipes {
    msg: Behaviour<pipe::Msg>,
    ack: Behaviour<pipe::Ack>,
}

type Frames = mpsc::Sender<(PeerId, Bytes)>;
/// Whom a node has a link to.
type Linkage = watch::Sender<BTreeSet<PeerId>>;

/// What a swarm hands frames to.
struct Ends {
    msg: Frames,
    ack: Frames,
    relay: Relay,
    linked: Linkage,
}

impl Ends {
    fn hear(&mut self, event: SwarmEvent<PipesEvent>) {
        let SwarmEvent::Behaviour(event) = event else { return };
        match event {
            PipesEvent::Msg(transport::Event::Core(event)) => match event {
                Event::Joined(peer) => {
                    self.linked.send_if_modified(|linked| linked.insert(peer));
                }
                Event::Left(peer) => {
                    self.linked.send_if_modified(|linked| linked.remove(&peer));
                }
                Event::Received { peer, frame } => self.msg.try_send((peer, frame)).unwrap(),
                Event::Returned { peer, frame, cause } => {
                    self.relay.undelivered(peer, frame, cause);
                }
                Event::Handed(_) => {}
            },
            PipesEvent::Ack(transport::Event::Core(Event::Received { peer, frame })) => {
                self.ack.try_send((peer, frame)).unwrap();
            }
            PipesEvent::Ack(_) | PipesEvent::Msg(_) => {}
        }
    }
}

/// Drives a swarm until the relay has nothing more to send.
async fn drive(
    mut swarm: Swarm<Pipes>,
    mut msg: mpsc::Receiver<(PeerId, Bytes)>,
    mut ack: mpsc::Receiver<(PeerId, Bytes)>,
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

struct Node {
    running: Running,
    linked: Linkage,
    peer: PeerId,
    address: Multiaddr,
}

/// Who is in the network, and what runs it.
struct Town {
    ledger: LocalLedger,
    signers: Vec<Signer>,
    swarms: JoinSet<()>,
}

impl Town {
    async fn new() -> Self {
        let params = Genesis::default().check().unwrap();
        let clock = Box::new(|| UnixTime(1_700_000_000));
        let store = Arc::new(tickets::ledger::MemoryStore::default());
        let ledger = LocalLedger::open(params, store, clock).await.unwrap();
        Self { ledger, signers: Vec::new(), swarms: JoinSet::new() }
    }

    /// Starts a node that dials these.
    async fn start(&mut self, net: Net, dials: &[&Node]) -> Node {
        let number = u8::try_from(self.signers.len() + 1).unwrap();
        let key = Keypair::ed25519_from_bytes([number; 32]).unwrap();
        let signer = self.enrol(number, &key).await;
        let pipes = Pipes {
            msg: Behaviour::new(pipe::Msg::default(), NoJobs, conversation::Config::default()),
            ack: Behaviour::new(pipe::Ack::default(), NoJobs, conversation::Config::default()),
        };
        let mut swarm = builder(key.clone()).build(pipes).unwrap();
        let address = listen(&mut swarm, net.anywhere()).await;
        for node in dials {
            swarm.dial(node.address.clone().with_p2p(node.peer).unwrap()).unwrap();
        }

        let [msg_out, ack_out, msg_in, ack_in] = [(); 4].map(|()| mpsc::channel(256));
        let linked = Linkage::default();
        let msg = Link::new(msg_out.0, msg_in.1);
        let ack = Link::new(ack_out.0, ack_in.1);
        let running = run_msg_ack_protocol(parts(&signer, &key, &linked).await, msg, ack);
        let relay = running.relay.clone();
        let ends = Ends { msg: msg_in.0, ack: ack_in.0, relay, linked: linked.clone() };
        self.swarms.spawn(drive(swarm, msg_out.1, ack_out.1, ends));
        let peer = key.public().to_peer_id();
        let node = Node { running, linked, peer, address };
        for other in dials {
            node.until_linked(other, true).await;
        }
        node
    }

    async fn enrol(&mut self, number: u8, key: &Keypair) -> Signer {
        let chain = ChainKey::from_bytes(&[number; 32]).unwrap();
        let replica = self.ledger.replica().clone();
        let signer = Signer::new(chain, Arc::new(self.ledger.clone()), replica);
        let separator = signer.replica().read(|state| *state.params().separator());
        let said = SignedAnnouncement::new(key, &separator, &signer.address(), Vec::new(), true);
        signer.submit(&Call::Claim).await.unwrap();
        signer.submit(&Call::Announce(Box::new(said.unwrap()))).await.unwrap();
        self.signers.push(signer.clone());
        signer
    }

    async fn open(&self, from: usize, to: usize) {
        let destination = self.signers[to].address();
        let amount = Amount::new(100 * PRICE).unwrap();
        self.signers[from].submit(&Call::Open { destination, amount }).await.unwrap();
    }
}

impl Node {
    async fn until_linked(&self, other: &Self, linked: bool) {
        let mut links = self.linked.subscribe();
        let until = links.wait_for(|links| links.contains(&other.peer) == linked);
        soon("a link to begin or to end", until).await.unwrap();
    }

    async fn send(&self, route: Route, text: &str) -> Outcome {
        let message = Message::new(7, text.into()).unwrap();
        soon("an outcome", self.running.relay.send(message, route)).await.unwrap()
    }
}

async fn parts(signer: &Signer, key: &Keypair, linked: &Linkage) -> Parts<MemoryJournal> {
    let mut config = ProtocolConfig::default();
    config.msg.mixer.delay_range = Duration::from_millis(5);
    config.msg.replay.capacity = 10_000;
    let params = config.check().unwrap();
    let opened = Keeper::open(params.replay(), [7; 16], MemoryJournal::default());
    let keeper = opened.await.unwrap();
    let store = Arc::new(MemoryStore::default());
    let indices = Arc::new(Indices::new(store, &Kept::default()));
    let engine = Engine::new(engine::Parts {
        key: signer.key().clone(),
        node: NodeSecret::of(key).unwrap(),
        separator: signer.replica().read(|state| *state.params().separator()),
        replica: signer.replica().clone(),
        indices: Arc::clone(&indices),
        guard: Arc::clone(keeper.guard()),
        terms: params.terms(),
        pending: params.pending().clone(),
        seed: signer.address().0.repeat(2)[..32].try_into().unwrap(),
    });
    let linked = linked.clone();
    Parts {
        engine: Arc::new(engine),
        keeper,
        replica: signer.replica().clone(),
        indices,
        pool: Pool::new(NonZeroUsize::MIN, 64).unwrap(),
        params,
        tags: Arc::new(TagFilter::all()),
        linked: Linked::new(move |peer| linked.borrow().contains(peer)),
        seed: [9; 32],
    }
}

/// Sender, two relays and recipient in a row, then the recipient goes.
async fn messages_go_over_relays(net: Net) {
    let mut town = Town::new().await;
    let mut recipient = town.start(net, &[]).await;
    let mut second = town.start(net, &[&recipient]).await;
    let mut first = town.start(net, &[&second]).await;
    let sender = town.start(net, &[&first]).await;
    town.open(3, 2).await;
    town.open(2, 1).await;

    let route = || Route::Random { to: recipient.peer, relays: 2 };
    for text in ["one", "two", "three"] {
        assert_eq!(sender.send(route(), text).await, Outcome::Delivered, "{text}");
    }
    for text in ["one", "two", "three"] {
        let message = soon("a message", recipient.running.delivered.recv()).await.unwrap();
        assert_eq!(message.data(), text.as_bytes());
        for (relay, hops) in [(&mut first, 2), (&mut second, 1)] {
            let earned = soon("a ticket", relay.running.earned.recv()).await.unwrap();
            assert_eq!(earned.ticket().body().amount.get(), hops * PRICE);
        }
    }

    let route = route();
    soon("the recipient to stop", recipient.running.relay.stop()).await;
    second.until_linked(&recipient, false).await;
    let outcome = sender.send(route, "too late").await;
    assert_eq!(outcome, Outcome::Failed(FailureCode::Unreachable));
}

over_every_net!(messages_go_over_relays);
