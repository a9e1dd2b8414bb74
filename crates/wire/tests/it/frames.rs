//! Frames on streams: in pieces, too long, cut off, and announced but never sent.

use std::io::{self, ErrorKind};
use std::pin::Pin;
use std::task::{Context, Poll};

use asynchronous_codec::{Decoder as _, Encoder as _};
use bytes::{BufMut as _, Bytes, BytesMut};
use futures::executor::block_on;
use futures::io::Cursor;
use futures::task::noop_waker;
use futures::{AsyncRead, FutureExt as _, SinkExt as _, TryStreamExt as _};
use meshwork_wire::frame::{self, Codec, ReadError, WriteError};
use meshwork_wire::proto::seed::v1::{Addrs, GetAddrs};
use meshwork_wire::{Defect, Frame, Malformed};
use proptest::prelude::*;

use crate::counting;
use crate::messages;

/// A domain message with a codec of its own, beside those of protobuf. It keeps what it is given.
#[derive(Clone, Debug, Eq, PartialEq)]
struct Raw(Bytes);

impl Frame for Raw {
    const MAX: usize = 300_000;

    fn encode(&self, out: &mut BytesMut) {
        out.put_slice(&self.0);
    }

    fn decode(frame: Bytes) -> Result<Self, Malformed> {
        Ok(Self(frame))
    }
}

/// Gives what it has, then nothing more, and never ends.
struct Stalled<'a>(&'a [u8]);

impl AsyncRead for Stalled<'_> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        room: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        if self.0.is_empty() {
            return Poll::Pending;
        }
        Pin::new(&mut self.0).poll_read(cx, room)
    }
}

fn raw(len: usize) -> Raw {
    Raw(vec![7; len].into())
}

fn written<F: Frame>(message: &F) -> Vec<u8> {
    let mut out = Vec::new();
    block_on(frame::write(&mut out, message)).unwrap();
    out
}

fn read<F: Frame>(mut bytes: &[u8]) -> Result<F, ReadError> {
    block_on(frame::read(&mut bytes))
}

fn malformed<F: Frame + std::fmt::Debug>(bytes: &[u8]) -> Malformed {
    match read::<F>(bytes) {
        Err(ReadError::Malformed(why)) => why,
        other => panic!("{other:?} is not malformed"),
    }
}

#[test]
fn one_frame_is_read_and_not_a_byte_beyond() {
    let mut bytes = written(&messages::get_addrs());
    bytes.extend(b"next");
    let mut stream = bytes.as_slice();
    let message = block_on(frame::read::<GetAddrs>(&mut stream)).unwrap();
    assert_eq!(message, messages::get_addrs());
    assert_eq!(stream, b"next");
}

#[test]
fn frames_of_every_prefix_length_come_back() {
    for len in [0, 1, 127, 128, 8 * 1024, 16_383, 16_384, 300_000] {
        let bytes = written(&raw(len));
        let prefix = prost::encoding::encoded_len_varint(len as u64);
        assert_eq!(bytes.len(), prefix + len, "the shortest prefix for {len}");
        assert_eq!(read::<Raw>(&bytes).unwrap(), raw(len));
    }
}

#[test]
fn a_message_that_is_too_long_is_an_error_and_not_sent() {
    let mut out = Vec::new();
    let written = block_on(frame::write(&mut out, &raw(300_001)));
    assert!(matches!(written, Err(WriteError::TooLong { len: 300_001, max: 300_000 })));
    assert!(out.is_empty());

    let mut out = BytesMut::from("before");
    let encoded = Codec::<Raw>::new().encode(raw(300_001), &mut out);
    assert!(matches!(encoded, Err(WriteError::TooLong { .. })));
    assert_eq!(out, "before", "what waits to be sent is left alone");
}

#[test]
fn a_length_over_the_bound_is_refused_before_the_frame_arrives() {
    let too_long = Malformed::new("frame", Defect::TooLong);
    let endless = [[0xff; 9].as_slice(), &[0x01]].concat(); // 2^64 - 1
    for prefix in [[0xe1, 0xa7, 0x12].as_slice(), &endless] {
        let refused = Codec::<Raw>::new().decode(&mut BytesMut::from(prefix));
        assert!(matches!(refused, Err(ReadError::Malformed(why)) if why == too_long));
        assert_eq!(malformed::<Raw>(prefix), too_long);
    }
    let mut exact = BytesMut::from([0xe0, 0xa7, 0x12].as_slice());
    assert!(matches!(Codec::<Raw>::new().decode(&mut exact), Ok(None)));
}

#[test]
fn a_length_has_one_form() {
    let invalid = Malformed::new("frame", Defect::Invalid);
    for prefix in [
        [0x80, 0x00].as_slice(), // 0 in two bytes
        &[0x85, 0x80, 0x00],     // 5 in three
        &[0x85, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x02], // 5 and a bit that falls off
        &[0xff; 11],             // endless
    ] {
        assert_eq!(malformed::<Raw>(prefix), invalid, "{prefix:x?}");
        let refused = Codec::<Raw>::new().decode(&mut BytesMut::from(prefix));
        assert!(matches!(refused, Err(ReadError::Malformed(why)) if why == invalid));
    }
}

