//! Transcripts of 0x-Mesh, byte for byte, through both sides of a session.
//!
//! In `tests/golden`, a line with `>` is a request, with `<` its response, and with `!` the reason
//! for which the provider ends the session instead.

use std::path::Path;
use std::sync::Arc;

use machine::{PeerId, UnixTime};
use meshwork_ordersync::json::Envelope;
use meshwork_ordersync::paging::{V0, V1, V4};
use meshwork_ordersync::provider::{self, Provider};
use meshwork_ordersync::requester::{self, Ended, Outcome, Requester, Rest};
use meshwork_ordersync::service::Protocol;
use meshwork_ordersync::zeroex::{Order, Wanted};
use meshwork_ordersync::{
    Admission, Admitted, Book, Context, Entry, Filter, Form, Holding, Item, ItemId, Leave, Range,
    Subprotocols, book,
};

/// The filter of the reference's examples.
const FILTER: &str = r#"{"customOrderSchema":"{}","chainID":1337,"exchangeAddress":"0x48bacb9266a570d521063ef5dd96e61686dbe788"}"#;

#[derive(Debug)]
enum Line {
    Request(String),
    Response(String),
    Reason(String),
}

fn transcript(name: &str) -> Vec<Line> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
    let text = std::fs::read_to_string(path).unwrap();
    let line = |line: &str| match line.split_at_checked(2) {
        Some(("> ", rest)) => Some(Line::Request(rest.to_owned())),
        Some(("< ", rest)) => Some(Line::Response(rest.to_owned())),
        Some(("! ", rest)) => Some(Line::Reason(rest.to_owned())),
        Some(("# ", _)) => None,
        other => panic!("{other:?} in {name}"),
    };
    text.lines().filter_map(line).collect()
}

fn context<I: Item>(filter: I::Filter, held: impl IntoIterator<Item = I>) -> Context<I> {
    let book = Book::new(book::Config::default().check().unwrap(), [1; 32]);
    let hold = |order: I| Holding {
        entry: Entry::new(order),
        received: UnixTime::from_millis(0),
        pinned: false,
    };
    book.insert(held.into_iter().map(hold).collect());
    Context {
        book: Arc::new(book),
        peer: PeerId::random(),
        form: Form::Json,
        filter,
        page: 500,
        secret: [1; 32],
        scans: Leave::fixed(true),
        push: false,
    }
}

/// The order of a transcript's page.
fn order_in<I: Item>(envelope: Envelope, lines: &[Line]) -> Option<I> {
    let page = |line: &Line| match line {
        Line::Response(text) => envelope.decode_response::<I>(text).unwrap().orders.pop(),
        Line::Request(_) | Line::Reason(_) => None,
    };
    lines.iter().find_map(page).map(|entry: Entry<I>| I::clone(&entry.item))
}

/// Asks a provider what the transcript asks, and compares the answers.
fn provide<I: Item>(
    envelope: Envelope,
    subprotocols: Subprotocols<I>,
    cx: Context<I>,
    lines: &[Line],
) {
    let limits = provider::Limits::default();
    let mut provider = Provider::new(subprotocols, limits, cx);
    for line in lines {
        match line {
            Line::Request(text) => {
                let request = envelope.decode_request(text).unwrap();
                provider.handle(provider::Input::Received(request));
            }
            Line::Response(text) => match provider.poll_effect() {
                Some(provider::Effect::Respond(response)) => {
                    assert_eq!(envelope.encode_response(&response).unwrap(), *text);
                }
                other => panic!("{other:?} instead of {text}"),
            },
            Line::Reason(text) => match provider.poll_effect() {
                Some(provider::Effect::End(Err(refusal))) => {
                    assert_eq!(refusal.to_string(), *text);
                    return;
                }
                other => panic!("{other:?} instead of the end"),
            },
        }
    }
    assert!(
        matches!(provider.poll_effect(), Some(provider::Effect::End(Ok(())))),
        "the provider says when it is over"
    );
}

/// Answers a requester as the transcript does, and compares what it asks.
fn pursue<I: Item>(envelope: Envelope, mut requester: Requester<I>, lines: &[Line]) -> Outcome {
    let mut lines = lines.iter();
    loop {
        match requester.poll_effect().expect("it waits for nobody") {
            requester::Effect::Send(request) => {
                let (Some(Line::Request(asked)), Some(Line::Response(answer))) =
                    (lines.next(), lines.next())
                else {
                    panic!("{request:?} after the end");
                };
                assert_eq!(envelope.encode_request(&request).unwrap(), *asked);
                let answer = envelope.decode_response(answer).unwrap();
                requester.handle(requester::Input::Received(answer));
            }
            requester::Effect::Admit(entries) => {
                let admitted =
                    |entry: Entry<_>| Admission { id: entry.id, outcome: Ok(Admitted::New) };
                let outcomes = entries.into_iter().map(admitted).collect();
                requester.handle(requester::Input::Admitted(outcomes));
            }
            requester::Effect::RangeDone(_) => {}
            requester::Effect::End(outcome) => {
                assert_eq!(lines.len(), 0, "all of the transcript was said");
                return outcome;
            }
            other => panic!("{other:?}"),
        }
    }
}

