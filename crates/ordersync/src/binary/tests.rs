//! Frames: what goes in comes out, what is wrong is named, and how many bytes it takes.

use std::sync::Arc;
use std::time::Duration;

use machine::{PeerId, UnixTime};
use proptest::collection::vec;
use proptest::prelude::*;
use prost::Message as _;
use proto::{offer, response};
use wire::Frame as _;
use wire::frame::put;

use super::*;
use crate::sample::{Note, Prefix};
use crate::{
    BadMetadata, Book, Context, Entry, Form, Holding, Leave, NoMatchingSubprotocols, Provider,
    Refusal, Requester, Subprotocols, book, paging, provider, requester, riblt,
};

const RIBLT: &str = "/riblt-shortid/version/0";
const PAGING: &str = "/pagination-with-filter/version/1";

fn raw(len: usize) -> Raw {
    Raw::Binary(vec![7; len].into())
}

fn notes(texts: impl IntoIterator<Item = String>) -> Vec<Entry<Note>> {
    texts.into_iter().map(|text| Entry::new(Note::new(text))).collect()
}

/// `count` notes of `len` bytes, all different.
fn long_notes(count: usize, len: usize) -> Vec<Entry<Note>> {
    notes((0..count).map(|n| format!("{n:0len$}")))
}

fn request(names: &[&str], metadata: RequestMetadata) -> RawRequest<Note> {
    let subprotocols = names.iter().map(|&name| name.to_owned()).collect();
    RawRequest { subprotocols, metadata, pushed: Vec::new() }
}

fn first(lens: &[usize]) -> RequestMetadata {
    let metadata = lens.iter().map(|&len| raw(len)).collect();
    RequestMetadata::First(FirstRequestsForSubprotocols { metadata })
}

fn response(orders: Vec<Entry<Note>>) -> RawResponse<Note> {
    let (subprotocol, malformed) = (RIBLT.to_owned(), Vec::new());
    RawResponse { subprotocol, orders, malformed, complete: true, metadata: raw(45) }
}

/// The bytes of a frame on the substream, its length among them.
fn bytes(frame: &Frame<Note>) -> Bytes {
    let mut out = BytesMut::new();
    put(&frame.pack().unwrap().frame, &mut out).unwrap();
    out.freeze()
}

/// What a receiver makes of a frame.
fn sent(frame: &Frame<Note>) -> Frame<Note> {
    let mut out = BytesMut::new();
    frame.pack().unwrap().frame.encode(&mut out);
    Frame::unpack(Packed::decode(out.freeze()).unwrap()).unwrap()
}

/// What a receiver makes of a body that no sender of ours makes.
fn received(body: Body) -> Result<Frame<Note>, BadFrame> {
    let bytes = proto::Ordersync { body: Some(body) }.encode_to_vec();
    Frame::unpack(Packed::decode(bytes.into())?)
}

fn malformed(field: &'static str, defect: Defect) -> Result<Frame<Note>, BadFrame> {
    Err(BadFrame::Malformed(Malformed::new(field, defect)))
}

fn any_name() -> impl Strategy<Value = String> {
    prop_oneof![Just(RIBLT.to_owned()), Just(PAGING.to_owned()), "/[a-z]{1,20}/[0-9]"]
}

fn any_raw() -> impl Strategy<Value = Raw> {
    vec(any::<u8>(), 0..40).prop_map(|bytes| Raw::Binary(bytes.into()))
}

fn any_notes() -> impl Strategy<Value = Vec<Entry<Note>>> {
    let note = ("[a-zé\"]{0,9}", any::<u64>());
    vec(note.prop_map(|(text, number)| Entry::new(Note { text, number })), 0..5)
}

fn any_request() -> impl Strategy<Value = RawRequest<Note>> {
    let one =
        (any_name(), any_raw()).prop_map(|(name, raw)| (vec![name], RequestMetadata::Bare(raw)));
    let several = vec((any_name(), any_raw()), 2..=NAMES_MAX).prop_map(|offers| {
        let (names, metadata) = offers.into_iter().unzip();
        (names, RequestMetadata::First(FirstRequestsForSubprotocols { metadata }))
    });
    (prop_oneof![one, several], any_notes()).prop_map(|((subprotocols, metadata), pushed)| {
        RawRequest { subprotocols, metadata, pushed }
    })
}

