//! The swarm's half: which connections there are, and which opens wait on them.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use libp2p_core::transport::PortUse;
use libp2p_core::{Endpoint, Multiaddr};
use libp2p_swarm::behaviour::{ConnectionClosed, ConnectionEstablished, FromSwarm};
use libp2p_swarm::{
    ConnectionDenied, ConnectionId, NetworkBehaviour, NotifyHandler, StreamProtocol,
    THandlerInEvent, THandlerOutEvent, ToSwarm,
};
use machine::PeerId;

use super::handler::{Handler, Notice, Order};
use super::substream::Substream;

/// The bounds of sessions.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Config {
    /// Substreams of the remote's alive at once, per connection and name. One more is closed.
    /// Default 1. A remote that opens its next one right after it closed the last may come before
    /// this side has let go of it: allow 2 where that is how the protocol works.
    pub accepted_max: usize,
    /// Opens of ours that wait for an answer, per connection. Default 16.
    pub opening_max: usize,
    /// Time for one open, and for the negotiation of one of theirs. Default 10 s.
    pub open_timeout: Duration,
    /// Whether an open substream keeps its connection from being closed as idle. Default true.
    pub keep_alive: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            accepted_max: 1,
            opening_max: 16,
            open_timeout: Duration::from_secs(10),
            keep_alive: true,
        }
    }
}

/// Matches the end of an open to its beginning.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct OpenId(u64);

impl fmt::Display for OpenId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "open {}", self.0)
    }
}

/// Why a substream was not opened.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum OpenError {
    /// The remote knows none of the names, or does not want them on this connection.
    #[error("the remote supports none of the names offered")]
    Unsupported,
    /// The remote did not answer in time.
    #[error("the remote did not answer in time")]
    TimedOut,
    /// The connection is closed, or the substream broke before it was open.
    #[error("not connected")]
    Disconnected,
    /// Too many opens wait on this connection.
    #[error("{max} opens wait already")]
    TooMany {
        /// [`Config::opening_max`].
        max: usize,
    },
}

/// Why a substream of the remote's was closed again.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum RefusalReason {
    /// It has as many of this name open as it may have.
    #[error("{max} substreams of this name are open already")]
    TooMany {
        /// [`Config::accepted_max`].
        max: usize,
    },
}

/// News of substreams. Each open ends in exactly one of [`Event::Opened`] and
/// [`Event::OpenFailed`].
#[derive(Debug)]
pub enum Event {
    /// The remote confirmed a name; its half is there.
    Opened {
        /// Whom to.
        peer: PeerId,
        /// On which connection.
        connection: ConnectionId,
        /// The open that this ends.
        id: OpenId,
        /// The best of the names offered that the remote accepts.
        name: StreamProtocol,
        /// To talk on.
        stream: Substream,
    },
    /// There is no substream.
    OpenFailed {
        /// Whom to.
        peer: PeerId,
        /// On which connection.
        connection: ConnectionId,
        /// The open that this ends.
        id: OpenId,
        /// Why.
        error: OpenError,
    },
    /// The remote opened one.
    Incoming {
        /// Who.
        peer: PeerId,
        /// On which connection.
        connection: ConnectionId,
        /// One of the names accepted on this connection.
        name: StreamProtocol,
        /// To talk on.
        stream: Substream,
    },
    /// The remote opened one and found it closed again.
    Refused {
        /// Who.
        peer: PeerId,
        /// On which connection.
        connection: ConnectionId,
        /// The name it wanted.
        name: StreamProtocol,
        /// Why.
        reason: RefusalReason,
    },
}

type Accepted = Box<dyn FnMut(PeerId, ConnectionId) -> Vec<StreamProtocol> + Send>;

/// Opens substreams, accepts those of others, and hands them out.
pub struct Behaviour {
    config: Config,
    accepted: Accepted,
    next_id: u64,
    links: BTreeMap<ConnectionId, Link>,
    out: VecDeque<ToSwarm<Event, Order>>,
    /// Of the last poll; an open comes from outside.
    waker: Option<Waker>,
}

/// A connection, and the opens that wait on it.
#[derive(Debug)]
struct Link {
    peer: PeerId,
    opening: BTreeSet<OpenId>,
}

impl fmt::Debug for Behaviour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Behaviour").field("links", &self.links).finish_non_exhaustive()
    }
}

