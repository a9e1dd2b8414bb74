//! Payments on ledgers of their own, and on one that they share.

use std::path::Path;
use std::time::Duration;

use libp2p::identity::Keypair;
use tempfile::TempDir;
use tickets::ledger::{Code, MemoryStore, State};
use tickets::{Amount, ChannelId, ChannelStatus};
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout};

use super::remote::Standing;
use super::*;
use crate::config::{Environment, Layers, LedgerPlace};
use crate::control::{LedgerServer, ServeError};
use crate::datadir::Claim;

/// Longest time for anything.
const PATIENCE: Duration = Duration::from_secs(20);

fn params(variables: &[(&str, &str)]) -> PaymentsParams {
    let environment: Environment = variables.iter().copied().collect();
    let layers = Layers { file: None, environment: &environment, flags: Vec::new() };
    layers.load().expect("a good configuration").params.payments
}

async fn open(params: PaymentsParams, dir: &DataDir) -> (Payments, mpsc::Receiver<Wish>) {
    let key = key::new_key().expect("random numbers");
    let store = Arc::new(MemoryStore::default());
    Payments::open(params, key, store, dir).await.expect("an empty store")
}

/// Payments on a ledger of their own that is kept in memory, with what is asked of those who relay.
pub(crate) async fn payments() -> (Payments, mpsc::Receiver<Wish>) {
    let dir = DataDir::at(Path::new("/nowhere")).expect("an absolute path");
    open(params(&[]), &dir).await
}

fn claim() -> (TempDir, Claim) {
    let temporary = tempfile::tempdir().expect("a temporary directory");
    let claim = DataDir::at(temporary.path()).expect("an absolute path").claim();
    (temporary, claim.expect("nobody else is there"))
}

fn tokens(text: &str) -> Amount {
    text.parse::<Tokens>().expect(text).0
}

/// A ledger that is served until the sender is dropped.
struct Served {
    end: oneshot::Sender<()>,
    task: JoinSet<Result<(), ServeError>>,
}

impl Served {
    fn start(payments: &Payments, place: &LedgerPlace, claim: &Claim) -> (Self, LedgerPlace) {
        let server = LedgerServer::bind(place, claim).expect("a free place");
        let place = server.place();
        let ledger = payments.own_ledger().expect("its own");
        let (end, ended) = oneshot::channel::<()>();
        let mut task = JoinSet::new();
        task.spawn(server.serve(ledger, async { drop(ended.await) }));
        (Self { end, task }, place)
    }

    async fn stop(mut self) {
        drop(self.end);
        let ended = timeout(PATIENCE, self.task.join_next()).await.expect("in time");
        ended.expect("one task").expect("no panic").expect("an orderly end");
    }
}

/// Waits until `follower` has seen all that `keeper` has.
async fn catch_up(follower: &Payments, keeper: &Payments) {
    let reached = follower.replica().reached(keeper.replica().version());
    timeout(PATIENCE, reached).await.expect("it follows");
}

/// Waits until `follower` is apart from its ledger for a reason that has these words in it.
async fn parted(follower: &Payments, words: &str) {
    let Keeping::Followed { remote, .. } = &follower.shared.keeping else {
        panic!("it follows nobody")
    };
    let mut standing = remote.standing.subscribe();
    let apart = |now: &Standing| matches!(now, Standing::Apart { why } if why.contains(words));
    let parted = timeout(PATIENCE, standing.wait_for(apart)).await;
    drop(parted.expect("in time").expect("it goes on"));
}

/// Both know the same.
fn same(one: &Payments, other: &Payments) -> bool {
    let known = |payments: &Payments| payments.replica().read(State::digest);
    known(one) == known(other) && one.ledger_status() == other.ledger_status()
}

/// Lets no time pass until it is dropped; if a test hangs, until its patience is over.
struct Standstill {
    _end: std::sync::mpsc::SyncSender<()>,
}

impl Standstill {
    fn begin() -> Self {
        tokio::time::pause();
        let (end, ended) = std::sync::mpsc::sync_channel::<()>(0);
        // Paused time goes on to the next timer when nothing is to be done, but not beside such a task.
        drop(tokio::task::spawn_blocking(move || ended.recv_timeout(PATIENCE).is_ok()));
        Self { _end: end }
    }
}

/// All that accounts and channels have, which must be what was granted.
fn conserved(payments: &Payments) -> bool {
    payments.replica().read(|state| {
        let accounts = state.accounts().map(|(_, account)| account.balance.get());
        let channels = state.channels().map(|(_, channel)| channel.balance.get());
        accounts.sum::<u128>() + channels.sum::<u128>() == state.granted()
    })
}