fn any_response() -> impl Strategy<Value = RawResponse<Note>> {
    (any_name(), any_notes(), any::<bool>(), any_raw()).prop_map(
        |(subprotocol, orders, complete, metadata)| RawResponse {
            subprotocol,
            orders,
            malformed: Vec::new(),
            complete,
            metadata,
        },
    )
}

fn any_denial() -> impl Strategy<Value = Denial> {
    let reason = prop_oneof![
        vec(any_name(), 0..=NAMES_MAX).prop_map(|supported| Reason::NoMatch { supported }),
        Just(Reason::Metadata),
        Just(Reason::Unavailable),
        Just(Reason::TooMuch),
        Just(Reason::Busy { retry_after: None }),
        (1..u64::MAX)
            .prop_map(|ms| { Reason::Busy { retry_after: Some(Duration::from_millis(ms)) } }),
        Just(Reason::Malformed),
        Just(Reason::Internal),
    ];
    (reason, "[a-zé]{0,99}").prop_map(|(reason, detail)| Denial { reason, detail })
}

fn any_frame() -> impl Strategy<Value = Frame<Note>> {
    prop_oneof![
        (1_u32.., any_request()).prop_map(|(id, request)| Frame::Request { id, request }),
        (1_u32.., any_response()).prop_map(|(id, response)| Frame::Response { id, response }),
        (any::<u32>(), any_denial()).prop_map(|(id, denial)| Frame::Error { id, denial }),
        Just(Frame::End),
    ]
}

proptest! {
    #[test]
    fn what_is_sent_is_received(frame in any_frame()) {
        prop_assert_eq!(sent(&frame), frame);
    }

    #[test]
    fn no_bytes_make_it_panic(mut bytes in vec(any::<u8>(), 0..200), tag in 0_u8..5) {
        bytes.insert(0, tag << 3 | 2);
        if let Ok(packed) = Packed::decode(bytes.into()) {
            drop(Frame::<Note>::unpack(packed));
        }
    }

    #[test]
    fn a_damaged_frame_is_refused_or_another_frame(
        frame in any_frame(),
        at in any::<prop::sample::Index>(),
        flip in 1_u8..,
    ) {
        let mut out = BytesMut::new();
        frame.pack().unwrap().frame.encode(&mut out);
        let at = at.index(out.len());
        out[at] ^= flip;
        if let Ok(packed) = Packed::decode(out.freeze())
            && let Ok(other) = Frame::<Note>::unpack(packed)
        {
            prop_assert_eq!(sent(&other), other);
        }
    }
}

#[test]
fn the_envelope_costs_33_bytes() {
    let asks = Frame::Request { id: 1, request: request(&[RIBLT, PAGING], first(&[160, 0])) };
    let answers = Frame::Response { id: 1, response: response(Vec::new()) };
    let [asks, answers, end] = [asks, answers, Frame::End].map(|frame| bytes(&frame).len());
    assert_eq!((asks - 160, answers - 45, end), (19, 11, 3));
}

/// What a node knows that holds some notes.
fn node(form: Form) -> Context<Note> {
    let book = Book::new(book::Config::default().check().unwrap(), [1; 32]);
    let held = long_notes(20, 9).into_iter().map(|entry| Holding {
        entry,
        received: UnixTime::default(),
        pinned: false,
    });
    book.insert(held.collect());
    Context {
        book: Arc::new(book),
        peer: PeerId::random(),
        form,
        filter: Prefix::default(),
        page: 500,
        secret: [2; 32],
        scans: Leave::fixed(true),
        push: true,
    }
}

#[test]
fn equal_sets_cost_less_than_400_bytes() {
    let all = || {
        let some = Subprotocols::new().with(riblt::Riblt).unwrap();
        some.with(paging::V1::default()).unwrap().with(paging::V0).unwrap()
    };
    let mut requester = Requester::start(all(), requester::Limits::default(), node(Form::Binary));
    let mut provider = Provider::new(all(), provider::Limits::default(), node(Form::Binary));
    let Some(requester::Effect::Send(request)) = requester.poll_effect() else { panic!() };
    let asked = bytes(&Frame::Request { id: 1, request: request.clone() }).len();
    provider.handle(provider::Input::Received(request));
    let Some(provider::Effect::Respond(response)) = provider.poll_effect() else { panic!() };
    let answered = bytes(&Frame::Response { id: 1, response: response.clone() }).len();
    requester.handle(requester::Input::Received(response));
    let Some(requester::Effect::End(outcome)) = requester.poll_effect() else { panic!() };
    assert_eq!(outcome.ended, requester::Ended::Agreed);
    let cost = asked + answered + bytes(&Frame::End).len();
    assert!(cost < 400, "{cost} bytes");
}

