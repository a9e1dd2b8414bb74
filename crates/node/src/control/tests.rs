//! A real client and a real server on a real socket, before a node that the test plays.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use libp2p::PeerId;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tonic::Code;

use super::*;
use crate::config::{Control, Role};
use crate::datadir::{Claim, DataDir};
use crate::handle::{Direction, Handle, Kind, Peer, Request, Status};

fn claim() -> (TempDir, Claim) {
    let temporary = tempfile::tempdir().expect("a temporary directory");
    let claim = DataDir::at(temporary.path()).expect("an absolute path").claim();
    (temporary, claim.expect("nobody else is there"))
}

fn bind(control: &Control, claim: &Claim) -> Server {
    Server::bind(control, claim).expect("a free place").expect("it is on")
}

/// A server whose node is the other end of the returned queue.
struct Served {
    client: Client,
    node: mpsc::Receiver<Request>,
    end: oneshot::Sender<()>,
    server: JoinSet<Result<(), ServeError>>,
    claim: Claim,
    temporary: TempDir,
}

async fn serve(control: Control) -> Served {
    let (temporary, claim) = claim();
    let server = bind(&control, &claim);
    let path = server.path().to_owned();
    let (handle, node) = Handle::new();
    let (end, ended) = oneshot::channel::<()>();
    let mut tasks = JoinSet::new();
    tasks.spawn(server.serve(handle, async { drop(ended.await) }));
    let client = Client::connect(&path).await.expect("it is served");
    Served { client, node, end, server: tasks, claim, temporary }
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
    let Served { client, end, mut server, claim, temporary: _temporary, node: _node } =
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
