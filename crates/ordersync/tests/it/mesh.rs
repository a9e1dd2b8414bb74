//! Services that reach each other over pipes.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::{BoxFuture, ready};
use machine::{PeerId, UnixTime};
use meshwork_ordersync::service::{Config, Event, Network, OpenFailed, Protocol, Service};
use meshwork_ordersync::{
    Book, Entry, Intake, MemoryStore, Origin, Rejected, Subprotocols, Validator, book, intake,
    json, paging, riblt,
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};
use tokio::task::JoinSet;
use tokio_util::compat::{Compat, TokioAsyncReadCompatExt as _};
use transport::pool::Pool;

use crate::sample::{Note, Prefix};

/// Bytes that a pipe holds.
const PIPE: usize = 64 << 10;

/// All nodes of one test.
#[derive(Clone, Default)]
pub(crate) struct Mesh {
    nodes: Arc<Mutex<BTreeMap<PeerId, Service<Note, Link>>>>,
}

/// What one node sees of the others.
pub(crate) struct Link {
    me: PeerId,
    nodes: Weak<Mutex<BTreeMap<PeerId, Service<Note, Self>>>>,
    protocol: Protocol,
    events: Arc<Mutex<Vec<Event>>>,
    /// Those who are slow.
    slow: Arc<Mutex<BTreeMap<PeerId, Slow>>>,
    /// The driver of its intake, and the sessions that others serve for it.
    serves: Arc<Mutex<JoinSet<()>>>,
}

/// A node of a test.
pub(crate) struct Node {
    pub(crate) me: PeerId,
    pub(crate) service: Service<Note, Link>,
    pub(crate) book: Arc<Book<Note>>,
    events: Arc<Mutex<Vec<Event>>>,
    slow: Arc<Mutex<BTreeMap<PeerId, Slow>>>,
}

/// How somebody is slow.
#[derive(Clone, Copy)]
pub(crate) enum Slow {
    /// It stands still once it has sent so many bytes of a session.
    Stalls(u64),
    /// It sends a few bytes at a time, after such pauses.
    Drips(Duration),
}

/// Takes every note but those that say so.
struct Careful;

impl Validator<Note> for Careful {
    fn check(&self, entries: &[Entry<Note>], _: UnixTime) -> Vec<Result<(), Rejected>> {
        let check = |entry: &Entry<Note>| {
            if entry.item.text.contains("forged") {
                return Err(Rejected::Invalid { code: "forged", detail: "it is forged".into() });
            }
            Ok(())
        };
        entries.iter().map(check).collect()
    }
}

impl Mesh {
    pub(crate) fn node(&self, seed: u8, protocol: Protocol, config: Config) -> Node {
        let all = Subprotocols::new().with(riblt::Riblt).unwrap();
        let all = all.with(paging::V1::default()).unwrap().with(paging::V0).unwrap();
        self.node_with(seed, protocol, config, all)
    }

    /// A node that knows other subprotocols.
    pub(crate) fn node_with(
        &self,
        seed: u8,
        protocol: Protocol,
        config: Config,
        subprotocols: Subprotocols<Note>,
    ) -> Node {
        let book = Arc::new(Book::new(book::Config::default().check().unwrap(), [seed; 32]));
        let pool = Pool::new(NonZeroUsize::new(2).unwrap(), 64).unwrap();
        let store = Arc::new(MemoryStore::default());
        let params = intake::Config::default().check().unwrap();
        let (intake, mut driver) =
            Intake::new(Arc::clone(&book), store, Arc::new(Careful), pool.clone(), params);
        let mut serves = JoinSet::new();
        serves.spawn(async move { match driver.run().await {} });
        let me = PeerId::random();
        let (events, slow) = <(Arc<Mutex<Vec<Event>>>, Arc<_>)>::default();
        let network = Link {
            me,
            nodes: Arc::downgrade(&self.nodes),
            protocol,
            events: Arc::clone(&events),
            slow: Arc::clone(&slow),
            serves: Arc::new(Mutex::new(serves)),
        };
        let params = config.check().unwrap();
        let filter = Prefix::default();
        let service = Service::new(network, intake, pool, filter, subprotocols, params, [seed; 32]);
        self.nodes.lock().unwrap().insert(me, service.clone());
        Node { me, service, book, events, slow }
    }
}