#[test]
fn names_that_are_well_known_are_numbers() {
    let ask = |name| {
        bytes(&Frame::Request { id: 1, request: request(&[name], RequestMetadata::Bare(raw(0))) })
    };
    for name in [RIBLT, PAGING, "/pagination-with-filter/version/0"] {
        assert_eq!(ask(name).len(), ask("/other/0").len() - "/other/0".len());
    }
}

#[test]
fn a_name_that_only_later_versions_know_keeps_its_place() {
    let offer = |number| proto::Offer {
        name: Some(offer::Name::Known(number)),
        metadata: Bytes::from_static(b"x"),
    };
    let request = proto::Request { id: 1, offers: vec![offer(99), offer(1)], ..Default::default() };
    let Ok(Frame::Request { request, .. }) = received(Body::Request(request)) else { panic!() };
    assert_eq!(request.subprotocols, ["#99", RIBLT]);
    assert!(matches!(request.metadata, RequestMetadata::First(first) if first.metadata.len() == 2));
}

#[test]
fn offers_without_metadata_are_left_off() {
    let offered = |names: &[&str], metadata| {
        sent(&Frame::Request { id: 1, request: request(names, metadata) })
    };
    let Frame::Request { request, .. } = offered(&[RIBLT, PAGING], first(&[3])) else { panic!() };
    assert_eq!(request.subprotocols, [RIBLT]);
    assert_eq!(request.metadata, RequestMetadata::Bare(raw(3)));

    // Metadata for whichever is picked goes with each.
    let bare = RequestMetadata::Bare(raw(3));
    let Frame::Request { request, .. } = offered(&[RIBLT, PAGING], bare) else { panic!() };
    assert_eq!(request.metadata, first(&[3, 3]));
}

#[test]
fn a_page_that_does_not_fit_is_cut_and_not_complete() {
    // Eight megabytes: eight frames.
    let orders = long_notes(1024, Note::TEXT_MAX);
    let frame = Frame::Response { id: 1, response: response(orders.clone()) };
    let Pack { frame, taken } = frame.pack().unwrap();
    let mut out = BytesMut::new();
    frame.encode(&mut out);
    assert!(out.len() <= Packed::MAX && out.len() > Packed::MAX * 4 / 5, "{}", out.len());

    let decoded = Packed::decode(out.freeze()).unwrap();
    let Ok(Frame::Response { response, .. }) = Frame::<Note>::unpack(decoded) else { panic!() };
    assert!(!response.complete, "a page that was cut is not the last");
    assert_eq!(response.orders, orders[..taken]);
}

#[test]
fn as_many_items_as_fit_are_pushed() {
    let mut request = request(&[RIBLT], RequestMetadata::Bare(raw(METADATA_MAX)));
    request.pushed = long_notes(200, Note::TEXT_MAX);
    let pushed = request.pushed.clone();
    let frame = Frame::Request { id: u32::MAX, request };
    let taken = frame.pack().unwrap().taken;
    assert!((50..64).contains(&taken), "{taken} of 8 KiB in the half that metadata leaves");
    let Frame::Request { request, .. } = sent(&frame) else { panic!() };
    assert_eq!(request.pushed, pushed[..taken]);
}

#[test]
fn a_frame_can_be_filled_to_the_last_byte() {
    let frame = |metadata| {
        let orders = long_notes(127, Note::TEXT_MAX);
        Frame::Response {
            id: 1,
            response: RawResponse { metadata: raw(metadata), ..response(orders) },
        }
    };
    let packed = |metadata| {
        let Pack { frame, taken } = frame(metadata).pack().unwrap();
        let mut out = BytesMut::new();
        frame.encode(&mut out);
        assert_eq!(out.len(), frame.encoded_len());
        (out.len(), taken)
    };
    let (len, _) = packed(6000);
    let full = 6000 + Packed::MAX - len;
    assert_eq!(packed(full), (Packed::MAX, 127));
    assert!(packed(full + 1).1 < 127);
}

