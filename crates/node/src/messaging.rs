//! Messages of this node and for it, over the DHT: sent, kept until they are read, and watched.

mod inbox;
#[cfg(test)]
mod network;
mod opening;
mod running;
mod sent;
#[cfg(test)]
pub(crate) mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use dht::{BroadcastStrategy, CoreGauges, Gauges, MailGauges, Monitor, OutboundMessageRequester};
pub use dht::{
    DhtOutboundError, LetterId, Lifetime, Outcome, PAYLOAD_MAX, SendError, SendOptions, Sending,
};
use futures::{Stream, stream};
use libp2p::PeerId;
use machine::UnixTime;
pub use storage::Received;
use tokio::sync::{broadcast, mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use transport::clock::Clock;

use self::inbox::Inbox;
pub use self::opening::MessagingError;
pub(crate) use self::opening::{Desk, Inside, Outside, Start, open};
use self::running::Followed;
use self::sent::Log;
pub(crate) use self::sent::SENT_MAX;
pub use self::sent::SentMessage;

/// News that a watcher may be behind with. Who is further behind misses some, and is told.
const NEWS_MAX: usize = 256;

/// Sends messages, and reads those that came. Clones are one.
#[derive(Clone, Debug)]
pub struct Messaging {
    /// Not of a node without a DHT.
    live: Option<Arc<Live>>,
}

#[derive(Debug)]
struct Live {
    requester: OutboundMessageRequester,
    inbox: Inbox,
    log: Log,
    following: mpsc::Sender<Followed>,
    news: broadcast::Sender<Watched>,
    monitor: Monitor,
    asks: mpsc::Sender<oneshot::Sender<Inner>>,
    /// Cancelled when messages go no further.
    ended: CancellationToken,
}

/// What the core says of itself.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Inner {
    pub(crate) core: CoreGauges,
    pub(crate) table: Gauges,
    pub(crate) mail: MailGauges,
}

/// What happens to messages.
#[derive(Clone, Debug)]
pub enum Watched {
    /// One came for this node.
    Received(Received),
    /// There is news of one of this node.
    Outcome {
        /// Which.
        letter: LetterId,
        /// To whom.
        to: PeerId,
        /// When it was heard.
        at: UnixTime,
        /// What.
        outcome: Outcome,
    },
    /// More happened than whoever watches could take.
    Missed,
}

/// How it is with messages.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct MessagesStatus {
    /// How much there is at present, by name.
    pub gauges: BTreeMap<&'static str, u64>,
    /// How often what happened since the start, by name.
    pub counts: BTreeMap<String, u64>,
}

/// The node has no DHT, or is ending.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("this node carries no messages")]
pub struct NoMessaging;

