//! Remotes that are no nodes of ours: a plain swarm that speaks the protocol of 0x-Mesh.

use std::collections::BTreeMap;

use futures::{AsyncBufReadExt, AsyncWriteExt, StreamExt, io::BufReader};
use libp2p::identity::Keypair;
use libp2p::swarm::{StreamProtocol, SwarmEvent, dial_opts::DialOpts};
use libp2p::{Multiaddr, PeerId, Swarm};
use meshwork::orders::SyncReport;
use ordersync::zeroex::Order;
use ordersync::{ID, ID_V4};
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio::time::timeout;
use transport::session::{Behaviour, Config, Event, OpenError, Substream};

use super::{Node, PATIENCE, exported, place, sample, sample_v4};

const JSON: StreamProtocol = StreamProtocol::new(ID);
const JSON_V4: StreamProtocol = StreamProtocol::new(ID_V4);
const PAGES: &str = "/pagination-with-filter/version/1";
const ZERO: &str = "0x0000000000000000000000000000000000000000000000000000000000000000";

fn swarm() -> Swarm<Behaviour> {
    swarm_of(Keypair::generate_ed25519())
}

fn swarm_of(key: Keypair) -> Swarm<Behaviour> {
    let builder = transport::Builder::new(key).tcp().quic();
    builder.build(Behaviour::new(Config::default(), |_, _| vec![JSON, JSON_V4])).unwrap()
}

/// One that dials from the address that it listens on: 127.N.0.1, a group of its own.
async fn at(number: u8, key: Keypair) -> Swarm<Behaviour> {
    let mut swarm = swarm_of(key);
    swarm.listen_on(format!("/ip4/127.{number}.0.1/tcp/0").parse().unwrap()).unwrap();
    while !matches!(swarm.select_next_some().await, SwarmEvent::NewListenAddr { .. }) {}
    swarm
}

/// A session of a stranger that somebody drives.
async fn open_from(number: u8, node: &Node) -> (BufReader<Substream>, JoinSet<()>) {
    let mut swarm = at(number, Keypair::generate_ed25519()).await;
    let stream = open(&mut swarm, node).await.unwrap();
    (BufReader::new(stream), drive(swarm))
}

/// Waits until the node has ended a session without an answer.
async fn unanswered(stream: &mut BufReader<Substream>) {
    let mut nothing = String::new();
    let read = timeout(PATIENCE, stream.read_line(&mut nothing)).await.unwrap();
    assert!(read.is_err() || nothing.is_empty(), "{nothing:?}");
}

fn first_request() -> Value {
    let first = json!({ "orderfilter": filter(), "minOrderHash": ZERO });
    json!({
        "type": "Request",
        "subprotocols": ["/nobody/knows/this", PAGES],
        "metadata": { "metadata": [null, first] },
    })
}

/// Dials a node and opens a session, as nodes of 0x-Mesh do it: without an introduction.
async fn open(swarm: &mut Swarm<Behaviour>, node: &Node) -> Result<Substream, OpenError> {
    open_in(swarm, node, JSON).await
}

async fn open_in(
    swarm: &mut Swarm<Behaviour>,
    node: &Node,
    name: StreamProtocol,
) -> Result<Substream, OpenError> {
    let address: Multiaddr = node.address("tcp").parse().unwrap();
    swarm.dial(DialOpts::peer_id(node.peer).addresses(vec![address]).build()).unwrap();
    let opened = async {
        loop {
            match swarm.select_next_some().await {
                SwarmEvent::ConnectionEstablished { connection_id, .. } => {
                    let names = vec![name.clone()];
                    swarm.behaviour_mut().open(node.peer, connection_id, names);
                }
                SwarmEvent::Behaviour(Event::Opened { stream, .. }) => return Ok(stream),
                SwarmEvent::Behaviour(Event::OpenFailed { error, .. }) => return Err(error),
                _ => {}
            }
        }
    };
    timeout(PATIENCE, opened).await.unwrap()
}

