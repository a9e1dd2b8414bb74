//! The swarm's half: starts protocols on new connections, and ends them with these.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use handshake::{SessionInfo, SessionKind};
use libp2p_core::transport::PortUse;
use libp2p_core::{Endpoint, Multiaddr};
use libp2p_identity::PeerId;
use libp2p_swarm::behaviour::{ConnectionClosed, ConnectionEstablished, FromSwarm};
use libp2p_swarm::{
    CloseConnection, ConnectionDenied, ConnectionId, NetworkBehaviour, StreamProtocol, THandler,
    THandlerInEvent, THandlerOutEvent, ToSwarm,
};
use tokio::task::{JoinError, JoinSet};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use transport::session::{self as substreams, OpenError, OpenId, RefusalReason, Substream};

use crate::Registry;
use crate::registry::Entry;
use crate::runner::{Outcome, Start};

/// The bounds of running protocols.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Config {
    /// Jobs of one channel at once. Default 16.
    pub jobs_max: usize,
    /// Time for protocols and jobs to end by themselves when the connection closed or the node
    /// stops, and then for the remote to take what is left. Default 1 s.
    pub grace: Duration,
    /// Time to open one protocol. Default 10 s.
    pub open_timeout: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self { jobs_max: 16, grace: Duration::from_secs(1), open_timeout: Duration::from_secs(10) }
    }
}

/// News of protocols. For each [`Event::Started`] there is one [`Event::Ended`].
#[derive(Debug)]
pub enum Event {
    /// A protocol runs with a peer.
    Started {
        /// Whom with.
        peer: PeerId,
        /// On which connection.
        connection: ConnectionId,
        /// Its name.
        protocol: &'static str,
    },
    /// It has ended, and nothing of it is left.
    Ended {
        /// Whom with.
        peer: PeerId,
        /// On which connection.
        connection: ConnectionId,
        /// Its name.
        protocol: &'static str,
        /// How.
        outcome: Outcome,
    },
    /// The peer does not run a protocol that we wanted to run with it.
    Unsupported {
        /// Whom with.
        peer: PeerId,
        /// On which connection.
        connection: ConnectionId,
        /// Its name.
        protocol: &'static str,
    },
    /// A protocol could not be opened.
    Unopened {
        /// Whom with.
        peer: PeerId,
        /// On which connection.
        connection: ConnectionId,
        /// Its name.
        protocol: &'static str,
        /// Why; not that the peer does not support it.
        error: OpenError,
    },
    /// The peer opened a protocol and found it closed again.
    Refused {
        /// Who.
        peer: PeerId,
        /// On which connection.
        connection: ConnectionId,
        /// Its name.
        protocol: StreamProtocol,
        /// Why.
        reason: Refusal,
    },
}

/// Why a remote may not run a protocol now.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Refusal {
    /// It runs, or ran, on this connection already.
    #[error("opened a second time on one connection")]
    Again,
    /// This node stops.
    #[error("stopping")]
    Stopping,
}

type Lookup = Arc<dyn Fn(ConnectionId) -> Option<Arc<SessionInfo>> + Send + Sync>;

/// Runs the protocols of a [`Registry`] on every connection of the right kind.
///
/// Stands inside the gate, so that every connection it hears of has passed the handshake. Its tasks
/// run on the tokio runtime that polls the swarm; dropping it ends them, without grace.
pub struct Behaviour {
    registry: Arc<Registry>,
    config: Config,
    session_of: Lookup,
    substreams: substreams::Behaviour,
    links: BTreeMap<ConnectionId, Link>,
    /// Every running protocol, those of closed connections included until they are gone.
    running: JoinSet<End>,
    stopping: CancellationToken,
    out: VecDeque<ToSwarm<Event, THandlerInEvent<substreams::Behaviour>>>,
}

/// A connection.
struct Link {
    session: Arc<SessionInfo>,
    since: Instant,
    /// Cancelled when it closes.
    closing: CancellationToken,
    opening: BTreeMap<OpenId, Entry>,
    /// Names of what runs or ran. Bounded by the registry.
    begun: BTreeSet<&'static str>,
}

/// What is left of a protocol that ran.
struct End {
    peer: PeerId,
    connection: ConnectionId,
    protocol: &'static str,
    outcome: Outcome,
}

