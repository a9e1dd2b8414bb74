//! The swarm's half of a conversation: connections, and the core that runs over them.

use std::collections::{BTreeMap, VecDeque};
use std::task::{Context, Poll};
use std::time::Duration;

use libp2p_core::transport::PortUse;
use libp2p_core::{Endpoint, Multiaddr};
use libp2p_swarm::behaviour::{ConnectionClosed, FromSwarm};
use libp2p_swarm::{
    CloseConnection, ConnectionDenied, ConnectionId, NetworkBehaviour, NotifyHandler,
    THandlerInEvent, THandlerOutEvent, ToSwarm,
};
use machine::{Input, PeerId, Undelivered};

use super::handler::{End, Handler, Leave, Notice, Pending};
use super::outbox::Bounds;
use crate::driver::{Carrier, Driver, Event};
use crate::{JobLimits, Runnable, Worker};

/// The bounds of a conversation.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Config {
    /// Messages that may wait for one link. Default 256.
    pub outbox_messages_max: usize,
    /// Bytes that may wait for one link, frames with their prefixes. Default 1 MiB; a single
    /// larger frame passes when nothing else waits.
    pub outbox_bytes_max: usize,
    /// Time from the start of a connection until both directions are open; after it the protocol
    /// does not need the connection any more. Default 10 s, at most [`Self::OPEN_TIMEOUT_MAX`]: a
    /// longer one counts as that.
    pub open_timeout: Duration,
    /// The core's slow work.
    pub jobs: JobLimits,
}

impl Config {
    /// The longest [`open_timeout`](Self::open_timeout).
    pub const OPEN_TIMEOUT_MAX: Duration = Duration::from_mins(1);
}

impl Default for Config {
    fn default() -> Self {
        Self {
            outbox_messages_max: 256,
            outbox_bytes_max: 1024 * 1024,
            open_timeout: Duration::from_secs(10),
            jobs: JobLimits::default(),
        }
    }
}

/// What became of conversations without a fault of anybody's core, since the start.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Counts {
    /// Connections whose remote speaks none of the names.
    pub unsupported: u64,
    /// Connections on which no conversation began in time.
    pub unopened: u64,
    /// Conversations of which a direction ended while the connection lived.
    pub broken: u64,
    /// Substreams that a remote opened in addition to its first, and that were dropped.
    pub doubled: u64,
}

impl Counts {
    fn add(&mut self, end: End) {
        let count = match end {
            End::Unsupported => &mut self.unsupported,
            End::Unopened => &mut self.unopened,
            End::Broken => &mut self.broken,
            End::Left => return,
        };
        *count = count.saturating_add(1);
    }
}

/// A core, holding conversations.
#[derive(Debug)]
pub struct Behaviour<M: Runnable> {
    driver: Driver<M>,
    links: Links<M>,
    counts: Counts,
}

/// The connections on which both directions are there, and what the swarm is asked to do.
#[derive(Debug)]
struct Links<M: Runnable> {
    config: Config,
    /// Of each joined peer, oldest first; the first carries our messages.
    ready: BTreeMap<PeerId, Vec<Link<M::Message>>>,
    out: VecDeque<ToSwarm<Event<M>, Leave>>,
}

#[derive(Debug)]
struct Link<T> {
    connection: ConnectionId,
    outbox: Pending<T>,
    /// Whether we hang up once what waits is said.
    leaving: bool,
}

impl<M: Runnable> Behaviour<M> {
    /// Starts `core`; `worker` does its jobs.
    pub fn new(core: M, worker: impl Worker<M>, config: Config) -> Self {
        Self {
            driver: Driver::new(core, worker, config.jobs),
            links: Links { config, ready: BTreeMap::new(), out: VecDeque::new() },
            counts: Counts::default(),
        }
    }

    /// Hands the core a command.
    pub fn command(&mut self, command: M::Command) {
        self.feed(Input::Command(command));
    }

    /// The core, to read.
    pub fn core(&self) -> &M {
        self.driver.core()
    }

    /// What ended or was dropped, to count.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// Messages that wait to be written to `peer`, on all its links.
    pub fn outbox_len(&self, peer: PeerId) -> usize {
        let links = self.links.ready.get(&peer).into_iter().flatten();
        links.map(|link| link.outbox.0.len()).sum()
    }

    fn handler(&self) -> Handler<M> {
        Handler::new(self.links.config.open_timeout.min(Config::OPEN_TIMEOUT_MAX))
    }

