//! Sessions that break, or whose provider is at fault, while what came is still being stored: it is
//! kept, and what did not come is named.

use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::{BoxFuture, pending};
use futures_timer::Delay;
use machine::UnixTime;
use meshwork_ordersync::requester::{self, Break, Ended, Outcome};
use meshwork_ordersync::riblt::RibltRequest;
use meshwork_ordersync::service::{Config, Protocol};
use meshwork_ordersync::{
    Admission, Admitted, Change, Entry, Fault, Form, Holding, ItemId, Loader, MemoryStore, Range,
    RawResponse, Rejected, Requester, Store, StoreError, json,
};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, DuplexStream};
use tokio::time::timeout;

use super::streams::asker;
use super::{Manner, Puppet, asked, page};
use crate::pair::{Side, note, subprotocols};
use crate::sample::Note;

const PATIENCE: Duration = Duration::from_mins(1);

/// Notes of one page.
const PAGE: usize = 20;

/// A disk that takes so long for everything, or for ever.
struct SlowStore {
    kept: MemoryStore,
    pause: Option<Duration>,
}

impl Store for SlowStore {
    fn load(&self, each: Loader) -> BoxFuture<'static, Result<usize, StoreError>> {
        self.kept.load(each)
    }

    fn apply(&self, changes: Vec<Change>) -> BoxFuture<'static, Result<(), StoreError>> {
        let (kept, pause) = (self.kept.clone(), self.pause);
        async move {
            match pause {
                Some(pause) => Delay::new(pause).await,
                None => pending().await,
            }
            kept.apply(changes).await
        }
        .boxed()
    }
}

/// Three pages of notes, which ascend.
fn notes() -> Vec<Entry<Note>> {
    let numbers = 1_000..1_000 + u32::try_from(3 * PAGE).unwrap();
    let mut notes: Vec<_> = numbers.map(|number| Entry::new(note(number))).collect();
    notes.sort_by_key(|entry| entry.id);
    notes
}

/// Answers with three good pages, then with `then`, and hangs up.
async fn give(mut stream: DuplexStream, then: &'static [u8]) {
    let (asked, mut answer) = tokio::io::split(&mut stream);
    let mut asked = BufReader::new(asked).lines();
    let notes = notes();
    for some in notes.chunks(PAGE) {
        asked.next_line().await.unwrap();
        let page = page(Form::Json, some.to_vec(), some[PAGE - 1].id);
        let text = json::Envelope::Negotiated.encode_response(&page[0]).unwrap();
        answer.write_all(format!("{text}\n").as_bytes()).await.unwrap();
    }
    asked.next_line().await.unwrap();
    answer.write_all(then).await.unwrap();
}