impl Behaviour {
    /// Runs the protocols of `registry`. `session_of` tells what was agreed on a connection, from
    /// the moment this behaviour hears of it: `move |connection| sessions.get(connection)` with the
    /// gate's [`Sessions`](handshake::Sessions). Nothing runs on a connection it does not know.
    pub fn new(
        registry: Registry,
        config: Config,
        session_of: impl Fn(ConnectionId) -> Option<Arc<SessionInfo>> + Send + Sync + 'static,
    ) -> Self {
        let (registry, session_of): (_, Lookup) = (Arc::new(registry), Arc::new(session_of));
        let bounds = substreams::Config {
            accepted_max: 1,
            opening_max: registry.len(),
            open_timeout: config.open_timeout,
            keep_alive: true,
        };
        let accepted = {
            let (registry, session_of) = (Arc::clone(&registry), Arc::clone(&session_of));
            move |_, connection| match session_of(connection) {
                Some(session) if session.kind == SessionKind::Inbound => registry.accepted(),
                Some(_) | None => Vec::new(),
            }
        };
        Self {
            substreams: substreams::Behaviour::new(bounds, accepted),
            registry,
            config,
            session_of,
            links: BTreeMap::new(),
            running: JoinSet::new(),
            stopping: CancellationToken::new(),
            out: VecDeque::new(),
        }
    }

    /// Ends all protocols and their jobs, and starts none from now on. Returns when nothing is left
    /// of them, at the latest after twice [`Config::grace`]; their ends are reported as events.
    ///
    /// What they said last may still be on its way out: close the connections and wait until they
    /// are closed before you drop the swarm.
    ///
    /// # Cancel safety
    /// Cancel safe: it may be called again.
    pub async fn stop(&mut self) {
        self.stopping.cancel();
        while let Some(ended) = self.running.join_next().await {
            self.end(ended);
        }
    }

    /// Channels that run, those of closed connections included until they are gone.
    pub fn running(&self) -> usize {
        self.running.len()
    }

    /// Opens what we dialled this connection for.
    fn on_established(&mut self, peer: PeerId, connection: ConnectionId) {
        let Some(session) = (self.session_of)(connection) else { return };
        let mut opening = BTreeMap::new();
        if session.kind != SessionKind::Inbound && !self.stopping.is_cancelled() {
            for entry in self.registry.of(session.kind) {
                let names = vec![entry.stream_protocol()];
                opening.insert(self.substreams.open(peer, connection, names), entry.clone());
            }
        }
        let link = Link {
            session,
            since: Instant::now(),
            closing: self.stopping.child_token(),
            opening,
            begun: BTreeSet::new(),
        };
        self.links.insert(connection, link);
    }

    fn on_closed(&mut self, connection: ConnectionId) {
        let Some(Link { session, closing, opening, .. }) = self.links.remove(&connection) else {
            return;
        };
        closing.cancel();
        for entry in opening.into_values() {
            self.unopened(session.peer, connection, &entry, OpenError::Disconnected);
        }
    }

    fn on_substreams(&mut self, event: substreams::Event) {
        use substreams::Event as Substreams;
        match event {
            Substreams::Opened { peer, connection, id, stream, .. } => {
                let link = self.links.get_mut(&connection);
                let Some(entry) = link.and_then(|link| link.opening.remove(&id)) else { return };
                if self.stopping.is_cancelled() {
                    self.unopened(peer, connection, &entry, OpenError::Disconnected);
                } else {
                    self.start(connection, &entry, stream);
                }
            }
            Substreams::OpenFailed { peer, connection, id, error } => {
                let link = self.links.get_mut(&connection);
                if let Some(entry) = link.and_then(|link| link.opening.remove(&id)) {
                    self.unopened(peer, connection, &entry, error);
                }
            }
            Substreams::Incoming { peer, connection, name, stream } => {
                match self.admit(connection, &name) {
                    Ok(Some(entry)) => self.start(connection, &entry, stream),
                    Ok(None) => {}
                    Err(reason) => self.refuse(peer, connection, name, reason),
                }
            }
            Substreams::Refused { peer, connection, name, reason } => match reason {
                RefusalReason::TooMany { .. } => {
                    self.refuse(peer, connection, name, Refusal::Again);
                }
            },
        }
    }

    /// What a remote may begin under this name; nothing on a connection that is closed by now.
    fn admit(
        &self,
        connection: ConnectionId,
        name: &StreamProtocol,
    ) -> Result<Option<Entry>, Refusal> {
        let Some(link) = self.links.get(&connection) else { return Ok(None) };
        if self.stopping.is_cancelled() {
            return Err(Refusal::Stopping);
        }
        if link.begun.contains(name.as_ref()) {
            return Err(Refusal::Again);
        }
        Ok(self.registry.of(link.session.kind).find(|entry| name == &entry.name).cloned())
    }

