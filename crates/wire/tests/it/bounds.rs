//! Every bound of every message: exactly as much passes, one more is refused at the right field.

use std::fmt::Debug;

use bytes::{BufMut, Bytes, BytesMut};
use meshwork_wire::bounds::{self, Bounded};
use meshwork_wire::proto::app::v1::AppMessage;
use meshwork_wire::proto::handshake::v1::handshake::Body;
use meshwork_wire::proto::handshake::v1::{Feature, Handshake, Reject, Verack, Version};
use meshwork_wire::proto::peer::v1::{AddressInfo, Envelope, PeerRecord};
use meshwork_wire::proto::seed::v1::{Addrs, GetAddrs};
use meshwork_wire::{Defect, Frame, Malformed};
use prost::Message;

use crate::messages::handshake;

fn encoded<P: Message>(message: &P) -> Bytes {
    message.encode_to_vec().into()
}

fn passes<P: Bounded + PartialEq + Debug>(message: &P) {
    assert_eq!(bounds::decode::<P>(encoded(message)).as_ref(), Ok(message));
}

fn fails<P: Bounded + PartialEq + Debug>(message: &P, field: &'static str, defect: Defect) {
    assert_eq!(
        bounds::decode::<P>(encoded(message)).map(|_| ()),
        Err(Malformed::new(field, defect)),
        "{} bytes",
        message.encoded_len()
    );
}

/// Builds the message with `max` of something, and with one more.
fn check<P: Bounded + PartialEq + Debug>(
    field: &'static str,
    defect: Defect,
    max: usize,
    build: impl Fn(usize) -> P,
) {
    passes(&build(max));
    fails(&build(max + 1), field, defect);
}

fn long<P: Bounded + PartialEq + Debug>(
    field: &'static str,
    max: usize,
    build: impl Fn(usize) -> P,
) {
    check(field, Defect::TooLong, max, build);
}

fn many<P: Bounded + PartialEq + Debug>(
    field: &'static str,
    max: usize,
    build: impl Fn(usize) -> P,
) {
    check(field, Defect::TooMany, max, build);
}

fn x(len: usize) -> String {
    "x".repeat(len)
}

fn b(len: usize) -> Bytes {
    vec![7; len].into()
}

fn features(count: usize) -> Vec<Feature> {
    vec![Feature::default(); count]
}

#[test]
fn version() {
    long("version.network", 64, |n| Version { network: x(n), ..Version::default() });
    long("version.application", 64, |n| Version { application: x(n), ..Version::default() });
    long("version.agent", 128, |n| Version { agent: x(n), ..Version::default() });
    long("version.observed_address", 256, |n| Version {
        observed_address: b(n),
        ..Version::default()
    });
    long("version.record", 2048, |n| Version { record: b(n), ..Version::default() });
    many("version.features", 32, |n| Version { features: features(n), ..Version::default() });
    long("feature.name", 32, |n| Version {
        features: vec![Feature { name: x(n), version: u32::MAX }],
        ..Version::default()
    });
}

#[test]
fn the_largest_version_fits() {
    let features = vec![Feature { name: x(32), version: u32::MAX }; 32];
    passes(&handshake(Body::Version(Version {
        network: x(64),
        application: x(64),
        agent: x(128),
        major: u32::MAX,
        minor: u32::MAX,
        patch: u32::MAX,
        nonce: u64::MAX,
        observed_address: b(256),
        kind: i32::MAX,
        features,
        record: b(2048),
    })));
}

#[test]
fn verack() {
    long("verack.version_hash", 32, |n| Verack { version_hash: b(n), ..Verack::default() });
    many("verack.features", 32, |n| Verack { features: features(n), ..Verack::default() });
}

#[test]
fn reject() {
    long("reject.detail", 128, |n| Reject { detail: x(n), ..Reject::default() });
    many("reject.alternatives", 16, |n| Reject {
        alternatives: vec![b(1); n],
        ..Reject::default()
    });
    long("reject.alternatives", 2048, |n| Reject { alternatives: vec![b(n)], ..Reject::default() });
}

