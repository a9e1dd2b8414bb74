//! Nodes that write to each other: complete ones, over sockets.

use std::future::Future;
use std::pin::pin;
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt;
use libp2p::PeerId;
use session::Registry;
use tempfile::TempDir;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::{Messaging, Outcome, Received, SendOptions, Sending, Watched};
use crate::config::{Environment, Layers};
use crate::datadir::DataDir;
use crate::handle::Handle;
use crate::service::Service;

/// Longest time for anything.
const PATIENCE: Duration = Duration::from_mins(1);

/// What a node is told that carries no messages.
const SILENT: &[(&str, &str)] = &[("MESHWORK_DHT__ENABLED", "false")];

/// A node at work.
struct Node {
    messaging: Messaging,
    handle: Handle,
    peer: PeerId,
    address: String,
    life: JoinSet<()>,
    end: CancellationToken,
}

impl Node {
    async fn start(dir: &TempDir, friend: Option<&Self>) -> Self {
        Self::start_with(dir, friend, &[]).await
    }

    /// One that is configured like this.
    async fn start_with(
        dir: &TempDir,
        friend: Option<&Self>,
        settings: &[(&'static str, &'static str)],
    ) -> Self {
        let friend = friend.map(|friend| ("MESHWORK_NETWORK__PEERS", friend.address.as_str()));
        let always = [
            ("MESHWORK_NETWORK__LISTEN", "/ip4/127.0.0.1/tcp/0"),
            ("MESHWORK_NETWORK__ALLOW_PRIVATE", "true"),
            ("MESHWORK_DHT__MAILBOX_FETCH_PERIOD", "1s"),
        ];
        let settings = settings.iter().copied();
        let environment: Environment = always.into_iter().chain(settings).chain(friend).collect();
        let layers = Layers { file: None, environment: &environment, flags: Vec::new() };
        let params = layers.load().expect("a good configuration").params;
        let dir = DataDir::at(dir.path()).expect("an absolute path");
        let claim = dir.claim().expect("nobody else is there");
        let service = Service::start(claim, params, Registry::new(), None).await;
        let service = service.expect("everything is there");
        let (messaging, handle) = (service.messaging(), service.handle());
        let peer = service.peer_id();
        let address = format!("{}/p2p/{peer}", service.listen()[0]);
        let end = CancellationToken::new();
        let mut life = JoinSet::new();
        life.spawn(service.run(end.clone().cancelled_owned()));
        Self { messaging, handle, peer, address, life, end }
    }

    async fn send(&self, to: PeerId, text: &'static str) -> Sending {
        let payload = Bytes::from_static(text.as_bytes());
        self.messaging.send(to, payload, SendOptions::default()).await.expect("it is sent")
    }

    async fn inbox(&self) -> Vec<Received> {
        self.messaging.inbox(0, 100).await.expect("the disk works")
    }

    async fn has_links(&self, count: usize) {
        while self.handle.peers().await.expect("it lives").len() < count {
            sleep(Duration::from_millis(10)).await;
        }
    }

    async fn has_no_links(&self) {
        while !self.handle.peers().await.expect("it lives").is_empty() {
            sleep(Duration::from_millis(10)).await;
        }
    }

    async fn end(mut self) {
        self.end.cancel();
        while self.life.join_next().await.is_some() {}
    }
}

async fn soon<T>(what: &str, happens: impl Future<Output = T>) -> T {
    timeout(PATIENCE, happens).await.unwrap_or_else(|_| panic!("not in time: {what}"))
}

