//! A provider that says how long it is busy is left alone for that long.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use machine::Instant;
use meshwork_ordersync::binary::{Denial, Frame, Reason};
use meshwork_ordersync::requester::{Break, Ended, RefusedBy};
use meshwork_ordersync::service::{Config, Protocol};
use tokio::io::DuplexStream;
use tokio_util::compat::TokioAsyncReadCompatExt as _;
use transport::clock::Clock;
use transport::session::Turns;

use super::streams::ask_with;
use crate::sample::Note;

/// Says that it is busy for so long, and when it was asked.
async fn refuse(stream: DuplexStream, retry_after: Option<Duration>) {
    let (mut reader, mut writer) = Turns::new(stream.compat(), None).split();
    let _request = reader.recv().await;
    let denial = Denial { reason: Reason::Busy { retry_after }, detail: String::new() };
    let frame = Frame::<Note>::Error { id: 1, denial };
    writer.send(frame.pack().unwrap().frame).await.unwrap();
    let _closed = writer.close().await;
}

/// When a provider that is busy for `retry_after` is asked in three rounds.
async fn asked(retry_after: Option<Duration>, backoff_max: Duration) -> Vec<Instant> {
    let (clock, times) = (Clock::start(), Arc::new(Mutex::new(Vec::new())));
    let seen = Arc::clone(&times);
    let provider = move |stream| {
        seen.lock().unwrap().push(clock.now());
        refuse(stream, retry_after)
    };
    let backoff_min = Duration::from_millis(1);
    let config = Config { rounds_max: 3, backoff_min, backoff_max, ..Config::default() };
    let ended = ask_with(config, Protocol::Binary, provider).await;
    let busy = RefusedBy::Busy { retry_after };
    assert_eq!(ended, Ended::Broken(Break::Refused(busy)));
    times.lock().unwrap().clone()
}

#[tokio::test]
async fn who_is_busy_is_asked_again_when_it_said() {
    let time = Duration::from_millis(120);
    let times = asked(Some(time), Duration::from_secs(1)).await;
    assert_eq!(times.len(), 3);
    for pair in times.windows(2) {
        assert!(pair[1].since(pair[0]) >= time, "asked again too early: {times:?}");
    }
    assert_eq!(asked(None, Duration::from_secs(1)).await.len(), 3, "it did not say how long");
}

#[tokio::test]
async fn who_is_busy_for_long_is_not_waited_for() {
    let times = asked(Some(Duration::from_hours(1)), Duration::from_millis(2)).await;
    assert_eq!(times.len(), 1, "{times:?}");
}

#[test]
fn how_long_is_said() {
    let busy = |retry_after| RefusedBy::Busy { retry_after }.to_string();
    assert_eq!(busy(None), "busy");
    assert_eq!(busy(Some(Duration::from_secs(5))), "busy for 5s");
}