    fn feed(&mut self, input: Input<M>) {
        self.driver.feed(input, &mut self.links);
    }

    fn link_over(&mut self, peer: PeerId, connection: ConnectionId) {
        let Some(over) = self.links.remove(peer, connection) else { return };
        for message in over.outbox.0.take_unsent() {
            let cause = Undelivered::NotConnected;
            self.feed(Input::Undelivered { peer, message, cause });
        }
        if !self.links.ready.contains_key(&peer) {
            self.feed(Input::Left { peer });
        }
    }
}

impl<M: Runnable> Links<M> {
    fn remove(&mut self, peer: PeerId, connection: ConnectionId) -> Option<Link<M::Message>> {
        let links = self.ready.get_mut(&peer)?;
        let over = links.extract_if(.., |link| link.connection == connection).next();
        if links.is_empty() {
            self.ready.remove(&peer);
        }
        over
    }

    fn hang_up(&mut self, peer: PeerId, connection: ConnectionId) {
        let connection = CloseConnection::One(connection);
        self.out.push_back(ToSwarm::CloseConnection { peer_id: peer, connection });
    }
}

impl<M: Runnable> Carrier<M> for Links<M> {
    fn send(&mut self, peer: PeerId, message: M::Message) -> Result<(), (M::Message, Undelivered)> {
        let mut links = self.ready.get(&peer).into_iter().flatten();
        let Some(link) = links.find(|link| !link.leaving) else {
            return Err((message, Undelivered::NotConnected));
        };
        let Config { outbox_messages_max, outbox_bytes_max, .. } = self.config;
        let bounds = Bounds { messages_max: outbox_messages_max, bytes_max: outbox_bytes_max };
        link.outbox.0.put(message, bounds)
    }

    fn close(&mut self, peer: PeerId) {
        for link in self.ready.get_mut(&peer).into_iter().flatten() {
            link.leaving = true;
            let handler = NotifyHandler::One(link.connection);
            self.out.push_back(ToSwarm::NotifyHandler { peer_id: peer, handler, event: Leave });
        }
    }

    fn emit(&mut self, event: Event<M>) {
        self.out.push_back(ToSwarm::GenerateEvent(event));
    }
}

impl<M: Runnable> NetworkBehaviour for Behaviour<M> {
    type ConnectionHandler = Handler<M>;
    type ToSwarm = Event<M>;

    fn handle_established_inbound_connection(
        &mut self,
        _: ConnectionId,
        _: PeerId,
        _: &Multiaddr,
        _: &Multiaddr,
    ) -> Result<Handler<M>, ConnectionDenied> {
        Ok(self.handler())
    }

    fn handle_established_outbound_connection(
        &mut self,
        _: ConnectionId,
        _: PeerId,
        _: &Multiaddr,
        _: Endpoint,
        _: PortUse,
    ) -> Result<Handler<M>, ConnectionDenied> {
        Ok(self.handler())
    }

    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        if let FromSwarm::ConnectionClosed(ConnectionClosed { peer_id, connection_id, .. }) = event
        {
            self.link_over(peer_id, connection_id);
        }
    }

    fn on_connection_handler_event(
        &mut self,
        peer: PeerId,
        connection: ConnectionId,
        notice: THandlerOutEvent<Self>,
    ) {
        match notice {
            Notice::Ready { name, outbox } => {
                let links = self.links.ready.entry(peer).or_default();
                links.push(Link { connection, outbox, leaving: false });
                if links.len() == 1 {
                    self.feed(Input::Joined { peer, name });
                }
            }
            Notice::Received(messages) => {
                for message in messages {
                    self.feed(Input::Received { peer, message });
                }
            }
            Notice::Malformed(error) => {
                self.links.emit(Event::Malformed { peer, error });
                self.links.hang_up(peer, connection);
            }
            Notice::Doubled => self.counts.doubled = self.counts.doubled.saturating_add(1),
            Notice::Over(end) => {
                tracing::debug!(%peer, %connection, ?end, "a conversation is over");
                self.counts.add(end);
                self.link_over(peer, connection);
            }
            Notice::HangUp => self.links.hang_up(peer, connection),
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<ToSwarm<Event<M>, THandlerInEvent<Self>>> {
        if let Some(step) = self.links.out.pop_front() {
            return Poll::Ready(step);
        }
        self.driver.poll(cx, &mut self.links);
        self.links.out.pop_front().map_or(Poll::Pending, Poll::Ready)
    }
}
