//! Nodes that pay each other for relaying: complete ones, over sockets.

use std::future::Future;
use std::time::Duration;

use bytes::Bytes;
use libp2p::PeerId;
use session::Registry;
use tempfile::TempDir;
use tickets::{Amount, ChannelId};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::config::{Environment, Layers};
use crate::datadir::DataDir;
use crate::payments::{Held, HeldOf, Outcome, Outgoing, Payments, Settled, Tokens, Whom};
use crate::service::Service;

/// Longest time for anything.
const PATIENCE: Duration = Duration::from_secs(30);

/// How often it is looked whether something is so.
const LOOK: Duration = Duration::from_millis(20);

/// A node at work.
struct Node {
    payments: Payments,
    peer: PeerId,
    life: JoinSet<()>,
    end: CancellationToken,
}

impl Node {
    async fn start(dir: &TempDir, variables: &[(&str, &str)]) -> Self {
        let always = [
            ("MESHWORK_NETWORK__LISTEN", "/ip4/127.0.0.1/tcp/0"),
            ("MESHWORK_NETWORK__ALLOW_PRIVATE", "true"),
            ("MESHWORK_RELAY__ENABLED", "true"),
            ("MESHWORK_RELAY__DELAY_MAX", "5ms"),
        ];
        let environment: Environment = always.iter().chain(variables).copied().collect();
        let layers = Layers { file: None, environment: &environment, flags: Vec::new() };
        let params = layers.load().expect("a good configuration").params;
        let dir = DataDir::at(dir.path()).expect("an absolute path");
        let claim = dir.claim().expect("nobody else is there");
        let service = Service::start(claim, params, Registry::new(), None).await;
        let service = service.expect("everything is there");
        let (payments, peer, end) =
            (service.payments(), service.peer_id(), CancellationToken::new());
        let mut life = JoinSet::new();
        life.spawn(service.run(end.clone().cancelled_owned()));
        Self { payments, peer, life, end }
    }

    async fn send(&self, to: &Self, relays: u8) -> Outcome {
        let data = Bytes::from_static(b"over there");
        let sent = self.payments.send(Outgoing { to: to.peer, data, relays }).await;
        sent.expect("it relays").outcome
    }

    /// Sends over one relay, to which a link is dialled when there is a channel.
    async fn send_first(&self, to: &Self) {
        let sent = timeout(PATIENCE, async {
            while self.send(to, 1).await != Outcome::Delivered {
                sleep(LOOK).await;
            }
        });
        sent.await.expect("links are dialled");
    }

    async fn open(&self, to: &Self, amount: &str) -> ChannelId {
        let opened = self.payments.open_channel(&Whom::Peer(to.peer), tokens(amount)).await;
        opened.expect("both are announced").channel.id()
    }

    async fn held(&self, channel: ChannelId) -> HeldOf {
        let mut held = self.payments.held(Some(channel), false).await.expect("it relays");
        match held.recv().await {
            Some(Held::Channel(held)) => held,
            other => panic!("{other:?}"),
        }
    }

    async fn aggregate(&self, channel: ChannelId) -> Settled {
        let mut settled = self.payments.aggregate(Some(channel)).await.expect("it relays");
        settled.recv().await.expect("a channel")
    }

    async fn redeem(&self, channel: ChannelId) -> Settled {
        let mut settled = self.payments.redeem(Some(channel)).await.expect("it relays");
        settled.recv().await.expect("a channel")
    }

    fn knows(&self, other: &Self) -> bool {
        self.payments.replica().read(|state| state.account_of(&other.peer).is_some())
    }

    async fn end(mut self) {
        self.end.cancel();
        while self.life.join_next().await.is_some() {}
    }
}

fn tokens(text: &str) -> Amount {
    text.parse::<Tokens>().expect(text).0
}

async fn eventually<F: Future<Output = bool>>(what: &str, mut is_so: impl FnMut() -> F) {
    let begun = Instant::now();
    while !is_so().await {
        assert!(begun.elapsed() < PATIENCE, "not in time: {what}");
        sleep(LOOK).await;
    }
}

fn place() -> TempDir {
    tempfile::tempdir().expect("a temporary directory")
}

