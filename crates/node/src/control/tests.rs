//! A real client and a real server on a real socket, before a node that the test plays.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use handshake::{Ban, BanStoreError, Banned};
use libp2p::PeerId;
use machine::UnixTime;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tonic::Code;
use transport::clock::Clock;

use super::*;
use crate::config::{Control, DialAddress, Role};
use crate::datadir::{Claim, DataDir};
use crate::handle::{
    AddError, BanError, BookEntry, BookQuery, BookView, Colour, Direction, Handle, Kind,
    NotTrusted, Peer, Request, Standing, Status, UnbanError,
};
use crate::messaging::tests::{Played, messaging};
use crate::orders::SyncRequest;
use crate::orders::tests::orders;
use crate::payments::tests::payments;
use crate::payments::{Payments, Wish};

fn claim() -> (TempDir, Claim) {
    let temporary = tempfile::tempdir().expect("a temporary directory");
    let claim = DataDir::at(temporary.path()).expect("an absolute path").claim();
    (temporary, claim.expect("nobody else is there"))
}

fn bind(control: &Control, claim: &Claim) -> Server {
    Server::bind(control, claim).expect("a free place").expect("it is on")
}

/// A server whose node is the other end of the returned queue.
pub(super) struct Served {
    pub(super) client: Client,
    pub(super) node: mpsc::Receiver<Request>,
    pub(super) syncs: mpsc::Receiver<SyncRequest>,
    pub(super) payments: Payments,
    pub(super) wishes: mpsc::Receiver<Wish>,
    pub(super) messages: Played,
    pub(super) end: oneshot::Sender<()>,
    pub(super) server: JoinSet<Result<(), ServeError>>,
    pub(super) claim: Claim,
    pub(super) temporary: TempDir,
}

pub(super) async fn serve(control: Control) -> Served {
    let (temporary, claim) = claim();
    let server = bind(&control, &claim);
    let path = server.path().to_owned();
    let (handle, node) = Handle::new();
    let (end, ended) = oneshot::channel::<()>();
    let mut tasks = JoinSet::new();
    let (orders, syncs) = orders().await;
    let (payments, wishes) = payments().await;
    let (messaging, messages) = Box::pin(messaging()).await;
    let paying = payments.clone();
    tasks.spawn(server.serve(handle, orders, paying, messaging, async { drop(ended.await) }));
    let client = Client::connect(&path).await.expect("it is served");
    Served { client, node, syncs, payments, wishes, messages, end, server: tasks, claim, temporary }
}

fn status() -> Status {
    Status {
        peer: PeerId::random(),
        network: "test".parse().expect("a name"),
        application: "meshwork".to_owned(),
        version: [1, 2, 3],
        agent: "meshwork/1.2.3".to_owned(),
        role: Role::Seed,
        listen: vec!["/ip4/127.0.0.1/tcp/1".parse().expect("a multiaddr")],
        uptime: Duration::from_millis(1500),
        inbound: 1,
        outbound: 2,
        strangers: 3,
        pending: 4,
        known_addresses: 5,
        refused: BTreeMap::from([("full".to_owned(), 6)]),
        dropped: BTreeMap::from([("queue".to_owned(), 7)]),
        swaps: BTreeMap::from([("done".to_owned(), 8)]),
        orders: 9,
        orders_digest: [10; 32],
        syncs: BTreeMap::from([("synced".to_owned(), 11)]),
        relay: BTreeMap::from([("msg_accepted".to_owned(), 12)]),
    }
}

fn peer() -> Peer {
    Peer {
        peer: PeerId::random(),
        address: "/ip4/127.0.0.1/udp/1/quic-v1".parse().expect("a multiaddr"),
        direction: Direction::Outbound,
        kind: Kind::Manual,
        connected: Duration::from_secs(1),
        rtt: Some(Duration::from_micros(1234)),
        agent: "a".to_owned(),
        version: [0, 1, 0],
        features: vec!["f/1".to_owned()],
        transport: "quic".to_owned(),
        standing: Standing { trusted: true, anchor: false, provisional: true },
    }
}

