//! What came is written down.

use std::convert::Infallible;
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use futures::future::{BoxFuture, FutureExt as _, pending, ready};
use machine::Instant;
use meshwork_dht::{
    Arrival, Change, Clock, Config, DhtHandlerLayer, DhtInboundMessage, Journal, Lifetime,
    MemoryStore, Moment, Refusal, Seen, Snapshot, Store, StoreError, forward, store as store_stage,
};
use tokio::time::{sleep, timeout};
use tower::{Layer as _, ServiceExt as _, service_fn};

use super::{LIFE, MINUTE, Node, START, at, network, routed, sealed, sealed_again};

/// What the store does with a write.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Mood {
    Works,
    Fails,
    Hangs,
}

/// A store that does as it is told, and counts its writes.
#[derive(Clone)]
struct Moody {
    kept: MemoryStore,
    state: Arc<Mutex<(Mood, usize)>>,
}

impl Moody {
    fn new() -> Self {
        Self { kept: MemoryStore::default(), state: Arc::new(Mutex::new((Mood::Works, 0))) }
    }

    fn be(&self, mood: Mood) {
        self.state.lock().unwrap().0 = mood;
    }

    fn writes(&self) -> usize {
        self.state.lock().unwrap().1
    }
}

impl Store for Moody {
    fn load(&self) -> BoxFuture<'static, Result<Snapshot, StoreError>> {
        self.kept.load()
    }

    fn save(&self, changes: Vec<Change>) -> BoxFuture<'static, Result<(), StoreError>> {
        let mut state = self.state.lock().unwrap();
        state.1 += 1;
        match state.0 {
            Mood::Works => self.kept.save(changes),
            Mood::Fails => ready(Err(StoreError { message: "disk is full".into() })).boxed(),
            Mood::Hangs => pending().boxed(),
        }
    }

    fn read(
        &self,
        arrivals: Vec<Arrival>,
    ) -> BoxFuture<'static, Result<Vec<Option<Bytes>>, StoreError>> {
        self.kept.read(arrivals)
    }
}

/// The recipient as it is with what the store has, and its journal.
fn start(store: &Moody) -> (Node, Journal) {
    let config = Config::default();
    let params = config.clone().check().unwrap();
    let seen = Seen::restored(network(), &params, store.kept.snapshot().seen, at(MINUTE));
    let node = Node::remembering(2, &config, seen.clone());
    let journal = Journal::new(seen, Arc::new(store.clone()), Clock::new(|| at(MINUTE)));
    (node, journal)
}

#[tokio::test]
async fn what_is_written_is_known_after_a_restart() {
    let store = Moody::new();
    let (node, journal) = start(&store);
    node.take(routed(&sealed(1)), at(MINUTE)).unwrap();
    journal.write().await.unwrap();
    assert_eq!((node.gauges().unwritten, store.writes()), (0, 1));
    journal.write().await.unwrap();
    assert_eq!(store.writes(), 1, "there was nothing to write");

    let (node, _) = start(&store);
    assert_eq!(node.refusal(routed(&sealed(1))), Some(Refusal::Duplicate));
}

#[tokio::test]
async fn what_could_not_be_written_is_written_later() {
    let store = Moody::new();
    let (node, journal) = start(&store);
    node.take(routed(&sealed(1)), at(MINUTE)).unwrap();
    store.be(Mood::Fails);
    assert_eq!(journal.write().await.unwrap_err().message, "disk is full");
    store.be(Mood::Hangs);
    assert_eq!(journal.write().now_or_never(), None, "dropped halfway");
    assert_eq!(node.gauges().unwritten, 2);
    store.be(Mood::Works);
    journal.write().await.unwrap();
    assert_eq!(store.kept.snapshot().seen.len(), 2);
}

#[tokio::test]
async fn one_write_is_enough_for_all_who_wait() {
    let store = Moody::new();
    let (node, journal) = start(&store);
    for number in 1..=5 {
        node.take(routed(&sealed(number)), at(MINUTE)).unwrap();
    }
    let waiting = (0..5).map(|_| journal.write());
    for written in futures::future::join_all(waiting).await {
        written.unwrap();
    }
    assert_eq!((store.writes(), store.kept.snapshot().seen.len()), (1, 10));
}