#[tokio::test]
async fn a_message_comes_at_once_or_when_its_recipient_is_back_and_stays_until_it_is_forgotten() {
    let dirs = [(); 3].map(|()| tempfile::tempdir().expect("a temporary directory"));
    let bob = Node::start(&dirs[0], None).await;
    let alice = Node::start(&dirs[1], Some(&bob)).await;
    let carol = Node::start(&dirs[2], Some(&bob)).await;
    let carols = carol.peer;

    let mut came = pin!(carol.messaging.watch());
    let mut told = pin!(alice.messaging.watch());
    let sending = alice.send(carols, "are you there?").await;
    let letter = sending.letter();
    assert_eq!(soon("the receipt", sending.end()).await, Ok(Outcome::Delivered));
    let received = match soon("the message", came.next()).await {
        Some(Watched::Received(received)) => received,
        other => panic!("{other:?}"),
    };
    assert_eq!((received.number, received.sender, received.letter), (1, alice.peer, letter));
    soon("the watcher hears of the receipt", async {
        while let Some(news) = told.next().await {
            match news {
                Watched::Outcome { outcome: Outcome::Delivered, to, .. } => {
                    return assert_eq!(to, carols);
                }
                Watched::Outcome { .. } => {}
                other => panic!("{other:?}"),
            }
        }
        panic!("alice has ended");
    })
    .await;
    let sent = alice.messaging.sent(9);
    assert_eq!((sent.len(), sent[0].letter, sent[0].is_ended()), (1, letter, true));

    carol.end().await;
    assert!(came.next().await.is_none(), "who watches hears that it is over");
    let mut sending = alice.send(carols, "and now?").await;
    soon("somebody keeps it", async {
        loop {
            let news = sending.next().await.expect("alice goes on");
            assert!(!news.is_end(), "{news:?}");
            if matches!(news, Outcome::Stored { .. }) {
                return;
            }
        }
    })
    .await;
    let gauges = bob.messaging.status().await.expect("it carries messages").gauges;
    assert!(gauges["links"] >= 1, "{gauges:?}");

    let carol = Node::start(&dirs[2], Some(&bob)).await;
    assert_eq!(soon("the receipt", sending.end()).await, Ok(Outcome::Delivered));
    let inbox = carol.inbox().await;
    let texts: Vec<_> = inbox.iter().map(|it| (it.number, it.payload.as_ref())).collect();
    assert_eq!(texts, [(1, b"are you there?".as_slice()), (2, b"and now?".as_slice())]);
    assert_eq!(carol.messaging.forget(1).await.expect("the disk works"), 1);
    assert_eq!(carol.inbox().await, inbox[1..]);
    for node in [alice, bob, carol] {
        node.end().await;
    }
}

#[tokio::test]
async fn a_neighbour_that_carries_no_messages_is_nobody_to_ask_for_any() {
    let dirs = [(); 3].map(|()| tempfile::tempdir().expect("a temporary directory"));
    let bob = Node::start(&dirs[0], None).await;
    let silent = Node::start_with(&dirs[1], Some(&bob), SILENT).await;
    soon("the silent one is linked", bob.has_links(1)).await;
    let alice = Node::start(&dirs[2], Some(&bob)).await;
    let known = soon("the other one is known", async {
        loop {
            let gauges = bob.messaging.status().await.expect("it carries messages").gauges;
            if gauges["contacts"] > 0 {
                return gauges;
            }
            sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
    assert_eq!((known["contacts"], known["contacts_waiting"]), (1, 0), "{known:?}");
    for node in [alice, silent, bob] {
        node.end().await;
    }
}

#[tokio::test]
async fn a_link_to_a_peer_that_carries_no_messages_is_given_back() {
    // The overlay asks for no links, so that all are for messages.
    const ALONE: &[(&str, &str)] = &[
        ("MESHWORK_GOSSIP__MIN", "0"),
        ("MESHWORK_GOSSIP__EXPECTED", "0"),
        ("MESHWORK_GOSSIP__ANCHORS", "0"),
        ("MESHWORK_GOSSIP__FEELER_PERIOD", "1day"),
        ("MESHWORK_DHT__LINK_IDLE", "1s"),
    ];
    let dirs = [(); 2].map(|()| tempfile::tempdir().expect("a temporary directory"));
    let silent = Node::start_with(&dirs[0], None, SILENT).await;
    let alice = Node::start(&dirs[1], Some(&silent)).await;
    soon("the silent one is linked", alice.has_links(1)).await;
    alice.end().await;
    // She knows it from before, and not that it carries no messages.
    let alice = Node::start_with(&dirs[1], None, ALONE).await;
    alice.send(silent.peer, "are you there?").await;
    soon("it is dialled", alice.has_links(1)).await;
    soon("the link is given back", alice.has_no_links()).await;
    for node in [alice, silent] {
        node.end().await;
    }
}