impl Behaviour {
    /// `accepted` is asked once for each new connection, before anything is negotiated on it, which
    /// names the remote may open there; a name that it leaves out is refused as unknown.
    pub fn new(
        config: Config,
        accepted: impl FnMut(PeerId, ConnectionId) -> Vec<StreamProtocol> + Send + 'static,
    ) -> Self {
        Self {
            config,
            accepted: Box::new(accepted),
            next_id: 0,
            links: BTreeMap::new(),
            out: VecDeque::new(),
            waker: None,
        }
    }

    /// Opens a substream to `peer` on `connection`, offering `names` at once, best first.
    ///
    /// Never blocks; how it ended is an [`Event`] with the same id. Opens that cannot be tried, on
    /// a closed connection or with too many waiting, end there as well.
    pub fn open(
        &mut self,
        peer: PeerId,
        connection: ConnectionId,
        names: Vec<StreamProtocol>,
    ) -> OpenId {
        let id = OpenId(self.next_id);
        self.next_id = self.next_id.wrapping_add(1);
        match self.begin(peer, connection, id, &names) {
            Ok(()) => self.out.push_back(ToSwarm::NotifyHandler {
                peer_id: peer,
                handler: NotifyHandler::One(connection),
                event: Order { id, names },
            }),
            Err(error) => self.emit(Event::OpenFailed { peer, connection, id, error }),
        }
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
        id
    }

    fn begin(
        &mut self,
        peer: PeerId,
        connection: ConnectionId,
        id: OpenId,
        names: &[StreamProtocol],
    ) -> Result<(), OpenError> {
        let link = self.links.get_mut(&connection).filter(|link| link.peer == peer);
        let Some(link) = link else { return Err(OpenError::Disconnected) };
        if names.is_empty() {
            return Err(OpenError::Unsupported);
        }
        let max = self.config.opening_max;
        if link.opening.len() >= max {
            return Err(OpenError::TooMany { max });
        }
        link.opening.insert(id);
        Ok(())
    }

    fn emit(&mut self, event: Event) {
        self.out.push_back(ToSwarm::GenerateEvent(event));
    }

    /// Whether an open still waited for its end.
    fn end(&mut self, connection: ConnectionId, id: OpenId) -> bool {
        self.links.get_mut(&connection).is_some_and(|link| link.opening.remove(&id))
    }

    fn handler(&mut self, peer: PeerId, connection: ConnectionId) -> Handler {
        Handler::new(self.config, (self.accepted)(peer, connection))
    }
}

impl NetworkBehaviour for Behaviour {
    type ConnectionHandler = Handler;
    type ToSwarm = Event;

    fn handle_established_inbound_connection(
        &mut self,
        connection: ConnectionId,
        peer: PeerId,
        _: &Multiaddr,
        _: &Multiaddr,
    ) -> Result<Handler, ConnectionDenied> {
        Ok(self.handler(peer, connection))
    }

    fn handle_established_outbound_connection(
        &mut self,
        connection: ConnectionId,
        peer: PeerId,
        _: &Multiaddr,
        _: Endpoint,
        _: PortUse,
    ) -> Result<Handler, ConnectionDenied> {
        Ok(self.handler(peer, connection))
    }

    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        match event {
            FromSwarm::ConnectionEstablished(ConnectionEstablished {
                peer_id: peer,
                connection_id,
                ..
            }) => {
                self.links.insert(connection_id, Link { peer, opening: BTreeSet::new() });
            }
            FromSwarm::ConnectionClosed(ConnectionClosed { connection_id: connection, .. }) => {
                let Some(Link { peer, opening }) = self.links.remove(&connection) else { return };
                let error = OpenError::Disconnected;
                for id in opening {
                    self.emit(Event::OpenFailed { peer, connection, id, error });
                }
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
        match notice {
            Notice::Opened(id, name, stream) => {
                if self.end(connection, id) {
                    self.emit(Event::Opened { peer, connection, id, name, stream });
                }
            }
            Notice::Failed(id, error) => {
                if self.end(connection, id) {
                    self.emit(Event::OpenFailed { peer, connection, id, error });
                }
            }
            Notice::Incoming(name, stream) => {
                self.emit(Event::Incoming { peer, connection, name, stream });
            }
            Notice::Refused(name, reason) => {
                tracing::debug!(%peer, %name, %reason, "substream refused");
                self.emit(Event::Refused { peer, connection, name, reason });
            }
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<ToSwarm<Event, THandlerInEvent<Self>>> {
        if let Some(step) = self.out.pop_front() {
            return Poll::Ready(step);
        }
        self.waker = Some(cx.waker().clone());
        Poll::Pending
    }
}