#[tokio::test]
async fn what_the_node_answers_arrives() {
    let mut served = serve(Control::default()).await;
    let (told, peer) = (status(), peer());
    let answers = async {
        match served.node.recv().await {
            Some(Request::Status(reply)) => reply.send(told.clone()).expect("somebody waits"),
            other => panic!("{other:?}"),
        }
        match served.node.recv().await {
            Some(Request::Peers(reply)) => reply.send(vec![peer.clone()]).expect("somebody waits"),
            other => panic!("{other:?}"),
        }
        match served.node.recv().await {
            Some(Request::Shutdown(reply)) => reply.send(()).expect("somebody waits"),
            other => panic!("{other:?}"),
        }
    };
    let questions = async {
        let status = served.client.status().await.expect("an answer");
        let peers = served.client.peers().await.expect("an answer");
        served.client.shut_down().await.expect("an answer");
        (status, peers)
    };
    let ((status, peers), ()) = tokio::join!(questions, answers);

    assert_eq!(status, told.clone().into());
    assert_eq!((status.peer_id, status.version), (told.peer.to_string(), "1.2.3".to_owned()));
    assert_eq!((status.uptime_ms, status.refused["full"]), (1500, 6));
    assert_eq!(peers, [peer.clone().into()]);
    assert_eq!((peers[0].rtt_us, peers[0].version.as_str()), (Some(1234), "0.1.0"));
    assert_eq!((peers[0].trusted, peers[0].anchor, peers[0].provisional), (true, false, true));
}

/// Answers the next request, which must be of one kind.
macro_rules! answer {
    ($served:expr, $pattern:pat => $reply:expr, $answer:expr) => {
        match $served.node.recv().await {
            Some($pattern) => $reply.send($answer).expect("somebody waits"),
            other => panic!("{other:?}"),
        }
    };
}

#[tokio::test]
async fn what_the_operator_wishes_arrives_as_it_was_asked() {
    let mut served = serve(Control::default()).await;
    let peer = PeerId::random();
    let address: DialAddress = format!("/ip4/9.9.9.9/tcp/1/p2p/{peer}").parse().expect("good");
    let banned = Banned::Address("9.9.9.9".parse().expect("an address"));
    let before = Clock::wall();
    let hour = Duration::from_hours(1);
    let answers = async {
        answer!(served, Request::Add(asked, reply) => reply, {
            assert_eq!(asked, address);
            Ok(())
        });
        answer!(served, Request::Remove(asked, reply) => reply, {
            assert_eq!(asked, peer);
            Ok(())
        });
        answer!(served, Request::Ban(asked, reply) => reply, {
            assert_eq!((asked.banned, asked.reason.as_str()), (banned, "spam"));
            let time = asked.until.since(before);
            assert!(time >= hour && time < hour + Duration::from_mins(1), "{time:?}");
            Ok(())
        });
        answer!(served, Request::Unban(asked, reply) => reply, {
            assert_eq!(asked, banned);
            Ok(())
        });
        let bans = [5, 3].map(|millis| {
            let until = UnixTime::from_millis(millis);
            Ban { banned, reason: "spam".to_owned(), until }
        });
        answer!(served, Request::Bans(reply) => reply, bans.to_vec());
    };
    let questions = async {
        served.client.add(&address).await.expect("done");
        served.client.remove(peer).await.expect("done");
        served.client.ban(banned, hour, "spam".to_owned()).await.expect("done");
        served.client.unban(banned).await.expect("done");
        served.client.bans().await.expect("an answer")
    };
    let (bans, ()) = tokio::join!(questions, answers);
    let ends: Vec<_> = bans.iter().map(|ban| (ban.whom.as_str(), ban.until_ms)).collect();
    assert_eq!(ends, [("9.9.9.9", 3), ("9.9.9.9", 5)], "the first to end comes first");
}

#[tokio::test]
async fn the_book_is_told_by_colour() {
    let mut served = serve(Control::default()).await;
    let entry = BookEntry {
        peer: PeerId::random(),
        addresses: vec!["/ip4/9.9.9.9/tcp/1".parse().expect("a multiaddr")],
        colour: Colour::White,
        source: None,
        failures: 2,
        reached: Some(Duration::from_secs(3)),
        retry: None,
    };
    let view = BookView {
        entries: vec![entry.clone()],
        counts: BTreeMap::from([(Colour::White, 1), (Colour::Grey, 4)]),
    };
    let answers = async {
        answer!(served, Request::Book(asked, reply) => reply, {
            assert_eq!(asked, BookQuery { colour: Some(Colour::White), limit: 500 });
            view
        });
    };
    let (reply, ()) = tokio::join!(served.client.book(Some(Colour::White), 500), answers);
    let reply = reply.expect("an answer");
    assert_eq!(reply.entries, [entry.into()]);
    assert_eq!((reply.counts["white"], reply.counts["grey"]), (1, 4));
    assert_eq!((reply.entries[0].reached_ms, reply.entries[0].retry_ms), (Some(3000), None));
}