fn both(v1: V1) -> Subprotocols<Order> {
    Subprotocols::new().with(v1).unwrap().with(V0).unwrap()
}

fn node(held: impl IntoIterator<Item = Order>) -> Context<Order> {
    let wanted = Wanted::from_json(FILTER).unwrap();
    context(wanted.carried_by(Protocol::Json(Envelope::Negotiated)), held)
}

const AS_0X_MESH: V1 = V1 { empty_last_page: true };

fn provides(name: &str, subprotocols: Subprotocols<Order>) {
    let lines = transcript(name);
    let held = order_in(Envelope::Negotiated, &lines);
    provide(Envelope::Negotiated, subprotocols, node(held), &lines);
}

fn requests(name: &str, subprotocols: Subprotocols<Order>) {
    let limits = requester::Limits::default();
    let requester = Requester::start(subprotocols, limits, node([]));
    let outcome = pursue(Envelope::Negotiated, requester, &transcript(name));
    assert_eq!(outcome.ended, Ended::Paged);
    assert_eq!((outcome.tally.valid, outcome.tally.new), (1, 1));
}

#[test]
fn pages_above_an_id() {
    provides("v1.txt", both(AS_0X_MESH));
    requests("v1.txt", both(V1::default()));
}

#[test]
fn the_last_page_may_say_so() {
    provides("v1_last_page.txt", both(V1::default()));
    requests("v1_last_page.txt", both(V1::default()));
}

#[test]
fn paging_is_taken_up_on_a_fresh_stream() {
    provides("v1_resumed.txt", both(V1::default()));
    let rest = Rest {
        subprotocol: V1::NAME.to_owned(),
        range: Range { after: ItemId([0xab; 32]), until: ItemId::MAX },
        provable: false,
    };
    let limits = requester::Limits::default();
    let requester = Requester::resume(both(V1::default()), limits, node([]), rest);
    let outcome = pursue(Envelope::Negotiated, requester, &transcript("v1_resumed.txt"));
    assert_eq!(outcome.ended, Ended::Paged);
}

#[test]
fn the_old_subprotocol_with_an_id_for_a_snapshot() {
    provides("v0.txt", both(V1::default()));
    requests("v0.txt", Subprotocols::new().with(V0).unwrap());
}

#[test]
fn an_old_provider_names_a_snapshot() {
    requests("v0_snapshot.txt", both(V1::default()));
}

#[test]
fn old_requesters_begin_without_metadata() {
    provides("metadata_null.txt", both(V1::default()));
    provides("metadata_null_two_names.txt", both(AS_0X_MESH));
}

#[test]
fn metadata_of_one_name_may_be_wrapped() {
    provides("one_name_wrapped.txt", both(V1::default()));
}

#[test]
fn a_list_that_is_too_short_is_not_looked_inside() {
    provides("list_too_short.txt", both(V1::default()));
}

#[test]
fn the_preference_of_the_requester_wins() {
    let mut lines = transcript("preference.txt");
    let held = order_in(Envelope::Negotiated, &lines);
    // The provider waits for more; what it would say to that is in another transcript.
    lines.push(Line::Request(
        r#"{"type":"Request","subprotocols":["/unknown"],"metadata":null}"#.to_owned(),
    ));
    lines.push(Line::Reason(format!(
        "no subprotocol in common: requested [/unknown], supported [{} {}]",
        V1::NAME,
        V0::NAME
    )));
    provide(Envelope::Negotiated, both(V1::default()), node(held), &lines);
}

#[test]
fn what_the_original_forgives_is_forgiven() {
    provides("lenient.txt", both(V1::default()));
}

#[test]
fn sessions_end_with_a_reason() {
    for name in ["no_match.txt", "uuid_at_new_provider.txt", "bad_hash.txt"] {
        provides(name, both(V1::default()));
    }
}

#[test]
fn the_sibling_for_v4_orders() {
    let lines = transcript("v4.txt");
    let v4 = || Subprotocols::new().with(V4).unwrap();
    let all = || Wanted::ALL.carried_by(Protocol::Json(Envelope::Bare));
    let held: Option<Order> = order_in(Envelope::Bare, &lines);
    // Beside one of version 3, of which this protocol says nothing.
    let other = order_in(Envelope::Negotiated, &transcript("v1.txt"));
    provide(Envelope::Bare, v4(), context(all(), held.into_iter().chain(other)), &lines);
    let requester = Requester::start(v4(), requester::Limits::default(), context(all(), []));
    let outcome = pursue(Envelope::Bare, requester, &lines);
    assert_eq!((outcome.ended, outcome.tally.new), (Ended::Paged, 1));
}

#[test]
fn the_lengths_that_the_original_sends() {
    let first = |name| match transcript(name).swap_remove(0) {
        Line::Request(text) => text.len() + "\n".len(),
        other => panic!("{other:?}"),
    };
    assert_eq!(first("v1.txt"), 485);
    assert_eq!(first("v1_resumed.txt"), 288);
}
