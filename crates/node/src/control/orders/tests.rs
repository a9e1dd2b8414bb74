//! Orders through a real client, server and socket.

use std::time::Duration;

use bytes::Bytes;
use futures::stream;
use libp2p::PeerId;
use orders::sample::SAMPLE_V3;
use ordersync::requester::{Break, Ended, Missing, Outcome, Tally};
use ordersync::service::{NoOrders, Protocol, Synced};
use tonic::Code;

use super::super::tests::{Served, serve};
use super::*;
use crate::config::{Control, DialAddress};
use crate::control::ClientError;
use crate::generated::control::v1::orders_sync_reply::What;
use crate::orders::{Query, SyncError, SyncReport, SyncWish};

async fn all<R>(mut replies: Stream<R>) -> Result<Vec<R>, ClientError> {
    let mut all = Vec::new();
    while let Some(reply) = replies.next().await? {
        all.push(reply);
    }
    Ok(all)
}

async fn import(served: &Served, text: &str) -> Vec<proto::OrdersImportReply> {
    let parts: Vec<_> =
        text.as_bytes().chunks(PART_BYTES_MAX).map(Bytes::copy_from_slice).collect();
    let replies = served.client.orders_import(stream::iter(parts)).await.expect("taken");
    all(replies).await.expect("imported")
}

#[tokio::test]
async fn orders_go_in_and_out() {
    let served = serve(Control::default()).await;
    let replies = import(&served, &format!("{SAMPLE_V3}\nnonsense")).await;
    let sum = |of: fn(&proto::OrdersImportReply) -> u64| replies.iter().map(of).sum::<u64>();
    assert_eq!((sum(|it| it.lines), sum(|it| it.new), sum(|it| it.known)), (201, 200, 0));
    let bad: Vec<_> = replies.iter().flat_map(|reply| &reply.bad).collect();
    assert_eq!((bad.len(), bad[0].line, bad[0].code.as_str()), (1, 202, "syntax"));

    let status = served.client.orders_status().await.expect("an answer");
    assert_eq!((status.count, status.count_max, status.digest.len()), (200, 200_000, 32));
    assert_eq!((status.chain_id, status.schema.as_str()), (1, "{}"));
    let parts = all(served.client.orders_export().await.expect("told")).await.expect("told");
    assert_eq!(parts.iter().map(|part| part.count).sum::<u32>(), 200);
    let query = Query { limit: 3, ..Query::default() };
    let listed = served.client.orders_list(query).await.expect("an answer");
    assert_eq!((listed.orders.len(), listed.count, listed.more), (3, 200, true));
    let first = parts[0].lines.split(|byte| *byte == b'\n').next().expect("a line");
    let first = orders::v3::SignedOrder::from_json(first).expect("an order");
    assert_eq!(listed.orders[0].hash, first.hash().0.to_vec());
    assert_eq!(listed.orders[0].maker_asset, first.order.maker_asset_data.to_string());
}

#[tokio::test]
async fn who_watches_misses_nothing_after_the_first_reply() {
    let served = serve(Control::default()).await;
    let mut watching = served.client.orders_watch().await.expect("told");
    let begun = watching.next().await.expect("told");
    assert_eq!(begun, Some(proto::OrdersWatchReply::default()));
    import(&served, SAMPLE_V3).await;
    let mut seen = 0;
    while seen < 200 {
        let told = watching.next().await.expect("told").expect("it does not end");
        seen += told.changes.len();
    }
    // It ends with the node, which does not wait for it.
    let Served { end, mut server, .. } = served;
    end.send(()).expect("it is being served");
    let refused = watching.next().await.expect_err("the node is ending");
    assert_eq!(refused.code(), Some(Code::Unavailable), "{refused}");
    server.join_next().await.expect("one server").expect("no panic").expect("an orderly end");
}

#[tokio::test]
async fn what_makes_no_sense_is_refused() {
    let served = serve(Control::default()).await;
    for limit in [0, 501] {
        let query = Query { limit, ..Query::default() };
        let refused = served.client.orders_list(query).await.expect_err("refused");
        assert_eq!(refused.code(), Some(Code::InvalidArgument), "{refused}");
    }
    let part = Bytes::from(vec![b'x'; PART_BYTES_MAX + 1]);
    let replies = served.client.orders_import(stream::iter([part])).await.expect("taken");
    let refused = all(replies).await.expect_err("refused");
    assert_eq!(refused.code(), Some(Code::InvalidArgument), "{refused}");
    let refused = served.client.orders_sync(65, &[]).await.expect_err("refused");
    assert_eq!(refused.code(), Some(Code::InvalidArgument), "{refused}");
    let wrong = proto::OrdersListRequest {
        limit: 1,
        maker: Bytes::from_static(&[1; 19]),
        ..Default::default()
    };
    let refused = convert::query(&wrong).expect_err("refused");
    assert_eq!(refused.message(), "maker has 19 bytes, must have 20 or none");
}

