//! What a node carries messages with: made of its store and its configuration.

use std::num::NonZeroUsize;
use std::sync::{Arc, OnceLock};
use std::thread::available_parallelism;
use std::time::Duration;

use dht::{
    Arrivals, Core, Dht, DhtInitializationError, DialError, Dialler, Front, InboundLayer,
    OutboundLayer, Requests, Restored, SinkMiddleware, Worker,
};
use futures::future::FutureExt;
use handshake::{Dialer, RejectCode, SessionKind};
use libp2p::identity::Keypair;
use storage::Storage;
use tokio::sync::{broadcast, mpsc, oneshot};
use tokio::time::timeout;
use tokio_util::sync::{CancellationToken, PollSender};
use transport::pool::Pool;
use wire::signed::SignedRecord;

use super::inbox::Inbox;
use super::running::Followed;
use super::sent::Log;
use super::{Inner, Live, Messaging, NEWS_MAX, SentMessage};

/// Most jobs that wait for the pool: what a hundred links may bring at a time.
const QUEUE_MAX: usize = 512;

/// Longest time for a dial and the handshake.
const DIAL_PATIENCE: Duration = Duration::from_secs(8);

/// Most own messages that wait to be followed.
const FOLLOWED_MAX: usize = 64;

/// Most questions that wait for the swarm.
const ASKS_MAX: usize = 8;

/// Why a node carries no messages.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MessagingError {
    /// The DHT does not start.
    #[error("cannot start the DHT")]
    Dht(#[from] DhtInitializationError),
    /// The inbox cannot be read.
    #[error("cannot read the inbox")]
    Inbox(#[from] storage::StoreError),
    /// The system gives no more threads.
    #[error("cannot start the threads that open messages")]
    Threads(#[source] std::io::Error),
}

/// What it begins with.
pub(crate) struct Start<'a> {
    pub(crate) storage: &'a Storage,
    pub(crate) identity: &'a Keypair,
    pub(crate) network: &'a str,
    /// Whether links are opened for messages.
    pub(crate) dials: bool,
    pub(crate) config: dht::Config,
    /// Peers that were reached in an earlier life.
    pub(crate) contacts: Vec<Arc<SignedRecord>>,
    /// Drawn at random, and known to nobody.
    pub(crate) seed: [u8; 32],
}

/// What of it lives in the swarm.
#[derive(Debug)]
pub(crate) struct Inside {
    pub(crate) core: Core,
    pub(crate) worker: Worker,
    pub(crate) desk: Desk,
    /// Who dials, once there is a gate.
    pub(crate) dialer: Arc<OnceLock<Dialer>>,
}

/// The swarm's end.
#[derive(Debug)]
pub(crate) struct Desk {
    pub(crate) front: Front,
    pub(crate) asks: mpsc::Receiver<oneshot::Sender<Inner>>,
}

/// What of it lives beside the swarm.
pub(crate) struct Outside {
    pub(super) live: Arc<Live>,
    pub(super) arrived: Arrivals,
    pub(super) inbound: InboundLayer,
    pub(super) requested: Requests,
    pub(super) outbound: OutboundLayer,
    pub(super) sink: SinkMiddleware<PollSender<dht::Dispatch>>,
    pub(super) followed: mpsc::Receiver<Followed>,
    /// Messages of before the start that go on.
    pub(super) restored: Vec<Followed>,
}

/// Reads what is kept, and makes both parts.
pub(crate) async fn open(start: Start<'_>) -> Result<(Inside, Outside, Messaging), MessagingError> {
    let Start { storage, identity, network, dials, config, contacts, seed } = start;
    let news = broadcast::Sender::new(NEWS_MAX);
    let inbox = Inbox::open(storage.inbox(), news.clone()).await?;
    let threads = available_parallelism().unwrap_or(NonZeroUsize::MIN);
    let pool = Pool::new(threads, QUEUE_MAX).map_err(MessagingError::Threads)?;
    let place = Arc::new(OnceLock::new());
    let builder = Dht::builder(identity.clone())
        .network(network)
        .config(config)
        .pool(pool)
        .contacts(contacts)
        .store(Arc::new(storage.messages()));
    let builder = if dials { builder.dialler(dialler(Arc::clone(&place))) } else { builder };
    let mut dht = builder.build(seed).await?;
    let log = Log::default();
    let restored = dht.restored().into_iter().filter_map(|before| restore(&log, before)).collect();
    let (following, followed) = mpsc::channel(FOLLOWED_MAX);
    let (asks, asked) = mpsc::channel(ASKS_MAX);
    let live = Arc::new(Live {
        requester: dht.outbound_requester(),
        inbox,
        log,
        following,
        news,
        monitor: dht.monitor(),
        asks,
        ended: CancellationToken::new(),
    });
    let taken = "nobody took it before";
    let outside = Outside {
        live: Arc::clone(&live),
        arrived: dht.take_inbound_receiver().expect(taken),
        inbound: dht.inbound_middleware_layer(),
        requested: dht.take_outbound_receiver().expect(taken),
        outbound: dht.outbound_middleware_layer(),
        sink: dht.sink(),
        followed,
        restored,
    };
    let (core, worker, front) = dht.into_parts();
    let inside = Inside { core, worker, desk: Desk { front, asks: asked }, dialer: place };
    Ok((inside, outside, Messaging { live: Some(live) }))
}

/// Remembers a message of before the start, and has it followed if it goes on.
fn restore(log: &Log, before: Restored) -> Option<Followed> {
    let Restored { sent, sending } = before;
    // What is for everybody is nothing that this node sends.
    let to = sent.to?;
    let dht::Sent { letter, at, len, history, .. } = sent;
    log.add(SentMessage { letter, to, at, bytes: len, history });
    sending.map(|sending| Followed { to, sending })
}

/// Opens links for messages, with the dialer that is put in the place.
fn dialler(place: Arc<OnceLock<Dialer>>) -> Dialler {
    Arc::new(move |peer, addresses| {
        let dialer = place.get().cloned();
        async move {
            let Some(dialer) = dialer else { return Err(DialError::NoRoom) };
            let dialled = dialer.dial(peer, addresses, SessionKind::Direct);
            match timeout(DIAL_PATIENCE, dialled).await {
                Ok(Ok(_)) => Ok(()),
                Ok(Err(error)) => Err(outcome_of(&error)),
                Err(_elapsed) => Err(DialError::Unreachable),
            }
        }
        .boxed()
    })
}

/// What the end of a dial means for whoever has a message.
fn outcome_of(error: &handshake::DialError) -> DialError {
    use handshake::DialError as Error;
    match error {
        Error::AlreadyConnected => DialError::Linked,
        Error::Refused(refusal) if refusal.code() == Some(RejectCode::Duplicate) => {
            DialError::Linked
        }
        Error::Refused(_) | Error::Banned { .. } => DialError::Refused,
        Error::Full | Error::Busy | Error::Stopping => DialError::NoRoom,
        Error::Oneself | Error::NoAddress | Error::Unreachable { .. } | Error::OtherPeer { .. } => {
            DialError::Unreachable
        }
    }
}
