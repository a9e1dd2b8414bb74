//! Messages to test with: one full example of each kind, and random ones within the bounds.

use bytes::Bytes;
use meshwork_wire::proto::app::v1::AppMessage;
use meshwork_wire::proto::handshake::v1::handshake::Body;
use meshwork_wire::proto::handshake::v1::{Feature, Handshake, Reject, Verack, Version};
use meshwork_wire::proto::seed::v1::{Addrs, GetAddrs};
use proptest::collection::vec;
use proptest::prelude::*;

pub(crate) fn feature(name: &str, version: u32) -> Feature {
    Feature { name: name.to_owned(), version }
}

pub(crate) fn version() -> Version {
    Version {
        network: "main".into(),
        application: "meshwork".into(),
        agent: "meshwork/0.1.0".into(),
        major: 1,
        minor: 2,
        patch: 300,
        nonce: 0x0102_0304_0506_0708,
        observed_address: Bytes::from_static(&[4, 127, 0, 0, 1, 6, 0x10, 0]),
        kind: 1,
        features: vec![feature("gossip", 1), feature("relay", 70_000)],
        record: Bytes::from_static(b"record"),
    }
}

pub(crate) fn verack() -> Verack {
    let version_hash = Bytes::from((0..32).collect::<Vec<u8>>());
    Verack { nonce: 9, version_hash, features: vec![feature("gossip", 1)] }
}

pub(crate) fn reject() -> Reject {
    Reject {
        code: 4,
        detail: "64 of 64 slots taken".into(),
        retry_after_ms: 30_000,
        alternatives: vec![Bytes::from_static(b"one"), Bytes::from_static(b"two")],
    }
}

pub(crate) fn handshake(body: Body) -> Handshake {
    Handshake { body: Some(body) }
}

pub(crate) fn get_addrs() -> GetAddrs {
    GetAddrs { nonce: 1, max: 50, transports: vec!["tcp".into(), "quic".into()] }
}

pub(crate) fn addrs() -> Addrs {
    Addrs { nonce: 1, records: vec![Bytes::from_static(b"one"), Bytes::new()] }
}

pub(crate) fn app_message() -> AppMessage {
    AppMessage { tag: 7, payload: Bytes::from_static(b"hello") }
}

/// A string of at most `len_max` bytes, with letters of one to four bytes.
fn text(len_max: usize) -> impl Strategy<Value = String> {
    vec(any::<char>(), 0..=len_max / 4).prop_map(|letters| letters.into_iter().collect())
}

fn bytes(len_max: usize) -> impl Strategy<Value = Bytes> {
    vec(any::<u8>(), 0..=len_max).prop_map(Bytes::from)
}

fn features() -> impl Strategy<Value = Vec<Feature>> {
    vec((text(32), any::<u32>()).prop_map(|(name, version)| Feature { name, version }), 0..=32)
}

fn any_version() -> impl Strategy<Value = Version> {
    let names = (text(64), text(64), text(128));
    let numbers = any::<(u32, u32, u32, u64)>();
    (names, numbers, bytes(256), 0..=i32::MAX, features(), bytes(1024)).prop_map(
        |(names, numbers, observed_address, kind, features, record)| {
            let (network, application, agent) = names;
            let (major, minor, patch, nonce) = numbers;
            Version {
                network,
                application,
                agent,
                major,
                minor,
                patch,
                nonce,
                observed_address,
                kind,
                features,
                record,
            }
        },
    )
}

/// Any handshake message within its bounds.
pub(crate) fn any_handshake() -> impl Strategy<Value = Handshake> {
    let verack =
        (any::<u64>(), bytes(32), features()).prop_map(|(nonce, version_hash, features)| {
            Body::Verack(Verack { nonce, version_hash, features })
        });
    let reject = (0..=i32::MAX, text(128), any::<u64>(), vec(bytes(400), 0..=16)).prop_map(
        |(code, detail, retry_after_ms, alternatives)| {
            Body::Reject(Reject { code, detail, retry_after_ms, alternatives })
        },
    );
    let body = prop_oneof![any_version().prop_map(Body::Version), verack, reject];
    body.prop_map(handshake)
}

/// Any seed question within its bounds.
pub(crate) fn any_get_addrs() -> impl Strategy<Value = GetAddrs> {
    (any::<u64>(), any::<u32>(), vec(text(16), 0..=16))
        .prop_map(|(nonce, max, transports)| GetAddrs { nonce, max, transports })
}

/// Any seed answer within its bounds.
pub(crate) fn any_addrs() -> impl Strategy<Value = Addrs> {
    (any::<u64>(), vec(bytes(64), 0..=250)).prop_map(|(nonce, records)| Addrs { nonce, records })
}
