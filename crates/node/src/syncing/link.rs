//! Between the tasks that sync orders and the swarm: bounded queues, both ways.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use futures::future::{BoxFuture, FutureExt};
use handshake::{Dialer, SessionKind, Sessions};
use libp2p::PeerId;
use libp2p::swarm::ConnectionId;
use machine::{Blame, Verdict};
use ordersync::Fault;
use ordersync::service::{Event, Network, OpenFailed, Protocol, Standing};
use tokio::sync::{Notify, broadcast, mpsc, oneshot};
use topics::{Judgement, MessageId, PublishError, Topic};
use transport::session::Substream;

use super::Counts;
use super::strangers::Strangers;
use crate::node::is_lasting;

/// Most questions to the swarm that wait.
const ASKS_MAX: usize = 64;

/// Most sessions of others that wait to be served. More are closed: whoever opens so many at once
/// finds no place anyway.
const INCOMING_MAX: usize = 64;

/// Most messages of the topic that wait to be checked. More are left to the next sync.
const ARRIVALS_MAX: usize = 256;

/// Events kept for an operator who watches a sync.
const EVENTS_MAX: usize = 256;

/// What is asked of the swarm.
#[derive(Debug)]
pub(crate) enum Ask {
    /// Open a substream.
    Open(Open),
    /// Publish a message.
    Publish(Topic, Bytes, oneshot::Sender<Result<(), PublishError>>),
    /// Say whether a message that arrived is passed on.
    Judge(Topic, MessageId, Judgement),
    /// Turn out this stranger after others, or like others again.
    Spare(ConnectionId, bool),
    /// Close this connection.
    HangUp(ConnectionId),
    /// Count this against a peer that passed the gate.
    Blame { peer: PeerId, verdict: Verdict, fault: String },
}

/// A substream that is wanted.
#[derive(Debug)]
pub(crate) struct Open {
    pub(crate) peer: PeerId,
    /// Which connection, if it is one outside the gate.
    pub(crate) outside: Option<ConnectionId>,
    /// In one of these, the best first.
    pub(crate) protocols: Vec<Protocol>,
    pub(crate) reply: OpenReply,
}

/// Where a substream that is wanted goes.
pub(crate) type OpenReply = oneshot::Sender<Result<(Protocol, Substream), OpenFailed>>;

/// A session that a remote has opened.
#[derive(Debug)]
pub(crate) struct Incoming {
    pub(crate) peer: PeerId,
    pub(crate) connection: ConnectionId,
    pub(crate) protocol: Protocol,
    pub(crate) stream: Substream,
    /// It is not of our network, as far as we know.
    pub(crate) stranger: bool,
    /// Where a stranger is, if that has an IP address.
    pub(crate) remote: Option<IpAddr>,
}

/// A message of a topic, which has to be judged.
#[derive(Debug)]
pub(crate) struct Arrival {
    pub(crate) topic: Topic,
    pub(crate) id: MessageId,
    pub(crate) payload: Bytes,
}

/// The swarm's end.
#[derive(Debug)]
pub(crate) struct Desk {
    pub(crate) asks: mpsc::Receiver<Ask>,
    pub(crate) incoming: mpsc::Sender<Incoming>,
    pub(crate) arrivals: mpsc::Sender<Arrival>,
    pub(crate) signals: Signals,
    pub(crate) counts: Counts,
}

/// What the swarm tells without a word.
#[derive(Clone, Debug, Default)]
pub(crate) struct Signals {
    /// There is a peer where there was none.
    pub(crate) joined: Arc<Notify>,
    /// There is room to publish.
    pub(crate) writable: Arc<Notify>,
}

/// Where whoever syncs the orders of a node reaches its swarm.
#[derive(Debug)]
pub(crate) struct Port {
    pub(crate) link: Link,
    pub(crate) dialer: Dialer,
    pub(crate) incoming: mpsc::Receiver<Incoming>,
    pub(crate) arrivals: mpsc::Receiver<Arrival>,
    pub(crate) signals: Signals,
}

/// The peers, as those who sync see them. Clones are one.
#[derive(Clone, Debug)]
pub(crate) struct Link {
    asks: mpsc::Sender<Ask>,
    sessions: Sessions,
    outside: Arc<Mutex<Outsides>>,
    pub(super) strangers: Strangers,
    events: broadcast::Sender<Event>,
    pub(crate) counts: Counts,
}

/// Both ends, of a node that lets in so many strangers.
pub(crate) fn link(sessions: Sessions, dialer: Dialer, strangers_max: usize) -> (Desk, Port) {
    let (asks, asked) = mpsc::channel(ASKS_MAX);
    let (come, incoming) = mpsc::channel(INCOMING_MAX);
    let (arrive, arrivals) = mpsc::channel(ARRIVALS_MAX);
    let (signals, counts) = (Signals::default(), Counts::default());
    let desk = Desk {
        asks: asked,
        incoming: come,
        arrivals: arrive,
        signals: signals.clone(),
        counts: counts.clone(),
    };
    let (events, _) = broadcast::channel(EVENTS_MAX);
    let (outside, strangers) = (Arc::default(), Strangers::of(strangers_max));
    let link = Link { asks, sessions, outside, strangers, events, counts };
    (desk, Port { link, dialer, incoming, arrivals, signals })
}

impl Link {
    /// Events of the service from now on.
    pub(crate) fn events(&self) -> broadcast::Receiver<Event> {
        self.events.subscribe()
    }

