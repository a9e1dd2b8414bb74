//! What hostile ones can do to a ledger that is served, which is little.

use bytes::Bytes;
use tempfile::TempDir;
use tickets::ledger::{Call, SignedTransaction};
use tickets::{ChainKey, DomainSeparator};
use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};
use tokio::net::UnixStream;
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tonic::Code;
use tonic::transport::{Channel, Endpoint};

use super::gate::CONNECTIONS_MAX;
use super::*;
use crate::datadir::DataDir;
use crate::generated::control::v1 as proto;
use crate::generated::control::v1::ledger_client::LedgerClient;
use crate::generated::control::v1::node_client::NodeClient;
use crate::payments::Payments;
use crate::payments::tests::payments;

const PATIENCE: Duration = Duration::from_secs(20);

/// A ledger that is served on a socket.
struct Served {
    payments: Payments,
    claim: Claim,
    end: oneshot::Sender<()>,
    server: JoinSet<Result<(), ServeError>>,
    _temporary: TempDir,
}

impl Served {
    async fn start() -> Self {
        let temporary = tempfile::tempdir().expect("a temporary directory");
        let claim = DataDir::at(temporary.path()).expect("an absolute path").claim();
        let claim = claim.expect("nobody else is there");
        let (payments, _wishes) = payments().await;
        let place = LedgerPlace::Unix("ledger.sock".to_owned());
        let bound = LedgerServer::bind(&place, &claim).expect("a free place");
        let (end, ended) = oneshot::channel::<()>();
        let mut server = JoinSet::new();
        let ledger = payments.own_ledger().expect("its own");
        server.spawn(bound.serve(ledger, async { drop(ended.await) }));
        Self { payments, claim, end, server, _temporary: temporary }
    }

    async fn connect(&self) -> UnixStream {
        let path = self.claim.dir().path().join("ledger.sock");
        UnixStream::connect(path).await.expect("it is served")
    }

    async fn channel(&self) -> Channel {
        let mut only = Some(hyper_util::rt::TokioIo::new(self.connect().await));
        let connector = tower::service_fn(move |_| {
            ready(only.take().ok_or_else(|| io::Error::from(io::ErrorKind::ConnectionReset)))
        });
        let endpoint = Endpoint::from_static("http://ledger");
        endpoint.connect_with_connector(connector).await.expect("it speaks HTTP/2")
    }

    /// Whether an honest transaction is taken.
    async fn works(&self) -> bool {
        let mut client = LedgerClient::new(self.channel().await);
        let key = ChainKey::from_bytes(&[9; 32]).expect("a key");
        let separator = self.payments.params().separator;
        let transaction = SignedTransaction::new(&key, &separator, 0, &Call::Claim).to_bytes();
        let answer = client.submit(proto::LedgerSubmitRequest { transaction }).await;
        let outcome = answer.expect("an answer").into_inner().outcome;
        matches!(outcome, Some(proto::ledger_submit_reply::Outcome::Receipt(_)))
    }
}

#[tokio::test]
async fn nothing_but_the_ledger_is_served() {
    let served = Served::start().await;
    let mut node = NodeClient::new(served.channel().await);
    let refused = node.status(proto::StatusRequest {}).await.expect_err("not there");
    assert_eq!(refused.code(), Code::Unimplemented);
    let refused = node.shutdown(proto::ShutdownRequest {}).await.expect_err("not there");
    assert_eq!(refused.code(), Code::Unimplemented);
}

#[tokio::test]
async fn hostile_bytes_change_nothing_and_harm_nobody() {
    let served = Served::start().await;
    let mut garbage = served.connect().await;
    garbage.write_all(&[0xa5; 4096]).await.expect("it reads");
    let mut last_words = Vec::new();
    drop(timeout(PATIENCE, garbage.read_to_end(&mut last_words)).await.expect("it hangs up"));
    assert!(last_words.len() < 256, "{last_words:?}");

    let mut client = LedgerClient::new(served.channel().await);
    let key = ChainKey::from_bytes(&[8; 32]).expect("a key");
    let good = SignedTransaction::new(&key, &served.payments.params().separator, 0, &Call::Claim);
    let good = good.to_bytes();
    let mut codes = Vec::new();
    for bytes in [Bytes::new(), Bytes::from_static(&[0xff; 64]), good.slice(..good.len() - 1)] {
        let request = proto::LedgerSubmitRequest { transaction: bytes };
        codes.push(client.submit(request).await.expect_err("no transaction").code());
    }
    assert_eq!(codes, [Code::InvalidArgument; 3]);
    let long = Bytes::from(vec![0; LEDGER_REQUEST_BYTES_MAX + 1]);
    let refused = client.submit(proto::LedgerSubmitRequest { transaction: long }).await;
    assert_eq!(refused.expect_err("too long").code(), Code::OutOfRange);
    // Signed for another ledger.
    let other = SignedTransaction::new(&key, &DomainSeparator([1; 32]), 0, &Call::Claim);
    let request = proto::LedgerSubmitRequest { transaction: other.to_bytes() };
    let outcome = client.submit(request).await.expect("an answer").into_inner().outcome;
    let Some(proto::ledger_submit_reply::Outcome::Rejection(rejected)) = outcome else {
        panic!("{outcome:?}")
    };
    assert_eq!(rejected.code, tickets::ledger::Code::InvalidSignature.number());
    assert_eq!(served.payments.replica().version(), 0);
    assert!(served.works().await);
}

