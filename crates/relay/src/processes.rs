//! The runner: what has to go on at once for packets to be sent, passed on and paid.

mod ack_in;
mod ack_out;
mod handle;
mod inbox;
mod indices;
mod messages;
mod mixing;
mod msg_in;
mod msg_out;
mod persist;
mod shared;
mod upkeep;

use std::collections::BTreeMap;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use futures::future::BoxFuture;
use futures::stream::BoxStream;
use futures::{Sink, SinkExt as _, Stream, StreamExt as _};
use libp2p_identity::PeerId;
use tickets::AcknowledgedTicket;
use tickets::issuing::Indices;
use tickets::ledger::Replica;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use transport::pool::Pool;

pub use self::handle::{Relay, Route, SendError};
use self::messages::Mailbox;
pub use self::messages::Messages;
use self::shared::Shared;
use crate::TagFilter;
use crate::config::Params;
use crate::engine::Engine;
use crate::replay::{Journal, Keeper};

/// One of the processes that [`run_msg_ack_protocol`] starts.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum ProtocolProcesses {
    /// Checks what is said about packets, and passes it back.
    AckIn,
    /// Says to each peer what became of its packets, many at a time.
    AckOut,
    /// Opens packets.
    MsgIn,
    /// Packs messages of this node.
    MsgOut,
    /// Lets packets wait among others, and sends them.
    Mixer,
    /// Writes down which packets came.
    BloomPersist,
    /// Ends the wait for what is not acknowledged in time.
    Expiry,
    /// Reserves indices for the tickets of this node, in every channel by which it pays.
    Indices,
}

impl fmt::Display for ProtocolProcesses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::AckIn => "HOPR [ack] - ingress",
            Self::AckOut => "HOPR [ack] - egress",
            Self::MsgIn => "HOPR [msg] - ingress",
            Self::MsgOut => "HOPR [msg] - egress",
            Self::Mixer => "HOPR [msg] - mixer",
            Self::BloomPersist => "bloom filter persistence (periodic)",
            Self::Expiry => "HOPR [ack] - expiry (periodic)",
            Self::Indices => "ticket index reservation (periodic)",
        })
    }
}

type Frames = Pin<Box<dyn Sink<(PeerId, Bytes), Error = LinkGone> + Send>>;

/// Whatever frames were sent on is no more. The relay stops.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("frames can no longer be sent")]
pub struct LinkGone;

/// Where frames of one protocol go, and where they come from.
///
/// The sink is fair to all peers by itself, as the outboxes of a [`transport::conversation`] are: who
/// does not read must not make it wait. The stream is read as fast as it gives.
pub struct Link {
    sink: Frames,
    stream: BoxStream<'static, (PeerId, Bytes)>,
}

impl Link {
    /// Of any sink and stream.
    pub fn new(
        sink: impl Sink<(PeerId, Bytes)> + Send + 'static,
        stream: impl Stream<Item = (PeerId, Bytes)> + Send + 'static,
    ) -> Self {
        Self { sink: Box::pin(sink.sink_map_err(|_| LinkGone)), stream: stream.boxed() }
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link").finish_non_exhaustive()
    }
}

/// What a relay is made of.
#[derive(Debug)]
pub struct Parts<J> {
    /// What does all the work with packets, tickets and acknowledgements.
    pub engine: Arc<Engine>,
    /// The guard of the engine, and its journal.
    pub keeper: Keeper<J>,
    /// Who announced itself, and who pays whom.
    pub replica: Replica,
    /// The indices of the tickets that the engine issues.
    pub indices: Arc<Indices>,
    /// Where work is done.
    pub pool: Pool,
    /// The settings.
    pub params: Params,
    /// Which messages are delivered.
    pub tags: Arc<TagFilter>,
    /// Whether a peer can be the first relay of a path: whether there is a link to it.
    pub linked: Linked,
    /// Drawn at random. Decides how long packets wait in the mixer.
    pub seed: [u8; 32],
}

/// Says which peers there is a link to.
pub struct Linked(Box<dyn Fn(&PeerId) -> bool + Send + Sync>);

impl Linked {
    /// By this function, which does not block.
    pub fn new(is_linked: impl Fn(&PeerId) -> bool + Send + Sync + 'static) -> Self {
        Self(Box::new(is_linked))
    }

    fn has(&self, peer: &PeerId) -> bool {
        (self.0)(peer)
    }
}

