//! Between the tasks that sync orders and the swarm: bounded queues, both ways.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use futures::future::{BoxFuture, FutureExt};
use handshake::{Dialer, Sessions};
use libp2p::PeerId;
use libp2p::swarm::ConnectionId;
use machine::{Blame, Verdict};
use ordersync::service::{Event, Network, OpenFailed, Protocol};
use tokio::sync::{Notify, broadcast, mpsc, oneshot};
use topics::{Judgement, MessageId, PublishError};
use transport::session::Substream;

use super::Counts;
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
    Publish(Bytes, oneshot::Sender<Result<(), PublishError>>),
    /// Say whether a message that arrived is passed on.
    Judge(MessageId, Judgement),
    /// Turn out this stranger after others, or like others again.
    Spare(ConnectionId, bool),
    /// Count this against a peer.
    Blame { peer: PeerId, verdict: Verdict, fault: String },
}

/// A substream that is wanted.
#[derive(Debug)]
pub(crate) struct Open {
    pub(crate) peer: PeerId,
    /// Which connection, if it is one outside the gate.
    pub(crate) outside: Option<ConnectionId>,
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
}

/// A message of the topic, which has to be judged.
#[derive(Debug)]
pub(crate) struct Arrival {
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
pub struct Port {
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
    /// Connections outside the gate on which somebody wants to sync, at most one for each peer.
    outside: Arc<Mutex<BTreeMap<PeerId, ConnectionId>>>,
    events: broadcast::Sender<Event>,
    pub(crate) counts: Counts,
}

/// Both ends.
pub(crate) fn link(sessions: Sessions, dialer: Dialer) -> (Desk, Port) {
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
    let link = Link { asks, sessions, outside: Arc::default(), events, counts };
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
    pub(crate) async fn publish(&self, payload: Bytes) -> Result<(), PublishError> {
        let (reply, outcome) = oneshot::channel();
        self.ask(Ask::Publish(payload, reply)).await;
        outcome.await.unwrap_or(Err(PublishError::Alone))
    }

    /// Has `peer` asked on this connection until the result is dropped.
    pub(crate) fn use_outside(&self, peer: PeerId, connection: ConnectionId) -> Outside {
        self.with_outside(|outside| outside.insert(peer, connection));
        Outside { link: self.clone(), peer, connection }
    }

    fn with_outside<T>(&self, act: impl FnOnce(&mut BTreeMap<PeerId, ConnectionId>) -> T) -> T {
        act(&mut self.outside.lock().unwrap_or_else(PoisonError::into_inner))
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
        self.link.with_outside(|outside| {
            if outside.get(&peer) == Some(&connection) {
                outside.remove(&peer);
            }
        });
    }
}

impl Network for Link {
    type Stream = Substream;

    fn peers(&self) -> Vec<PeerId> {
        let sessions = self.sessions.all();
        let mut peers: Vec<_> =
            sessions.iter().filter(|info| is_lasting(info)).map(|info| info.peer).collect();
        peers.sort_unstable();
        peers.dedup();
        peers
    }

    fn open(&self, peer: PeerId) -> BoxFuture<'static, Result<(Protocol, Substream), OpenFailed>> {
        let (asks, outside) = (self.asks.clone(), self.with_outside(|it| it.get(&peer).copied()));
        async move {
            let (reply, opened) = oneshot::channel();
            let ending = |()| OpenFailed { reason: "the node is ending".to_owned() };
            let asked = asks.send(Ask::Open(Open { peer, outside, reply })).await;
            asked.map_err(|_| ending(()))?;
            opened.await.map_err(|_| ending(()))?
        }
        .boxed()
    }

    fn tell(&self, event: Event) {
        self.counts.note(&event);
        if let Event::Fault { peer, fault } = &event {
            let (peer, verdict, fault) = (*peer, fault.verdict(), fault.to_string());
            if self.asks.try_send(Ask::Blame { peer, verdict, fault }).is_err() {
                self.counts.add("fault_not_charged", 1);
            }
        }
        // Nobody may be watching.
        let _nobody = self.events.send(event);
    }
}
