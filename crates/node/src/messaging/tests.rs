//! The messages of a node whose links are channels, and of a friend at their other end.

use std::convert::Infallible;

use dht::{Config, Dht, DhtInboundMessage, FromWire, ServicePipeline, ToWire};
use futures::future::ready;
use futures::{SinkExt, StreamExt};
use libp2p::identity::Keypair;
use storage::Storage;
use tempfile::TempDir;
use tokio::task::JoinSet;
use tokio_util::sync::{PollSendError, PollSender};
use tower::{ServiceBuilder, service_fn};

use super::*;

/// Seeds of keys by which the friend is between the other two: so it is the one that keeps what the
/// node has for whoever is away.
const NODE: [u8; 32] = [11; 32];
const FRIEND: [u8; 32] = [71; 32];
const AWAY: [u8; 32] = [131; 32];

/// Frames that wait in a channel: as many as in the outbox of a link.
const FRAMES_MAX: usize = 256;

/// Everything but the node: it lives as long as this.
#[derive(Debug)]
pub(crate) struct Played {
    pub(crate) node: PeerId,
    /// Who is linked with the node.
    pub(crate) friend: PeerId,
    /// By which the friend writes.
    pub(crate) pen: OutboundMessageRequester,
    /// What came for the friend.
    pub(crate) letters: mpsc::Receiver<DhtInboundMessage>,
    /// Nobody is linked with this one.
    pub(crate) away: PeerId,
    _tasks: JoinSet<()>,
    _temporary: TempDir,
}

/// The messages of a node with one friend.
pub(crate) async fn messaging() -> (Messaging, Played) {
    let mut tasks = JoinSet::new();
    let (mut node, mut friend) = (build(NODE).await, build(FRIEND).await);
    let peers = [&node, &friend].map(Dht::local);
    let away = keys(AWAY).public().to_peer_id();
    let temporary = tempfile::tempdir().expect("a temporary directory");
    let storage = Storage::open(&temporary.path().join("store")).expect("a new file");
    let messaging = attend(&mut node, &storage, &mut tasks).await;
    let pen = friend.outbound_requester();
    let letters = receive(&mut friend, &mut tasks);
    Box::pin(link(node, friend, &mut tasks)).await;
    let [node, friend] = peers;
    let played = Played { node, friend, pen, letters, away, _tasks: tasks, _temporary: temporary };
    (messaging, played)
}

fn keys(seed: [u8; 32]) -> Keypair {
    Keypair::ed25519_from_bytes(seed).expect("any 32 bytes are a key")
}

async fn build(key: [u8; 32]) -> Dht {
    let builder = Dht::builder(keys(key)).network("test").config(Config::fast());
    builder.build(key).await.expect("an empty store")
}

/// What the node itself does with its DHT.
async fn attend(dht: &mut Dht, storage: &Storage, tasks: &mut JoinSet<()>) -> Messaging {
    let news = broadcast::Sender::new(NEWS_MAX);
    let inbox = Inbox::open(storage.inbox(), news.clone()).await.expect("an empty store");
    let (following, followed) = mpsc::channel(1);
    let (asks, mut asked) = mpsc::channel::<oneshot::Sender<Inner>>(1);
    let live = Arc::new(Live {
        requester: dht.outbound_requester(),
        inbox,
        log: Log::default(),
        following,
        news,
        monitor: dht.monitor(),
        asks,
        ended: CancellationToken::new(),
    });
    let outside = Outside {
        live: Arc::clone(&live),
        arrived: dht.take_inbound_receiver().expect("there"),
        inbound: dht.inbound_middleware_layer(),
        requested: dht.take_outbound_receiver().expect("there"),
        outbound: dht.outbound_middleware_layer(),
        sink: dht.sink(),
        followed,
        restored: Vec::new(),
    };
    tasks.spawn(outside.run());
    tasks.spawn(async move {
        while let Some(reply) = asked.recv().await {
            let core = CoreGauges { links: 1, ..CoreGauges::default() };
            let inner = Inner { core, table: Gauges::default(), mail: MailGauges::default() };
            // Whoever asked may be gone.
            reply.send(inner).ok();
        }
    });
    Messaging { live: Some(live) }
}