#[test]
fn an_announced_frame_costs_nothing_until_it_arrives() {
    let announced = [0xe0, 0xa7, 0x12]; // 300,000 bytes
    let mut arrived = announced.to_vec();
    arrived.resize(3 + 20_000, 7);
    for sent in [3, 4, 5_000, 20_000] {
        let mut stream = Stalled(&arrived[..sent]);
        let waker = noop_waker();
        let (peak, waits) = counting::peak(|| {
            let mut reading = Box::pin(frame::read::<Raw>(&mut stream));
            reading.poll_unpin(&mut Context::from_waker(&waker)).is_pending()
        });
        assert!(waits);
        // Growing holds the old block beside the new one.
        let bound = 3 * sent + 9 * 1024;
        assert!(peak <= bound, "{peak} bytes for {sent} that arrived");
    }
}

#[test]
fn the_codec_makes_no_room_for_what_has_not_arrived() {
    let mut arrived = BytesMut::from([0xe0, 0xa7, 0x12, 1, 2, 3].as_slice());
    let (peak, waits) = counting::peak(|| Codec::<Raw>::new().decode(&mut arrived));
    assert!(matches!(waits, Ok(None)));
    assert_eq!(peak, 0);
}

#[test]
fn a_stream_that_ends_is_not_malformed() {
    let bytes = written(&raw(20_000));
    for cut in [0, 1, 2, 3, 4, 10_000, bytes.len() - 1] {
        match read::<Raw>(&bytes[..cut]) {
            Err(ReadError::Io(why)) => assert_eq!(why.kind(), ErrorKind::UnexpectedEof),
            other => panic!("cut at {cut}: {other:?}"),
        }
    }
}

#[test]
fn a_framed_stream_ends_cleanly_only_between_frames() {
    let bytes = written(&raw(10));
    let mut whole = frame::framed::<_, Raw>(Cursor::new(bytes.clone()));
    assert_eq!(block_on(whole.try_next()).unwrap(), Some(raw(10)));
    assert_eq!(block_on(whole.try_next()).unwrap(), None);

    let mut cut = frame::framed::<_, Raw>(Cursor::new(bytes[..5].to_vec()));
    let ended = block_on(cut.try_next());
    assert!(matches!(ended, Err(ReadError::Io(why)) if why.kind() == ErrorKind::UnexpectedEof));
}

#[test]
fn a_codec_reads_one_type_and_writes_another() {
    let mut codec = Codec::<Addrs, GetAddrs>::new();
    let mut out = BytesMut::new();
    codec.encode(messages::get_addrs(), &mut out).unwrap();
    assert_eq!(out, written(&messages::get_addrs()).as_slice());
    let mut arrived = BytesMut::from(written(&messages::addrs()).as_slice());
    assert_eq!(codec.decode(&mut arrived).unwrap(), Some(messages::addrs()));
}

#[test]
fn a_malformed_message_is_named() {
    let why = Malformed::new("get_addrs.max", Defect::Repeated);
    assert_eq!(malformed::<GetAddrs>(&[4, 0x10, 1, 0x10, 1]), why);
    assert_eq!(why.to_string(), "malformed get_addrs.max: repeated");
}

proptest! {
    #[test]
    fn frames_come_back_however_they_are_cut(
        lens in proptest::collection::vec(0_usize..2_000, 1..8),
        cuts in proptest::collection::vec(1_usize..700, 1..40),
    ) {
        let sent: Vec<Raw> = lens.into_iter().map(raw).collect();
        let mut stream = frame::framed::<_, Raw>(Cursor::new(Vec::new()));
        for message in &sent {
            block_on(stream.send(message.clone())).unwrap();
        }
        let bytes = stream.into_inner().into_inner();

        let mut left = bytes.as_slice();
        let mut arrived = BytesMut::new();
        let mut received = Vec::new();
        for cut in cuts.iter().cycle() {
            let (piece, behind) = left.split_at(left.len().min(*cut));
            arrived.put_slice(piece);
            left = behind;
            while let Some(message) = Codec::<Raw>::new().decode(&mut arrived).unwrap() {
                received.push(message);
            }
            if left.is_empty() {
                break;
            }
        }
        prop_assert_eq!(received, sent);
        prop_assert!(arrived.is_empty());
    }

    #[test]
    fn arbitrary_streams_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        drop(read::<GetAddrs>(&bytes));
        let mut arrived = BytesMut::from(bytes.as_slice());
        while let Ok(Some(_)) = Codec::<GetAddrs>::new().decode(&mut arrived) {}
    }
}
