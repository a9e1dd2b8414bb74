//! Objects out of bytes that come as they like.
#![expect(clippy::arithmetic_side_effects, reason = "a test")]

use std::collections::VecDeque;

use futures::FutureExt;
use futures::executor::block_on;
use proptest::prelude::*;

use super::super::{DEPTH_MAX, REQUEST_BYTES_MAX};
use super::*;

/// A remote that sends its parts one by one, and takes so many bytes at once.
#[derive(Default)]
struct Remote {
    parts: VecDeque<Part>,
    taken: Vec<u8>,
    room: usize,
}

enum Part {
    Bytes(Vec<u8>),
    /// Nothing for now.
    Pause,
}

impl Remote {
    fn says(parts: impl IntoIterator<Item = Part>) -> JsonStream<Self> {
        let parts = parts.into_iter().collect();
        JsonStream::new(Self { parts, room: usize::MAX, ..Self::default() })
    }
}

impl AsyncRead for Remote {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
        out: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        match self.parts.pop_front() {
            None => Poll::Ready(Ok(0)),
            Some(Part::Pause) => Poll::Pending,
            Some(Part::Bytes(mut bytes)) => {
                let count = bytes.len().min(out.len());
                out[..count].copy_from_slice(&bytes[..count]);
                if count < bytes.len() {
                    self.parts.push_front(Part::Bytes(bytes.split_off(count)));
                }
                Poll::Ready(Ok(count))
            }
        }
    }
}

