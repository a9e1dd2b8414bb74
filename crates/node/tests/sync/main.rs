//! Complete nodes in one process bring their orders together, among themselves and with remotes that
//! speak only the protocol of 0x-Mesh.
#![expect(clippy::unwrap_used, reason = "a test")]

mod foreign;

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::path::Path;
use std::time::Duration;

use futures::{StreamExt, stream};
use libp2p::{Multiaddr, PeerId};
use meshwork::config::{Environment, Layers};
use meshwork::orders::{Orders, SyncError, SyncReport, SyncWish};
use meshwork::{DataDir, Handle, Service};
use orders::generate::{Config, Generator};
use orders::sample::SAMPLE_V3;
use orders::{Network, Version};
use session::Registry;
use tempfile::TempDir;
use tokio::task::JoinSet;
use tokio::time::{interval, timeout};
use tokio_util::sync::CancellationToken;

/// Longest time for anything to happen.
const PATIENCE: Duration = Duration::from_secs(40);

/// A running node; killed when dropped.
struct Node {
    orders: Orders,
    handle: Handle,
    peer: PeerId,
    listen: Vec<Multiaddr>,
    end: CancellationToken,
    life: JoinSet<()>,
}

impl Node {
    /// Starts the node of a directory on loopback, with these variables.
    async fn start(dir: &Path, variables: &[(&str, &str)]) -> Self {
        let common = [
            ("MESHWORK_NETWORK__LISTEN", "/ip4/127.0.0.1/tcp/0,/ip4/127.0.0.1/udp/0/quic-v1"),
            ("MESHWORK_NETWORK__ALLOW_PRIVATE", "true"),
            ("MESHWORK_CONTROL__LISTEN", "off"),
        ];
        let variables = common.iter().chain(variables);
        let environment: Environment = variables.map(|(name, value)| (*name, *value)).collect();
        let layers = Layers { file: None, environment: &environment, flags: Vec::new() };
        let params = layers.load().unwrap().params;
        let claim = DataDir::at(dir).unwrap().claim().unwrap();
        let service = Service::start(claim, params, Registry::new(), None).await.unwrap();
        let (orders, handle, peer) = (service.orders(), service.handle(), service.peer_id());
        let (listen, end) = (service.listen().to_vec(), CancellationToken::new());
        let mut life = JoinSet::new();
        life.spawn(service.run(end.clone().cancelled_owned()));
        Self { orders, handle, peer, listen, end, life }
    }

    /// One that has `lines`.
    async fn with(dir: &Path, lines: &[&str], variables: &[(&str, &str)]) -> Self {
        let node = Self::start(dir, variables).await;
        node.import(lines).await;
        node
    }

    async fn import(&self, lines: &[&str]) {
        let text: Result<_, Infallible> = Ok(lines.join("\n").into());
        let batches: Vec<_> = self.orders.import(stream::iter([text])).collect().await;
        let new: u64 = batches.into_iter().map(|batch| batch.unwrap().new).sum();
        assert_eq!(usize::try_from(new).unwrap(), lines.len());
    }

    /// Where others dial it over `transport`.
    fn address(&self, transport: &str) -> String {
        let address = self.listen.iter().find(|it| it.to_string().contains(transport)).unwrap();
        address.clone().with_p2p(self.peer).unwrap().to_string()
    }

    /// Waits until it has so many orders.
    async fn has(&self, count: u64) {
        let mut look = interval(Duration::from_millis(20));
        let reached = timeout(PATIENCE, async {
            while self.orders.status().count != count {
                look.tick().await;
            }
        });
        let reached = reached.await.is_ok();
        assert!(reached, "{count} expected: {:?}", self.handle.status().await);
    }

    /// Waits until something has happened so often to its syncs.
    async fn counts(&self, name: &str, count: u64) {
        let mut look = interval(Duration::from_millis(20));
        let counted = async || self.handle.status().await.unwrap().syncs.get(name).copied();
        let reached = timeout(PATIENCE, async {
            while counted().await.unwrap_or(0) != count {
                look.tick().await;
            }
        });
        let reached = reached.await.is_ok();
        assert!(reached, "{count} {name} expected: {:?}", self.handle.status().await);
    }

    /// Syncs as the operator asks, to the end; the last report.
    async fn sync(&self, wish: SyncWish) -> SyncReport {
        let mut reports = self.orders.sync(wish).await.unwrap();
        let mut last = None;
        while let Some(report) = timeout(PATIENCE, reports.recv()).await.unwrap() {
            last = Some(report);
        }
        last.unwrap()
    }

    async fn sync_with(&self, address: &str) -> SyncReport {
        self.sync(SyncWish::With(vec![address.parse().unwrap()])).await
    }