#[test]
fn sizes_that_differ_do_not_stop_it() {
    // The worst for a guess by the average: what is large comes first.
    let mut orders = long_notes(160, Note::TEXT_MAX);
    orders.extend(long_notes(800, 4));
    let taken = Frame::Response { id: 1, response: response(orders) }.pack().unwrap().taken;
    assert!((100..128).contains(&taken), "{taken}");
}

#[test]
fn more_items_than_a_frame_may_have_are_cut_and_refused() {
    let orders = long_notes(ITEMS_MAX + 1, 4);
    let all: Vec<&Note> = orders.iter().map(|entry| &*entry.item).collect();
    let items = Note::encode_batch(&all).into();
    let frame = Frame::Response { id: 1, response: response(orders) };
    assert_eq!(frame.pack().unwrap().taken, ITEMS_MAX);
    let Frame::Response { response, .. } = sent(&frame) else { panic!() };
    assert!(!response.complete);

    let name = Some(response::Name::Known(1));
    let hostile = proto::Response { id: 1, name, items, ..Default::default() };
    let refused = received(Body::Response(hostile)).unwrap_err();
    assert_eq!(refused.to_string(), "batch: more than 1024 notes");
    assert!(matches!(Fault::from(refused), Fault::Message { .. }));
}

#[test]
fn nothing_over_a_bound_is_sent() {
    let refusal = |request| Frame::Request { id: 1, request }.pack().unwrap_err().to_string();
    let bare = |name: &str, len| refusal(request(&[name], RequestMetadata::Bare(raw(len))));
    let max = METADATA_MAX;
    assert_eq!(bare(RIBLT, max + 1), "metadata bytes is 524289, must be 0 to 524288");
    let name = "bytes of a subprotocol's name is";
    assert_eq!(bare(&"x".repeat(65), 0), format!("{name} 65, must be 1 to 64"));
    assert_eq!(bare("", 0), format!("{name} 0, must be 1 to 64"));
    let crowd = request(&["x"; 17], first(&[0; 17]));
    assert_eq!(refusal(crowd), "number of subprotocols with metadata is 17, must be 1 to 16");
    let silent = request(&["x"], first(&[]));
    assert_eq!(refusal(silent), "number of subprotocols with metadata is 0, must be 1 to 16");
    let json = request(&["x"], RequestMetadata::Bare(Raw::Json("null".into())));
    assert_eq!(refusal(json), Unpackable::Json.to_string());
    let full = request(&["x"; 3], first(&[max; 3]));
    assert!(refusal(full).starts_with("frame without items is"));

    let mut tight = request(&["x"; 2], first(&[max, max - 80]));
    tight.pushed = long_notes(3, Note::TEXT_MAX);
    assert!(refusal(tight).starts_with("bytes of an item is 8202, must be 0 to "));
    let nobody = Frame::Request { id: 0, request: request(&["x"], first(&[0])) };
    assert!(nobody.pack().unwrap_err().to_string().starts_with("id is 0, must be 1 to"));
}

#[test]
fn nothing_over_a_bound_is_received() {
    let offer = proto::Offer { name: Some(offer::Name::Known(1)), metadata: Bytes::new() };
    let asks =
        |offers| received(Body::Request(proto::Request { id: 1, offers, ..Default::default() }));
    let one = |offer| asks(vec![offer]);
    assert!(one(offer.clone()).is_ok());
    assert_eq!(asks(vec![offer.clone(); 17]), malformed("request.offers", Defect::TooMany));
    // A frame full of offers is refused before any is decoded.
    assert_eq!(asks(vec![offer.clone(); 150_000]), malformed("request.offers", Defect::TooMany));
    assert_eq!(asks(Vec::new()), malformed("request.offers", Defect::Missing));
    let long = Some(offer::Name::Words("x".repeat(65)));
    let long = proto::Offer { name: long, ..offer.clone() };
    assert_eq!(one(long), malformed("offer.words", Defect::TooLong));
    let nameless = Some(offer::Name::Words(String::new()));
    let nameless = proto::Offer { name: nameless, ..offer.clone() };
    assert_eq!(one(nameless), malformed("offer.words", Defect::Missing));
    let zero = proto::Offer { name: Some(offer::Name::Known(0)), ..offer.clone() };
    assert_eq!(one(zero), malformed("offer.known", Defect::Missing));
    let none = proto::Offer { name: None, ..offer.clone() };
    assert_eq!(one(none), malformed("offer.name", Defect::Missing));
    let large = proto::Offer { metadata: vec![0; METADATA_MAX + 1].into(), ..offer.clone() };
    assert_eq!(one(large), malformed("offer.metadata", Defect::TooLong));

    let nobody = proto::Request { offers: vec![offer], ..Default::default() };
    assert_eq!(received(Body::Request(nobody)), malformed("request.id", Defect::Missing));
    let answer = proto::Response { id: 1, ..Default::default() };
    assert_eq!(
        received(Body::Response(answer.clone())),
        malformed("response.name", Defect::Missing)
    );
    let unasked = proto::Response { id: 0, ..answer };
    assert_eq!(received(Body::Response(unasked)), malformed("response.id", Defect::Missing));
    let talk = proto::Error { detail: "x".repeat(257), ..Default::default() };
    assert_eq!(received(Body::Error(talk)), malformed("error.detail", Defect::TooLong));
    let names = proto::Error { supported: vec!["x".into(); 17], ..Default::default() };
    assert_eq!(received(Body::Error(names)), malformed("error.supported", Defect::TooMany));
    let nothing = Packed::decode(Bytes::new());
    assert_eq!(nothing, Err(Malformed::new("ordersync.body", Defect::Missing)));
    let bomb = Packed::decode(vec![0; Packed::MAX + 1].into());
    assert_eq!(bomb, Err(Malformed::new("ordersync", Defect::TooLong)));
}