/// Why a message was not sent at all.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum SendRefused {
    /// There is nothing to send it with.
    #[error(transparent)]
    Off(#[from] NoMessaging),
    /// The DHT does not take it.
    #[error(transparent)]
    Outbound(#[from] DhtOutboundError),
}

/// Why the inbox was not read.
#[derive(Debug, thiserror::Error)]
pub enum InboxError {
    /// There is none.
    #[error(transparent)]
    Off(#[from] NoMessaging),
    /// The disk fails.
    #[error("cannot read the inbox")]
    Store(#[from] storage::StoreError),
}

impl Messaging {
    /// That of a node without a DHT.
    pub const fn off() -> Self {
        Self { live: None }
    }

    /// Whether it is that.
    pub const fn is_off(&self) -> bool {
        self.live.is_none()
    }

    /// Sends a message: sealed, and kept for the recipient if it is away, unless the options say
    /// otherwise. Returns when it is on its way.
    ///
    /// # Errors
    /// [`SendRefused`].
    ///
    /// # Bounds
    /// At most 65,536 bytes.
    ///
    /// # Cancel safety
    /// When the future is dropped, the message may be sent or not.
    pub async fn send(
        &self,
        to: PeerId,
        payload: Bytes,
        options: SendOptions,
    ) -> Result<Sending, SendRefused> {
        let live = self.live()?;
        // Nothing is sent that nobody could follow.
        let place = live.following.reserve().await.map_err(|_| NoMessaging)?;
        let bytes = payload.len();
        let strategy = BroadcastStrategy::DirectOrClosest { peer: to, n: 1, exclude: vec![] };
        let sending = live.requester.send_message(strategy, payload, options).await?;
        let letter = sending.letter();
        live.log.add(SentMessage { letter, to, at: Clock::wall(), bytes, history: vec![] });
        place.send(Followed { to, sending: sending.clone() });
        Ok(sending)
    }

    /// Messages that came with numbers above `after`, the first that came first: at most `max`, and
    /// of those what reaches 1 MiB. Numbers begin at 1.
    ///
    /// # Errors
    /// [`InboxError`].
    pub async fn inbox(&self, after: u64, max: usize) -> Result<Vec<Received>, InboxError> {
        Ok(self.live()?.inbox.read(after, max).await?)
    }

    /// Forgets the messages with numbers up to `through`. Ends with how many those were, when that
    /// is durable.
    ///
    /// # Errors
    /// [`InboxError`].
    ///
    /// # Cancel safety
    /// They are forgotten even when the future is dropped.
    pub async fn forget(&self, through: u64) -> Result<u64, InboxError> {
        Ok(self.live()?.inbox.forget(through).await?)
    }

    /// What happens from now on. Ends with the node.
    ///
    /// # Bounds
    /// Of news that are not taken the last 256 are remembered.
    pub fn watch(&self) -> impl Stream<Item = Watched> + Send + use<> {
        let begin = self.live.as_ref().map(|live| (live.news.subscribe(), live.ended.clone()));
        stream::unfold(begin, async |watching| {
            let (mut news, ended) = watching?;
            let told = tokio::select! {
                biased;
                told = news.recv() => match told {
                    Ok(told) => told,
                    Err(broadcast::error::RecvError::Lagged(_)) => Watched::Missed,
                    Err(broadcast::error::RecvError::Closed) => return None,
                },
                () = ended.cancelled() => return None,
            };
            Some((told, Some((news, ended))))
        })
    }

    /// Messages of this node, the last one first: at most `max`.
    ///
    /// # Bounds
    /// The last 1,024 are remembered, those on their way longest.
    pub fn sent(&self, max: usize) -> Vec<SentMessage> {
        self.live.as_ref().map(|live| live.log.last(max)).unwrap_or_default()
    }

    /// How it is with messages.
    ///
    /// # Errors
    /// [`NoMessaging`].
    pub async fn status(&self) -> Result<MessagesStatus, NoMessaging> {
        let live = self.live()?;
        let (reply, answer) = oneshot::channel();
        live.asks.send(reply).await.map_err(|_| NoMessaging)?;
        let Inner { core, table, mail } = answer.await.map_err(|_| NoMessaging)?;
        let (inbox, seen) = (live.inbox.gauges(), live.monitor.seen());
        let gauges = [
            ("links", core.links),
            ("links_opened", core.opened),
            ("contacts", table.contacts),
            ("contacts_verified", table.verified),
            ("contacts_waiting", table.waiting),
            ("arriving", core.under_way),
            ("carried", core.carried),
            ("own_under_way", core.own),
            ("mailbox_messages", mail.messages),
            ("mailbox_bytes", mail.bytes),
            ("mailbox_recipients", mail.recipients),
            ("seen_messages", seen.messages),
            ("seen_unwritten", seen.unwritten),
            ("inbox_messages", inbox.messages),
            ("inbox_bytes", inbox.bytes),
        ];
        let gauges = gauges.into_iter().map(|(name, count)| (name, number(count))).collect();
        let dht::Counts { passed, refused, outcomes } = live.monitor.counts();
        let mut counts: BTreeMap<String, u64> = BTreeMap::new();
        for (of, group) in [("passed", passed), ("refused", refused), ("own", outcomes)] {
            counts.extend(group.into_iter().map(|(name, count)| (format!("{of}_{name}"), count)));
        }
        counts.insert("unsent_for_want_of_room".to_owned(), core.dropped);
        counts.insert("inbox_turned_away".to_owned(), inbox.turned_away);
        counts.retain(|_, count| *count > 0);
        Ok(MessagesStatus { gauges, counts })
    }

    fn live(&self) -> Result<&Live, NoMessaging> {
        self.live.as_deref().ok_or(NoMessaging)
    }
}

fn number(count: usize) -> u64 {
    count.try_into().unwrap_or(u64::MAX)
}
