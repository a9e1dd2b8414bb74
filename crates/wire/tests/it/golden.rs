//! Golden bytes: one message of each kind as it is on the wire. They change only with a new
//! protocol id.
//!
//! Computed field by field from the proto files, and the signature from RFC 2, by a second encoder
//! that shares no code with this crate. One line of digits is one field.

use bytes::BytesMut;
use libp2p_identity::Keypair;
use meshwork_wire::Frame;
use meshwork_wire::proto::handshake::v1::handshake::Body;
use meshwork_wire::signed::SignedRecord;

use crate::messages;

fn hex(bytes: &[u8]) -> String {
    let digit = |value: u8| char::from_digit(u32::from(value), 16).unwrap();
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

fn unhex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text
        .bytes()
        .filter(u8::is_ascii_hexdigit)
        .map(|digit| u8::try_from(char::from(digit).to_digit(16).unwrap()).unwrap())
        .collect();
    digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}

/// The message is these bytes, and these bytes are the message.
fn check<F: Frame + PartialEq + std::fmt::Debug>(message: &F, golden: &str) {
    let mut out = BytesMut::new();
    message.encode(&mut out);
    assert_eq!(hex(&out), hex(&unhex(golden)));
    assert_eq!(F::decode(unhex(golden).into()).as_ref(), Ok(message));
}

#[test]
fn version() {
    check(
        &messages::handshake(Body::Version(messages::version())),
        "
        0a5d
        0a046d61696e
        12086d657368776f726b
        1a0e6d657368776f726b2f302e312e30
        2001
        2802
        30ac02
        390807060504030201
        4208047f000001061000
        4801
        520a0a06676f737369701001
        520b0a0572656c617910f0a204
        5a067265636f7264
        ",
    );
}

#[test]
fn verack() {
    check(
        &messages::handshake(Body::Verack(messages::verack())),
        "
        1237
        090900000000000000
        1220000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f
        1a0a0a06676f737369701001
        ",
    );
}

#[test]
fn reject() {
    check(
        &messages::handshake(Body::Reject(messages::reject())),
        "
        1a26
        0804
        12143634206f6620363420736c6f74732074616b656e
        18b0ea01
        22036f6e65
        220374776f
        ",
    );
}

#[test]
fn get_addrs() {
    check(
        &messages::get_addrs(),
        "
        090100000000000000
        1032
        1a03746370
        1a0471756963
        ",
    );
}

#[test]
fn addrs() {
    check(
        &messages::addrs(),
        "
        090100000000000000
        12036f6e65
        1200
        ",
    );
}

#[test]
fn app_message() {
    check(
        &messages::app_message(),
        "
        0807
        120568656c6c6f
        ",
    );
}

#[test]
fn signed_record() {
    let key = Keypair::ed25519_from_bytes([1; 32]).unwrap();
    let addresses = vec!["/ip4/203.0.113.7/tcp/4001".parse().unwrap()];
    let record = SignedRecord::seal(&key, 42, addresses).unwrap();
    let golden = "
        0a24080112208a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801b40f6f5c
        12020301
        1a360a260024080112208a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801b40f
        6f5c102a1a0a0a0804cb007107060fa1
        2a403969b6912800e0339b66cdd0f06c8a8ef16c8bd78ea089145101260d7467b598fe3651aa1059
        909cb8a53fec63f52ec309f3f0f9fb3c35ab516a0a78f012170d
        ";
    assert_eq!(hex(record.encoded()), hex(&unhex(golden)));
    assert_eq!(SignedRecord::open(&unhex(golden)), Ok(record));
}
