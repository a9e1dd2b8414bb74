//! Messages as they have to look on the wire. A second program wrote the bytes.

use std::fmt::Write as _;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use machine::{PeerId, UnixTime};
use meshwork_dht::{Code, Key, Message, MessageId, News, Stored};
use wire::Frame as _;

const N: u64 = 0x0102_0304_0506_0708;
const NUMBER: u32 = 0x0102_0304;
const ID: MessageId = MessageId([7; 32]);

fn hello() -> Bytes {
    Bytes::from_static(b"hello")
}

fn cursor() -> Bytes {
    Bytes::from_static(b"cursor")
}

fn stored() -> Stored {
    let mut server = vec![0, 36, 8, 1, 18, 32];
    server.extend(0..32);
    let server = PeerId::from_bytes(&server).unwrap();
    Stored { server, until: UnixTime::from_millis(1_790_000_100_000), signature: [9; 64] }
}

fn vectors() -> Vec<(Message, &'static str)> {
    vec![
        (
            Message::Carry { number: NUMBER, hops: 8, envelope: hello() },
            "0a0e0d0403020110081a0568656c6c6f",
        ),
        (Message::Put { number: NUMBER, envelope: hello() }, "120c0d04030201120568656c6c6f"),
        (
            Message::Verdict { number: NUMBER, outcome: Ok(()), retry_after: Duration::ZERO },
            "1a070d040302011001",
        ),
        (
            Message::Verdict {
                number: NUMBER,
                outcome: Err(Code::Duplicate),
                retry_after: Duration::from_millis(1_500),
            },
            "1a0a0d04030201100418dc0b",
        ),
        (
            Message::Returned { id: ID, news: News::Stored(stored()) },
            "2295010a20070707070707070707070707070707070707070707070707070707070707070712\
             710a26002408011220000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c\
             1d1e1f10a0e5c7a28c341a400909090909090909090909090909090909090909090909090909\
             0909090909090909090909090909090909090909090909090909090909090909090909090909",
        ),
        (
            Message::Returned { id: ID, news: News::Stopped(Code::NotReachable) },
            "22260a2007070707070707070707070707070707070707070707070707070707070707071a02\
             080d",
        ),
        (
            Message::Find { nonce: N, target: Key::from_bytes([5; 32]), max: 20 },
            "2a2d090807060504030201122005050505050505050505050505050505050505050505050505\
             050505050505051814",
        ),
        (
            Message::Nodes {
                nonce: N,
                records: vec![b"one".as_slice().into(), b"two".as_slice().into()],
            },
            "321309080706050403020112036f6e65120374776f",
        ),
        (
            Message::List { nonce: N, cursor: cursor(), max: 64 },
            "3a130908070605040302011206637572736f721840",
        ),
        (
            Message::Listed { nonce: N, ids: vec![ID], cursor: cursor(), more: true },
            "4235090807060504030201122007070707070707070707070707070707070707070707070707\
             070707070707071a06637572736f722001",
        ),
        (
            Message::Get { nonce: N, ids: vec![ID] },
            "4a2b090807060504030201122007070707070707070707070707070707070707070707070707\
             07070707070707",
        ),
        (
            Message::Got { nonce: N, envelopes: vec![hello(), Bytes::new()] },
            "5212090807060504030201120568656c6c6f1200",
        ),
        (
            Message::Taken { nonce: N, ids: vec![ID] },
            "5a2b090807060504030201122007070707070707070707070707070707070707070707070707\
             07070707070707",
        ),
        (Message::Dropped { nonce: N, count: 1 }, "620b0908070605040302011001"),
    ]
}

#[test]
fn every_message_is_encoded_as_it_always_was() {
    for (message, expected) in vectors() {
        let mut frame = BytesMut::new();
        message.encode(&mut frame);
        let hex = frame.iter().fold(String::new(), |mut hex, byte| {
            write!(hex, "{byte:02x}").unwrap();
            hex
        });
        assert_eq!(hex, expected, "{}", message.name());
        assert_eq!(Message::decode(frame.freeze()), Ok(message));
    }
}