#[tokio::test]
async fn why_a_wish_is_not_fulfilled_is_told_by_code() {
    let mut served = serve(Control::default()).await;
    let peer = PeerId::random();
    let address: DialAddress = format!("/ip4/9.9.9.9/tcp/1/p2p/{peer}").parse().expect("good");
    let banned = Banned::Peer(peer);
    let disk = || BanStoreError { message: "full".to_owned() };
    let answers = async {
        answer!(served, Request::Add(_, reply) => reply, Err(AddError::Oneself(peer)));
        answer!(served, Request::Add(_, reply) => reply, Err(AddError::TooMany { max: 64 }));
        answer!(served, Request::Remove(_, reply) => reply, Err(NotTrusted(peer)));
        answer!(served, Request::Ban(_, reply) => reply, Err(BanError::Trusted(peer)));
        let unwritten = Err(BanError::Storing { banned, source: disk() });
        answer!(served, Request::Ban(_, reply) => reply, unwritten);
        answer!(served, Request::Unban(_, reply) => reply, Err(UnbanError::NotBanned(banned)));
        let unwritten = Err(UnbanError::Storing { banned, source: disk() });
        answer!(served, Request::Unban(_, reply) => reply, unwritten);
    };
    let minute = Duration::from_mins(1);
    let client = &served.client;
    let questions = async {
        [
            client.add(&address).await,
            client.add(&address).await,
            client.remove(peer).await,
            client.ban(banned, minute, String::new()).await,
            client.ban(banned, minute, String::new()).await,
            client.unban(banned).await,
            client.unban(banned).await,
        ]
    };
    let (refused, ()) = tokio::join!(questions, answers);
    let codes = refused.map(|refused| refused.expect_err("refused").code());
    let expected = [
        Code::FailedPrecondition,
        Code::ResourceExhausted,
        Code::NotFound,
        Code::FailedPrecondition,
        Code::Aborted,
        Code::NotFound,
        Code::Aborted,
    ];
    assert_eq!(codes, expected.map(Some));
}

#[tokio::test]
async fn what_makes_no_sense_does_not_reach_the_node() {
    let mut served = serve(Control::default()).await;
    let banned = Banned::Peer(PeerId::random());
    let refused = [
        served.client.ban(banned, Duration::ZERO, String::new()).await.err(),
        served.client.ban(banned, Duration::MAX, String::new()).await.err(),
        served.client.ban(banned, Duration::from_mins(1), "r".repeat(129)).await.err(),
        served.client.book(None, 0).await.err(),
        served.client.book(None, 501).await.err(),
    ];
    for refused in refused {
        let refused = refused.expect("refused");
        assert_eq!(refused.code(), Some(Code::InvalidArgument), "{refused}");
    }
    assert!(served.node.try_recv().is_err());
}

#[tokio::test]
async fn a_node_that_does_not_answer_costs_one_time_out_and_nobody_else() {
    let request_timeout = Duration::from_millis(100);
    let mut served = serve(Control { request_timeout, ..Control::default() }).await;
    let refused = served.client.status().await.expect_err("nobody answers");
    assert_eq!(refused.code(), Some(Code::DeadlineExceeded), "{refused}");

    // The question is still in the queue, and its asker is gone: the node must not mind.
    match served.node.recv().await {
        Some(Request::Status(reply)) => assert!(reply.send(status()).is_err()),
        other => panic!("{other:?}"),
    }
    let answer = async {
        match served.node.recv().await {
            Some(Request::Peers(reply)) => reply.send(Vec::new()).expect("somebody waits"),
            other => panic!("{other:?}"),
        }
    };
    let (peers, ()) = tokio::join!(served.client.peers(), answer);
    assert_eq!(peers.expect("an answer"), []);
}