    fn unopened(
        &mut self,
        peer: PeerId,
        connection: ConnectionId,
        entry: &Entry,
        error: OpenError,
    ) {
        let protocol = entry.name;
        self.emit(match error {
            OpenError::Unsupported => Event::Unsupported { peer, connection, protocol },
            error => Event::Unopened { peer, connection, protocol, error },
        });
    }

    fn refuse(
        &mut self,
        peer: PeerId,
        connection: ConnectionId,
        protocol: StreamProtocol,
        reason: Refusal,
    ) {
        tracing::debug!(%peer, %protocol, %reason, "protocol refused");
        self.emit(Event::Refused { peer, connection, protocol, reason });
    }

    fn start(&mut self, connection: ConnectionId, entry: &Entry, stream: Substream) {
        let Some(link) = self.links.get_mut(&connection) else { return };
        let protocol = entry.name;
        link.begun.insert(protocol);
        let peer = link.session.peer;
        let life = entry.start(Start {
            stream,
            session: Arc::clone(&link.session),
            since: link.since,
            stopping: link.closing.clone(),
            jobs_max: self.config.jobs_max,
            grace: self.config.grace,
        });
        self.running.spawn(async move {
            let outcome = life.await;
            End { peer, connection, protocol, outcome }
        });
        self.emit(Event::Started { peer, connection, protocol });
    }

    fn end(&mut self, ended: Result<End, JoinError>) {
        let Ok(End { peer, connection, protocol, outcome }) = ended else {
            // A runner catches every panic, and is aborted only by the end of the runtime.
            return;
        };
        tracing::debug!(%peer, protocol, ?outcome, "protocol ended");
        if outcome.closes_connection() && self.links.contains_key(&connection) {
            let connection = CloseConnection::One(connection);
            self.out.push_back(ToSwarm::CloseConnection { peer_id: peer, connection });
        }
        self.emit(Event::Ended { peer, connection, protocol, outcome });
    }

    fn emit(&mut self, event: Event) {
        self.out.push_back(ToSwarm::GenerateEvent(event));
    }
}

impl fmt::Debug for Behaviour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Behaviour")
            .field("registry", &self.registry)
            .field("running", &self.running.len())
            .finish_non_exhaustive()
    }
}

impl NetworkBehaviour for Behaviour {
    type ConnectionHandler = THandler<substreams::Behaviour>;
    type ToSwarm = Event;

    fn handle_established_inbound_connection(
        &mut self,
        connection: ConnectionId,
        peer: PeerId,
        local: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.substreams.handle_established_inbound_connection(connection, peer, local, remote)
    }

    fn handle_established_outbound_connection(
        &mut self,
        connection: ConnectionId,
        peer: PeerId,
        address: &Multiaddr,
        role: Endpoint,
        port_use: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.substreams
            .handle_established_outbound_connection(connection, peer, address, role, port_use)
    }

    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        self.substreams.on_swarm_event(event);
        match event {
            FromSwarm::ConnectionEstablished(ConnectionEstablished {
                peer_id: peer,
                connection_id: connection,
                ..
            }) => self.on_established(peer, connection),
            FromSwarm::ConnectionClosed(ConnectionClosed { connection_id: connection, .. }) => {
                self.on_closed(connection);
            }
            _ => {}
        }
    }

    fn on_connection_handler_event(
        &mut self,
        peer: PeerId,
        connection: ConnectionId,
        notice: THandlerOutEvent<Self>,
    ) {
        self.substreams.on_connection_handler_event(peer, connection, notice);
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<ToSwarm<Event, THandlerInEvent<Self>>> {
        loop {
            if let Some(step) = self.out.pop_front() {
                return Poll::Ready(step);
            }
            // A start in here is seen by the poll of what runs below.
            match self.substreams.poll(cx) {
                Poll::Ready(ToSwarm::GenerateEvent(event)) => {
                    self.on_substreams(event);
                    continue;
                }
                Poll::Ready(step) => {
                    return Poll::Ready(step.map_out(|_| unreachable!("events are taken above")));
                }
                Poll::Pending => {}
            }
            match self.running.poll_join_next(cx) {
                Poll::Ready(Some(ended)) => self.end(ended),
                Poll::Ready(None) | Poll::Pending => return Poll::Pending,
            }
        }
    }
}