/// A network with one ledger, on which notice is a minute: the first node serves it to the others.
async fn town<const N: usize>(dirs: &[TempDir; N], variables: &[(&str, &str)]) -> Vec<Node> {
    let socket = dirs[0].path().join("ledger.sock");
    let url = format!("unix:{}", socket.display());
    let mut nodes = Vec::new();
    for (number, dir) in dirs.iter().enumerate() {
        let ledger = if number == 0 {
            ("MESHWORK_LEDGER__SERVE", "unix:ledger.sock")
        } else {
            ("MESHWORK_LEDGER__URL", url.as_str())
        };
        let notice = ("MESHWORK_LEDGER__NOTICE", "1m");
        let variables: Vec<_> = variables.iter().copied().chain([ledger, notice]).collect();
        nodes.push(Node::start(dir, &variables).await);
    }
    eventually("everybody knows everybody", async || {
        nodes.iter().all(|one| nodes.iter().all(|other| one.knows(other)))
    })
    .await;
    nodes
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_relay_earns_what_it_trades_and_is_paid_for() {
    let dirs = [place(), place(), place()];
    let nodes = town(&dirs, &[]).await;
    let [sender, relay, recipient] = nodes.as_slice() else { unreachable!("there are three") };
    let channel = sender.open(relay, "10").await;

    sender.send_first(recipient).await;
    for _ in 0..4 {
        assert_eq!(sender.send(recipient, 1).await, Outcome::Delivered);
    }
    let price = tokens("0.01").get();
    eventually("five tickets are kept", async || relay.held(channel).await.value == 5 * price)
        .await;
    assert_eq!(relay.held(channel).await.untouched, 5);

    let traded = relay.aggregate(channel).await;
    assert_eq!((traded.tickets, traded.amount), (5, 5 * price), "{traded:?}");
    assert_eq!(relay.held(channel).await.untouched, 1);
    let before = relay.payments.account_status().balance.0;
    let paid = relay.redeem(channel).await;
    assert_eq!((paid.tickets, paid.amount), (1, 5 * price), "{paid:?}");
    eventually("the relay is paid", async || {
        let now = relay.payments.account_status().balance.0;
        now.checked_sub(before).map(Amount::get) == Some(5 * price)
    })
    .await;
    for node in nodes {
        node.end().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_tickets_are_traded_unasked_and_paid_before_their_channel_ends() {
    let dirs = [place(), place(), place()];
    let nodes = town(&dirs, &[("MESHWORK_TICKETS__THRESHOLD", "3")]).await;
    let [sender, relay, recipient] = nodes.as_slice() else { unreachable!("there are three") };
    let channel = sender.open(relay, "10").await;
    sender.send_first(recipient).await;
    for _ in 0..2 {
        assert_eq!(sender.send(recipient, 1).await, Outcome::Delivered);
    }
    let price = tokens("0.01").get();
    eventually("three are one", async || {
        let held = relay.held(channel).await;
        (held.untouched, held.value) == (1, 3 * price)
    })
    .await;

    assert_eq!(sender.send(recipient, 1).await, Outcome::Delivered);
    let before = relay.payments.account_status().balance.0;
    let closed = sender.payments.close_channel(&Whom::Channel(channel)).await;
    assert!(closed.expect("it is its own").closes_at.is_some());
    eventually("everything is paid before the minute is over", async || {
        let now = relay.payments.account_status().balance.0;
        now.checked_sub(before).map(Amount::get) == Some(4 * price)
    })
    .await;
    eventually("nothing is left", async || relay.held(channel).await.held() == 0).await;
    let held = relay.held(channel).await;
    assert_eq!((held.redeemed, held.neglected, held.won), (4 * price, 0, 4 * price));
    for node in nodes {
        node.end().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_cannot_be_reached_or_paid_is_told_of_and_costs_nothing() {
    let dirs = [place(), place(), place()];
    let mut nodes = town(&dirs, &[]).await;
    let recipient = nodes.pop().expect("there are three");
    let [relay, sender] = nodes.as_slice() else { unreachable!("there are two left") };
    let unpaid = sender.send(&recipient, 1).await;
    assert!(
        matches!(&unpaid, Outcome::Unsent(trouble) if trouble.code == "no route"),
        "{unpaid:?}"
    );
    let channel = sender.open(relay, "1").await;
    sender.send_first(&recipient).await;
    eventually("it is kept", async || relay.held(channel).await.held() == 1).await;

    let to = recipient.peer;
    recipient.end().await;
    let data = Bytes::from_static(b"too late");
    let sent = sender.payments.send(Outgoing { to, data, relays: 1 }).await.expect("it relays");
    assert_eq!(sent.path, [relay.peer, to]);
    let outcome = sent.outcome;
    assert!(matches!(&outcome, Outcome::Failed(it) if it.code == "unreachable"), "{outcome:?}");
    assert_eq!(relay.held(channel).await.held(), 1, "nobody acknowledged the ticket");
    for node in nodes {
        node.end().await;
    }
}
