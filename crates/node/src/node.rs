//! One node: the swarm, and the loop that ties its protocols together.

mod bans;
mod behaviour;
mod conduct;
mod events;
mod exchange;
mod links;
mod messages;
mod reached;
mod record;
mod relays;
mod report;
mod seeking;
mod strays;
mod wishes;

use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::future::Future;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use futures::future::FutureExt;
use handshake::Sessions;
use libp2p::identity::Keypair;
use libp2p::swarm::{ConnectionId, SwarmEvent};
use libp2p::{Multiaddr, PeerId, Swarm, TransportError};
use rand::SeedableRng;
use rand::rngs::StdRng;
use session::Registry;
use tokio::sync::mpsc;
use tokio::time::{interval, timeout};
use transport::clock::Clock;
use wire::signed::SignedRecord;

use self::bans::Bans;
use self::behaviour::{Behaviour, Extras, Gated};
use self::conduct::Conduct;
use self::exchange::Exchange;
use self::links::Links;
pub(crate) use self::links::is_lasting;
use self::reached::Reached;
use self::record::OwnRecord;
use self::relays::Relays;
use self::seeking::Seeking;
use self::strays::Strays;
use self::wishes::Wishes;
use crate::config::Params;
use crate::handle::{Handle, Request};
use crate::memory::Memory;
use crate::messaging;
use crate::orders::Orders;
use crate::relaying::{Ask as RelayAsk, Inside};
use crate::syncing::{self, Desk, Port};

/// How often it is looked whether a ban is due to begin or to end, and who has begun to carry messages.
/// Bans are told in whole seconds: ten times this would show, a tenth would only cost.
const LOOK_AFTER: Duration = Duration::from_millis(250);

/// Longest time until every listener has its address.
const LISTEN_PATIENCE: Duration = Duration::from_secs(5);

/// Longest time for protocols to end and connections to close when the node ends.
const FAREWELL: Duration = Duration::from_secs(3);

/// How much of it peers have to hear that we go, and the disk to keep what is new. What is left is for
/// connections to close.
const LAST_WORDS: Duration = Duration::from_millis(1_500);

/// How much of it packets have that wait among others, and tickets that are being kept.
const LAST_PACKETS: Duration = Duration::from_secs(1);

/// What a node is made of.
#[derive(Debug)]
pub(crate) struct Setup {
    /// Its key.
    pub(crate) identity: Keypair,
    /// Its configuration.
    pub(crate) params: Params,
    /// The application's protocols.
    pub(crate) protocols: Registry,
    /// What it remembers, and where it keeps what it learns.
    pub(crate) memory: Memory,
    /// Its orders.
    pub(crate) orders: Orders,
    /// What it relays with, if it does.
    pub(crate) relaying: Option<Inside>,
    /// What it carries messages with, if it does.
    pub(crate) messaging: Option<messaging::Inside>,
    /// Seeds every random choice but keys.
    pub(crate) seed: [u8; 32],
}