#[test]
fn seed() {
    many("get_addrs.transports", 16, |n| GetAddrs {
        transports: vec![x(1); n],
        ..GetAddrs::default()
    });
    long("get_addrs.transports", 16, |n| GetAddrs {
        transports: vec![x(n)],
        ..GetAddrs::default()
    });
    many("addrs.records", 250, |n| Addrs { nonce: 0, records: vec![Bytes::new(); n] });
    long("addrs.records", 2048, |n| Addrs { nonce: 0, records: vec![b(n)] });
}

#[test]
fn app() {
    long("app_message.payload", 1024 * 1024 - 64, |n| AppMessage { tag: u32::MAX, payload: b(n) });
}

#[test]
fn peer() {
    long("peer_record.peer_id", 64, |n| PeerRecord { peer_id: b(n), ..PeerRecord::default() });
    many("peer_record.addresses", 16, |n| PeerRecord {
        addresses: vec![AddressInfo::default(); n],
        ..PeerRecord::default()
    });
    long("address_info.multiaddr", 256, |n| PeerRecord {
        addresses: vec![AddressInfo { multiaddr: b(n) }],
        ..PeerRecord::default()
    });
    long("envelope.public_key", 512, |n| Envelope { public_key: b(n), ..Envelope::default() });
    long("envelope.payload_type", 64, |n| Envelope { payload_type: b(n), ..Envelope::default() });
    long("envelope.payload", 1_046_528, |n| Envelope { payload: b(n), ..Envelope::default() });
    long("envelope.signature", 512, |n| Envelope { signature: b(n), ..Envelope::default() });
}

/// A message of exactly `len` bytes, filled up with a field that no schema knows.
fn filled(start: &impl Message, len: usize) -> Bytes {
    let mut out = BytesMut::from(start.encode_to_vec().as_slice());
    prost::encoding::encode_key(900, prost::encoding::WireType::LengthDelimited, &mut out);
    let left = len - out.len();
    let prefix = prost::encoding::encoded_len_varint((left - 1) as u64);
    prost::encoding::encode_varint((left - prefix) as u64, &mut out);
    out.put_bytes(0, left - prefix);
    assert_eq!(out.len(), len);
    out.freeze()
}

fn whole<P: Bounded + PartialEq + Debug>(len_max: usize) {
    assert_eq!(<P as Frame>::MAX, len_max);
    let start = P::default();
    assert_eq!(bounds::decode::<P>(filled(&start, len_max)), Ok(start));
    let refused = bounds::decode::<P>(filled(&P::default(), len_max + 1));
    assert_eq!(refused, Err(Malformed::new(P::SCHEMA.name(), Defect::TooLong)));
}

#[test]
fn whole_messages() {
    whole::<Handshake>(8208);
    whole::<Version>(4096);
    whole::<Verack>(4096);
    whole::<Reject>(8192);
    whole::<Feature>(64);
    whole::<GetAddrs>(512);
    whole::<Addrs>(128 * 1024);
    whole::<AppMessage>(1024 * 1024);
    whole::<Envelope>(1024 * 1024);
    whole::<PeerRecord>(2048);
    whole::<AddressInfo>(320);
}

#[test]
fn a_nested_message_has_its_own_bound() {
    let wrap = |number: u32, inner: &[u8]| {
        let mut out = BytesMut::new();
        prost::encoding::encode_key(number, prost::encoding::WireType::LengthDelimited, &mut out);
        prost::encoding::encode_varint(inner.len() as u64, &mut out);
        out.put_slice(inner);
        out.freeze()
    };
    for (number, field, len_max) in [
        (1, "handshake.version", 4096),
        (2, "handshake.verack", 4096),
        (3, "handshake.reject", 8192),
    ] {
        let exact = wrap(number, &filled(&Version::default(), len_max));
        assert!(bounds::decode::<Handshake>(exact).is_ok(), "{field}");
        let over = wrap(number, &filled(&Version::default(), len_max + 1));
        let refused = bounds::decode::<Handshake>(over);
        assert_eq!(refused, Err(Malformed::new(field, Defect::TooLong)));
    }
}