/// Dials a node and waits until that has closed the connection.
async fn closed(node: &Node) {
    let mut swarm = swarm();
    let address: Multiaddr = node.address("tcp").parse().unwrap();
    swarm.dial(address).unwrap();
    let closed = async {
        loop {
            if let SwarmEvent::ConnectionClosed { .. } = swarm.select_next_some().await {
                return;
            }
        }
    };
    timeout(PATIENCE, closed).await.unwrap();
}

/// Keeps a swarm going.
fn drive(mut swarm: Swarm<Behaviour>) -> JoinSet<()> {
    let mut task = JoinSet::new();
    task.spawn(async move {
        loop {
            swarm.select_next_some().await;
        }
    });
    task
}

async fn turn(stream: &mut BufReader<Substream>, request: &Value) -> Value {
    stream.get_mut().write_all(format!("{request}\n").as_bytes()).await.unwrap();
    stream.get_mut().flush().await.unwrap();
    let mut line = String::new();
    timeout(PATIENCE, stream.read_line(&mut line)).await.unwrap().unwrap();
    serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error} in {line:?}"))
}

fn hash_of(order: &Value) -> String {
    Order::read(order.to_string()).unwrap().hash().to_string()
}

/// Asks for all pages that a session in the protocol of v4 orders has.
async fn pages_of_v4(stream: &mut BufReader<Substream>) -> Vec<Value> {
    let (mut orders, mut after) = (Vec::new(), ZERO.to_owned());
    loop {
        let answer = turn(stream, &json!({ "minOrderHash": after })).await;
        let Some(page) = answer["orders"].as_array() else {
            assert_eq!(answer, json!({ "orders": null }));
            return orders;
        };
        let hashes: Vec<_> = page.iter().map(hash_of).collect();
        assert!(hashes.is_sorted() && hashes[0] > after, "{hashes:?} above {after}");
        after.clone_from(hashes.last().unwrap());
        orders.extend(page.iter().cloned());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stranger_gets_orders_of_the_version_that_its_protocol_carries() {
    let dir = place();
    let v4 = sample_v4(30);
    let mixed: Vec<_> = sample().into_iter().chain(v4.iter().map(String::as_str)).collect();
    let node = Node::with(dir.path(), &mixed, &[]).await;
    let mut swarm = swarm();
    let mut stream = BufReader::new(open_in(&mut swarm, &node, JSON_V4).await.unwrap());
    let _driven = drive(swarm);
    let mut got: Vec<_> = pages_of_v4(&mut stream).await.iter().map(hash_of).collect();
    let mut expected: Vec<_> =
        v4.iter().map(|it| hash_of(&serde_json::from_str(it).unwrap())).collect();
    expected.sort();
    got.dedup();
    assert_eq!(got, expected);

    // Without a filter, which means all of version 3 here.
    let mut swarm = self::swarm();
    let mut stream = BufReader::new(open(&mut swarm, &node).await.unwrap());
    let _driven = drive(swarm);
    let metadata = json!({ "orderfilter": null, "minOrderHash": ZERO });
    let request = json!({ "type": "Request", "subprotocols": [PAGES], "metadata": metadata });
    let answer = turn(&mut stream, &request).await;
    assert_eq!(answer["orders"].as_array().unwrap().len(), 200);
    assert!(
        answer["orders"].as_array().unwrap().iter().all(|it| it["exchangeAddress"].is_string())
    );
    node.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_takes_no_v4_orders_does_not_speak_of_them() {
    let dir = place();
    let never = ("MESHWORK_ORDERS__EXCHANGE_V4", "none");
    let node = Node::with(dir.path(), &sample(), &[never]).await;
    let refused = open_in(&mut swarm(), &node, JSON_V4).await.map(drop);
    assert_eq!(refused, Err(OpenError::Unsupported));
    node.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stranger_pages_through_the_orders_of_a_node() {
    let dir = place();
    let idle = ("MESHWORK_HANDSHAKE__STRANGER_IDLE", "1s");
    let node = Node::with(dir.path(), &sample(), &[idle]).await;
    let mut swarm = swarm();
    let mut stream = BufReader::new(open(&mut swarm, &node).await.unwrap());
    let _driven = drive(swarm);
    let status = node.handle.status().await.unwrap();
    assert_eq!((status.strangers, status.inbound), (1, 0));
    // Who comes later and opens no session is closed as idle.
    closed(&node).await;

    let mut request = first_request();
    let mut orders = BTreeMap::new();
    loop {
        let answer = turn(&mut stream, &request).await;
        assert_eq!((&answer["type"], &answer["subprotocol"]), (&"Response".into(), &PAGES.into()));
        for order in answer["orders"].as_array().unwrap() {
            orders.insert(hash_of(order), order.clone());
        }
        if answer["complete"] == true {
            break;
        }
        let next = answer["metadata"]["nextMinOrderHash"].clone();
        let metadata = json!({ "orderfilter": filter(), "minOrderHash": next });
        request = json!({ "type": "Request", "subprotocols": [PAGES], "metadata": metadata });
    }
    assert_eq!(orders.len(), 200);
    node.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn strangers_are_served_only_where_the_operator_wants_it() {
    let dir = place();
    let never = ("MESHWORK_ORDERS__SERVE_STRANGERS", "false");
    let node = Node::with(dir.path(), &sample(), &[never]).await;
    let refused = open(&mut swarm(), &node).await.map(drop);
    assert_eq!(refused, Err(OpenError::Unsupported));
    node.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn strangers_have_eight_places_and_no_subnet_more_than_two() {
    let dir = place();
    let node = Node::with(dir.path(), &sample()[..1], &[]).await;
    let mut strangers = Vec::new();
    for number in 1..=4 {
        // Who says nothing has time for one turn, which is longer than this takes.
        strangers.push(open_from(number, &node).await);
        strangers.push(open_from(number, &node).await);
        if number == 1 {
            let (mut third, _driven) = open_from(number, &node).await;
            unanswered(&mut third).await;
            node.counts("not_served_strangers", 1).await;
        }
    }
    let (mut ninth, _driven) = open_from(5, &node).await;
    unanswered(&mut ninth).await;
    node.counts("not_served_strangers", 2).await;
    // Those that have a place are served.
    for (stream, _) in &mut strangers {
        assert_eq!(turn(stream, &first_request()).await["type"], "Response");
    }
    node.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stranger_at_fault_is_hung_up_on_and_never_banned() {
    let dir = place();
    let node = Node::with(dir.path(), &sample()[..1], &[]).await;
    // Ten times such a fault is a ban for a peer that passed the gate.
    let key = Keypair::generate_ed25519();
    for number in 1..=10 {
        let mut swarm = at(number, key.clone()).await;
        let mut stream = open(&mut swarm, &node).await.unwrap();
        stream.write_all(b"[]\n").await.unwrap();
        stream.flush().await.unwrap();
        let closed = async {
            while !matches!(swarm.select_next_some().await, SwarmEvent::ConnectionClosed { .. }) {}
        };
        timeout(PATIENCE, closed).await.unwrap();
        node.counts("faults_of_strangers", u64::from(number)).await;
    }
    assert!(node.handle.bans().await.unwrap().is_empty());

    // Nobody is served where it was, and it is served elsewhere.
    let mut swarm = at(1, Keypair::generate_ed25519()).await;
    // It may be hung up on before it hears that its session is open.
    if let Ok(stream) = open(&mut swarm, &node).await {
        let _driven = drive(swarm);
        unanswered(&mut BufReader::new(stream)).await;
    }
    node.counts("not_served_resting", 1).await;
    let mut swarm = at(11, key).await;
    let mut stream = BufReader::new(open(&mut swarm, &node).await.unwrap());
    let _driven = drive(swarm);
    assert_eq!(turn(&mut stream, &first_request()).await["type"], "Response");
    node.end().await;
}

/// All orders of the main network.
fn filter() -> Value {
    json!({
        "customOrderSchema": "{}",
        "chainID": 1,
        "exchangeAddress": "0x61935cbdd02287b511119ddb11aeb42f1593b7ef",
    })
}

/// A node of 0x-Mesh with the sample, as far as a requester can tell. Answers pages of 90.
async fn provide(mut swarm: Swarm<Behaviour>) {
    let mut sessions = JoinSet::new();
    loop {
        if let SwarmEvent::Behaviour(Event::Incoming { stream, name, .. }) =
            swarm.select_next_some().await
        {
            let stream = BufReader::new(stream);
            if name == JSON {
                sessions.spawn(answer(stream));
            } else {
                sessions.spawn(answer_v4(stream));
            }
        }
    }
}

/// Twenty orders of version 4, seven at a time.
async fn answer_v4(mut stream: BufReader<Substream>) {
    let v4: Vec<Value> = sample_v4(20).iter().map(|it| serde_json::from_str(it).unwrap()).collect();
    let by_hash: BTreeMap<_, _> = v4.iter().map(|order| (hash_of(order), order)).collect();
    let mut line = String::new();
    while stream.read_line(&mut line).await.is_ok_and(|read| read > 0) {
        let request: Value = serde_json::from_str(&line).unwrap();
        line.clear();
        let after = request["minOrderHash"].as_str().unwrap().to_owned();
        let page: Vec<_> = by_hash.iter().filter(|(hash, _)| **hash > after).take(7).collect();
        let orders: Vec<_> = page.iter().map(|(_, order)| *order).collect();
        let answer = if orders.is_empty() { Value::Null } else { json!(orders) };
        let answer = json!({ "orders": answer });
        stream.get_mut().write_all(format!("{answer}\n").as_bytes()).await.unwrap();
        stream.get_mut().flush().await.unwrap();
    }
}

async fn answer(mut stream: BufReader<Substream>) {
    let orders: Vec<Value> = sample().iter().map(|it| serde_json::from_str(it).unwrap()).collect();
    let by_hash: BTreeMap<_, _> = orders.iter().map(|order| (hash_of(order), order)).collect();
    let mut line = String::new();
    while stream.read_line(&mut line).await.is_ok_and(|read| read > 0) {
        let request: Value = serde_json::from_str(&line).unwrap();
        line.clear();
        let names = request["subprotocols"].as_array().unwrap();
        let at = names.iter().position(|name| name == PAGES).unwrap();
        let metadata = match names.len() {
            1 => &request["metadata"],
            _ => &request["metadata"]["metadata"][at],
        };
        let after = metadata["minOrderHash"].as_str().unwrap().to_owned();
        let page: Vec<_> = by_hash.iter().filter(|(hash, _)| **hash > after).take(90).collect();
        let next = page.last().map_or(after.clone(), |(hash, _)| (*hash).clone());
        let orders: Vec<_> = page.iter().map(|(_, order)| *order).collect();
        let answer = json!({
            "type": "Response",
            "subprotocol": PAGES,
            "complete": orders.is_empty(),
            "orders": orders,
            "metadata": { "nextMinOrderHash": next },
        });
        stream.get_mut().write_all(format!("{answer}\n").as_bytes()).await.unwrap();
        stream.get_mut().flush().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_syncs_from_a_remote_that_knows_no_handshake_of_ours() {
    let mut swarm = swarm();
    let peer: PeerId = *swarm.local_peer_id();
    swarm.listen_on("/ip4/127.0.0.1/udp/0/quic-v1".parse().unwrap()).unwrap();
    let address = loop {
        if let SwarmEvent::NewListenAddr { address, .. } = swarm.select_next_some().await {
            break address.with_p2p(peer).unwrap();
        }
    };
    let mut provider = JoinSet::new();
    provider.spawn(provide(swarm));

    let dir = place();
    let node = Node::with(dir.path(), &sample()[..20], &[]).await;
    let report = node.sync_with(&address.to_string()).await;
    let SyncReport::Ended(Ok(synced)) = report else { panic!("{report:?}") };
    let (synced_with, outcome) = &synced.peers[0];
    assert_eq!((*synced_with, outcome.tally.new, outcome.tally.known), (peer, 200, 20));
    node.has(220).await;
    assert_eq!(exported(&node.orders).await, [200, 20]);
    // One session for each version.
    node.counts("synced_unproven", 2).await;
    assert_eq!(node.handle.peers().await.unwrap().len(), 0, "it is no peer");
    node.end().await;
}