/// Syncs with who gives three pages and then does something else. Says how it ended, and which of the
/// notes are in the book and on the disk then.
async fn sync(
    turn_timeout: Duration,
    pause: Option<Duration>,
    then: &'static [u8],
) -> (Outcome, [usize; 2]) {
    let config = Config { page: PAGE, turn_timeout, rounds_max: 1, ..Config::default() };
    let kept = MemoryStore::default();
    let store = Arc::new(SlowStore { kept: kept.clone(), pause });
    let protocol = Protocol::Json(json::Envelope::Negotiated);
    let (peer, service) = asker(config, protocol, store, move |stream| give(stream, then));
    // Who has a page already asks one for everything.
    let hold = |number| Holding {
        entry: Entry::new(note(number)),
        received: UnixTime::from_millis(0),
        pinned: false,
    };
    service.book().insert((0..30).map(hold).collect());
    let synced = timeout(PATIENCE, service.get_orders_from(vec![peer])).await;
    let failed = synced.expect("in time").expect_err("it did not end well").failed;
    let held = notes().iter().filter(|entry| service.book().contains(&entry.id)).count();
    let (count, loaded) = std::sync::mpsc::channel();
    kept.load(Box::new(move |some| count.send(some.len()).unwrap())).await.unwrap();
    (failed[0].1.outcome.clone(), [held, loaded.iter().sum()])
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_came_before_garbage_or_the_end_of_the_stream_is_stored() {
    let last = notes()[3 * PAGE - 1].id;
    for (then, why) in [(&b"{\"type\":7}\n"[..], "garbage"), (b"", "hangs up")] {
        let turn = Duration::from_secs(20);
        let (outcome, held) = sync(turn, Some(Duration::from_millis(100)), then).await;
        match &outcome.ended {
            Ended::Faulted(Fault::Message { .. }) => assert_eq!(why, "garbage"),
            Ended::Broken(Break::Closed) => assert_eq!(why, "hangs up"),
            other => panic!("{why}: {other:?}"),
        }
        assert_eq!(held, [3 * PAGE; 2], "{why}: in the book and on the disk: {outcome:?}");
        assert_eq!((outcome.tally.new, outcome.tally.later), (60, 0), "{why}");
        let rest = Range { after: last, until: ItemId::MAX };
        assert_eq!(outcome.missing.ranges, [rest], "{why}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_being_stored_is_waited_for_as_long_as_for_a_turn() {
    let (outcome, held) = sync(Duration::from_millis(500), None, b"").await;
    assert_eq!(outcome.ended, Ended::Broken(Break::Closed));
    assert_eq!(held, [0; 2]);
    assert_eq!((outcome.tally.new, outcome.tally.later), (0, 60));
    assert_eq!(outcome.missing.ranges, [Range::ALL], "all of it has to come again");
}

/// A comparison that lacks 1,500 notes, of which the first 1,024 come; then `tamper` makes of the
/// answer what the requester hears, and the stream ends. Of what came to be stored `later` cannot be.
fn compare(later: Option<usize>, tamper: impl Fn(&mut RawResponse<Note>)) -> Outcome {
    let (ours, mut theirs) = (Side::new(1, 0..5_000), Puppet::new(Form::Binary, 0..6_500));
    let manner = Manner::of(Form::Binary);
    let cx = manner.context(&ours);
    let mut core = Requester::start(subprotocols(Form::Binary), manner.limits, cx);
    let (mut fetched, mut storing) = (false, Vec::new());
    loop {
        match core.poll_effect() {
            Some(requester::Effect::Send(_)) if fetched => {
                core.handle(requester::Input::Broken(Break::Closed));
            }
            Some(requester::Effect::Send(request)) => {
                fetched = matches!(asked(&request), Some(RibltRequest::Fetch { .. }));
                for mut response in theirs.answers(&request) {
                    if fetched {
                        tamper(&mut response);
                    }
                    core.handle(requester::Input::Received(response));
                }
            }
            Some(requester::Effect::Admit(entries)) => storing = entries,
            Some(requester::Effect::End(outcome)) => return outcome,
            Some(_) => {}
            None => match later {
                Some(later) => {
                    assert!(core.is_ending() && !core.awaits_answer());
                    let admit = |(place, entry): (usize, &Entry<Note>)| {
                        let reason = String::new();
                        let refused = Err(Rejected::Later { reason });
                        let outcome = if place < later { refused } else { Ok(Admitted::New) };
                        Admission { id: entry.id, outcome }
                    };
                    let outcomes = storing.iter().enumerate().map(admit).collect();
                    core.handle(requester::Input::Admitted(outcomes));
                }
                None => core.handle(requester::Input::StopStoring),
            },
        }
    }
}

#[test]
fn an_item_is_missing_until_it_is_stored() {
    let broken = Ended::Broken(Break::Closed);
    for (later, missing) in [(Some(0), 476), (Some(24), 500), (None, 1_500)] {
        let outcome = compare(later, |_| {});
        assert_eq!((&outcome.ended, outcome.missing.items), (&broken, missing), "{later:?}");
    }
}

#[test]
fn of_a_page_that_is_at_fault_all_items_are_missing() {
    let outcome = compare(None, |response| response.orders[0] = Entry::new(note(77_777)));
    assert_eq!(outcome.ended, Ended::Faulted(Fault::Unwanted { orders: 1 }));
    assert_eq!(outcome.missing.items, 1_500);
    let outcome = compare(None, |response| "/mine/1".clone_into(&mut response.subprotocol));
    assert!(matches!(outcome.ended, Ended::Faulted(Fault::NotOffered { .. })), "{outcome:?}");
    assert_eq!(outcome.missing.items, 1_500);
}
