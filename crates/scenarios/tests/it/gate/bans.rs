//! Who is kept out, from when, and until when.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::future::{BoxFuture, FutureExt, ready};
use handshake::{Ban, BanStore, BanStoreError, Banned, RejectCode};
use machine::UnixTime;
use tokio::sync::oneshot;
use transport::clock::Clock;

use crate::net::Net;
use crate::node::{Node, Plan, told};

over_every_net!(a_banned_peer_is_told_so_until_the_ban_ends, a_ban_closes_what_is_open);

fn ban(banned: Banned, lasts: Duration) -> Ban {
    Ban { banned, reason: "spam".to_owned(), until: Clock::wall().after(lasts) }
}

const HOUR: Duration = Duration::from_hours(1);

async fn put(node: &Node, ban: Ban) {
    node.run(move |swarm| swarm.behaviour_mut().gate.ban(ban)).await;
}

async fn unban(node: &Node, banned: Banned) -> bool {
    node.run(move |swarm| swarm.behaviour_mut().gate.unban(banned)).await
}

async fn a_banned_peer_is_told_so_until_the_ban_ends(net: Net) {
    let (a, b) = Node::pair(net).await;
    put(&b, ban(Banned::Peer(a.peer), HOUR)).await;
    for round in 1..=10 {
        a.dial(&b).await;
        let x = a.until("a refusal", |seen| seen.refused.len() == round).await;
        let y = b.until("a refusal", |seen| seen.refused.len() == round).await;
        assert_eq!(told(x.refusal()), "theirs banned (spam)");
        assert_eq!(told(y.refusal()), "ours banned (spam)");
        let handshake::Refusal::Theirs { reject, .. } = x.refusal() else { unreachable!() };
        assert!(reject.retry_after > HOUR / 2 && reject.retry_after <= HOUR, "{reject:?}");
        a.alone().await.shown.assert_untouched();
        b.alone().await.shown.assert_untouched();
    }
    // The side that banned may be the one that dials: then it accepts nothing.
    b.dial(&a).await;
    let x = a.until("a refusal", |seen| seen.refused.len() == 11).await;
    assert_eq!(told(x.refusal()), "theirs banned (spam)");
    a.alone().await;
    b.alone().await;
    // A ban is replaced by the next one of the same peer, and ends by itself.
    let soon = Duration::from_millis(150);
    put(&b, ban(Banned::Peer(a.peer), soon)).await;
    while b.run(|swarm| !swarm.behaviour().gate.bans().is_empty()).await {
        tokio::task::yield_now().await;
    }
    a.dial(&b).await;
    a.until("the gate to open", |seen| seen.opened.len() == 1).await;
}

async fn a_ban_closes_what_is_open(net: Net) {
    let (a, b) = Node::friends(net).await;
    put(&b, ban(Banned::Peer(a.peer), HOUR)).await;
    for node in [&a, &b] {
        let seen = node.until("the end", |seen| seen.closed.len() == 1).await;
        seen.shown.assert_balanced();
    }
    assert!(unban(&b, Banned::Peer(a.peer)).await);
    assert!(!unban(&b, Banned::Peer(a.peer)).await);
    b.dial(&a).await;
    b.until("the gate to open", |seen| seen.opened.len() == 2).await;
}

/// By address a remote is refused before it is asked who it is.
#[tokio::test]
async fn a_banned_address_does_not_get_in_whoever_comes_from_it() {
    for net in [Net::Tcp, Net::Quic] {
        let (a, b) = Node::friends(net).await;
        let address = Banned::Address([127, 0, 0, 1].into());
        put(&b, ban(address, HOUR)).await;
        b.until("the end", |seen| seen.closed.len() == 1).await;
        a.alone().await;
        a.dial(&b).await;
        let before = a.now().dial_errors;
        b.until("a refusal", |seen| seen.listen_errors == 1).await;
        a.until("a refusal", |seen| seen.connections() == 0 && seen.dial_errors >= before).await;
        let c = Node::start(net).await;
        c.dial(&b).await;
        b.until("a refusal", |seen| seen.listen_errors == 2).await;
        assert!(unban(&b, address).await);
        c.dial(&b).await;
        b.until("the gate to open", |seen| seen.opened.len() == 2).await;
    }
}

type Outcome = Result<(), BanStoreError>;

/// Writes when it is told to, and fails if it is told that.
#[derive(Clone, Default)]
struct SlowStore {
    /// Bans kept from before.
    kept: Vec<Ban>,
    /// When they are loaded; at once if there is nobody to tell.
    loads: Arc<Mutex<Option<oneshot::Receiver<()>>>>,
    writes: Arc<Mutex<Vec<oneshot::Sender<Outcome>>>>,
}

impl SlowStore {
    fn write(&self) -> BoxFuture<'static, Outcome> {
        let (done, outcome) = oneshot::channel();
        self.writes.lock().unwrap().push(done);
        outcome.map(|outcome| outcome.expect("a scenario ends every write")).boxed()
    }

    /// Ends the oldest write.
    fn end(&self, outcome: Outcome) {
        self.end_nth(0, outcome);
    }

    fn end_nth(&self, nth: usize, outcome: Outcome) {
        assert!(self.writes.lock().unwrap().remove(nth).send(outcome).is_ok());
    }
}