#[tokio::test]
async fn two_nodes_on_one_ledger_open_a_channel_and_see_the_same() {
    let (_temporary, claim) = claim();
    let (alice, _wishes) = open(params(&[]), claim.dir()).await;
    let place = LedgerPlace::Unix("ledger.sock".to_owned());
    let (served, _) = Served::start(&alice, &place, &claim);
    let following = params(&[("MESHWORK_LEDGER__URL", "unix:ledger.sock")]);
    let (bob, _wishes) = open(following, claim.dir()).await;
    assert!(bob.own_ledger().is_none(), "it is not his to serve");

    let (a, b) = (Keypair::generate_ed25519(), Keypair::generate_ed25519());
    timeout(PATIENCE, alice.join(&a, Vec::new(), true)).await.expect("in time").expect("joined");
    timeout(PATIENCE, bob.tend(&b, Vec::new(), true)).await.expect("in time");
    let whom = Whom::Peer(b.public().to_peer_id());
    let opened = alice.open_channel(&whom, tokens("5.25")).await.expect("opened");
    assert_eq!((opened.outgoing, opened.channel.balance), (true, tokens("5.25")));
    assert_eq!(opened.peer, Some(b.public().to_peer_id()));

    catch_up(&bob, &alice).await;
    let id = ChannelId::between(&alice.account(), &bob.account());
    let seen = bob.channel(&id).expect("he sees it");
    assert_eq!((seen.outgoing, seen.channel), (false, opened.channel));
    assert_eq!(seen.peer, Some(a.public().to_peer_id()));
    assert_eq!(bob.channels(10, false).channels, [seen]);
    assert_eq!(bob.incoming(&Whom::Account(alice.account())), Ok(id));
    assert!(same(&alice, &bob));
    assert_eq!(bob.ledger_status().trouble, None);
    assert_eq!(alice.account_status().balance.to_string(), "994.75");

    // Bob changes it as well, and both see the same again.
    let whom = Whom::Account(alice.account());
    bob.open_channel(&whom, tokens("1")).await.expect("opened");
    let funded = bob.fund_channel(&whom, tokens("0.5")).await.expect("funded");
    assert_eq!(funded.channel.balance, tokens("1.5"));
    let closed = bob.close_channel(&Whom::Channel(id)).await.expect("closed");
    assert_eq!(closed.channel.status, ChannelStatus::Closed);
    assert!(same(&alice, &bob));
    assert_eq!(alice.account_status().balance.to_string(), "1000");
    assert!(conserved(&alice) && conserved(&bob));
    assert_eq!(alice.channels(10, false).channels.len(), 1, "the closed one is not shown");
    assert_eq!(alice.channels(10, true).channels.len(), 2);
    assert!(alice.channels(1, true).more);
    served.stop().await;
}

#[tokio::test]
async fn a_ledger_that_was_away_is_found_again_and_its_absence_is_told() {
    let (_temporary, claim) = claim();
    let (alice, _wishes) = open(params(&[]), claim.dir()).await;
    let place = LedgerPlace::Loopback("127.0.0.1:0".parse().expect("an address"));
    let (served, place) = Served::start(&alice, &place, &claim);
    let url = crate::config::LedgerUrl(Some(place.clone())).to_string();
    let (bob, _wishes) = open(params(&[("MESHWORK_LEDGER__URL", &url)]), claim.dir()).await;
    let (a, b) = (Keypair::generate_ed25519(), Keypair::generate_ed25519());
    timeout(PATIENCE, bob.tend(&b, Vec::new(), true)).await.expect("in time");

    served.stop().await;
    parted(&bob, "not there").await;
    assert!(bob.ledger_status().trouble.is_some());
    let whom = Whom::Account(alice.account());
    let refused = bob.open_channel(&whom, tokens("1")).await.expect_err("nobody is there");
    assert!(matches!(refused, PaymentError::Gone(_)), "{refused}");
    alice.join(&a, Vec::new(), true).await.expect("her own ledger is there");

    let (served, _) = Served::start(&alice, &place, &claim);
    catch_up(&bob, &alice).await;
    assert_eq!(bob.ledger_status().trouble, None);
    bob.open_channel(&whom, tokens("1")).await.expect("opened");
    assert!(same(&alice, &bob));
    served.stop().await;
}