/// Why a node did not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The system gives no more threads.
    #[error("cannot start the threads that check signatures")]
    Threads(#[source] io::Error),
    /// The transport could not be built.
    #[error("cannot build the transport")]
    Transport(#[from] transport::BuildError),
    /// An address cannot be listened on.
    #[error("cannot listen on {address}")]
    Listen {
        /// The address.
        address: Multiaddr,
        /// What the transport says.
        source: TransportError<io::Error>,
    },
    /// A listener ended before it had an address.
    #[error("cannot listen: {reason}")]
    ListenerClosed {
        /// What the transport says.
        reason: String,
    },
    /// No address came within five seconds.
    #[error("no address to listen on within {LISTEN_PATIENCE:?}")]
    ListenTimeout,
}

/// A running node.
pub(crate) struct Node {
    /// Some thousand bytes, which every future would carry that holds the node.
    swarm: Box<Swarm<Behaviour>>,
    params: Params,
    conduct: Conduct,
    record: OwnRecord,
    reached: Reached,
    sessions: Sessions,
    links: Links,
    seeking: Seeking,
    bans: Bans,
    wishes: Wishes,
    orders: Orders,
    desk: Desk,
    exchange: Exchange,
    /// If it relays.
    relays: Option<Relays>,
    /// If it carries messages.
    messages: Option<messaging::Desk>,
    /// Where those are that are linked and have not been seen to carry messages. Bounded by the
    /// connection limits.
    met: BTreeMap<PeerId, Arc<SignedRecord>>,
    strays: Strays,
    requests: mpsc::Receiver<Request>,
    clock: Clock,
    /// Last round trip on each connection. Bounded by the connection limits.
    round_trips: BTreeMap<ConnectionId, Duration>,
    /// Exchanges of links, by outcome.
    swaps: BTreeMap<&'static str, u64>,
    /// What was dropped, by reason.
    dropped: BTreeMap<&'static str, u64>,
    /// Whether gossip has ended.
    ended: bool,
}

impl Node {
    /// A node that does not listen yet, the handle to ask it by, and where orders reach its peers.
    ///
    /// Must be called within a tokio runtime.
    ///
    /// # Errors
    /// [`StartError::Threads`], [`StartError::Transport`].
    pub(crate) fn new(setup: Setup) -> Result<(Self, Handle, Port), StartError> {
        let Setup { identity, params, protocols, memory, orders, seed, .. } = setup;
        let mut rng = StdRng::from_seed(seed);
        let sessions = Sessions::default();
        let bans = Bans::of(&memory.kept.bans);
        let (trader, relays) = setup
            .relaying
            .map(|Inside { core, worker, timeout, desk }| {
                ((core, worker, timeout), Relays::at(desk))
            })
            .unzip();
        let (carrier, messages) = setup
            .messaging
            .map(|inside| ((inside.core, inside.worker, inside.dialer), inside.desk))
            .unzip();
        let extras = Extras { trader, carrier };
        let behaviour =
            behaviour::build(&identity, &params, protocols, memory, extras, &sessions, &mut rng)
                .map_err(StartError::Threads)?;
        let dialer = behaviour.gate.dialer();
        let config = params.config();
        let swarm = transport::Builder::new(identity.clone())
            .tcp()
            .quic()
            .dns()
            .idle_timeout(config.handshake.stranger_idle)
            .connection_timeout(config.limits.pending_timeout)
            .negotiating_inbound_max(config.limits.negotiating_max.try_into().unwrap_or(usize::MAX))
            .build(behaviour)?;
        let network = &config.network;
        let record = OwnRecord::new(
            identity,
            network.allow_private,
            network.external.clone(),
            Clock::wall(),
        );
        let (handle, requests) = Handle::new();
        let (desk, port) = syncing::link(sessions.clone(), dialer, config.limits.strangers_max);
        let exchange = Exchange::new();
        let node = Self {
            swarm: Box::new(swarm),
            params,
            conduct: Conduct::default(),
            record,
            reached: Reached::default(),
            sessions,
            links: Links::default(),
            seeking: Seeking::default(),
            bans,
            wishes: Wishes::default(),
            orders,
            desk,
            exchange,
            relays,
            messages,
            met: BTreeMap::new(),
            strays: Strays::default(),
            requests,
            clock: Clock::start(),
            round_trips: BTreeMap::new(),
            swaps: BTreeMap::new(),
            dropped: BTreeMap::new(),
            ended: false,
        };
        Ok((node, handle, port))
    }

    /// Who the node is.
    pub(crate) fn peer_id(&self) -> PeerId {
        *self.swarm.local_peer_id()
    }

    /// Who is connected.
    pub(crate) fn sessions(&self) -> Sessions {
        self.sessions.clone()
    }

    /// Where others reach it, as its record says.
    pub(crate) fn announced(&self) -> Vec<Multiaddr> {
        self.record.addresses()
    }

    /// Opens every configured address and returns those that it got: several for one that stands
    /// for all interfaces, and with the port for one that left it to the system.
    ///
    /// # Errors
    /// [`StartError`]; nothing is served then.
    ///
    /// # Cancel safety
    /// Not cancel safe: what is open stays open.
    pub(crate) async fn listen(&mut self) -> Result<Vec<Multiaddr>, StartError> {
        let mut silent = HashSet::new();
        for address in self.params.config().network.listen.clone() {
            let address = address.multiaddr().clone();
            let listener = self.swarm.listen_on(address.clone());
            silent.insert(listener.map_err(|source| StartError::Listen { address, source })?);
        }
        let announced = async {
            while !silent.is_empty() {
                let event = self.swarm.select_next_some().await;
                match &event {
                    SwarmEvent::NewListenAddr { listener_id, .. } => {
                        silent.remove(listener_id);
                    }
                    SwarmEvent::ListenerClosed { reason, .. } => {
                        let reason = reason.as_ref().err().map_or_else(String::new, chain);
                        return Err(StartError::ListenerClosed { reason });
                    }
                    _ => {}
                }
                self.on_swarm(event);
            }
            Ok(())
        };
        timeout(LISTEN_PATIENCE, announced)
            .await
            .map_err(|_elapsed| StartError::ListenTimeout)??;
        // The other interfaces of a listener on all of them come in the same breath.
        while let Some(event) = self.swarm.select_next_some().now_or_never() {
            self.on_swarm(event);
        }
        Ok(self.record.listening().iter().cloned().collect())
    }

    /// Lives until `end` is there or somebody asks the handle to end; then says goodbye.
    ///
    /// # Bounds
    /// The goodbye takes at most three seconds.
    ///
    /// # Cancel safety
    /// Dropping the future cuts every connection.
    pub(crate) async fn run(mut self, end: impl Future<Output = ()>) {
        let mut end = pin!(end);
        let mut look_after = interval(LOOK_AFTER);
        loop {
            tokio::select! {
                () = &mut end => break,
                event = self.swarm.select_next_some() => self.on_swarm(event),
                Some(request) = self.requests.recv() => {
                    if self.answer(request).is_break() {
                        break;
                    }
                }
                Some(ask) = self.desk.asks.recv() => self.on_ask(ask),
                Some(ask) = next_of(&mut self.relays) => self.on_relay_ask(ask),
                Some(ask) = messages::next_of(&mut self.messages) => self.on_message_ask(ask),
                _ = look_after.tick() => {
                    self.look_after_bans(Clock::wall());
                    self.introduce();
                    self.look_after_strays();
                }
            }
        }
        tracing::info!("ending");
        if timeout(FAREWELL, self.say_goodbye()).await.is_err() {
            tracing::debug!("not everybody has hung up in time");
        }
    }

    fn gated(&mut self) -> &mut Gated {
        self.swarm.behaviour_mut().gate.inner_mut()
    }

    /// Asks something of gossip.
    fn gossip(&mut self, command: gossip::Command) {
        self.gated().gossip.command(command);
    }

    /// What gossip knows.
    fn overlay(&self) -> &gossip::Core {
        self.swarm.behaviour().gate.inner().gossip.core()
    }

    fn trusts(&self, peer: &PeerId) -> bool {
        self.overlay().trusted().any(|trusted| trusted == *peer)
    }

    /// Has what waits among packets sent, and what was earned kept.
    async fn let_relaying_end(&mut self) {
        let Some(relays) = &self.relays else { return };
        relays.end();
        let ended = async {
            loop {
                tokio::select! {
                    ask = next_of(&mut self.relays) => match ask {
                        Some(ask) => self.on_relay_ask(ask),
                        None => return,
                    },
                    event = self.swarm.select_next_some() => self.on_swarm(event),
                }
            }
        };
        if timeout(LAST_PACKETS, ended).await.is_err() {
            tracing::debug!("not every packet has left in time");
        }
    }

    /// Lets the protocols end, tells every peer that we go, and then closes every connection.
    async fn say_goodbye(&mut self) {
        self.enforce_all_bans();
        self.let_relaying_end().await;
        self.gated().session.stop().await;
        self.gossip(gossip::Command::Shutdown);
        let told = async {
            while !self.ended || !self.links.is_empty() {
                tokio::select! {
                    event = self.swarm.select_next_some() => self.on_swarm(event),
                    Some(ask) = messages::next_of(&mut self.messages) => self.on_message_ask(ask),
                }
            }
        };
        if timeout(LAST_WORDS, told).await.is_err() {
            tracing::debug!("not everything was said in time");
        }
        self.let_messages_end().await;
        let connected: Vec<_> = self.swarm.connected_peers().copied().collect();
        for peer in connected {
            if self.swarm.disconnect_peer_id(peer).is_err() {
                // It was faster.
            }
        }
        while self.swarm.network_info().num_peers() > 0 {
            self.swarm.next().await;
        }
    }
}

/// What those who relay ask next; nothing where nobody does.
async fn next_of(relays: &mut Option<Relays>) -> Option<RelayAsk> {
    relays.as_mut()?.next().await
}

/// An error and what caused it.
fn chain(error: &io::Error) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

impl fmt::Debug for Node {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Node")
            .field("peer", self.swarm.local_peer_id())
            .field("links", &self.links)
            .finish_non_exhaustive()
    }
}