#[tokio::test]
async fn nobody_is_told_that_a_letter_was_taken_before_that_is_written() {
    let store = Moody::new();
    let (node, journal) = start(&store);
    let taken = service_fn(|_: DhtInboundMessage| async { Ok::<_, Infallible>(()) });
    let handler = DhtHandlerLayer::journaled(journal).layer(taken);
    let bring = |number| {
        let recorded = node.pass(routed(&sealed(number)), at(MINUTE)).unwrap();
        let local = store_stage(recorded).continue_value().map(forward);
        let local = local.and_then(ControlFlow::continue_value).unwrap();
        handler.clone().oneshot(local)
    };
    assert_eq!(bring(1).await.unwrap().name(), "delivered");
    assert_eq!(store.kept.snapshot().seen.len(), 2);
    store.be(Mood::Hangs);
    assert!(bring(2).now_or_never().is_none());
    store.be(Mood::Fails);
    assert_eq!(bring(3).await.err(), Some(Refusal::Full));
    assert_eq!(node.refusal(routed(&sealed(3))), Some(Refusal::Duplicate), "it was taken");
}

#[tokio::test]
async fn nobody_is_told_that_a_letter_was_taken_before_while_that_is_not_written() {
    let store = Moody::new();
    let (node, journal) = start(&store);
    let taken = service_fn(|_: DhtInboundMessage| async { Ok::<_, Infallible>(()) });
    let handler = DhtHandlerLayer::journaled(journal).layer(taken);
    let bring = |envelope| {
        let recorded = node.pass(routed(&envelope), at(MINUTE)).unwrap();
        let local = store_stage(recorded).continue_value().map(forward);
        let local = local.and_then(ControlFlow::continue_value).unwrap();
        handler.clone().oneshot(local)
    };
    store.be(Mood::Hangs);
    let mut first = Box::pin(bring(sealed(1)));
    assert!(futures::poll!(&mut first).is_pending(), "taken, and being written");
    let mut again = Box::pin(bring(sealed_again(1, Lifetime::MAX)));
    assert!(futures::poll!(&mut again).is_pending(), "not written yet");
    drop(first);
    store.be(Mood::Fails);
    assert_eq!(again.await.err(), Some(Refusal::Full));
}

#[tokio::test(start_paused = true)]
async fn what_nobody_waits_for_is_written_behind() {
    let store = Moody::new();
    let (node, journal) = start(&store);
    let second = Duration::from_secs(1);
    assert!(timeout(second, journal.clone().run()).await.is_err(), "it never ends");
    assert_eq!(store.writes(), 0, "and does nothing when nothing comes");
    tokio::select! {
        _ = journal.run() => unreachable!("it never ends"),
        () = async {
            node.take(routed(&sealed(1)), at(MINUTE)).unwrap();
            sleep(second).await;
            assert_eq!(node.gauges().unwritten, 0);
            store.be(Mood::Fails);
            node.take(routed(&sealed(2)), at(MINUTE)).unwrap();
            sleep(second).await;
            assert_eq!(node.gauges().unwritten, 2);
            store.be(Mood::Works);
            sleep(10 * second).await;
            assert_eq!(node.gauges().unwritten, 0);
        } => {}
    }
    assert_eq!(store.kept.snapshot().seen.len(), 4);
}

#[tokio::test(start_paused = true)]
async fn rows_are_removed_a_day_after_they_expired() {
    let store = Moody::new();
    let (node, journal) = start(&store);
    node.take(routed(&sealed(1)), at(MINUTE)).unwrap();
    journal.write().await.unwrap();
    let day = Duration::from_hours(24);
    for (elapsed, left) in [(LIFE + day / 2, 2), (LIFE + day, 0)] {
        let moment = Moment { now: Instant::START, wall: START.after(elapsed) };
        let params = Config::default().check().unwrap();
        let seen = Seen::restored(network(), &params, [], moment);
        seen.sent(&sealed(2).identify(&network()), START.after(2 * day), moment);
        let journal = Journal::new(seen, Arc::new(store.clone()), Clock::new(move || moment));
        assert!(timeout(Duration::from_secs(1), journal.run()).await.is_err());
        let expired = store.kept.snapshot().seen;
        let of_first = expired.iter().filter(|row| row.expires() == START.after(LIFE));
        assert_eq!(of_first.count(), left);
    }
}