impl BanStore for SlowStore {
    fn load(&self) -> BoxFuture<'static, Result<Vec<Ban>, BanStoreError>> {
        let kept = self.kept.clone();
        match self.loads.lock().unwrap().take() {
            Some(told) => told.map(|_| Ok(kept)).boxed(),
            None => ready(Ok(kept)).boxed(),
        }
    }

    fn put(&self, _: Ban) -> BoxFuture<'static, Outcome> {
        self.write()
    }

    fn remove(&self, _: Banned) -> BoxFuture<'static, Outcome> {
        self.write()
    }
}

#[tokio::test]
async fn a_ban_is_in_force_at_once_and_told_when_it_is_durable() {
    let a = Node::start(Net::Memory).await;
    let store = SlowStore::default();
    let b = Plan::new(Net::Memory).start_with(store.clone()).await;
    put(&b, ban(Banned::Peer(a.peer), HOUR)).await;
    a.dial(&b).await;
    let y = b.until("a refusal", |seen| seen.refused.len() == 1).await;
    assert_eq!(y.refusal().code(), Some(RejectCode::Banned));
    assert!(y.bans_stored.is_empty(), "not durable yet");
    store.end(Ok(()));
    let y = b.until("the end of the write", |seen| seen.bans_stored.len() == 1).await;
    assert_eq!(y.bans_stored[0].0, Banned::Peer(a.peer));
    assert!(y.bans_stored[0].1.is_ok());

    assert!(unban(&b, Banned::Peer(a.peer)).await);
    a.alone().await;
    a.dial(&b).await;
    b.until("the gate to open", |seen| seen.opened.len() == 1).await;
    assert_eq!(b.now().bans_stored.len(), 1, "not durable yet");
    store.end(Err(BanStoreError { message: "disk full".to_owned() }));
    let y = b.until("the end of the write", |seen| seen.bans_stored.len() == 2).await;
    let error = y.bans_stored[1].1.as_ref().unwrap_err();
    assert_eq!(error.to_string(), "ban store: disk full");
}

#[tokio::test]
async fn bans_of_the_last_run_are_in_force() {
    let a = Node::start(Net::Memory).await;
    let until = UnixTime::from_millis(u64::MAX);
    let banned = Banned::Peer(a.peer);
    let kept = vec![Ban { banned, reason: "of old".to_owned(), until }];
    let b = Plan::new(Net::Memory).start_with(SlowStore { kept, ..SlowStore::default() }).await;
    a.dial(&b).await;
    let x = a.until("a refusal", |seen| seen.refused.len() == 1).await;
    assert_eq!(told(x.refusal()), "theirs banned (of old)");
}

/// The disk is slow, and the node is up.
#[tokio::test]
async fn bans_that_are_loaded_late_close_what_is_open_and_undo_nothing_newer() {
    let (a, c) = Node::pair(Net::Memory).await;
    let until = UnixTime::from_millis(u64::MAX);
    let old = |peer| Ban { banned: Banned::Peer(peer), reason: "of old".to_owned(), until };
    let (load, loads) = oneshot::channel();
    let loads = Arc::new(Mutex::new(Some(loads)));
    let store = SlowStore { kept: vec![old(a.peer), old(c.peer)], loads, ..SlowStore::default() };
    let b = Plan::new(Net::Memory).start_with(store.clone()).await;
    put(&b, ban(Banned::Peer(c.peer), HOUR)).await;
    a.dial(&b).await;
    b.until("the gate to open", |seen| seen.opened.len() == 1).await;
    load.send(()).unwrap();
    b.until("the end", |seen| seen.closed.len() == 1).await;
    let mut bans = b.run(|swarm| swarm.behaviour().gate.bans()).await;
    bans.sort_by(|a, b| a.reason.cmp(&b.reason));
    assert_eq!(bans[0], old(a.peer));
    assert_eq!((bans[1].banned, bans[1].reason.as_str()), (Banned::Peer(c.peer), "spam"));
}

/// A store that is quick with the second write must not make the first one the last.
#[tokio::test]
async fn the_store_is_asked_for_one_thing_after_the_other() {
    let store = SlowStore::default();
    let b = Plan::new(Net::Memory).start_with(store.clone()).await;
    let banned = Banned::Address([192, 0, 2, 1].into());
    put(&b, ban(banned, HOUR)).await;
    assert!(unban(&b, banned).await);
    store.end_nth(1, Err(BanStoreError { message: "second".to_owned() }));
    assert!(b.settle().await.bans_stored.is_empty(), "the first is under way");
    store.end(Ok(()));
    let seen = b.until("both", |seen| seen.bans_stored.len() == 2).await;
    assert!(seen.bans_stored[0].1.is_ok() && seen.bans_stored[1].1.is_err());
}