#[test]
fn items_that_are_none_are_refused() {
    let name = Some(response::Name::Known(1));
    let items = Bytes::from_static(&[1, 2, 3]);
    let bad = proto::Response { id: 1, name, items, ..Default::default() };
    let refused = received(Body::Response(bad)).unwrap_err();
    assert_eq!(refused.to_string(), "batch: ends inside a note");
}

#[test]
fn every_refusal_reaches_the_requester() {
    let names = vec![RIBLT.to_owned(), PAGING.to_owned()];
    let no_match = NoMatchingSubprotocols { requested: vec!["x".into()], supported: names };
    let bad = "é".repeat(200);
    for (refusal, said) in [
        (
            Refusal::NoMatch(no_match),
            format!("no subprotocol in common, it has [{RIBLT} {PAGING}]"),
        ),
        (
            Refusal::Metadata(BadMetadata::new("key", "missing")),
            "metadata not understood: \"metadata: key: missing\"".into(),
        ),
        (
            Refusal::Unavailable { what: "cells" },
            "not available in this session: \"cells is not available in this session\"".into(),
        ),
        (
            Refusal::TooMuch { what: "cells", wanted: 9, max: 8 },
            "more than a session may have: \"cells is 9, must be at most 8\"".into(),
        ),
        (Refusal::Busy { retry_after: None }, "busy".into()),
        (Refusal::Busy { retry_after: Some(Duration::from_secs(9)) }, "busy for 9s".into()),
        // What is too long for a frame is cut between two characters.
        (
            Refusal::Metadata(BadMetadata::new("m", &bad)),
            format!("metadata not understood: \"metadata: m: {}\"", "é".repeat(121)),
        ),
    ] {
        let denial = Denial::from(&refusal);
        let Frame::Error { id: 3, denial } = sent(&Frame::Error { id: 3, denial }) else {
            panic!()
        };
        assert_eq!(denial.to_string(), said, "{refusal:?}");
    }
}

#[test]
fn names_that_do_not_fit_an_error_are_left_off() {
    let mut supported = vec!["x".repeat(NAME_LEN_MAX + 1)];
    supported.extend((0..20).map(|n| n.to_string()));
    let denial = Denial { reason: Reason::NoMatch { supported }, detail: "d".repeat(999) };
    let Frame::Error { denial, .. } = sent(&Frame::Error { id: 0, denial }) else { panic!() };
    let Reason::NoMatch { supported } = denial.reason else { panic!() };
    assert_eq!(supported, (0..16).map(|n| n.to_string()).collect::<Vec<_>>());
    assert_eq!(denial.detail.len(), DETAIL_MAX);
}

#[test]
fn a_reason_of_a_later_version_is_a_failure() {
    let error = proto::Error { code: 99, ..Default::default() };
    let Ok(Frame::Error { denial, .. }) = received(Body::Error(error)) else { panic!() };
    assert_eq!(denial.reason, Reason::Internal);
}