impl AsyncWrite for Remote {
    fn poll_write(
        mut self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let count = bytes.len().min(self.room);
        if count == 0 {
            return Poll::Pending;
        }
        self.room -= count;
        self.taken.extend_from_slice(&bytes[..count]);
        Poll::Ready(Ok(count))
    }

    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

fn bytes(text: &str) -> Part {
    Part::Bytes(text.as_bytes().to_vec())
}

fn read(text: &str) -> Result<Option<String>, ReadError> {
    block_on(Remote::says([bytes(text)]).read(1000))
}

fn bad(text: &str) -> BadMessage {
    match read(text) {
        Err(ReadError::Message(bad)) => bad,
        other => panic!("{other:?}"),
    }
}

#[test]
fn objects_come_one_by_one_and_then_the_end() {
    let mut stream =
        Remote::says([bytes("{\"a\":[1,{}]}\n \t\r\n{}{\"b\":\"}\\\"]\"}"), bytes("\n")]);
    for expected in ["{\"a\":[1,{}]}", "{}", "{\"b\":\"}\\\"]\"}"] {
        assert_eq!(block_on(stream.read(1000)).unwrap().as_deref(), Some(expected));
    }
    assert_eq!(block_on(stream.read(1000)).unwrap(), None);
    assert_eq!(block_on(stream.read(1000)).unwrap(), None, "and it stays so");
}

#[test]
fn a_cancelled_read_loses_nothing() {
    let parts = ["{\"a", "\":\"\\", "\"}", "\"}{", "}"];
    let parts = parts.into_iter().flat_map(|part| [bytes(part), Part::Pause]);
    let mut stream = Remote::says(parts);
    let mut objects = Vec::new();
    for _ in 0..8 {
        if let Some(object) = stream.read(1000).now_or_never() {
            objects.extend(object.unwrap());
        }
    }
    assert_eq!(objects, [r#"{"a":"\"}"}"#, "{}"]);
}

#[test]
fn what_is_too_long_is_refused_before_it_is_there() {
    let object = |len: usize| format!("{{{}}}", " ".repeat(len - 2));
    assert!(matches!(read(&object(1000)), Ok(Some(_))));
    assert_eq!(bad(&object(1001)), BadMessage::TooLong { max: 1000 });

    let endless = (0..1000).map(|_| Part::Bytes(vec![b'['; 1]));
    let mut stream = Remote::says([bytes("{\"a\":\"")].into_iter().chain(endless));
    let refused = block_on(stream.read(100)).unwrap_err();
    assert!(matches!(refused, ReadError::Message(BadMessage::TooLong { max: 100 })));
    assert!(stream.stream.parts.len() > 890, "it reads on");
    let again = block_on(stream.read(100)).unwrap_err();
    assert!(matches!(again, ReadError::Broken(_)), "and it stays broken");
}

#[test]
fn memory_follows_what_arrives() {
    let parts = (0..REQUEST_BYTES_MAX / 64).map(|_| Part::Bytes(vec![b' '; 64]));
    let mut stream = Remote::says([bytes("{")].into_iter().chain(parts));
    for _ in 0..4 {
        let before = stream.input.bytes.len();
        let fill = poll_fn(|cx| stream.input.poll_fill(Pin::new(&mut stream.stream), cx));
        block_on(fill).unwrap();
        assert!(stream.input.bytes.len() - before <= 64);
        assert!(stream.input.bytes.capacity() <= 2 * (CHUNK + 256), "8 KiB ahead of it");
    }
}

#[test]
fn what_is_no_object_is_refused_at_once() {
    for (text, first) in [("7", b'7'), ("[]", b'['), ("  \"a\"", b'"'), ("\0", 0), ("}", b'}')] {
        assert_eq!(bad(text), BadMessage::NotAnObject { first });
    }
    assert_eq!(bad(&" ".repeat(SPACE_MAX + 1)), BadMessage::Space { max: SPACE_MAX });
    let drip = (0..=SPACE_MAX).map(|_| bytes("\n"));
    let refused = block_on(Remote::says(drip).read(1000)).unwrap_err();
    assert!(matches!(refused, ReadError::Message(BadMessage::Space { .. })));
    assert!(matches!(read(&format!("{}{{}}", " ".repeat(SPACE_MAX))), Ok(Some(_))));
}

#[test]
fn depth_is_bounded() {
    let nested = |depth: usize| format!("{{\"a\":{}{}}}", "[".repeat(depth), "]".repeat(depth));
    let max = usize::from(DEPTH_MAX);
    assert!(matches!(read(&nested(max - 1)), Ok(Some(_))));
    assert_eq!(bad(&nested(max)), BadMessage::TooDeep { max: DEPTH_MAX });
    assert!(matches!(read(&format!("{{\"a\":\"{}\"}}", "[".repeat(200))), Ok(Some(_))));
}

#[test]
fn what_is_not_text_is_refused() {
    let mut stream = Remote::says([Part::Bytes(b"{\"a\":\"\xff\"}".to_vec())]);
    let refused = block_on(stream.read(1000)).unwrap_err();
    assert!(matches!(refused, ReadError::Message(BadMessage::NotUtf8 { at: 6 })), "{refused}");
}

#[test]
fn an_end_inside_an_object_is_a_broken_stream() {
    assert!(matches!(read("{\"a\":"), Err(ReadError::Broken(_))));
    assert!(matches!(read(" \n"), Ok(None)));
}

#[test]
fn a_cancelled_write_goes_out_in_whole_with_the_next() {
    let mut stream = JsonStream::new(Remote { room: 4, ..Remote::default() });
    assert!(stream.write(r#"{"a":1}"#).now_or_never().is_none(), "no room");
    assert!(stream.write(r#"{"b":2}"#).now_or_never().is_none(), "the first is to be sent first");
    stream.stream.room = 4;
    assert!(stream.write(r#"{"c":3}"#).now_or_never().is_none());
    stream.stream.room = 1000;
    stream.write(r#"{"d":4}"#).now_or_never().unwrap().unwrap();
    let sent = String::from_utf8(stream.stream.taken.clone()).unwrap();
    assert_eq!(sent, "{\"a\":1}\n{\"c\":3}\n{\"d\":4}\n");
    stream.stream.room = 0;
    assert!(stream.write("{}").now_or_never().is_none());
    stream.stream.room = 1000;
    stream.close().now_or_never().unwrap().unwrap();
    assert!(stream.stream.taken.ends_with(b"}\n{}\n"));
}

proptest! {
    #[test]
    fn cutting_makes_no_difference(
        texts in prop::collection::vec(any::<String>(), 1..4),
        cuts in prop::collection::vec(1_usize..40, 1..40),
    ) {
        let objects: Vec<_> =
            texts.iter().map(|text| serde_json::json!({ "a": [text, {}] }).to_string()).collect();
        let mut rest = objects.join("\n").into_bytes();
        let mut parts = VecDeque::new();
        for cut in cuts.iter().cycle() {
            if rest.is_empty() {
                break;
            }
            let tail = rest.split_off(rest.len().min(*cut));
            parts.push_back(Part::Bytes(std::mem::replace(&mut rest, tail)));
        }
        let mut stream = JsonStream::new(Remote { parts, ..Remote::default() });
        for object in objects {
            prop_assert_eq!(block_on(stream.read(1 << 16)).unwrap(), Some(object));
        }
        prop_assert_eq!(block_on(stream.read(1 << 16)).unwrap(), None);
    }

    #[test]
    fn any_bytes_end_in_an_object_or_a_name(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let mut stream = Remote::says([Part::Bytes(bytes)]);
        for _ in 0..200 {
            if !matches!(block_on(stream.read(64)), Ok(Some(_))) {
                break;
            }
        }
    }
}
