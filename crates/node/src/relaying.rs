//! Ties packets, tickets and the ledger to the swarm: what others send is passed on, what that earns
//! is kept, traded and paid.

mod earning;
mod following;
mod holding;
mod link;
mod opening;
mod peers;
mod reaching;
mod sending;
mod settling;
#[cfg(test)]
mod tests;
mod wishes;

use std::fmt;
use std::future::ready;
use std::sync::Arc;

use bytes::Bytes;
use futures::{Sink, SinkExt};
use handshake::{Dialer, Sessions};
use libp2p::PeerId;
use rand::RngExt;
use relay::{Link as Frames, Linked, Running, TagFilter, run_msg_ack_protocol};
use tickets::AcknowledgedTicket;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::{CancellationToken, PollSendError, PollSender};

use self::earning::Purse;
use self::following::{Follower, Keeper};
pub(crate) use self::link::{Ask, Desk, Paid, Pipe, Returned, Trade, Traded};
use self::link::{Link, Port};
pub use self::opening::RelayingError;
pub(crate) use self::opening::{Inside, Outside, Start, open};
use self::reaching::{Reacher, Returns};
use self::settling::Settler;
use self::wishes::Clerk;
use crate::payments::Wish;

/// The tag of messages that `meshwork send` sends. Others are for applications, which there are none
/// of here.
const TAG: u16 = 1024;

/// Relays for as long as it is run.
pub(crate) struct Relaying {
    relay: relay::Relay,
    purse: Purse,
    returns: Returns,
    follower: Follower,
    keeper: Keeper,
    clerk: Clerk,
    earned: mpsc::Receiver<AcknowledgedTicket>,
    delivered: relay::Messages,
    returned: mpsc::Receiver<Returned>,
    wishes: mpsc::Receiver<Wish>,
    ending: CancellationToken,
}

impl Relaying {
    /// Begins to relay, for a node that dials with `dialer` and has `sessions` with others. What is asked of the swarm waits until that runs.
    ///
    /// Must be called within a tokio runtime.
    pub(crate) fn begin(outside: Outside, dialer: Dialer, sessions: Sessions) -> Self {
        let Outside { payments, wishes, engine, tickets, mut rng, .. } = outside;
        let Port { link, msgs, acks, returned, relay: place, ending } = outside.port;
        let replica = payments.replica().clone();
        let tags = TagFilter::none();
        tags.set(TAG..=TAG, true);
        let peers = link.peers.clone();
        let parts = relay::Parts {
            engine: Arc::clone(&engine),
            keeper: outside.keeper,
            replica: replica.clone(),
            indices: Arc::clone(&outside.indices),
            pool: outside.pool,
            params: outside.params,
            tags: Arc::new(tags),
            linked: Linked::new(move |peer| peers.has(peer)),
            seed: rng.random(),
        };
        let msg = Frames::new(sink(&link, Pipe::Msg), ReceiverStream::new(msgs));
        let ack = Frames::new(sink(&link, Pipe::Ack), ReceiverStream::new(acks));
        let Running { relay, delivered, earned, .. } = run_msg_ack_protocol(parts, msg, ack);
        place.set(relay.clone()).expect("nobody else begins with this port");
        let me = payments.account();
        let reacher = Reacher::new(dialer, replica.clone(), link.peers.clone());
        let (for_trade, for_return) = (relay.clone(), relay.clone());
        let settler =
            Settler::new(link.clone(), reacher.clone(), replica.clone(), for_trade, tickets);
        let incoming = Arc::clone(engine.incoming());
        let purse = Purse { link: link.clone(), incoming, settler: settler.clone() };
        let returns = Returns::new(link.clone(), reacher.clone(), for_return);
        let follower = Follower {
            me,
            replica: replica.clone(),
            link: link.clone(),
            settler: settler.clone(),
            indices: Arc::clone(&outside.indices),
        };
        let keeper = Keeper { me, replica, link: link.clone(), reacher, sessions };
        let clerk = Clerk { link, settler, engine, keeper: keeper.clone(), relay: relay.clone() };
        Self {
            relay,
            purse,
            returns,
            follower,
            keeper,
            clerk,
            earned,
            delivered,
            returned,
            wishes,
            ending,
        }
    }

    /// Relays until the node says goodbye; then sends what has to leave, and keeps what was earned.
    ///
    /// # Cancel safety
    /// Dropped, packets that wait are lost, and tickets that are not kept yet. What was told stays.
    pub(crate) async fn run(self) {
        let Self {
            relay,
            purse,
            returns,
            follower,
            keeper,
            clerk,
            earned,
            delivered,
            returned,
            ..
        } = self;
        let (wishes, ending) = (self.wishes, self.ending);
        let work = async {
            let settler = purse.settler.clone();
            tokio::join!(
                Box::pin(returns.run(returned)),
                Box::pin(follower.run()),
                Box::pin(keeper.run()),
                Box::pin(settler.run()),
                Box::pin(clerk.run(wishes)),
                Box::pin(deliver(delivered)),
            );
        };
        let mut keep = Box::pin(purse.fill(earned));
        tokio::select! {
            () = ending.cancelled() => {}
            () = work => {}
            () = &mut keep => {}
        }
        tokio::join!(relay.stop(), keep);
    }
}

/// Where the relay puts frames of one protocol.
fn sink(link: &Link, pipe: Pipe) -> impl Sink<(PeerId, Bytes)> + Send + use<> {
    let asked =
        move |(peer, frame)| ready(Ok::<_, PollSendError<Ask>>(Ask::Send(pipe, peer, frame)));
    PollSender::new(link.asks.clone()).with(asked)
}

/// Takes messages for this node.
async fn deliver(mut delivered: relay::Messages) {
    while let Some(message) = delivered.recv().await {
        tracing::info!(tag = message.tag(), bytes = message.data().len(), "a message came");
    }
}

impl fmt::Debug for Relaying {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Relaying").field("relay", &self.relay).finish_non_exhaustive()
    }
}
