//! What 0x-Mesh forgives is forgiven, what it writes is written, and hostile bytes have a name.

use proptest::prelude::*;

use super::escape::escape;
use super::*;
use crate::message::{FirstRequestsForSubprotocols, NAMES_MAX, RequestMetadata};
use crate::sample::Note;
use crate::{Entry, Item, Raw, RawRequest, RawResponse};

const FIRST: &str = "/pagination-with-filter/version/1";
const SECOND: &str = "/pagination-with-filter/version/0";

fn raw(text: &str) -> Raw {
    Raw::Json(text.to_owned())
}

fn request(object: &str) -> Result<RawRequest<Note>, BadMessage> {
    Envelope::Negotiated.decode_request(object)
}

fn response(object: &str) -> Result<RawResponse<Note>, BadMessage> {
    Envelope::Negotiated.decode_response(object)
}

/// A request with these names and this metadata.
fn with(names: &[&str], metadata: &str) -> RequestMetadata {
    let names = serde_json::to_string(names).unwrap();
    let object = format!(r#"{{"type":"Request","subprotocols":{names},"metadata":{metadata}}}"#);
    request(&object).unwrap().metadata
}

fn first(entries: &[&str]) -> RequestMetadata {
    let metadata = entries.iter().map(|entry| raw(entry)).collect();
    RequestMetadata::First(FirstRequestsForSubprotocols { metadata })
}

fn bare(entry: &str) -> RequestMetadata {
    RequestMetadata::Bare(raw(entry))
}

#[test]
fn a_request_comes_back() {
    for metadata in [bare(r#"{"a":1}"#), bare("null"), bare("7")] {
        let sent =
            RawRequest { subprotocols: vec![FIRST.to_owned()], metadata, pushed: Vec::new() };
        let text = Envelope::Negotiated.encode_request::<Note>(&sent).unwrap();
        assert_eq!(request(&text).unwrap(), sent);
    }
    let sent = RawRequest {
        subprotocols: vec![FIRST.to_owned(), SECOND.to_owned()],
        metadata: first(&["{}", "null"]),
        pushed: Vec::new(),
    };
    let text = Envelope::Negotiated.encode_request::<Note>(&sent).unwrap();
    assert!(text.ends_with(r#""metadata":{"metadata":[{},null]}}"#), "{text}");
    assert_eq!(request(&text).unwrap(), sent);
}

#[test]
fn first_metadata_for_one_name_is_sent_bare() {
    let sent: RawRequest<Note> = RawRequest {
        subprotocols: vec![FIRST.to_owned()],
        metadata: first(&[r#"{"a":1}"#]),
        pushed: Vec::new(),
    };
    let text = Envelope::Negotiated.encode_request(&sent).unwrap();
    assert!(text.ends_with(r#""metadata":{"a":1}}"#), "{text}");
}

#[test]
fn a_request_is_escaped_as_go_does() {
    let sent: RawRequest<Note> = RawRequest {
        subprotocols: vec!["a&b".to_owned()],
        metadata: bare(r#"{"orderfilter":"<>"}"#),
        pushed: Vec::new(),
    };
    let text = Envelope::Negotiated.encode_request(&sent).unwrap();
    assert!(text.contains(r#""a\u0026b""#) && text.contains(r#""\u003c\u003e""#), "{text}");
}

#[test]
fn binary_metadata_has_no_place() {
    let sent: RawRequest<Note> = RawRequest {
        subprotocols: vec![FIRST.to_owned()],
        metadata: RequestMetadata::Bare(Raw::Binary(vec![1].into())),
        pushed: Vec::new(),
    };
    assert_eq!(Envelope::Negotiated.encode_request(&sent), Err(NotJson));
}

#[test]
fn unknown_members_other_cases_and_repetitions_are_forgiven() {
    let object = r#"{"TYPE":"Request","x":[{}],"Subprotocols":["a"],"metadata":1,"METADATA":2}"#;
    let request = request(object).unwrap();
    assert_eq!(request.subprotocols, ["a"]);
    assert_eq!(request.metadata, bare("2"), "the last counts");
}

#[test]
fn the_type_of_a_request_is_checked_to_the_letter() {
    for kind in [r#""type":"request","#, r#""type":"Response","#, r#""type":null,"#, ""] {
        let object = format!(r#"{{{kind}"subprotocols":["a"],"metadata":null}}"#);
        assert_eq!(request(&object), Err(BadMessage::NotARequest), "{object}");
    }
}

#[test]
fn metadata_may_be_null_but_not_missing() {
    assert_eq!(with(&[FIRST, SECOND], "null"), bare("null"), "requesters up to 9.4.0");
    let missing = r#"{"type":"Request","subprotocols":["a"]}"#;
    assert_eq!(request(missing), Err(BadMessage::Missing { field: "metadata" }));
    let missing = r#"{"subprotocol":"a","orders":[],"complete":true}"#;
    assert_eq!(response(missing), Err(BadMessage::Missing { field: "metadata" }));
}

#[test]
fn first_metadata_is_looked_for_when_several_names_are_listed() {
    assert_eq!(with(&["a", "b"], r#"{"metadata":[1,2]}"#), first(&["1", "2"]));
    assert_eq!(with(&["a", "b"], r#"{"x":0,"Metadata":[1,2,3]}"#), first(&["1", "2"]));
    let short = r#"{"metadata":[1]}"#;
    assert_eq!(with(&["a", "b"], short), first(&["1", short]), "the second is as it came");
    for other in [r#"{"metadata":7}"#, r#"{"minOrderHash":"0x"}"#, "[]", r#""""#] {
        assert_eq!(with(&["a", "b"], other), bare(other), "{other}");
    }
}

#[test]
fn a_list_of_one_for_one_name_is_unwrapped() {
    assert_eq!(with(&["a"], r#"{"metadata":[{"page":1}]}"#), bare(r#"{"page":1}"#));
    for other in [
        r#"{"metadata":[1,2]}"#,
        r#"{"metadata":[]}"#,
        r#"{"metadata":[1],"x":0}"#,
        r#"{"metadata":null}"#,
        r#"{"metadata":{"metadata":[1]}}"#,
    ] {
        assert_eq!(with(&["a"], other), bare(other), "{other}");
    }
}

#[test]
fn names_are_bounded() {
    let names = |count: usize, name: &str| {
        let names = serde_json::to_string(&vec![name; count]).unwrap();
        request(&format!(r#"{{"type":"Request","subprotocols":{names},"metadata":null}}"#))
    };
    assert_eq!(names(NAMES_MAX, "a").unwrap().subprotocols.len(), NAMES_MAX);
    let (too_many, max) = (NAMES_MAX + 1, NAMES_MAX);
    assert_eq!(names(too_many, "a"), Err(BadMessage::TooManyNames { names: too_many, max }));
    let max = NAME_BYTES_MAX;
    assert!(names(1, &"a".repeat(max)).is_ok());
    let long = BadMessage::NameTooLong { bytes: max + 1, max };
    assert_eq!(names(1, &"a".repeat(max + 1)), Err(long));
    let none = r#"{"type":"Request","subprotocols":null,"metadata":null}"#;
    assert_eq!(request(none).unwrap().subprotocols, Vec::<String>::new());
}

#[test]
fn a_response_comes_back() {
    let notes = ["a", "<&>\u{2028}", "\"\\{["].map(|text| Entry::new(Note::new(text)));
    let sent = RawResponse {
        subprotocol: FIRST.to_owned(),
        orders: notes.to_vec(),
        malformed: Vec::new(),
        complete: true,
        metadata: raw(r#"{"nextMinOrderHash":"0x"}"#),
    };
    let text = Envelope::Negotiated.encode_response(&sent).unwrap();
    assert!(text.contains(r#""text":"\u003c\u0026\u003e\u2028""#), "{text}");
    assert_eq!(response(&text).unwrap(), sent);
}

#[test]
fn the_type_of_a_response_is_not_looked_at() {
    for kind in ["", r#""type":"Request","#, r#""type":7,"#] {
        let object = format!(r#"{{{kind}"subprotocol":"a","orders":[],"metadata":null}}"#);
        let response = response(&object).unwrap();
        assert!(!response.complete, "nothing said is false");
    }
}

#[test]
fn null_is_a_page_without_orders_and_no_order() {
    let page = |orders: &str| {
        let object = format!(r#"{{"subprotocol":"a","orders":{orders},"metadata":null}}"#);
        let response = response(&object).unwrap();
        (response.orders.len(), response.malformed.len())
    };
    assert_eq!(page("null"), (0, 0));
    assert_eq!(page("[]"), (0, 0));
    assert_eq!(page("[null]"), (0, 1));
    let null = response(r#"{"subprotocol":"a","orders":[null],"metadata":null}"#).unwrap();
    assert_eq!(null.malformed[0].to_string(), "order: is null");
    assert_eq!(page(r#"[7,{"text":"a","number":1},{"text":"a"}]"#), (1, 2));
}

#[test]
fn a_page_is_bounded() {
    let page = |count: usize| {
        let orders = vec!["0"; count].join(",");
        response(&format!(r#"{{"subprotocol":"a","orders":[{orders}],"metadata":null}}"#))
    };
    assert_eq!(page(ORDERS_MAX).unwrap().malformed.len(), ORDERS_MAX);
    let (orders, max) = (ORDERS_MAX + 1, ORDERS_MAX);
    assert_eq!(page(orders), Err(BadMessage::PageTooLong { orders, max }));
    assert_eq!(
        Fault::from(page(orders).unwrap_err()),
        Fault::PageTooLong { orders, max },
        "the fault has its own price"
    );
}

#[test]
fn a_bare_page_is_complete_when_it_is_empty() {
    let decode = |object| Envelope::Bare.decode_response::<Note>(object).unwrap();
    for empty in [r#"{"orders":null}"#, r#"{"orders":[]}"#, "{}"] {
        assert!(decode(empty).complete, "{empty}");
    }
    assert!(!decode(r#"{"orders":[null]}"#).complete, "something came, though it is none");

    let note = Entry::new(Note::new("a"));
    let decoded = decode(&format!(r#"{{"orders":[{},7]}}"#, note.item.to_json()));
    assert_eq!(decoded.metadata, raw(&format!(r#"{{"last":"{}"}}"#, note.id)));
    let text = Envelope::Bare.encode_response(&decoded).unwrap();
    assert_eq!(text, r#"{"orders":[{"text":"a","number":0}]}"#);
    let empty = RawResponse { orders: Vec::new(), ..decoded };
    assert_eq!(Envelope::Bare.encode_response(&empty).unwrap(), r#"{"orders":null}"#);
}

#[test]
fn a_shape_that_is_wrong_is_named_and_not_repeated() {
    let long = "x".repeat(5000);
    for (object, field) in [
        (
            format!(r#"{{"type":"Request","subprotocols":"{long}","metadata":null}}"#),
            "subprotocols",
        ),
        (r#"{"type":"Request","subprotocols":[7],"metadata":null}"#.to_owned(), "subprotocol"),
        (r#"{"type":["Request"],"metadata":null}"#.to_owned(), "type"),
        (r#"{"type":"Request""#.to_owned(), "request"),
        (r#"{"type":"Request"} {}"#.to_owned(), "request"),
        (r#"{"type":"Request","metadata":nul}"#.to_owned(), "request"),
    ] {
        let bad = request(&object).unwrap_err();
        assert!(matches!(bad, BadMessage::Shape { field: found, .. } if found == field), "{bad}");
        assert!(bad.to_string().len() < 100);
    }
    let bad = response(r#"{"subprotocol":"a","orders":{},"metadata":null}"#).unwrap_err();
    assert!(matches!(bad, BadMessage::Shape { field: "orders", .. }), "{bad}");
}

#[test]
fn characters_are_escaped_as_go_does() {
    assert_eq!(escape(r#"{"a":"plain \" ü"}"#), r#"{"a":"plain \" ü"}"#);
    assert_eq!(escape("\"<a>&\u{2028}\u{2029}b\""), r#""\u003ca\u003e\u0026\u2028\u2029b""#);
}

proptest! {
    #[test]
    fn escaping_changes_no_value(text in any::<String>()) {
        let json = serde_json::to_string(&text).unwrap();
        prop_assert_eq!(serde_json::from_str::<String>(&escape(&json)).unwrap(), text);
    }

    #[test]
    fn any_text_is_a_message_or_has_a_name(text in "[\\[\\]{}\",:a-z0-9 ]{0,60}") {
        for envelope in [Envelope::Negotiated, Envelope::Bare] {
            let _outcome = envelope.decode_request::<Note>(&text);
            let _outcome = envelope.decode_response::<Note>(&text);
        }
    }
}
