//! Remotes that are no nodes of ours: a plain swarm that speaks the protocol of 0x-Mesh.

use std::collections::BTreeMap;

use futures::{AsyncBufReadExt, AsyncWriteExt, StreamExt, io::BufReader};
use libp2p::identity::Keypair;
use libp2p::swarm::{StreamProtocol, SwarmEvent, dial_opts::DialOpts};
use libp2p::{Multiaddr, PeerId, Swarm};
use meshwork::orders::SyncReport;
use orders::v3::SignedOrder;
use ordersync::ID;
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio::time::timeout;
use transport::session::{Behaviour, Config, Event, OpenError, Substream};

use super::{Node, PATIENCE, place, sample};

const JSON: StreamProtocol = StreamProtocol::new(ID);
const PAGES: &str = "/pagination-with-filter/version/1";
const ZERO: &str = "0x0000000000000000000000000000000000000000000000000000000000000000";

fn swarm() -> Swarm<Behaviour> {
    let builder = transport::Builder::new(Keypair::generate_ed25519()).tcp().quic();
    builder.build(Behaviour::new(Config::default(), |_, _| vec![JSON])).unwrap()
}

/// Dials a node and opens a session, as nodes of 0x-Mesh do it: without an introduction.
async fn open(swarm: &mut Swarm<Behaviour>, node: &Node) -> Result<Substream, OpenError> {
    let address: Multiaddr = node.address("tcp").parse().unwrap();
    swarm.dial(DialOpts::peer_id(node.peer).addresses(vec![address]).build()).unwrap();
    let opened = async {
        loop {
            match swarm.select_next_some().await {
                SwarmEvent::ConnectionEstablished { connection_id, .. } => {
                    swarm.behaviour_mut().open(node.peer, connection_id, vec![JSON]);
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
    SignedOrder::from_json(order.to_string()).unwrap().hash().to_string()
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

    let first = json!({ "orderfilter": filter(), "minOrderHash": ZERO });
    let mut request = json!({
        "type": "Request",
        "subprotocols": ["/nobody/knows/this", PAGES],
        "metadata": { "metadata": [null, first] },
    });
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
async fn strangers_have_eight_places_and_no_more() {
    let dir = place();
    let crowd = ("MESHWORK_LIMITS__PER_SUBNET_MAX", "64");
    let node = Node::with(dir.path(), &sample()[..1], &[crowd]).await;
    let mut strangers = Vec::new();
    for _ in 0..8 {
        let mut swarm = swarm();
        // Who says nothing has time for one turn, which is longer than this takes.
        let silent = open(&mut swarm, &node).await.unwrap();
        strangers.push((silent, drive(swarm)));
    }
    let mut swarm = swarm();
    let mut ninth = BufReader::new(open(&mut swarm, &node).await.unwrap());
    let _driven = drive(swarm);
    let mut nothing = String::new();
    let read = timeout(PATIENCE, ninth.read_line(&mut nothing)).await.unwrap();
    assert!(read.is_err() || nothing.is_empty(), "{nothing:?}");
    node.counts("not_served_strangers", 1).await;
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
        if let SwarmEvent::Behaviour(Event::Incoming { stream, .. }) =
            swarm.select_next_some().await
        {
            sessions.spawn(answer(BufReader::new(stream)));
        }
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
    assert_eq!((*synced_with, outcome.tally.new, outcome.tally.known), (peer, 180, 20));
    node.has(200).await;
    node.counts("synced_unproven", 1).await;
    assert_eq!(node.handle.peers().await.unwrap().len(), 0, "it is no peer");
    node.end().await;
}