/// Both pipelines, with a channel as the application.
fn receive(dht: &mut Dht, tasks: &mut JoinSet<()>) -> mpsc::Receiver<DhtInboundMessage> {
    let (inbox, letters) = mpsc::channel(16);
    let application = service_fn(move |letter| {
        let inbox = inbox.clone();
        async move {
            inbox.send(letter).await.ok();
            Ok::<_, Infallible>(())
        }
    });
    let stack = ServiceBuilder::new().layer(dht.inbound_middleware_layer());
    let inbound = stack.service(application);
    let arrived = dht.take_inbound_receiver().expect("there");
    let stack = ServiceBuilder::new().layer(dht.outbound_middleware_layer());
    let outbound = stack.service(dht.sink());
    let requested = dht.take_outbound_receiver().expect("there");
    ServicePipeline::new(arrived, inbound)
        .spawn_with(|run| tasks.spawn(async { run.await.unwrap_or(()) }));
    ServicePipeline::new(requested, outbound)
        .spawn_with(|run| tasks.spawn(async { run.await.unwrap_or(()) }));
    letters
}

/// Runs both, with a channel in each direction between them.
async fn link(one: Dht, other: Dht, tasks: &mut JoinSet<()>) {
    let (to_one, for_one) = mpsc::channel(FRAMES_MAX);
    let (to_other, for_other) = mpsc::channel(FRAMES_MAX);
    to_one.send(FromWire::Joined(other.local())).await.expect("it is there");
    to_other.send(FromWire::Joined(one.local())).await.expect("it is there");
    for (dht, mut from, to) in [(one, for_one, to_other), (other, for_other, to_one)] {
        let own = dht.local();
        let from = stream::poll_fn(move |cx| from.poll_recv(cx));
        let to = PollSender::new(to).with(move |item| {
            ready(Ok::<_, PollSendError<FromWire>>(match item {
                ToWire::Frame(_, frame) => FromWire::Frame(own, frame),
                ToWire::Close(_) => FromWire::Left(own),
            }))
        });
        let run = dht.run(from, to);
        tasks.spawn(async { run.await.unwrap_or(()) });
    }
}

#[tokio::test]
async fn a_message_is_followed_to_its_end_and_remembered() {
    let (messaging, mut played) = Box::pin(messaging()).await;
    let mut watched = Box::pin(messaging.watch());
    let sending = messaging.send(played.friend, "hello".into(), SendOptions::default()).await;
    let sending = sending.expect("it is on its way");
    let letter = sending.letter();
    let came = played.letters.recv().await.expect("a letter");
    assert_eq!((came.payload.as_ref(), came.sender), (&b"hello"[..], played.node));
    assert_eq!(sending.end().await.expect("it goes on"), Outcome::Delivered);

    loop {
        match watched.next().await.expect("it goes on") {
            Watched::Outcome { letter: told, to, outcome, .. } => {
                assert_eq!((told, to), (letter, played.friend));
                if outcome.is_end() {
                    break;
                }
            }
            other => panic!("{other:?}"),
        }
    }
    let [sent] = messaging.sent(9).try_into().expect("one");
    assert_eq!((sent.letter, sent.to, sent.bytes), (letter, played.friend, 5));
    assert!(sent.is_ended(), "{sent:?}");
}

#[tokio::test]
async fn a_node_without_a_dht_says_so() {
    let off = Messaging::off();
    let refused = off.send(PeerId::random(), "hello".into(), SendOptions::default()).await;
    assert_eq!(refused.expect_err("nobody does it"), SendRefused::Off(NoMessaging));
    let refused = off.inbox(0, 1).await;
    assert!(matches!(refused, Err(InboxError::Off(NoMessaging))), "{refused:?}");
    assert_eq!(off.status().await, Err(NoMessaging));
    assert_eq!((off.sent(9), off.watch().count().await), (Vec::new(), 0));
}
