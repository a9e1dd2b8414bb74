//! The registry of application messages: limits before decoding, and what a stranger's tag means.

use bytes::Bytes;
use meshwork_wire::bounds::{self, Bounded as _};
use meshwork_wire::proto::app::v1::AppMessage;
use meshwork_wire::proto::seed::v1::GetAddrs;
use meshwork_wire::registry::{
    DecodeError, EncodeError, Entry, PAYLOAD_MAX, Registry, RegistryError,
};
use meshwork_wire::{Defect, Malformed};
use prost::Message as _;

/// An application with two registered messages and one that it forgot.
#[derive(Clone, Debug, PartialEq)]
enum App {
    Chat(Bytes),
    Ask(GetAddrs),
    Forgotten,
}

fn chat() -> Entry<App> {
    Entry {
        tag: 1,
        name: "chat",
        len_max: 5,
        decode: |payload| {
            assert!(payload.len() <= 5, "the limit comes before the decoder");
            Ok(App::Chat(payload))
        },
        encode: |message| match message {
            App::Chat(text) => Some(text.clone()),
            App::Ask(_) | App::Forgotten => None,
        },
    }
}

fn ask() -> Entry<App> {
    Entry {
        tag: 7,
        name: "ask",
        len_max: GetAddrs::LEN_MAX,
        decode: |payload| bounds::decode(payload).map(App::Ask),
        encode: |message| match message {
            App::Ask(question) => Some(question.encode_to_vec().into()),
            App::Chat(_) | App::Forgotten => None,
        },
    }
}

fn registry() -> Registry<App> {
    Registry::new([chat(), ask()]).unwrap()
}

fn app(tag: u32, payload: &'static [u8]) -> AppMessage {
    AppMessage { tag, payload: Bytes::from_static(payload) }
}

#[test]
fn messages_come_back() {
    let registry = registry();
    for message in [App::Chat(Bytes::from_static(b"hello")), App::Ask(crate::messages::get_addrs())]
    {
        let sent = registry.encode(&message).unwrap();
        assert_eq!(registry.decode(sent), Ok(message));
    }
    assert_eq!(registry.encode(&App::Chat(Bytes::new())), Ok(app(1, b"")));
    assert_eq!((registry.name(7), registry.name(8)), (Some("ask"), None));
}

#[test]
fn the_limit_holds_both_ways() {
    let cause = Malformed::new("app_message.payload", Defect::TooLong);
    assert_eq!(
        registry().decode(app(1, b"hello!")),
        Err(DecodeError::Malformed { name: "chat", cause })
    );
    assert_eq!(
        registry().encode(&App::Chat(Bytes::from_static(b"hello!"))),
        Err(EncodeError::TooLong { name: "chat", len: 6, max: 5 })
    );
}

#[test]
fn an_unknown_tag_is_no_fault() {
    assert_eq!(registry().decode(app(2, b"?")), Err(DecodeError::Unknown { tag: 2 }));
}

#[test]
fn an_unreadable_payload_names_its_message_and_field() {
    let cause = Malformed::new("get_addrs.max", Defect::Truncated);
    let refused = registry().decode(app(7, &[0x10])).unwrap_err();
    assert_eq!(refused, DecodeError::Malformed { name: "ask", cause });
    let source = std::error::Error::source(&refused).unwrap();
    assert_eq!(source.to_string(), "malformed get_addrs.max: truncated");
}

#[test]
fn a_message_without_an_entry_cannot_be_sent() {
    assert_eq!(registry().encode(&App::Forgotten), Err(EncodeError::Unregistered));
}

#[test]
fn entries_that_collide_are_refused() {
    let build = |second: Entry<App>| Registry::new([chat(), second]).map(|_| ());
    assert_eq!(
        build(Entry { tag: 1, ..ask() }),
        Err(RegistryError::Tag { tag: 1, first: "chat", second: "ask" })
    );
    assert_eq!(build(Entry { name: "chat", ..ask() }), Err(RegistryError::Name { name: "chat" }));
    for len_max in [0, PAYLOAD_MAX + 1] {
        let refused = build(Entry { len_max, ..ask() });
        assert_eq!(refused, Err(RegistryError::LenMax { name: "ask", given: len_max }));
    }
    assert_eq!(build(Entry { len_max: PAYLOAD_MAX, ..ask() }), Ok(()));
}

#[test]
fn the_longest_payload_fills_a_frame() {
    let of = |len: usize| {
        let message = AppMessage { tag: u32::MAX, payload: vec![0; len].into() };
        bounds::decode::<AppMessage>(message.encode_to_vec().into()).map(|_| ())
    };
    assert_eq!(of(PAYLOAD_MAX), Ok(()));
    assert_eq!(of(PAYLOAD_MAX + 1), Err(Malformed::new("app_message.payload", Defect::TooLong)));
}