#[tokio::test]
async fn a_node_that_is_gone_says_so() {
    let mut served = serve(Control::default()).await;
    served.node.close();
    let refused = served.client.status().await.expect_err("nobody is there");
    assert_eq!(refused.code(), Some(Code::Unavailable), "{refused}");
}

#[tokio::test]
async fn the_socket_goes_when_the_server_ends_even_with_a_client_connected() {
    let Served { client, end, mut server, claim, temporary: _temporary, .. } =
        serve(Control::default()).await;
    let socket = claim.dir().path().join("control.sock");
    assert!(socket.exists());
    end.send(()).expect("it is being served");
    let ended = server.join_next().await.expect("one server").expect("no panic");
    ended.expect("an orderly end");
    assert!(!socket.exists());
    let refused = client.status().await.expect_err("nobody is there");
    assert!(matches!(refused, ClientError::Lost { .. }), "{refused:?}");
    let refused = Client::connect(&socket).await.expect_err("nobody is there");
    assert!(matches!(refused, ClientError::Unreachable { .. }), "{refused}");
}

#[tokio::test]
async fn garbage_is_cut_off_and_the_others_are_served() {
    let mut served = serve(Control::default()).await;
    let socket = served.claim.dir().path().join("control.sock");
    let mut garbage = UnixStream::connect(&socket).await.expect("it is served");
    garbage.write_all(&[0xa5; 4096]).await.expect("it reads");
    // The end of the stream or a reset: the server hung up, after a polite word at most.
    let mut last_words = Vec::new();
    drop(garbage.read_to_end(&mut last_words).await);
    assert!(last_words.len() < 256, "{last_words:?}");

    let answer = async {
        match served.node.recv().await {
            Some(Request::Peers(reply)) => reply.send(Vec::new()).expect("somebody waits"),
            other => panic!("{other:?}"),
        }
    };
    let (peers, ()) = tokio::join!(served.client.peers(), answer);
    assert_eq!(peers.expect("an answer"), []);
}

#[tokio::test]
async fn the_socket_is_for_its_owner_alone() {
    let (_temporary, claim) = claim();
    let server = bind(&Control::default(), &claim);
    let mode = std::fs::metadata(server.path()).expect("it is there").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[tokio::test]
async fn what_a_killed_node_left_is_replaced_and_nothing_else() {
    let (temporary, claim) = claim();
    let control = Control::default();
    let socket = temporary.path().join("control.sock");
    // A listener of the standard library leaves its socket behind, as a killed process does.
    drop(std::os::unix::net::UnixListener::bind(&socket).expect("a free place"));
    assert!(socket.exists());
    drop(bind(&control, &claim));
    assert!(!socket.exists());

    std::fs::write(&socket, "precious").expect("a free place");
    let refused = Server::bind(&control, &claim).expect_err("a file is in the way");
    assert!(matches!(refused, BindError::Occupied { .. }), "{refused}");
    assert_eq!(std::fs::read(&socket).expect("still there"), b"precious");

    // Elsewhere no lock says that the socket is dead.
    let elsewhere = tempfile::tempdir().expect("a temporary directory");
    let path = elsewhere.path().join("c.sock");
    drop(std::os::unix::net::UnixListener::bind(&path).expect("a free place"));
    let listen = format!("unix:{}", path.display()).parse().expect("a control address");
    let refused = Server::bind(&Control { listen, ..control }, &claim).expect_err("in the way");
    assert!(matches!(refused, BindError::Occupied { .. }), "{refused}");
}

#[tokio::test]
async fn a_control_that_is_off_or_has_no_room_is_not_served() {
    let (_temporary, claim) = claim();
    let off = Control { listen: Listen::Off, ..Control::default() };
    assert!(Server::bind(&off, &claim).expect("nothing to do").is_none());
    let listen = format!("unix:{}", "s".repeat(SOCKET_PATH_MAX)).parse().expect("an address");
    let refused = Server::bind(&Control { listen, ..Control::default() }, &claim);
    let refused = refused.expect_err("too long");
    assert!(matches!(refused, BindError::Listen(ListenError::TooLong { .. })), "{refused}");
    assert!(refused.to_string().contains("the system takes at most"), "{refused}");
}
