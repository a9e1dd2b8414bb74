//! The orders of a node, over a store in memory.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use futures::{FutureExt, StreamExt, poll, stream};
use libp2p::PeerId;
use orders::sample::SAMPLE_V3;
use orders::v3::SignedOrder;
use ordersync::requester::{Break, Ended, Outcome};
use ordersync::service::{Event, SyncId, Synced};
use ordersync::{ItemId, MemoryStore};
use tokio::sync::broadcast;

use super::*;
use crate::config::Config;

/// The orders of a node that has none yet.
pub(crate) async fn orders() -> (Orders, mpsc::Receiver<SyncRequest>) {
    kept_in(MemoryStore::default()).await
}

/// Those that `store` keeps.
pub(crate) async fn kept_in(store: impl Store) -> (Orders, mpsc::Receiver<SyncRequest>) {
    let params = Config::default().check().expect("the defaults are good");
    let pool = Pool::new(std::num::NonZeroUsize::MIN, 16).expect("a thread");
    let opened = Orders::open(&params.orders, Arc::new(store), pool, [1; 32]).await;
    opened.expect("memory does not fail")
}

async fn import(orders: &Orders, text: &str) -> Vec<Batch> {
    let text = Bytes::copy_from_slice(text.as_bytes());
    let batches = orders.import(stream::iter([Ok::<_, Infallible>(text)]));
    batches.map(|batch| batch.unwrap_or_else(|never| match never {})).collect().await
}

#[tokio::test]
async fn what_is_imported_is_own_and_counted_once() {
    let store = MemoryStore::default();
    let (orders, _syncs) = kept_in(store.clone()).await;
    let text = format!("{SAMPLE_V3}\n \n");
    let batches = import(&orders, &text).await;
    assert_eq!(batches.iter().map(|batch| batch.bytes).sum::<u64>(), text.len() as u64);
    assert_eq!(batches.iter().map(|batch| (batch.lines, batch.new)).sum_pairs(), (200, 200));
    let again = import(&orders, &text).await;
    assert_eq!(again.iter().map(|batch| (batch.lines, batch.known)).sum_pairs(), (200, 200));
    let listing = orders.list(Query { limit: 500, ..Query::default() }).await;
    assert!(listing.orders.iter().all(|held| held.pinned));

    let status = orders.status();
    drop(orders);
    let (orders, _syncs) = kept_in(store).await;
    assert_eq!((orders.status().count, orders.status().digest), (200, status.digest));
}

/// Adds up both halves.
trait SumPairs {
    fn sum_pairs(self) -> (u64, u64);
}

impl<I: Iterator<Item = (u64, u64)>> SumPairs for I {
    fn sum_pairs(self) -> (u64, u64) {
        self.fold((0, 0), |sum, pair| (sum.0 + pair.0, sum.1 + pair.1))
    }
}

#[tokio::test]
async fn a_batch_is_bounded_in_lines_and_bytes() {
    let (orders, _syncs) = orders().await;
    let many = import(&orders, &"x\n".repeat(1234)).await;
    assert_eq!(many.iter().map(|batch| batch.lines).collect::<Vec<_>>(), [500, 500, 234]);
    let numbers: Vec<_> = many.iter().flat_map(|batch| &batch.bad).map(|bad| bad.line).collect();
    assert_eq!(numbers, (1..=1234).collect::<Vec<_>>());
    assert_eq!(many[0].bytes, 1000);

    // Forty lines of 30,000 bytes are more than a batch, and one too long is told and not kept.
    let long = format!("{}\n", " ".repeat(29_998) + "x");
    let batches = import(&orders, &(long.repeat(40) + &"y".repeat(40_000))).await;
    assert_eq!(batches.iter().map(|batch| batch.lines).collect::<Vec<_>>(), [35, 6]);
    let last = batches[1].bad.last().expect("bad");
    assert_eq!((last.line, last.code), (41, "too_long"));
    assert_eq!(last.reason, "more than 32000 bytes");
}

#[tokio::test]
async fn the_stream_is_read_only_as_fast_as_batches_are_taken() {
    let (orders, _syncs) = orders().await;
    let read = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&read);
    let endless = stream::repeat_with(move || {
        counted.fetch_add(1, Ordering::Relaxed);
        Ok::<_, Infallible>(Bytes::from("x\n".repeat(500)))
    });
    let mut batches = Box::pin(orders.import(endless));
    for taken in 1..=10 {
        batches.next().await.expect("it does not end").unwrap_or_else(|never| match never {});
        let read = read.load(Ordering::Relaxed);
        assert!(read <= taken + 3, "{read} parts were read for {taken} batches");
    }
}

#[tokio::test]
async fn a_slow_stream_does_not_wait_for_its_end() {
    let (orders, _syncs) = orders().await;
    let line = SAMPLE_V3.lines().next().expect("a line");
    let slow = stream::iter([Ok::<_, Infallible>(Bytes::from(format!("{line}\n{line}")))])
        .chain(stream::pending());
    let mut batches = Box::pin(orders.import(Box::pin(slow)));
    let batch = batches.next().await.expect("told").unwrap_or_else(|never| match never {});
    assert_eq!((batch.lines, batch.new), (1, 1), "the second line has not ended");
}