impl Node {
    /// What it was told so far, which it forgets.
    pub(crate) fn events(&self) -> Vec<Event> {
        std::mem::take(&mut self.events.lock().unwrap())
    }

    /// To this node, the other one is slow.
    pub(crate) fn sees_slow(&self, other: &Self, how: Slow) {
        self.slow.lock().unwrap().insert(other.me, how);
    }

    pub(crate) async fn hold(&self, notes: impl IntoIterator<Item = u32>) {
        let entries = notes.into_iter().map(|number| Entry::new(note(number))).collect();
        let admissions = self.service.intake().admit(entries, Origin::Own).await;
        assert!(admissions.iter().all(|admission| admission.outcome.is_ok()));
    }
}

pub(crate) fn note(number: u32) -> Note {
    Note::new(format!("note {number}"))
}

impl Network for Link {
    type Stream = Compat<DuplexStream>;

    fn peers(&self) -> Vec<PeerId> {
        let nodes = self.nodes.upgrade().unwrap();
        let nodes = nodes.lock().unwrap();
        nodes.keys().copied().filter(|peer| *peer != self.me).collect()
    }

    fn open(
        &self,
        peer: PeerId,
        protocols: &[Protocol],
    ) -> BoxFuture<'static, Result<(Protocol, Self::Stream), OpenFailed>> {
        let (me, protocol) = (self.me, self.protocol);
        if !protocols.contains(&protocol) {
            return ready(Err(OpenFailed { reason: "not spoken".into() })).boxed();
        }
        let nodes = self.nodes.upgrade().unwrap();
        let serves = Arc::clone(&self.serves);
        let slow = self.slow.lock().unwrap().get(&peer).copied();
        async move {
            let remote = nodes.lock().unwrap().get(&peer).cloned();
            let remote = remote.ok_or(OpenFailed { reason: "unknown".into() })?;
            let (near, mut far) = tokio::io::duplex(PIPE);
            if let Some(how) = slow {
                let (behind, served) = tokio::io::duplex(PIPE);
                serves.lock().unwrap().spawn(pass_on(far, behind, how));
                far = served;
            }
            let serving = async move { remote.handle_stream(me, protocol, far.compat()).await };
            serves.lock().unwrap().spawn(serving.map(|_served| ()));
            Ok((protocol, near.compat()))
        }
        .boxed()
    }

    fn tell(&self, event: Event) {
        self.events.lock().unwrap().push(event);
    }
}

/// Passes on what is asked, and slowly what is answered.
async fn pass_on(near: DuplexStream, far: DuplexStream, how: Slow) {
    let (mut asked, mut answered) = tokio::io::split(near);
    let (mut answers, mut asks) = tokio::io::split(far);
    let ask = tokio::io::copy(&mut asked, &mut asks);
    let answer = async {
        match how {
            Slow::Stalls(bytes) => {
                let _copied = tokio::io::copy(&mut answers.take(bytes), &mut answered).await;
            }
            Slow::Drips(pause) => {
                let mut bytes = [0; 64];
                while let Ok(len @ 1..) = answers.read(&mut bytes).await
                    && answered.write_all(&bytes[..len]).await.is_ok()
                {
                    tokio::time::sleep(pause).await;
                }
            }
        }
        std::future::pending::<()>().await;
    };
    tokio::select! { _ = ask => {}, () = answer => {} }
}

/// Both envelopes in which notes are synchronised.
pub(crate) const PROTOCOLS: [Protocol; 2] =
    [Protocol::Binary, Protocol::Json(json::Envelope::Negotiated)];