#[tokio::test]
async fn a_sync_is_told_as_it_goes() {
    let mut served = serve(Control::default()).await;
    let address: DialAddress =
        format!("/ip4/9.9.9.9/tcp/1/p2p/{}", PeerId::random()).parse().expect("good");
    let mut told =
        served.client.orders_sync(0, std::slice::from_ref(&address)).await.expect("told");
    let request = served.syncs.recv().await.expect("asked");
    assert_eq!(request.wish, SyncWish::With(vec![address]));
    let peer = PeerId::random();
    let tally = Tally { new: 7, pushed: 3, round_trips: 2, ..Tally::default() };
    let outcome = Outcome { ended: Ended::Agreed, tally, ..Outcome::broken(Break::Closed) };
    let synced = Synced { peers: vec![(peer, outcome.clone())], failed: Vec::new() };
    let reports = [
        SyncReport::Progress { peer, tally },
        SyncReport::Session { peer, protocol: Some(Protocol::Binary), outcome },
        SyncReport::Ended(Ok(synced)),
    ];
    for report in reports {
        request.reports.send(report).await.expect("somebody listens");
    }
    let mut next = async || told.next().await.expect("told").map(|reply| reply.what);
    match next().await {
        Some(Some(What::Progress(progress))) => {
            assert_eq!(progress.tally.map(|it| it.new), Some(7));
        }
        other => panic!("{other:?}"),
    }
    match next().await {
        Some(Some(What::Session(session))) => {
            let proto::SyncSession { ended, protocol, tally, .. } = session;
            assert_eq!((ended.as_str(), protocol.as_str()), ("agreed", "/meshwork/ordersync/1"));
            assert_eq!(tally.map(|it| (it.given, it.round_trips)), Some((3, 2)));
        }
        other => panic!("{other:?}"),
    }
    let end = proto::SyncEnd { ok: true, reason: String::new(), peers: 1 };
    assert_eq!(next().await, Some(Some(What::End(end))));
    assert_eq!(next().await, None);
}

#[tokio::test]
async fn a_sync_that_fails_or_is_not_run_says_so() {
    let mut served = serve(Control::default()).await;
    let mut told = served.client.orders_sync(0, &[]).await.expect("told");
    let request = served.syncs.recv().await.expect("asked");
    assert_eq!(request.wish, SyncWish::Some(5), "what the configuration says");
    let missing = Missing { items: 17, ranges: Vec::new() };
    let outcome = Outcome { missing, ..Outcome::broken(Break::TimedOut) };
    let peer = PeerId::random();
    let session = SyncReport::Session { peer, protocol: None, outcome };
    request.reports.send(session).await.expect("somebody listens");
    let nobody = NoOrders { failed: Vec::new() };
    request.reports.send(SyncReport::Ended(Err(nobody.into()))).await.expect("somebody listens");
    let session = told.next().await.expect("told").and_then(|reply| reply.what);
    assert!(matches!(session, Some(What::Session(it)) if it.ended == "broken"
        && it.detail == "no answer in time; 17 items wanted and not received" && it.protocol.is_empty()));
    let end = told.next().await.expect("told").and_then(|reply| reply.what);
    assert!(matches!(end, Some(What::End(it)) if !it.ok && it.reason.contains("no orders")));

    // With some of those that were named is neither nothing nor what was asked for.
    let mut told = served.client.orders_sync(0, &[]).await.expect("told");
    let request = served.syncs.recv().await.expect("asked");
    let address = "/ip4/9.9.9.9/tcp/1".parse().expect("good");
    let error = SyncError::Unreached { address, reason: "nobody is there".to_owned() };
    let unreached = SyncReport::Unreached { peer, error };
    request.reports.send(unreached).await.expect("somebody listens");
    let partly = SyncError::Partly { synced: 1, named: 2 };
    request.reports.send(SyncReport::Ended(Err(partly))).await.expect("somebody listens");
    let session = told.next().await.expect("told").and_then(|reply| reply.what);
    assert!(matches!(session, Some(What::Session(it)) if it.ended == "unreached"
        && it.detail == "cannot reach /ip4/9.9.9.9/tcp/1: nobody is there"
        && it.peer_id == peer.to_string()));
    let end = told.next().await.expect("told").and_then(|reply| reply.what);
    let reason = "synced with 1 of the 2 peers that were named".to_owned();
    assert_eq!(end, Some(What::End(proto::SyncEnd { ok: false, reason, peers: 1 })));

    // Whoever hangs up stops it.
    let told = served.client.orders_sync(1, &[]).await.expect("told");
    let request = served.syncs.recv().await.expect("asked");
    drop(told);
    let closed = timeout(Duration::from_secs(10), request.reports.closed());
    closed.await.expect("it is noticed");

    // One that is dropped half-way has no end, and is not taken for one that went well.
    let told = served.client.orders_sync(1, &[]).await.expect("told");
    drop(served.syncs.recv().await.expect("asked"));
    let refused = all(told).await.expect_err("lost");
    assert_eq!(refused.code(), Some(Code::Unavailable), "{refused}");
    drop(served.syncs);
    let refused = served.client.orders_sync(1, &[]).await.expect_err("nobody runs it");
    assert_eq!(refused.code(), Some(Code::Unavailable), "{refused}");
}
