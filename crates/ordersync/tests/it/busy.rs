//! A provider whose budgets are used up: who hears of it, when, and whose budgets they were.

use std::collections::VecDeque;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::{BoxFuture, ready};
use machine::{PeerId, UnixTime};
use meshwork_ordersync::requester::{Break, Ended, RefusedBy};
use meshwork_ordersync::service::{
    Allowance, Config, Event, Network, OpenFailed, Protocol, ServeError, Service, Standing,
};
use meshwork_ordersync::{
    Book, Entry, Holding, Intake, ItemId, MemoryStore, Refusal, Rejected, Subprotocols, Validator,
    book, intake, json, paging,
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};
use tokio::time::timeout;
use tokio_util::compat::{Compat, TokioAsyncReadCompatExt as _};
use transport::pool::Pool;

use crate::mesh::{Mesh, PROTOCOLS, note};
use crate::sample::{Note, Prefix};

/// Nothing here takes longer, or it waits for something that does not come.
const PATIENCE: Duration = Duration::from_secs(30);

const JSON: Protocol = Protocol::Json(json::Envelope::Negotiated);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_would_have_to_wait_for_too_long_hears_for_how_long() {
    for protocol in PROTOCOLS {
        let mesh = Mesh::default();
        // The first request is answered at once, and the second not before 1,000 s are over.
        let peer_requests = Allowance { rate: 0.001, burst: 1.0 };
        let ours = mesh.node(1, protocol, Config { rounds_max: 1, ..Config::default() });
        let theirs = mesh.node(2, protocol, Config { peer_requests, ..Config::default() });
        theirs.hold(0..1_500).await;
        let asked = ours.service.get_orders_from(vec![theirs.me]);
        let failed = timeout(PATIENCE, asked).await.expect("in time").expect_err("busy").failed;
        match &failed[0].1.outcome.ended {
            Ended::Broken(Break::Refused(RefusedBy::Busy { retry_after: Some(wait) })) => {
                assert!((900..=1_000).contains(&wait.as_secs()), "{wait:?}");
                assert_eq!(protocol, Protocol::Binary);
            }
            // The other envelope has no words for it.
            Ended::Broken(Break::Closed) => assert_eq!(protocol, JSON),
            other => panic!("{protocol}: {other:?}"),
        }
        let served = async {
            loop {
                let mut events = theirs.events().into_iter();
                let ended = events.find_map(|event| match event {
                    Event::Served { ended, .. } => Some(ended),
                    _ => None,
                });
                if let Some(ended) = ended {
                    return ended;
                }
                tokio::task::yield_now().await;
            }
        };
        let served = timeout(PATIENCE, served).await.expect("it ends here as well");
        assert!(
            matches!(served, Err(ServeError::Refused(Refusal::Busy { retry_after: Some(_) }))),
            "{served:?}"
        );
    }
}

/// A network that knows some of those who come.
#[derive(Default)]
struct Door {
    members: Mutex<VecDeque<PeerId>>,
}

impl Network for Door {
    type Stream = Compat<DuplexStream>;

    fn peers(&self) -> Vec<PeerId> {
        Vec::new()
    }

    fn open(
        &self,
        _: PeerId,
        _: &[Protocol],
    ) -> BoxFuture<'static, Result<(Protocol, Self::Stream), OpenFailed>> {
        ready(Err(OpenFailed { reason: "nobody is asked".into() })).boxed()
    }

    fn standing(&self, peer: PeerId) -> Standing {
        let known = self.members.lock().unwrap().contains(&peer);
        if known { Standing::Member } else { Standing::Stranger }
    }

    fn tell(&self, _: Event) {}
}

/// Takes every note.
struct Trusting;

impl Validator<Note> for Trusting {
    fn check(&self, entries: &[Entry<Note>], _: UnixTime) -> Vec<Result<(), Rejected>> {
        entries.iter().map(|_| Ok(())).collect()
    }
}

/// A service with 200 notes that takes four looks at them in all, and then no more.
fn service(members: &[PeerId]) -> Service<Note, Door> {
    let config = Config {
        scans: Allowance { rate: 1e-6, burst: 4.0 },
        peer_scans: Allowance { rate: 1e-6, burst: 4.0 },
        ..Config::default()
    };
    let book = Arc::new(Book::new(book::Config::default().check().unwrap(), [1; 32]));
    let hold = |number| Holding {
        entry: Entry::new(note(number)),
        received: UnixTime::from_millis(0),
        pinned: false,
    };
    book.insert((0..200).map(hold).collect());
    let pool = Pool::new(NonZeroUsize::new(2).unwrap(), 64).unwrap();
    let params = intake::Config::default().check().unwrap();
    let store = Arc::new(MemoryStore::default());
    // Nothing is taken in here, so that nobody has to drive it.
    let (intake, _driver) = Intake::new(book, store, Arc::new(Trusting), pool.clone(), params);
    let door = Door { members: Mutex::new(members.iter().copied().collect()) };
    let all = Subprotocols::new().with(paging::V1::default()).unwrap();
    Service::new(door, intake, pool, Prefix::default(), all, config.check().unwrap(), [1; 32])
}

/// Asks for what there is not, with a filter under which that takes a look at the notes.
async fn ask(service: &Service<Note, Door>, peer: PeerId) -> Result<(), ServeError> {
    let filter = "x".repeat(100 * 16);
    let name = paging::V1::NAME;
    let request = format!(
        r#"{{"type":"Request","subprotocols":["{name}"],"metadata":{{"orderfilter":"{filter}","minOrderHash":"{}"}}}}"#,
        ItemId::ZERO
    );
    let (mut near, far) = duplex(64 << 10);
    near.write_all(request.as_bytes()).await.unwrap();
    let served = service.handle_stream(peer, JSON, far.compat());
    let served = timeout(PATIENCE, served).await.expect("in time").map(drop);
    let mut answer = String::new();
    near.read_to_string(&mut answer).await.unwrap();
    assert_eq!(served.is_ok(), answer.contains(r#""complete":true"#), "{answer}");
    served
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn strangers_take_a_quarter_whatever_they_are_called_and_leave_the_rest_to_members() {
    let member = PeerId::random();
    let service = service(&[member]);
    assert_eq!(ask(&service, PeerId::random()).await, Ok(()));
    for _ in 0..3 {
        let refused = ask(&service, PeerId::random()).await;
        let Err(ServeError::Refused(Refusal::Busy { retry_after: Some(wait) })) = refused else {
            panic!("{refused:?}")
        };
        assert!(wait > Duration::from_hours(24), "it is known for how long: {wait:?}");
    }
    for _ in 0..3 {
        assert_eq!(ask(&service, member).await, Ok(()));
    }
    assert!(ask(&service, member).await.is_err(), "and that is all that there is");
}
