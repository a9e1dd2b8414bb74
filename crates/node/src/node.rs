//! One node: the swarm, whom to be connected to, and the loop that ties them together.

mod behaviour;
mod conduct;
mod events;
mod overlay;
mod reached;
mod record;
mod report;

use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::future::Future;
use std::io;
use std::pin::pin;
use std::time::Duration;

use futures::StreamExt;
use futures::future::{BoxFuture, FutureExt};
use futures::stream::FuturesUnordered;
use handshake::seed::Command;
use handshake::{DialError, Dialer, Sessions};
use libp2p::identity::Keypair;
use libp2p::swarm::{ConnectionId, SwarmEvent};
use libp2p::{Multiaddr, PeerId, Swarm, TransportError};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use session::Registry;
use tokio::sync::mpsc;
use tokio::time::{interval, timeout};
use transport::clock::Clock;

use self::behaviour::{Behaviour, Gated};
use self::conduct::Conduct;
use self::overlay::{Dial, Overlay};
use self::reached::Reached;
use self::record::OwnRecord;
use crate::config::{Params, Role};
use crate::handle::{Handle, Request};

/// How often the overlay is looked after when nothing happens. Waits are counted in seconds: ten
/// times this would show, a tenth would only cost.
const LOOK_AFTER: Duration = Duration::from_millis(250);

/// Longest time until every listener has its address.
const LISTEN_PATIENCE: Duration = Duration::from_secs(5);

/// Longest time for protocols to end and connections to close when the node ends.
const FAREWELL: Duration = Duration::from_secs(3);

/// What a node is made of.
#[derive(Debug)]
pub struct Setup {
    /// Its key.
    pub identity: Keypair,
    /// Its configuration.
    pub params: Params,
    /// The application's protocols.
    pub protocols: Registry,
    /// Seeds every random choice but keys.
    pub seed: [u8; 32],
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
pub struct Node {
    swarm: Swarm<Behaviour>,
    params: Params,
    overlay: Overlay,
    conduct: Conduct,
    record: OwnRecord,
    reached: Reached,
    sessions: Sessions,
    dialer: Dialer,
    dials: FuturesUnordered<BoxFuture<'static, (PeerId, Result<ConnectionId, DialError>)>>,
    requests: mpsc::Receiver<Request>,
    clock: Clock,
    /// Last round trip on each connection. Bounded by the connection limits.
    round_trips: BTreeMap<ConnectionId, Duration>,
    /// What was dropped, by reason.
    dropped: BTreeMap<&'static str, u64>,
}

impl Node {
    /// A node that does not listen yet, and the handle to ask it by.
    ///
    /// Must be called within a tokio runtime.
    ///
    /// # Errors
    /// [`StartError::Threads`], [`StartError::Transport`].
    pub fn new(setup: Setup) -> Result<(Self, Handle), StartError> {
        let Setup { identity, params, protocols, seed } = setup;
        let mut rng = StdRng::from_seed(seed);
        let sessions = Sessions::default();
        let behaviour = behaviour::build(&identity, &params, protocols, &sessions, &mut rng)
            .map_err(StartError::Threads)?;
        let config = params.config();
        let dialer = behaviour.gate.dialer();
        let swarm = transport::Builder::new(identity.clone())
            .tcp()
            .quic()
            .dns()
            .idle_timeout(config.handshake.stranger_idle)
            .connection_timeout(config.limits.pending_timeout)
            .negotiating_inbound_max(config.limits.negotiating_max.try_into().unwrap_or(usize::MAX))
            .build(behaviour)?;
        let network = &config.network;
        // Who visits a seed leaves again, and it goes to nobody but to see whether they are there.
        let target = if network.role == Role::Seed { 0 } else { config.peers.target };
        let overlay = Overlay::new(*swarm.local_peer_id(), target, network, rng.random());
        let record = OwnRecord::new(
            identity,
            network.allow_private,
            network.external.clone(),
            Clock::wall(),
        );
        let (handle, requests) = Handle::new();
        let node = Self {
            swarm,
            params,
            overlay,
            conduct: Conduct::default(),
            record,
            reached: Reached::default(),
            sessions,
            dialer,
            dials: FuturesUnordered::new(),
            requests,
            clock: Clock::start(),
            round_trips: BTreeMap::new(),
            dropped: BTreeMap::new(),
        };
        Ok((node, handle))
    }

    /// Who the node is.
    pub fn peer_id(&self) -> PeerId {
        *self.swarm.local_peer_id()
    }

    /// Opens every configured address and returns those that it got: several for one that stands
    /// for all interfaces, and with the port for one that left it to the system.
    ///
    /// # Errors
    /// [`StartError`]; nothing is served then.
    ///
    /// # Cancel safety
    /// Not cancel safe: what is open stays open.
    pub async fn listen(&mut self) -> Result<Vec<Multiaddr>, StartError> {
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
    pub async fn run(mut self, end: impl Future<Output = ()>) {
        let mut end = pin!(end);
        let mut look_after = interval(LOOK_AFTER);
        loop {
            self.look_after();
            tokio::select! {
                () = &mut end => break,
                event = self.swarm.select_next_some() => self.on_swarm(event),
                Some((peer, outcome)) = self.dials.next() => self.on_dialled(peer, &outcome),
                Some(request) = self.requests.recv() => {
                    if self.answer(request).is_break() {
                        break;
                    }
                }
                _ = look_after.tick() => {}
            }
        }
        tracing::info!("ending");
        if timeout(FAREWELL, self.say_goodbye()).await.is_err() {
            tracing::debug!("not everybody has hung up in time");
        }
    }

    /// Starts the dials and the seek that are due.
    fn look_after(&mut self) {
        let now = self.clock.now();
        for Dial { peer, addresses, kind } in self.overlay.begin_dials(now) {
            tracing::debug!(%peer, %kind, ?addresses, "dialling");
            let dialer = self.dialer.clone();
            let dial = async move { (peer, dialer.dial(peer, addresses, kind).await) };
            self.dials.push(dial.boxed());
        }
        if let Some((have, want)) = self.overlay.begin_seek(now) {
            tracing::debug!(have, want, "asking seeds");
            self.gated().seed.command(Command::Seek { have, want });
        }
    }

    fn gated(&mut self) -> &mut Gated {
        self.swarm.behaviour_mut().gate.inner_mut()
    }

    /// Lets the protocols end, and then closes every connection.
    async fn say_goodbye(&mut self) {
        self.gated().session.stop().await;
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
            .field("overlay", &self.overlay)
            .finish_non_exhaustive()
    }
}