#[tokio::test]
async fn who_is_answered_by_a_ledger_that_was_away_looks_at_it_again_at_once() {
    let (_temporary, claim) = claim();
    let (alice, _wishes) = open(params(&[]), claim.dir()).await;
    let place = LedgerPlace::Unix("ledger.sock".to_owned());
    let (served, _) = Served::start(&alice, &place, &claim);
    let following = params(&[("MESHWORK_LEDGER__URL", "unix:ledger.sock")]);
    let (bob, _wishes) = open(following, claim.dir()).await;
    let b = Keypair::generate_ed25519();
    timeout(PATIENCE, bob.tend(&b, Vec::new(), true)).await.expect("in time");

    let (_still, begun) = (Standstill::begin(), Instant::now());
    served.stop().await;
    parted(&bob, "not there").await;
    let whom = Whom::Account(alice.account());
    let refused = bob.open_channel(&whom, tokens("1")).await.expect_err("nobody is there");
    assert!(matches!(refused, PaymentError::Gone(_)), "{refused}");
    let (served, _) = Served::start(&alice, &place, &claim);
    bob.open_channel(&whom, tokens("1")).await.expect("opened, and seen");
    assert!(same(&alice, &bob));
    assert_eq!(begun.elapsed(), Duration::ZERO, "it waited for its turn");
    served.stop().await;
}

#[tokio::test]
async fn a_ledger_of_another_network_is_not_followed() {
    let (_temporary, claim) = claim();
    let (alice, _wishes) = open(params(&[]), claim.dir()).await;
    alice.join(&Keypair::generate_ed25519(), Vec::new(), true).await.expect("joined");
    let place = LedgerPlace::Unix("ledger.sock".to_owned());
    let (served, _) = Served::start(&alice, &place, &claim);
    let other =
        [("MESHWORK_LEDGER__URL", "unix:ledger.sock"), ("MESHWORK_NETWORK__NAME", "elsewhere")];
    let (bob, _wishes) = open(params(&other), claim.dir()).await;
    parted(&bob, "another history").await;
    let refused = bob.join(&Keypair::generate_ed25519(), Vec::new(), true).await;
    assert!(refused.is_err(), "{refused:?}");
    assert_eq!(bob.replica().version(), 0);
    served.stop().await;
}

#[tokio::test]
async fn what_the_ledger_refuses_is_told_by_name() {
    let (alice, _wishes) = payments().await;
    let key = Keypair::generate_ed25519();
    alice.join(&key, Vec::new(), true).await.expect("joined");
    let version = alice.replica().version();
    alice.join(&key, Vec::new(), true).await.expect("again");
    assert_eq!(alice.replica().version(), version, "there was nothing to do");
    alice.join(&key, Vec::new(), false).await.expect("once more");
    assert_eq!(alice.replica().version(), version + 1, "it relays no longer");
    let relays = alice.replica().read(|state| state.relay_of(&alice.account()));
    assert_eq!(relays, None);

    let bob = Whom::Account(Address([7; 20]));
    let refused = alice.open_channel(&bob, tokens("1000.000000000000000001")).await;
    let code = |refused: Result<ChannelView, PaymentError>| match refused {
        Err(PaymentError::Rejected { code, .. }) => code,
        other => panic!("{other:?}"),
    };
    assert_eq!(code(refused), Code::TokenTransferFailed);
    let itself = Whom::Account(alice.account());
    let refused = alice.open_channel(&itself, tokens("1")).await;
    assert_eq!(code(refused), Code::SourceEqualsDestination);

    let nobody = Keypair::generate_ed25519().public().to_peer_id();
    let refused = alice.open_channel(&Whom::Peer(nobody), tokens("1")).await;
    assert_eq!(refused, Err(PaymentError::Unknown(nobody)));
    assert_eq!(alice.fund_channel(&bob, tokens("1")).await, Err(PaymentError::NoChannel(bob)));
    let opened = alice.open_channel(&bob, tokens("1000")).await.expect("opened");
    let id = opened.channel.id();
    assert_eq!(alice.incoming(&Whom::Channel(id)), Err(PaymentError::Outgoing(id)));
    let named = Whom::Channel(id);
    assert_eq!(alice.open_channel(&named, tokens("1")).await, Err(PaymentError::NotAPayee(id)));

    let notice = alice.close_channel(&bob).await.expect("notice is given");
    assert!(notice.closes_at.is_some());
    let refused = alice.close_channel(&bob).await;
    assert_eq!(code(refused), Code::NoticePeriodNotDue);
    assert!(conserved(&alice));
}