#[tokio::test]
async fn a_stream_that_breaks_ends_the_import_and_keeps_what_was_told() {
    let (orders, _syncs) = orders().await;
    let text = SAMPLE_V3.repeat(3);
    let broken = stream::iter([Ok(Bytes::from(text)), Err("broken")]);
    let told: Vec<_> = orders.import(broken).collect().await;
    let (last, before) = told.split_last().expect("told");
    assert_eq!(last, &Err("broken"));
    let lines: u64 = before.iter().flatten().map(|batch| batch.lines).sum();
    assert_eq!((lines, orders.status().count), (500, 200));
}

#[tokio::test]
async fn an_export_is_all_there_is_in_order() {
    let (orders, _syncs) = orders().await;
    assert_eq!(orders.export().count().await, 0);
    import(&orders, SAMPLE_V3).await;
    let parts: Vec<_> = orders.export().collect().await;
    assert_eq!(parts.iter().map(|part| part.count).sum::<u32>(), 200);
    let text: Vec<u8> = parts.iter().flat_map(|part| part.lines.to_vec()).collect();
    let text = String::from_utf8(text).expect("text");
    let hash = |line| SignedOrder::from_json(line).expect("an order").hash();
    let hashes: Vec<_> = text.lines().map(hash).collect();
    assert!(hashes.is_sorted() && hashes.len() == 200);
}

#[tokio::test]
async fn changes_are_told_in_parts_and_a_gap_is_told_too() {
    let (orders, _syncs) = orders().await;
    let mut changes = Box::pin(orders.changes());
    assert!(changes.next().now_or_never().is_none());
    import(&orders, SAMPLE_V3).await;
    let told = changes.next().await.expect("it does not end");
    assert_eq!((told.changes.len(), told.missed), (200, false));
    assert!(told.changes.iter().all(|changed| changed.order.is_some()));

    let ids: Vec<_> = told.changes.iter().map(|changed| changed.id).collect();
    orders.intake().forget(ids[..1].to_vec()).await.expect("memory does not fail");
    let next = changes.next().now_or_never().flatten().expect("it has happened");
    assert_eq!(next.changes.iter().map(|changed| changed.id).collect::<Vec<_>>(), ids[..1]);
    import(&orders, SAMPLE_V3).await;

    // All out and in again until more has happened than is remembered.
    for _ in 0..3 {
        assert_eq!(orders.intake().forget(ids.clone()).await.map(|gone| gone.len()), Ok(200));
        import(&orders, SAMPLE_V3).await;
    }
    let told = changes.next().await.expect("it does not end");
    assert!(told.changes.is_empty() && told.missed);
    assert!(changes.next().now_or_never().is_none(), "it goes on from now");
    orders.intake().forget(ids).await.expect("memory does not fail");
    let told = changes.next().await.expect("it does not end");
    assert_eq!((told.changes.len(), told.missed), (200, false));
    assert!(told.changes.iter().all(|changed| changed.order.is_none()));
}

#[tokio::test]
async fn a_list_goes_on_where_it_stopped() {
    let (orders, _syncs) = orders().await;
    import(&orders, SAMPLE_V3).await;
    let (mut after, mut seen) = (ItemId::ZERO, 0);
    loop {
        let listing = orders.list(Query { after, limit: 33, ..Query::default() }).await;
        seen += listing.orders.len();
        assert!(listing.orders.iter().all(|held| held.entry.id > after));
        assert_eq!((listing.more, listing.count), (seen < 200, 200));
        match listing.orders.last() {
            Some(last) if listing.more => after = last.entry.id,
            _ => break,
        }
    }
    assert_eq!(seen, 200);
}

fn outcome() -> Outcome {
    Outcome { ended: Ended::Agreed, ..Outcome::broken(Break::Closed) }
}

#[tokio::test]
async fn a_sync_is_reported_from_its_first_session_to_its_end() {
    let (orders, mut syncs) = orders().await;
    let mut reports = orders.sync(SyncWish::Some(2)).await.expect("there is a queue");
    let request = syncs.recv().await.expect("asked");
    assert_eq!(request.wish, SyncWish::Some(2));
    let (tell, events) = broadcast::channel(8);
    let peer = PeerId::random();
    let sync = async move {
        let [own, other] = [SyncId(1), SyncId(2)];
        let tally = outcome().tally;
        let goes_on = Event::Progress { sync: other, peer, tally };
        let fetched = |sync| Event::Fetched { sync, peer, protocol: None, outcome: outcome() };
        for event in [goes_on, fetched(other), fetched(own), fetched(SyncId::default())] {
            tell.send(event).expect("somebody listens");
        }
        Ok(Synced { peers: vec![(peer, outcome())], failed: Vec::new() })
    };
    request.run(SyncId(1), events, sync).await;
    match reports.recv().await {
        Some(SyncReport::Session { peer: whose, .. }) => assert_eq!(whose, peer),
        other => panic!("{other:?}"),
    }
    match reports.recv().await {
        Some(SyncReport::Ended(Ok(synced))) => assert_eq!(synced.peers.len(), 1),
        other => panic!("{other:?}"),
    }
    assert!(reports.recv().await.is_none());
}

#[tokio::test]
async fn a_sync_that_nobody_waits_for_is_stopped() {
    let (orders, mut syncs) = orders().await;
    let reports = orders.sync(SyncWish::Some(1)).await.expect("there is a queue");
    let request = syncs.recv().await.expect("asked");
    let (_tell, events) = broadcast::channel(8);
    let mut run = Box::pin(request.run(SyncId(1), events, pending()));
    assert!(poll!(&mut run).is_pending());
    drop(reports);
    run.await;
    drop(syncs);
    assert_eq!(orders.sync(SyncWish::Some(1)).await.err(), Some(NoSync));
}