    async fn end(mut self) {
        self.end.cancel();
        while self.life.join_next().await.is_some() {}
    }
}

fn place() -> TempDir {
    tempfile::tempdir().unwrap()
}

fn sample() -> Vec<&'static str> {
    SAMPLE_V3.lines().collect()
}

/// Orders of version 4, one more with each.
fn sample_v4(count: usize) -> Vec<String> {
    let network = Network::v4(1).unwrap();
    let mut made = Generator::new([4; 32], Config { network, ..Config::default() });
    std::iter::repeat_with(|| made.limit_order().to_json()).take(count).collect()
}

/// How many orders of each version an export has.
async fn exported(orders: &Orders) -> [usize; 2] {
    let parts: Vec<_> = orders.export().collect().await;
    let lines = parts.iter().flat_map(|part| part.lines.split(|byte| *byte == b'\n'));
    let lines = lines.filter(|line| !line.is_empty());
    let versions: Vec<_> = lines.map(|line| Version::of_json(line).unwrap()).collect();
    [Version::V3, Version::V4].map(|asked| versions.iter().filter(|it| **it == asked).count())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn orders_of_both_versions_are_synced_and_heard() {
    let (here, there, elsewhere) = (place(), place(), place());
    let never = ("MESHWORK_ORDERS__SYNC_EVERY", "0s");
    let (v3, v4) = (sample(), sample_v4(60));
    let v4: Vec<_> = v4.iter().map(String::as_str).collect();
    let mixed: Vec<_> = v3[..60].iter().chain(&v4[..40]).copied().collect();
    let old = Node::with(here.path(), &mixed, &[never]).await;
    let address = old.address("tcp");
    let peers = ("MESHWORK_NETWORK__PEERS", address.as_str());
    let new = Node::with(there.path(), &[v3[60], v4[40]], &[peers]).await;
    new.has(102).await;
    old.has(102).await;
    new.counts("synced", 1).await;
    assert_eq!(new.orders.status().digest, old.orders.status().digest);
    assert_eq!(exported(&new.orders).await, [61, 41]);
    assert_eq!(new.orders.count_v4().await, Ok(41));

    // Each version is heard on a topic of its own.
    old.import(&[&v3[61..70], &v4[41..]].concat()).await;
    new.has(130).await;
    new.counts("orders_heard", 28).await;
    assert_eq!(exported(&new.orders).await, [70, 60]);

    // Who wants none of version 4 is given none, and what it has is what the other has of version 3.
    let only_v3 = [peers, ("MESHWORK_ORDERS__EXCHANGE_V4", "none")];
    let third = Node::start(elsewhere.path(), &only_v3).await;
    third.has(70).await;
    third.counts("synced", 1).await;
    assert_eq!(exported(&third.orders).await, [70, 0]);
    third.import(&v3[70..71]).await;
    old.has(131).await;
    tokio::join!(old.end(), new.end(), third.end());
}

async fn first_sync_then_live_spread(transport: &str) {
    let (here, there) = (place(), place());
    let lines = sample();
    let never = ("MESHWORK_ORDERS__SYNC_EVERY", "0s");
    let old = Node::with(here.path(), &lines[..150], &[never]).await;
    let address = old.address(transport);
    let peers = [("MESHWORK_NETWORK__PEERS", address.as_str())];
    let new = Node::with(there.path(), &lines[140..160], &peers).await;
    new.has(160).await;
    old.has(160).await;
    assert_eq!(new.orders.status().digest, old.orders.status().digest);
    new.counts("synced", 1).await;
    old.counts("served", 1).await;

    // What is new from now on needs no sync.
    old.import(&lines[160..]).await;
    new.has(200).await;
    old.counts("orders_spread", 40).await;
    new.counts("orders_heard", 40).await;
    let status = new.handle.status().await.unwrap();
    assert_eq!((status.orders, status.orders_digest), (200, old.orders.status().digest));
    new.counts("synced", 1).await;
    tokio::join!(old.end(), new.end());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_sync_when_they_meet_and_then_hear_what_is_new_over_tcp() {
    first_sync_then_live_spread("tcp").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_sync_when_they_meet_and_then_hear_what_is_new_over_quic() {
    first_sync_then_live_spread("quic").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_keeps_the_orders_and_whose_they_are() {
    let dir = place();
    let node = Node::with(dir.path(), &sample(), &[]).await;
    let digest = node.orders.status().digest;
    node.end().await;
    let node = Node::start(dir.path(), &[]).await;
    let status = node.orders.status();
    assert_eq!((status.count, status.digest), (200, digest));
    node.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_operator_syncs_with_chosen_peers_of_this_network_or_another() {
    let (here, there, elsewhere) = (place(), place(), place());
    let never = ("MESHWORK_ORDERS__SYNC_EVERY", "0s");
    let lines = sample();
    let node = Node::with(here.path(), &lines[..50], &[never]).await;
    let peer = Node::with(there.path(), &lines[50..120], &[never]).await;
    let other = [never, ("MESHWORK_NETWORK__NAME", "another")];
    let stranger = Node::with(elsewhere.path(), &lines[120..], &other).await;

    let report = node.sync_with(&peer.address("tcp")).await;
    assert!(matches!(report, SyncReport::Ended(Ok(_))), "{report:?}");
    node.has(120).await;
    assert_eq!(peer.orders.status().count, 120, "and it has what it lacked");

    // It refuses the handshake, and serves strangers.
    let report = node.sync_with(&stranger.address("quic")).await;
    assert!(matches!(report, SyncReport::Ended(Ok(_))), "{report:?}");
    node.has(200).await;
    assert_eq!(node.handle.peers().await.unwrap().len(), 1, "a stranger is no peer");

    let report = node.sync(SyncWish::Some(1)).await;
    let SyncReport::Ended(Ok(synced)) = report else { panic!("{report:?}") };
    assert_eq!(synced.peers[0].0, peer.peer);
    tokio::join!(node.end(), peer.end(), stranger.end());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_asked_for_a_sync_hears_of_no_other() {
    let (here, there, elsewhere) = (place(), place(), place());
    let never = ("MESHWORK_ORDERS__SYNC_EVERY", "0s");
    let lines = sample();
    let node = Node::start(here.path(), &[never]).await;
    let one = Node::with(there.path(), &lines[..150], &[never]).await;
    let other = Node::with(elsewhere.path(), &lines[50..], &[never]).await;
    let heard = async |from: &Node| {
        let wish = SyncWish::With(vec![from.address("tcp").parse().unwrap()]);
        let mut reports = node.orders.sync(wish).await.unwrap();
        let mut heard = BTreeSet::new();
        while let Some(report) = timeout(PATIENCE, reports.recv()).await.unwrap() {
            match report {
                SyncReport::Progress { peer, .. } | SyncReport::Session { peer, .. } => {
                    heard.insert(peer);
                }
                SyncReport::Ended(ended) => assert!(ended.is_ok(), "{ended:?}"),
                SyncReport::Unreached { peer, error } => panic!("{peer}: {error}"),
            }
        }
        heard
    };
    // Once connected, the sessions of both begin together.
    for _ in 0..2 {
        let both = tokio::join!(heard(&one), heard(&other));
        assert_eq!(both, (BTreeSet::from([one.peer]), BTreeSet::from([other.peer])));
    }
    tokio::join!(node.end(), one.end(), other.end());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_not_there_is_named() {
    let dir = place();
    let node = Node::start(dir.path(), &[]).await;
    let nobody = format!("/ip4/127.0.0.1/tcp/1/p2p/{}", PeerId::random());
    let report = node.sync_with(&nobody).await;
    let SyncReport::Ended(Err(error)) = report else { panic!("{report:?}") };
    assert!(error.to_string().starts_with("cannot reach /ip4/127.0.0.1/tcp/1"), "{error}");
    node.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_not_there_is_named_among_those_who_are() {
    let (here, there) = (place(), place());
    let never = ("MESHWORK_ORDERS__SYNC_EVERY", "0s");
    let node = Node::start(here.path(), &[never]).await;
    let peer = Node::with(there.path(), &sample(), &[never]).await;
    let nobody = PeerId::random();
    let named = [format!("/ip4/127.0.0.1/tcp/1/p2p/{nobody}"), peer.address("tcp")];
    let named = named.map(|address| address.parse().unwrap());
    let mut reports = node.orders.sync(SyncWish::With(named.into())).await.unwrap();
    let (mut unreached, mut ended) = (Vec::new(), None);
    while let Some(report) = timeout(PATIENCE, reports.recv()).await.unwrap() {
        match report {
            SyncReport::Unreached { peer, error } => unreached.push((peer, error.to_string())),
            SyncReport::Ended(last) => ended = Some(last),
            SyncReport::Progress { .. } | SyncReport::Session { .. } => {}
        }
    }
    let [(who, why)] = &unreached[..] else { panic!("{unreached:?}") };
    assert_eq!(*who, nobody);
    assert!(why.starts_with("cannot reach /ip4/127.0.0.1/tcp/1"), "{why}");
    let ended = ended.unwrap();
    assert!(matches!(ended, Err(SyncError::Partly { synced: 1, named: 2 })), "{ended:?}");
    node.has(200).await;
    tokio::join!(node.end(), peer.end());
}
