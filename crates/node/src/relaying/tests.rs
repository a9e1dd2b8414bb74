//! Nodes that pay each other for relaying: complete ones, over sockets.

use std::future::Future;
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt;
use libp2p::PeerId;
use session::Registry;
use tempfile::TempDir;
use tickets::{Amount, ChannelId};
use tokio::task::JoinSet;
use tokio::time::{interval, timeout};
use tokio_util::sync::CancellationToken;

use crate::config::{Environment, Layers};
use crate::datadir::DataDir;
use crate::handle::Handle;
use crate::payments::{Held, HeldOf, Outcome, Outgoing, Payments, Settled, Tokens, Whom};
use crate::service::Service;

/// Longest time for anything.
const PATIENCE: Duration = Duration::from_secs(30);

/// A node at work.
struct Node {
    handle: Handle,
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
        let (handle, payments, peer) = (service.handle(), service.payments(), service.peer_id());
        let end = CancellationToken::new();
        let mut life = JoinSet::new();
        life.spawn(service.run(end.clone().cancelled_owned()));
        Self { handle, payments, peer, life, end }
    }

    async fn send(&self, to: &Self, relays: u8) -> Outcome {
        let data = Bytes::from_static(b"over there");
        let sent = self.payments.send(Outgoing { to: to.peer, data, relays }).await;
        sent.expect("it relays").outcome
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

    async fn is_linked(&self, other: &Self) -> bool {
        let peers = self.handle.peers().await.expect("it lives");
        peers.iter().any(|peer| peer.peer == other.peer)
    }

    fn knows(&self, other: &Self) -> bool {
        self.payments.replica().read(|state| state.account_of(&other.peer).is_some())
    }

    /// Waits until something is so, of the ledger or of what is held.
    async fn until<F: Future<Output = bool>>(&self, what: &str, mut is_so: impl FnMut() -> F) {
        let mut news = std::pin::pin!(self.payments.news());
        let waited = timeout(PATIENCE, async {
            while !is_so().await {
                news.next().await.expect("the node lives");
            }
        });
        assert!(waited.await.is_ok(), "not in time: {what}");
    }

    async fn end(mut self) {
        self.end.cancel();
        while self.life.join_next().await.is_some() {}
    }
}

fn tokens(text: &str) -> Amount {
    text.parse::<Tokens>().expect(text).0
}

fn place() -> TempDir {
    tempfile::tempdir().expect("a temporary directory")
}

/// A network with one ledger, on which notice is a minute: the first node serves it to the others.
async fn town<const N: usize>(dirs: &[TempDir; N], variables: &[(&str, &str)]) -> Vec<Node> {
    let mut nodes = Vec::new();
    for number in 0..N {
        nodes.push(start(dirs, number, variables).await);
    }
    for one in &nodes {
        let knows_all = async || nodes.iter().all(|other| one.knows(other));
        one.until("everybody knows everybody", knows_all).await;
    }
    nodes
}

