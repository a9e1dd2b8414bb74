//! Sockets on the TCP port of a node that are no libp2p connections at all.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use libp2p_core::multiaddr::Protocol;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use transport::limits::{Config, Counts};

use crate::net::{Net, soon};
use crate::node::{Node, Plan};

/// Where a node listens.
fn socket_of(node: &Node) -> SocketAddr {
    let port = node.address.iter().find_map(|part| match part {
        Protocol::Tcp(port) => Some(port),
        _ => None,
    });
    (Ipv4Addr::LOCALHOST, port.unwrap()).into()
}

/// Checks that an honest node comes in, and that nothing else holds a slot.
async fn assert_serves(node: &Node, friend: &Node) {
    let before = node.now().opened.len();
    friend.dial(node).await;
    let seen = node.until("a friend", |seen| seen.opened.len() > before).await;
    let asked = friend.now().answered.len();
    friend.ask(node.peer, 0..1).await;
    friend.until("an answer", |seen| seen.answered.len() > asked).await;
    friend.cut(node.peer).await;
    node.until("every slot to be free", |seen| seen.counts == Counts::default()).await;
    assert_eq!(seen.shown.alarms, Vec::<String>::new());
    assert_eq!(seen.shown.established, before + 1, "only friends are shown");
}

/// The first flight of a browser that takes the port for a web server.
fn tls_client_hello() -> Vec<u8> {
    let mut hello = vec![0x03, 0x03];
    hello.extend([0x5a; 32]);
    hello.extend([0, 0, 2, 0x13, 0x01, 1, 0, 0, 0]);
    let mut record = vec![0x16, 0x03, 0x01, 0, 4 + u8::try_from(hello.len()).unwrap()];
    record.extend([1, 0, 0, u8::try_from(hello.len()).unwrap()]);
    record.extend(hello);
    record
}

#[tokio::test]
async fn bytes_that_are_not_libp2p_end_the_connection() {
    let node = Node::start(Net::Tcp).await;
    let friend = Node::start(Net::Tcp).await;
    let cases: [(&str, Vec<u8>); 5] = [
        ("noise", (0..=255).cycle().take(4096).collect()),
        ("a TLS client", tls_client_hello()),
        ("a web client", b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n".into()),
        ("an endless length", vec![0xff; 4096]),
        ("a protocol nobody has", b"\x13/multistream/1.0.0\n\x06/none\n".into()),
    ];
    for (count, (what, bytes)) in cases.into_iter().enumerate() {
        let mut socket = TcpStream::connect(socket_of(&node)).await.unwrap();
        drop(socket.write_all(&bytes).await);
        drop(socket.shutdown().await);
        let mut answer = Vec::new();
        drop(soon(what, socket.read_to_end(&mut answer)).await);
        assert!(answer.len() < 256, "{what}: {answer:?}");
        node.until(what, |seen| seen.listen_errors == count + 1).await;
        assert_serves(&node, &friend).await;
    }
    assert_eq!(node.now().connected, 5, "no more than the friend's");
}

#[tokio::test]
async fn a_socket_that_says_nothing_is_closed_in_time() {
    let mut plan = Plan::new(Net::Tcp);
    plan.secured_within = Duration::from_millis(300);
    let node = plan.start().await;
    let friend = Node::start(Net::Tcp).await;
    let half = b"\x13/multistream/1.0.0\n\x07/noise\n".as_slice();
    for said in [b"".as_slice(), half, &half[..10]] {
        let mut socket = TcpStream::connect(socket_of(&node)).await.unwrap();
        socket.write_all(said).await.unwrap();
        node.until("a slot to be taken", |seen| seen.counts.pending_inbound == 1).await;
        let mut answer = Vec::new();
        drop(soon("the end", socket.read_to_end(&mut answer)).await);
        assert_serves(&node, &friend).await;
    }
}

#[tokio::test]
async fn a_thousand_connects_in_a_row_leave_nothing_behind() {
    let node = Node::start(Net::Tcp).await;
    let friend = Node::start(Net::Tcp).await;
    let address = socket_of(&node);
    let mut most = 0;
    for round in 0..1_000 {
        drop(TcpStream::connect(address).await.unwrap());
        if round % 50 == 0 {
            most = most.max(descriptors(address.port()));
        }
    }
    // One may have been accepted and not yet be counted.
    let limits = Plan::new(Net::Tcp).limits;
    assert!(most <= limits.pending_inbound_max as usize + 1, "{most} at once");
    node.until("all to be gone", |seen| seen.listen_errors == 1_000).await;
    assert_serves(&node, &friend).await;
    assert_eq!((node.now().strangers, descriptors(address.port())), (0, 0));
}

/// How many sockets of `port` a process holds, the listening one not counted. Linux only.
fn descriptors(port: u16) -> usize {
    const LISTENS: &str = "0A";
    const NOBODYS: &str = "0";
    let table = std::fs::read_to_string("/proc/net/tcp").unwrap_or_default();
    let held = table.lines().filter(|line| {
        let mut columns = line.split_whitespace().skip(1);
        let (local, state) = (columns.next(), columns.nth(1));
        let inode = columns.nth(5);
        local.is_some_and(|local| local.ends_with(&format!(":{port:04X}")))
            && state != Some(LISTENS)
            && inode != Some(NOBODYS)
    });
    held.count()
}

/// From one address only so many at once, and others are served meanwhile.
#[tokio::test]
#[cfg(target_os = "linux")]
async fn silent_sockets_of_one_address_do_not_shut_others_out() {
    let mut plan = Plan::new(Net::Tcp);
    plan.limits = Config::default();
    let node = plan.start().await;
    let address = socket_of(&node);
    let mut sockets = Vec::new();
    for _ in 0..100 {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind((Ipv4Addr::new(127, 0, 0, 9), 0).into()).unwrap();
        sockets.push(soon("a connection", socket.connect(address)).await.unwrap());
    }
    let held = plan_pending();
    let seen = node.until("most to be refused", |seen| seen.listen_errors == 100 - held).await;
    assert_eq!(seen.counts.pending_inbound as usize, held);
    let friend = Node::start(Net::Tcp).await;
    friend.dial(&node).await;
    node.until("a friend", |seen| seen.opened.len() == 1).await;
    drop(sockets);
    friend.cut(node.peer).await;
    node.until("every slot to be free", |seen| seen.counts == Counts::default()).await;
}

/// How many sockets of one address may be unsecured at once.
fn plan_pending() -> usize {
    Config::default().pending_per_subnet_max as usize
}