impl fmt::Debug for Linked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Linked").finish_non_exhaustive()
    }
}

/// A relay at work.
#[derive(Debug)]
pub struct Running {
    /// With which it is asked.
    pub relay: Relay,
    /// Messages for this node.
    pub delivered: Messages,
    /// Tickets that won. None that was opened is lost: while
    /// [`earned_max`](crate::config::Ack::earned_max) wait here, acknowledgements wait to be checked. But
    /// one that waits for longer than [`ack_timeout`](crate::pending::Config::ack_timeout) comes too
    /// late, so whoever reads this should hand tickets on, and not wait for a disk each time; and say
    /// of each when the disk has it ([`Incoming::kept`](crate::accounts::Incoming::kept)), since
    /// nothing from its index on is settled before.
    pub earned: mpsc::Receiver<AcknowledgedTicket>,
    /// The processes. Each ends when the relay is [stopped](Relay::stop).
    pub processes: BTreeMap<ProtocolProcesses, JoinHandle<()>>,
}

/// Runs all processes of a relay over two links, one for packets and one for what is said about them.
///
/// # Panics
/// Outside of a tokio runtime.
pub fn run_msg_ack_protocol<J>(parts: Parts<J>, msg: Link, ack: Link) -> Running
where
    J: Journal + Send + Sync + 'static,
{
    let params = parts.params.clone();
    let (sends, to_send) = mpsc::channel(params.msg().sending_max);
    let (returns, returned) = mpsc::channel(upkeep::RETURNED_MAX);
    let (mix, to_mix) = mpsc::channel(mixing::WAITING_MAX);
    let (entries, to_say) = mpsc::channel(ack_out::WAITING_MAX);
    let (earn, earned) = mpsc::channel(params.ack().earned_max);
    let seeds = Seeds(parts.seed);
    let opened = CancellationToken::new();
    let (mailbox, delivered) = Mailbox::new(params.msg().delivered_max, opened.clone());
    let (shared, keeper) = Shared::new(parts, mailbox);
    let shared = Arc::new(shared);
    // What leads on to others is held by processes only: the last of them to end closes it.
    let outlets = shared::Outlets { mix, entries, earn };

    let tracker = TaskTracker::new();
    let mut processes = BTreeMap::new();
    let mut start = |name, process: BoxFuture<'static, ()>| {
        processes.insert(name, tracker.spawn(process));
    };
    let guard = opened.clone().drop_guard();
    start(
        ProtocolProcesses::MsgIn,
        Box::pin(msg_in::run(Arc::clone(&shared), outlets.clone(), msg.stream, guard)),
    );
    start(
        ProtocolProcesses::MsgOut,
        Box::pin(msg_out::run(Arc::clone(&shared), outlets.clone(), to_send)),
    );
    start(
        ProtocolProcesses::AckIn,
        Box::pin(ack_in::run(Arc::clone(&shared), outlets.clone(), ack.stream)),
    );
    start(
        ProtocolProcesses::Expiry,
        Box::pin(upkeep::run(Arc::clone(&shared), outlets, returned, seeds.of("expiry"))),
    );
    start(
        ProtocolProcesses::Mixer,
        Box::pin(mixing::run(Arc::clone(&shared), msg.sink, to_mix, seeds.of("delays"))),
    );
    start(
        ProtocolProcesses::AckOut,
        Box::pin(ack_out::run(Arc::clone(&shared), ack.sink, to_say, seeds.of("ways back"))),
    );
    start(
        ProtocolProcesses::Indices,
        Box::pin(indices::run(Arc::clone(&shared), seeds.of("indices"))),
    );
    let persist = persist::run(keeper, params.replay().clone(), opened, seeds.of("journal"));
    start(ProtocolProcesses::BloomPersist, Box::pin(persist));
    tracker.close();
    let aborts = processes.values().map(JoinHandle::abort_handle).collect();
    let relay = Relay::new(shared, sends, returns, tracker, aborts);
    Running { relay, delivered, earned, processes }
}

/// Seeds of one, each for another use.
struct Seeds([u8; 32]);

impl Seeds {
    fn of(&self, purpose: &str) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new_derive_key("meshwork relay 2026-11 runner seeds");
        *hasher.update(&self.0).update(purpose.as_bytes()).finalize().as_bytes()
    }
}
