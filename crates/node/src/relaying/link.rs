//! Between the tasks that relay and the swarm: bounded queues, both ways.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use libp2p::PeerId;
use machine::Undelivered;
use relay::accounts::Incoming;
use tickets::aggregation::{
    AggregateError, Aggregated, Core, EarnError, Prerequisites, RedeemError, Redeemed,
};
use tickets::issuing::Indices;
use tickets::{AcknowledgedTicket, Channel, ChannelId, TicketIndex};
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;

use super::peers::Peers;
use crate::syncing::Counts;

/// Most things that wait to be asked of the swarm. Whoever has more waits.
const ASKS_MAX: usize = 256;

/// Most frames of each protocol that wait to be taken by the relay, which takes them at once. More
/// come only if its task has no turn for long, and are lost.
const FRAMES_MAX: usize = 1_024;

/// Most frames that came back and were not looked at. More are left to their time-outs.
const RETURNED_MAX: usize = 1_024;

/// Which of the two protocols of packets.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Pipe {
    /// Packets.
    Msg,
    /// What is said about packets.
    Ack,
}

/// What is asked of the swarm.
pub(crate) enum Ask {
    /// Send a frame.
    Send(Pipe, PeerId, Bytes),
    /// This is what the ledger has of a channel, and who is at its other end.
    View(Channel, Option<PeerId>),
    /// Keep a ticket that won.
    Earn(Box<AcknowledgedTicket>, oneshot::Sender<Result<(), EarnError>>),
    /// Trade tickets for one. Of a channel one at a time.
    Aggregate(Trade, oneshot::Sender<Traded>),
    /// Have the tickets of a channel paid, or those that end at or before an index. Of a channel one
    /// at a time.
    Redeem(ChannelId, Option<TicketIndex>, oneshot::Sender<Paid>),
    /// Look at what is held.
    Look(Box<dyn FnOnce(&Core) + Send>),
    /// There is no more use for links to this peer.
    HangUp(PeerId),
}

/// Which tickets to trade, and when it is worth the trouble.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Trade {
    pub(crate) channel: ChannelId,
    /// Only those that end at or before it.
    pub(crate) below: TicketIndex,
    pub(crate) prerequisites: Prerequisites,
}

/// What came of it; nothing if there was nothing worth the trouble.
pub(crate) type Traded = Result<Option<Aggregated>, AggregateError>;

/// What the ledger paid, and why that is not all.
pub(crate) type Paid = (Redeemed, Result<(), RedeemError>);

/// A frame that came back.
#[derive(Debug)]
pub(crate) struct Returned {
    pub(crate) pipe: Pipe,
    pub(crate) peer: PeerId,
    pub(crate) frame: Bytes,
    pub(crate) cause: Undelivered,
}

/// The swarm's end.
#[derive(Debug)]
pub(crate) struct Desk {
    pub(crate) asks: mpsc::Receiver<Ask>,
    pub(crate) msgs: mpsc::Sender<(PeerId, Bytes)>,
    pub(crate) acks: mpsc::Sender<(PeerId, Bytes)>,
    pub(crate) returned: mpsc::Sender<Returned>,
    pub(crate) peers: Peers,
    /// What others owe, less what has left the wallet.
    pub(crate) incoming: Arc<Incoming>,
    /// The numbers of the tickets that are issued.
    pub(crate) indices: Arc<Indices>,
    pub(crate) counts: Counts,
    /// Told of what changes about the tickets that are held.
    pub(crate) held: watch::Sender<()>,
    /// Who relays, once it does.
    pub(crate) relay: Arc<OnceLock<relay::Relay>>,
    /// Cancelled when the node says goodbye. The asks end when everything is sent and kept.
    pub(crate) ending: CancellationToken,
}

/// Where whoever relays reaches the swarm.
#[derive(Debug)]
pub(super) struct Port {
    pub(super) link: Link,
    pub(super) msgs: mpsc::Receiver<(PeerId, Bytes)>,
    pub(super) acks: mpsc::Receiver<(PeerId, Bytes)>,
    pub(super) returned: mpsc::Receiver<Returned>,
    pub(super) relay: Arc<OnceLock<relay::Relay>>,
    pub(super) ending: CancellationToken,
}

/// Asks the swarm. Clones are one.
#[derive(Clone, Debug)]
pub(super) struct Link {
    pub(super) asks: mpsc::Sender<Ask>,
    pub(super) peers: Peers,
    pub(super) counts: Counts,
}

/// The swarm has ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("the node is ending")]
pub(super) struct Ending;

/// Both ends.
pub(super) fn link(
    incoming: Arc<Incoming>,
    indices: Arc<Indices>,
    held: watch::Sender<()>,
) -> (Desk, Port) {
    let (asks, asked) = mpsc::channel(ASKS_MAX);
    let (msgs, came) = mpsc::channel(FRAMES_MAX);
    let (acks, heard) = mpsc::channel(FRAMES_MAX);
    let (returned, returns) = mpsc::channel(RETURNED_MAX);
    let (peers, counts) = (Peers::default(), Counts::default());
    let (relay, ending) = (Arc::default(), CancellationToken::new());
    let desk = Desk {
        asks: asked,
        msgs,
        acks,
        returned,
        peers: peers.clone(),
        incoming,
        indices,
        counts: counts.clone(),
        held,
        relay: Arc::clone(&relay),
        ending: ending.clone(),
    };
    let link = Link { asks, peers, counts };
    (desk, Port { link, msgs: came, acks: heard, returned: returns, relay, ending })
}

impl Link {
    /// Waits for a place in the queue.
    pub(super) async fn ask(&self, ask: Ask) -> Result<(), Ending> {
        self.asks.send(ask).await.map_err(|_| Ending)
    }

    async fn question<A>(&self, ask: impl FnOnce(oneshot::Sender<A>) -> Ask) -> Result<A, Ending> {
        let (reply, answer) = oneshot::channel();
        self.ask(ask(reply)).await?;
        answer.await.map_err(|_| Ending)
    }

    /// Keeps a ticket. Ends well when that is durable.
    pub(super) async fn earn(
        &self,
        ticket: AcknowledgedTicket,
    ) -> Result<Result<(), EarnError>, Ending> {
        self.question(|reply| Ask::Earn(Box::new(ticket), reply)).await
    }

    pub(super) async fn aggregate(&self, trade: Trade) -> Result<Traded, Ending> {
        self.question(|reply| Ask::Aggregate(trade, reply)).await
    }

    pub(super) async fn redeem(
        &self,
        channel: ChannelId,
        below: Option<TicketIndex>,
    ) -> Result<Paid, Ending> {
        self.question(|reply| Ask::Redeem(channel, below, reply)).await
    }

    /// Reads what is held. `look` is run on the swarm's task, and must be quick.
    pub(super) async fn look<A: Send + 'static>(
        &self,
        look: impl FnOnce(&Core) -> A + Send + 'static,
    ) -> Result<A, Ending> {
        self.question(|reply| {
            Ask::Look(Box::new(move |core| {
                // Whoever asked may have given up waiting.
                let _gone = reply.send(look(core));
            }))
        })
        .await
    }
}