    /// Waits for a place in the queue; a swarm that is gone needs nothing any more.
    pub(crate) async fn ask(&self, ask: Ask) {
        if self.asks.send(ask).await.is_err() {
            tracing::trace!("the swarm has ended");
        }
    }

    /// Publishes a message to all who subscribed.
    pub(crate) async fn publish(&self, topic: Topic, payload: Bytes) -> Result<(), PublishError> {
        let (reply, outcome) = oneshot::channel();
        self.ask(Ask::Publish(topic, payload, reply)).await;
        outcome.await.unwrap_or(Err(PublishError::Alone))
    }

    /// Has `peer` asked on this connection until the result is dropped.
    pub(crate) fn use_outside(&self, peer: PeerId, connection: ConnectionId) -> Outside {
        self.outsides().add(peer, connection);
        Outside { link: self.clone(), peer, connection }
    }

    /// Has a connection closed, unless there is too much to do.
    pub(super) fn hang_up(&self, connection: ConnectionId) {
        if self.asks.try_send(Ask::HangUp(connection)).is_err() {
            self.counts.add("not_hung_up", 1);
        }
    }

    /// Counts a fault. It is charged to whom the gate let in: that name cost something. A stranger's
    /// is worth nothing, and it may have as many as it likes: it is hung up on, and comes again later.
    fn blame(&self, peer: PeerId, standing: Standing, fault: &Fault) {
        let (verdict, fault) = (fault.verdict(), fault.to_string());
        match standing {
            Standing::Member => {
                if self.asks.try_send(Ask::Blame { peer, verdict, fault }).is_err() {
                    self.counts.add("fault_not_charged", 1);
                }
            }
            Standing::Stranger => {
                tracing::debug!(%peer, %fault, ?verdict, "a stranger broke a rule");
                self.counts.add("faults_of_strangers", 1);
                if verdict != Verdict::Note {
                    for connection in self.strangers.turn_out(peer) {
                        self.hang_up(connection);
                    }
                }
            }
        }
    }

    fn outsides(&self) -> MutexGuard<'_, Outsides> {
        self.outside.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Connections outside the gate on which somebody wants to sync, those of each peer in the order in
/// which they were made. Bounded by the syncs that run.
#[derive(Debug, Default)]
struct Outsides(BTreeMap<PeerId, Vec<ConnectionId>>);

impl Outsides {
    fn add(&mut self, peer: PeerId, connection: ConnectionId) {
        self.0.entry(peer).or_default().push(connection);
    }

    fn last(&self, peer: PeerId) -> Option<ConnectionId> {
        self.0.get(&peer)?.last().copied()
    }

    fn remove(&mut self, peer: PeerId, connection: ConnectionId) {
        let Some(connections) = self.0.get_mut(&peer) else { return };
        connections.retain(|other| *other != connection);
        if connections.is_empty() {
            self.0.remove(&peer);
        }
    }
}

/// A peer that is asked outside the gate, for as long as this lives.
#[derive(Debug)]
pub(crate) struct Outside {
    link: Link,
    peer: PeerId,
    connection: ConnectionId,
}

impl Drop for Outside {
    fn drop(&mut self) {
        let Self { peer, connection, .. } = *self;
        self.link.outsides().remove(peer, connection);
    }
}

impl Network for Link {
    type Stream = Substream;

    fn peers(&self) -> Vec<PeerId> {
        // A link for packets or messages alone comes and goes with them, and brings no other book.
        let mut sessions = self.sessions.all();
        sessions.retain(|info| is_lasting(info) && info.declared != SessionKind::Direct);
        let mut peers: Vec<_> = sessions.iter().map(|info| info.peer).collect();
        peers.sort_unstable();
        peers.dedup();
        peers
    }

    fn open(
        &self,
        peer: PeerId,
        protocols: &[Protocol],
    ) -> BoxFuture<'static, Result<(Protocol, Substream), OpenFailed>> {
        let (asks, outside) = (self.asks.clone(), self.outsides().last(peer));
        let protocols = protocols.to_vec();
        async move {
            let (reply, opened) = oneshot::channel();
            let ending = |()| OpenFailed { reason: "the node is ending".to_owned() };
            let asked = asks.send(Ask::Open(Open { peer, outside, protocols, reply })).await;
            asked.map_err(|_| ending(()))?;
            opened.await.map_err(|_| ending(()))?
        }
        .boxed()
    }

    fn standing(&self, peer: PeerId) -> Standing {
        let passed = self.sessions.all().iter().any(|info| info.peer == peer);
        if passed { Standing::Member } else { Standing::Stranger }
    }

    fn tell(&self, event: Event) {
        self.counts.note(&event);
        if let Event::Fault { peer, standing, fault } = &event {
            self.blame(*peer, *standing, fault);
        }
        // Nobody may be watching.
        let _nobody = self.events.send(event);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_sync_with_a_stranger_keeps_its_own_connection() {
        let (mut outsides, peer) = (Outsides::default(), PeerId::random());
        let [first, second] = [1, 2].map(ConnectionId::new_unchecked);
        outsides.add(peer, first);
        outsides.add(peer, second);
        assert_eq!(outsides.last(peer), Some(second));
        outsides.remove(peer, second);
        assert_eq!(outsides.last(peer), Some(first), "the other sync still goes on");
        outsides.remove(PeerId::random(), first);
        outsides.remove(peer, first);
        assert!(outsides.last(peer).is_none() && outsides.0.is_empty());
    }
}
