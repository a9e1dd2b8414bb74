//! Streams on which nothing moves, or too slowly, or too much at once: the turn ends in time, with a
//! reason, and the place is free again.

use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use machine::{PeerId, UnixTime};
use meshwork_ordersync::requester::{Break, Ended};
use meshwork_ordersync::service::{
    Config, Event, Network, OpenFailed, Protocol, ServeError, Service,
};
use meshwork_ordersync::{
    Book, Entry, Fault, Intake, ItemId, MemoryStore, Origin, Rejected, Store, Subprotocols,
    Validator, book, intake, json, paging, riblt,
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_util::compat::{Compat, TokioAsyncReadCompatExt as _};
use transport::pool::Pool;

use crate::mesh::{Mesh, Node, PROTOCOLS};
use crate::sample::{Note, Prefix};

/// Time for one turn in these tests.
const TURN: Duration = Duration::from_millis(200);
/// Nothing here takes longer, or it waits for something that does not come.
const PATIENCE: Duration = Duration::from_secs(30);
/// Bytes that a pipe holds.
const PIPE: usize = 16 << 10;

const JSON: Protocol = Protocol::Json(json::Envelope::Negotiated);

/// With time enough for what takes some.
fn patient() -> Config {
    Config { turn_timeout: PATIENCE / 2, ..config() }
}

fn config() -> Config {
    Config { turn_timeout: TURN, serving_max: 1, rounds_max: 1, ..Config::default() }
}

/// Serves a client that does as it likes, and says how that ended.
async fn serve(
    node: &Node,
    protocol: Protocol,
    client: impl Future<Output = ()>,
    far: DuplexStream,
) -> Result<(), ServeError> {
    let serving = node.service.handle_stream(PeerId::random(), protocol, far.compat());
    let both = async {
        tokio::select! {
            served = serving => served.map(|_tally| ()),
            () = client => panic!("the client gave up first"),
        }
    };
    let ended = timeout(PATIENCE, both).await.expect("the turn ends");
    assert_free(node, protocol).await;
    ended
}

/// There is one place, and it is free: a client that says nothing and hangs up is served.
async fn assert_free(node: &Node, protocol: Protocol) {
    let (near, far) = duplex(PIPE);
    drop(near);
    let served = node.service.handle_stream(PeerId::random(), protocol, far.compat());
    let served = timeout(PATIENCE, served).await.expect("it hangs up");
    assert!(!matches!(served, Err(ServeError::Full)), "{served:?}");
}

/// Sends one byte after the other, each in time.
async fn drip(mut stream: DuplexStream, bytes: &[u8]) {
    for byte in bytes.iter().cycle() {
        if stream.write_all(&[*byte]).await.is_err() {
            break;
        }
        tokio::time::sleep(TURN / 8).await;
    }
    std::future::pending::<()>().await;
}

/// Sends the same for ever.
async fn flood(mut stream: DuplexStream, first: &[u8], then: &[u8]) {
    let mut sent = stream.write_all(first).await;
    while sent.is_ok() {
        sent = stream.write_all(then).await;
    }
    std::future::pending::<()>().await;
}

#[tokio::test]
async fn who_asks_nothing_is_not_waited_for() {
    for protocol in PROTOCOLS {
        let node = Mesh::default().node(1, protocol, config());
        let (near, far) = duplex(PIPE);
        let silent = async move {
            let _near = near;
            std::future::pending::<()>().await;
        };
        assert_eq!(serve(&node, protocol, silent, far).await, Err(ServeError::TimedOut));
    }
}

#[tokio::test]
async fn who_asks_byte_by_byte_is_not_waited_for() {
    for (protocol, bytes) in [(PROTOCOLS[0], &[0x80, 0x40][..]), (JSON, b"{\"type\":\"")] {
        let node = Mesh::default().node(1, protocol, config());
        let (near, far) = duplex(PIPE);
        let ended = serve(&node, protocol, drip(near, bytes), far).await;
        assert!(matches!(ended, Err(ServeError::TimedOut | ServeError::Fault(_))), "{ended:?}");
    }
    // All of it one letter of a name: nothing is wrong with it but the time that it takes.
    let node = Mesh::default().node(1, JSON, config());
    let (mut near, far) = duplex(PIPE);
    near.write_all(b"{\"type\":\"").await.unwrap();
    assert_eq!(serve(&node, JSON, drip(near, b"x"), far).await, Err(ServeError::TimedOut));
}

/// A request of all notes, as a node of 0x-Mesh makes it.
fn request() -> String {
    let metadata = format!(r#"{{"orderfilter":null,"minOrderHash":"{}"}}"#, ItemId::ZERO);
    let name = paging::V1::NAME;
    format!("{{\"type\":\"Request\",\"subprotocols\":[\"{name}\"],\"metadata\":{metadata}}}\n")
}

#[tokio::test]
async fn who_does_not_read_is_not_waited_for() {
    let node = Mesh::default().node(1, JSON, config());
    let notes = (0..50).map(|number| Entry::new(Note::new(format!("{number:04000}"))));
    node.service.intake().admit(notes.collect(), Origin::Own).await;
    let (mut near, far) = duplex(PIPE);
    near.write_all(request().as_bytes()).await.unwrap();
    let deaf = async move {
        let _near = near;
        std::future::pending::<()>().await;
    };
    assert_eq!(serve(&node, JSON, deaf, far).await, Err(ServeError::TimedOut));
}

#[tokio::test]
async fn a_request_without_end_is_refused_at_its_bound() {
    for (protocol, first, then) in [
        (PROTOCOLS[0], &[0xff, 0xff, 0xff, 0x7f][..], &[0; 64][..]),
        (JSON, b"{\"type\":\"", b"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"),
        (JSON, b"", b"[[[[[[[[[[[[[[[["),
        (JSON, b"", b"                "),
        (JSON, b"", b"\xff\xfe\xfd\xfc"),
    ] {
        let node = Mesh::default().node(1, protocol, patient());
        let (near, far) = duplex(PIPE);
        let ended = serve(&node, protocol, flood(near, first, then), far).await;
        let Err(ServeError::Fault(fault)) = ended else { panic!("{protocol}: {ended:?}") };
        assert!(matches!(fault, Fault::Message { .. } | Fault::TooMuch { .. }), "{fault:?}");
    }
}

#[tokio::test]
async fn a_request_that_is_cut_anywhere_ends_the_session() {
    let request = request();
    for cut in (0..request.len() - 1).step_by(7) {
        let node = Mesh::default().node(1, JSON, config());
        let (mut near, far) = duplex(PIPE);
        near.write_all(&request.as_bytes()[..cut]).await.unwrap();
        drop(near);
        let ended = serve(&node, JSON, std::future::pending(), far).await;
        assert_eq!(ended.is_ok(), cut == 0, "cut at {cut}: {ended:?}");
    }
}

#[tokio::test]
async fn a_peer_gets_no_more_places_than_there_are() {
    for protocol in PROTOCOLS {
        let node = Mesh::default().node(1, protocol, config());
        let (near, far) = duplex(PIPE);
        let (_other, second) = duplex(PIPE);
        let first = node.service.handle_stream(PeerId::random(), protocol, far.compat());
        let mut first = std::pin::pin!(first);
        assert!(futures::poll!(first.as_mut()).is_pending());
        let second = node.service.handle_stream(PeerId::random(), protocol, second.compat());
        assert_eq!(timeout(PATIENCE, second).await.unwrap(), Err(ServeError::Full));
        drop(near);
        let _ended = timeout(PATIENCE, first).await.unwrap();
        assert_free(&node, protocol).await;
    }
}

/// What a provider does with a stream.
type Provider = Arc<dyn Fn(DuplexStream) -> BoxFuture<'static, ()> + Send + Sync>;

/// A network with one peer that means no good.
pub(super) struct Trap {
    peer: PeerId,
    protocol: Protocol,
    provider: Provider,
    provides: Mutex<JoinSet<()>>,
    events: Arc<Mutex<Vec<Event>>>,
}

impl Network for Trap {
    type Stream = Compat<DuplexStream>;

    fn peers(&self) -> Vec<PeerId> {
        vec![self.peer]
    }

    fn open(
        &self,
        _: PeerId,
        _: &[Protocol],
    ) -> BoxFuture<'static, Result<(Protocol, Self::Stream), OpenFailed>> {
        let (near, far) = duplex(PIPE);
        self.provides.lock().unwrap().spawn((self.provider)(far));
        let opened = Ok((self.protocol, near.compat()));
        async move { opened }.boxed()
    }

    fn tell(&self, event: Event) {
        self.events.lock().unwrap().push(event);
    }
}

struct Anything;

impl Validator<Note> for Anything {
    fn check(&self, entries: &[Entry<Note>], _: UnixTime) -> Vec<Result<(), Rejected>> {
        entries.iter().map(|_| Ok(())).collect()
    }
}

/// Syncs with a provider that does as it likes, and says how that ended.
async fn ask<F>(
    protocol: Protocol,
    provider: impl Fn(DuplexStream) -> F + Send + Sync + 'static,
) -> Ended
where
    F: Future<Output = ()> + Send + 'static,
{
    ask_with(config(), protocol, provider).await
}

pub(super) async fn ask_with<F>(
    config: Config,
    protocol: Protocol,
    provider: impl Fn(DuplexStream) -> F + Send + Sync + 'static,
) -> Ended
where
    F: Future<Output = ()> + Send + 'static,
{
    let (peer, service) = asker(config, protocol, Arc::new(MemoryStore::default()), provider);
    let synced = timeout(PATIENCE, service.get_orders_from(vec![peer])).await;
    let nothing = synced.expect("the turn ends").expect_err("nothing good can come of it");
    let [(_, failed)] = <[_; 1]>::try_from(nothing.failed).unwrap();
    failed.outcome.ended
}

/// A service, and the only peer that it can ask, who does as it likes.
pub(super) fn asker<F>(
    config: Config,
    protocol: Protocol,
    store: Arc<dyn Store>,
    provider: impl Fn(DuplexStream) -> F + Send + Sync + 'static,
) -> (PeerId, Service<Note, Trap>)
where
    F: Future<Output = ()> + Send + 'static,
{
    let book = Arc::new(Book::new(book::Config::default().check().unwrap(), [1; 32]));
    let pool = Pool::new(NonZeroUsize::MIN, 16).unwrap();
    let params = intake::Config::default().check().unwrap();
    let (intake, mut driver) = Intake::new(book, store, Arc::new(Anything), pool.clone(), params);
    let mut provides = JoinSet::new();
    provides.spawn(async move { match driver.run().await {} });
    let peer = PeerId::random();
    let network = Trap {
        peer,
        protocol,
        provider: Arc::new(move |stream| provider(stream).boxed()),
        provides: Mutex::new(provides),
        events: Arc::default(),
    };
    let subprotocols = Subprotocols::new().with(riblt::Riblt).unwrap();
    let subprotocols = subprotocols.with(paging::V1::default()).unwrap();
    let params = config.check().unwrap();
    let service =
        Service::new(network, intake, pool, Prefix::default(), subprotocols, params, [2; 32]);
    (peer, service)
}

#[tokio::test]
async fn who_answers_nothing_is_not_waited_for() {
    for protocol in PROTOCOLS {
        let silent = |mut stream: DuplexStream| async move {
            let mut heard = Vec::new();
            let _end = stream.read_to_end(&mut heard).await;
        };
        assert_eq!(ask(protocol, silent).await, Ended::Broken(Break::TimedOut));
        let gone = |stream| async move { drop(stream) };
        assert_eq!(ask(protocol, gone).await, Ended::Broken(Break::Closed));
    }
}

#[tokio::test]
async fn who_answers_byte_by_byte_is_not_waited_for() {
    let slow = |mut stream: DuplexStream| async move {
        let _sent = stream.write_all(b"{\"type\":\"").await;
        drip(stream, b"x").await;
    };
    assert_eq!(ask(JSON, slow).await, Ended::Broken(Break::TimedOut));
}

#[tokio::test]
async fn an_answer_that_is_none_is_a_fault() {
    for (protocol, first, then) in [
        (PROTOCOLS[0], &[0xff, 0xff, 0xff, 0x7f][..], &[0; 64][..]),
        (JSON, b"", b"[[[[[[[[[[[[[[[["),
        (JSON, b"", b"                "),
        (JSON, b"", b"\xff\xfe\xfd\xfc"),
        (JSON, b"", b"{\"type\":7}\n"),
    ] {
        let ended = ask_with(patient(), protocol, move |stream| flood(stream, first, then)).await;
        assert!(matches!(ended, Ended::Faulted(_)), "{protocol}: {ended:?}");
    }
}

#[tokio::test]
async fn an_answer_without_end_is_refused_at_its_bound() {
    let endless = |stream| flood(stream, b"{\"type\":\"", &[b'x'; 4_096]);
    // Eight megabytes take their time.
    let ended = ask_with(patient(), JSON, endless).await;
    let max = u64::try_from(json::RESPONSE_BYTES_MAX).unwrap();
    let bytes = Fault::TooMuch { what: "bytes of a message", max };
    assert_eq!(ended, Ended::Faulted(bytes));
}