#[tokio::test]
async fn those_who_fill_all_places_are_not_joined_by_more_and_give_them_back() {
    let served = Served::start().await;
    let mut crowd = Vec::new();
    for _ in 0..CONNECTIONS_MAX {
        crowd.push(served.connect().await);
    }
    let mut late = served.connect().await;
    let read = timeout(PATIENCE, late.read(&mut [0; 1])).await.expect("it is closed at once");
    assert!(matches!(read, Ok(0) | Err(_)), "{read:?}");
    // Whoever is let in is told the settings at once.
    let read = timeout(PATIENCE, crowd[0].read(&mut [0; 1])).await.expect("in time");
    assert!(matches!(read, Ok(1)), "{read:?}");
    drop(crowd);
    // Its place is free when the server has seen that one has gone.
    let again = async { while !matches!(served.connect().await.read(&mut [0; 1]).await, Ok(1)) {} };
    timeout(PATIENCE, again).await.expect("there is room");
}

#[tokio::test]
async fn so_many_follow_and_no_more() {
    let served = Served::start().await;
    let asked = proto::LedgerEntriesRequest { after: 0 };
    let mut crowd = Vec::new();
    for _ in 0..8 {
        let mut client = LedgerClient::new(served.channel().await);
        for _ in 0..CONNECTIONS_MAX / 8 {
            crowd.push(client.entries(asked).await.expect("a place").into_inner());
        }
    }
    let mut late = LedgerClient::new(served.channel().await);
    let refused = late.entries(asked).await.expect_err("no place");
    assert_eq!(refused.code(), Code::ResourceExhausted);
    assert!(served.works().await, "those who submit need none");
    drop(crowd);
    // A place is free when the server has seen that one has gone.
    let again = async { while late.entries(asked).await.is_err() {} };
    timeout(PATIENCE, again).await.expect("there is room");
}

#[tokio::test(start_paused = true)]
async fn who_says_nothing_is_cut_off() {
    let gate = Gate::default();
    let (here, mut there) = duplex(64);
    let connections = futures::stream::iter([Ok::<_, io::Error>(here)]);
    let mut admitted = Box::pin(gate.admit(connections));
    let mut connection = admitted.next().await.expect("one").expect("let in");
    // Half of the first words is not enough.
    there.write_all(b"PRI * HTTP/2").await.expect("there is room");
    let mut heard = [0; 12];
    connection.read_exact(&mut heard).await.expect("what was said");
    let refused = connection.read(&mut heard).await.expect_err("silent for too long");
    assert_eq!(refused.kind(), io::ErrorKind::TimedOut);

    let (here, mut there) = duplex(64);
    let connections = futures::stream::iter([Ok::<_, io::Error>(here)]);
    let mut admitted = Box::pin(Gate::default().admit(connections));
    let mut connection = admitted.next().await.expect("one").expect("let in");
    there.write_all(&[b'x'; 24]).await.expect("there is room");
    connection.read_exact(&mut [0; 24]).await.expect("what was said");
    let silent = timeout(Duration::from_mins(1), connection.read(&mut heard)).await;
    assert!(silent.is_err(), "whoever has said them may be silent");
}

#[tokio::test]
async fn who_follows_is_told_when_the_ledger_ends() {
    let served = Served::start().await;
    let mut client = LedgerClient::new(served.channel().await);
    let mut entries =
        client.entries(proto::LedgerEntriesRequest { after: 0 }).await.expect("told").into_inner();
    assert!(served.works().await);
    let first = timeout(PATIENCE, entries.message()).await.expect("in time").expect("told");
    assert!(first.is_some_and(|reply| !reply.frame.is_empty()));
    let Served { end, mut server, .. } = served;
    drop(end);
    let refused = timeout(PATIENCE, entries.message()).await.expect("in time");
    assert_eq!(refused.expect_err("it ends").code(), Code::Unavailable);
    drop((client, entries));
    let ended = timeout(PATIENCE, server.join_next()).await.expect("in time");
    ended.expect("one").expect("no panic").expect("an orderly end");
}
