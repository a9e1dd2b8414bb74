//! The swarm's half of a conversation: connections, and the core that runs over them.

use std::collections::{BTreeMap, VecDeque};
use std::task::{Context, Poll};

use libp2p_core::transport::PortUse;
use libp2p_core::{Endpoint, Multiaddr};
use libp2p_swarm::behaviour::{ConnectionClosed, FromSwarm};
use libp2p_swarm::{
    CloseConnection, ConnectionDenied, ConnectionId, NetworkBehaviour, NotifyHandler,
    THandlerInEvent, THandlerOutEvent, ToSwarm,
};
use machine::{Input, PeerId, Undelivered};

use super::handler::{Handler, Leave, Notice, Pending};
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
    /// The core's slow work.
    pub jobs: JobLimits,
}

impl Default for Config {
    fn default() -> Self {
        Self { outbox_messages_max: 256, outbox_bytes_max: 1024 * 1024, jobs: JobLimits::default() }
    }
}

/// A core, holding conversations.
#[derive(Debug)]
pub struct Behaviour<M: Runnable> {
    driver: Driver<M>,
    links: Links<M>,
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

    fn feed(&mut self, input: Input<M>) {
        self.driver.feed(input, &mut self.links);
    }

    fn link_over(&mut self, peer: PeerId, connection: ConnectionId, cause: Undelivered) {
        let Some(over) = self.links.remove(peer, connection) else { return };
        for message in over.outbox.0.take_unsent() {
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
        Ok(Handler::new())
    }

    fn handle_established_outbound_connection(
        &mut self,
        _: ConnectionId,
        _: PeerId,
        _: &Multiaddr,
        _: Endpoint,
        _: PortUse,
    ) -> Result<Handler<M>, ConnectionDenied> {
        Ok(Handler::new())
    }

    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        if let FromSwarm::ConnectionClosed(ConnectionClosed { peer_id, connection_id, .. }) = event
        {
            self.link_over(peer_id, connection_id, Undelivered::NotConnected);
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
            Notice::Over(cause) => self.link_over(peer, connection, cause),
            Notice::Left => self.links.hang_up(peer, connection),
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