/// One node of a town.
async fn start(dirs: &[TempDir], number: usize, variables: &[(&str, &str)]) -> Node {
    let url = format!("unix:{}", dirs[0].path().join("ledger.sock").display());
    let ledger = if number == 0 {
        ("MESHWORK_LEDGER__SERVE", "unix:ledger.sock")
    } else {
        ("MESHWORK_LEDGER__URL", url.as_str())
    };
    let notice = ("MESHWORK_LEDGER__NOTICE", "1m");
    let variables: Vec<_> = variables.iter().copied().chain([ledger, notice]).collect();
    Node::start(&dirs[number], &variables).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_relay_earns_what_it_trades_and_is_paid_for() {
    let dirs = [place(), place(), place()];
    let nodes = town(&dirs, &[]).await;
    let [sender, relay, recipient] = nodes.as_slice() else { unreachable!("there are three") };
    let channel = sender.open(relay, "10").await;

    for _ in 0..5 {
        assert_eq!(sender.send(recipient, 1).await, Outcome::Delivered);
    }
    let price = tokens("0.01").get();
    relay
        .until("five tickets are kept", async || relay.held(channel).await.value == 5 * price)
        .await;
    assert_eq!(relay.held(channel).await.untouched, 5);
    let counts = relay.handle.status().await.expect("it lives").relay;
    assert_eq!(counts.get("msg_accepted"), Some(&5), "{counts:?}");
    assert!(!counts.keys().any(|name| name.contains([' ', ':'])), "{counts:?}");

    let traded = relay.aggregate(channel).await;
    assert_eq!((traded.tickets, traded.amount), (5, 5 * price), "{traded:?}");
    assert_eq!(relay.held(channel).await.untouched, 1);
    let before = relay.payments.account_status().balance.0;
    let paid = relay.redeem(channel).await;
    assert_eq!((paid.tickets, paid.amount), (1, 5 * price), "{paid:?}");
    relay
        .until("the relay is paid", async || {
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
    for _ in 0..3 {
        assert_eq!(sender.send(recipient, 1).await, Outcome::Delivered);
    }
    let price = tokens("0.01").get();
    relay
        .until("three are one", async || {
            let held = relay.held(channel).await;
            (held.untouched, held.value) == (1, 3 * price)
        })
        .await;

    assert_eq!(sender.send(recipient, 1).await, Outcome::Delivered);
    let before = relay.payments.account_status().balance.0;
    let closed = sender.payments.close_channel(&Whom::Channel(channel)).await;
    assert!(closed.expect("it is its own").closes_at.is_some());
    relay
        .until("everything is paid before the minute is over", async || {
            let now = relay.payments.account_status().balance.0;
            now.checked_sub(before).map(Amount::get) == Some(4 * price)
        })
        .await;
    relay.until("nothing is left", async || relay.held(channel).await.held() == 0).await;
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
        matches!(&unpaid, Outcome::Unsent(trouble) if trouble.code == "no_route"),
        "{unpaid:?}"
    );
    let channel = sender.open(relay, "1").await;
    assert_eq!(sender.send(&recipient, 1).await, Outcome::Delivered);
    relay.until("it is kept", async || relay.held(channel).await.held() == 1).await;

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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_relays_no_longer_is_chosen_again_when_it_says_so() {
    let dirs = [place(), place(), place()];
    let mut nodes = town(&dirs, &[]).await;
    let relay = nodes.remove(1);
    let (peer, account) = (relay.peer, relay.payments.account());
    relay.end().await;
    let [recipient, sender] = nodes.as_slice() else { unreachable!("there are two left") };
    let relays = || sender.payments.replica().read(|state| state.relay_of(&account).is_some());
    assert!(relays(), "it said so when it began");

    let relay = start(&dirs, 1, &[("MESHWORK_RELAY__ENABLED", "false")]).await;
    assert_eq!((relay.peer, relay.payments.account()), (peer, account));
    sender.until("it says that it does not", async || !relays()).await;
    sender.open(&relay, "1").await;
    let refused = sender.send(recipient, 1).await;
    let Outcome::Unsent(trouble) = refused else { panic!("{refused:?}") };
    let no_path = "no path: no channel leads to a relay that lives (channels that can pay: 1)";
    assert_eq!((trouble.code, trouble.reason.as_str()), ("no_route", no_path));
    relay.end().await;

    let relay = start(&dirs, 1, &[]).await;
    sender.until("it says that it does", async || relays()).await;
    assert_eq!(sender.send(recipient, 1).await, Outcome::Delivered);
    for node in nodes.into_iter().chain([relay]) {
        node.end().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_being_redeemed_when_a_node_ended_is_paid_when_it_is_back() {
    let dirs = [place(), place(), place()];
    let by_hand = [("MESHWORK_TICKETS__AUTO", "false")];
    let mut nodes = town(&dirs, &by_hand).await;
    let [_, relay, sender] = nodes.as_slice() else { unreachable!("there are three") };
    let channel = sender.open(relay, "1").await;
    assert_eq!(sender.send(&nodes[0], 1).await, Outcome::Delivered);
    relay.until("it is kept", async || relay.held(channel).await.held() == 1).await;

    // The ledger is away: whether it was paid nobody can tell.
    nodes.remove(0).end().await;
    let paid = nodes[0].redeem(channel).await;
    assert_eq!((paid.tickets, paid.trouble.as_ref().map(|it| it.code)), (0, Some("ledger")));
    assert_eq!(nodes[0].held(channel).await.being_redeemed, 1);
    nodes.remove(0).end().await;

    let ledger = start(&dirs, 0, &by_hand).await;
    let relay = start(&dirs, 1, &by_hand).await;
    relay
        .until("nobody asks, and it is paid", async || relay.held(channel).await.held() == 0)
        .await;
    let held = relay.held(channel).await;
    assert_eq!((held.redeemed, held.neglected), (tokens("0.01").get(), 0));
    for node in nodes.into_iter().chain([ledger, relay]) {
        node.end().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_link_for_packets_ends_when_it_has_none_to_carry_and_no_channel() {
    let dirs = [place(), place(), place()];
    let nodes = town(&dirs, &[]).await;
    let [sender, relay, recipient] = nodes.as_slice() else { unreachable!("there are three") };
    sender.open(relay, "1").await;
    assert_eq!(sender.send(recipient, 1).await, Outcome::Delivered);
    assert!(relay.is_linked(recipient).await, "it was dialled for the packet");

    // Nothing tells of links that end.
    let mut looks = interval(Duration::from_millis(50));
    let ended = timeout(PATIENCE, async {
        while relay.is_linked(recipient).await {
            looks.tick().await;
        }
    });
    ended.await.expect("it is of no use");
    assert!(sender.is_linked(relay).await, "by that one it pays");
    assert_eq!(sender.send(recipient, 1).await, Outcome::Delivered, "it is dialled again");
    for node in nodes {
        node.end().await;
    }
}
