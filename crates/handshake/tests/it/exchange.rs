//! The exchange against anything a remote may say, in any order.

use bytes::{Bytes, BytesMut};
use meshwork_handshake::{
    Breach, Exchange, Feature, Handshake, Reject, RejectCode, Semver, SessionKind, Side, Turn,
    Verack, Version,
};
use proptest::prelude::*;
use prost::Message as _;
use wire::proto::handshake::v1 as proto;
use wire::{Defect, Frame, Malformed};

fn version(nonce: u64) -> Version {
    Version {
        network: "n".to_owned(),
        application: "a".to_owned(),
        agent: "test/1".to_owned(),
        version: Semver { major: 1, minor: 2, patch: 3 },
        nonce,
        observed: Some("/ip4/10.0.0.1/tcp/4001".parse().unwrap()),
        kind: SessionKind::Manual,
        features: vec![Feature { name: "sync".to_owned(), version: 2 }],
        record: Bytes::from_static(b"record"),
    }
}

fn encode(message: &Handshake) -> Bytes {
    let mut out = BytesMut::new();
    message.encode(&mut out);
    out.freeze()
}

/// A listener that has accepted, and what it has said.
fn accepted() -> (Exchange, Exchange, Vec<Bytes>) {
    let mut dialer = Exchange::new(Side::Dialer, version(1));
    let mut listener = Exchange::new(Side::Listener, version(2));
    let opening = dialer.opening().unwrap();
    assert!(matches!(listener.hear(&opening), Ok(Turn::Judge(_))));
    let said = listener.accept(Vec::new());
    assert!(matches!(dialer.hear(&said[0]), Ok(Turn::Listen)));
    (dialer, listener, said)
}

#[test]
fn each_side_can_refuse_at_its_turn() {
    let mut dialer = Exchange::new(Side::Dialer, version(1));
    let mut listener = Exchange::new(Side::Listener, version(2));
    listener.hear(&dialer.opening().unwrap()).unwrap();
    let no = listener.refuse(Reject::new(RejectCode::Full, "later"));
    let Ok(Turn::Refused(reject)) = dialer.hear(&no) else { panic!("the dialer hears it") };
    assert_eq!((reject.code, reject.detail.as_str()), (RejectCode::Full, "later"));

    let (mut dialer, mut listener, said) = accepted();
    assert!(matches!(dialer.hear(&said[1]), Ok(Turn::Judge(_))));
    let no = dialer.refuse(Reject::new(RejectCode::Banned, ""));
    let Ok(Turn::Refused(reject)) = listener.hear(&no) else { panic!("the listener hears it") };
    assert_eq!(reject.code, RejectCode::Banned);
}

#[test]
fn a_verack_must_name_the_version_it_accepts() {
    let (mut dialer, _, _) = accepted();
    let verack = Verack { nonce: 1, version_hash: [0; 32], features: Vec::new() };
    let heard = dialer.hear(&encode(&Handshake::Verack(verack)));
    assert_eq!(heard.unwrap_err(), Breach::OtherVersion, "the hash");

    let (_, _, said) = accepted();
    let (mut other, _, _) = accepted();
    let Ok(Handshake::Verack(verack)) = Handshake::decode(said[1].clone()) else { panic!("one") };
    let verack = Verack { nonce: 9, ..verack };
    let heard = other.hear(&encode(&Handshake::Verack(verack)));
    assert_eq!(heard.unwrap_err(), Breach::OtherVersion, "the nonce");
}

#[test]
fn what_has_no_place_ends_it() {
    let hears = |side, frames: &[Handshake]| {
        let mut exchange = Exchange::new(side, version(1));
        let mut heard = Ok(Turn::Listen);
        for frame in frames {
            heard = exchange.hear(&encode(frame));
        }
        heard.unwrap_err()
    };
    let theirs = || Handshake::Version(Box::new(version(2)));
    let verack =
        || Handshake::Verack(Verack { nonce: 1, version_hash: [0; 32], features: Vec::new() });
    let out_of_place = |what| Breach::OutOfPlace { what };
    assert_eq!(hears(Side::Dialer, &[theirs(), theirs()]), out_of_place("version"));
    assert_eq!(hears(Side::Listener, &[theirs(), theirs()]), out_of_place("version"));
    assert_eq!(hears(Side::Dialer, &[verack()]), out_of_place("verack"));
    assert_eq!(hears(Side::Listener, &[verack()]), out_of_place("verack"));
}

#[test]
fn an_empty_frame_and_a_short_hash_are_malformed() {
    let mut listener = Exchange::new(Side::Listener, version(1));
    let missing = Malformed::new("handshake.body", Defect::Missing);
    assert_eq!(listener.hear(&Bytes::new()).unwrap_err(), Breach::Malformed(missing));

    let verack = proto::Verack { nonce: 1, version_hash: vec![0; 31].into(), features: vec![] };
    let body = Some(proto::handshake::Body::Verack(verack));
    let frame = proto::Handshake { body }.encode_to_vec();
    let invalid = Malformed::new("verack.version_hash", Defect::Invalid);
    assert_eq!(Handshake::decode(frame.into()).unwrap_err(), invalid);
}

#[test]
fn a_largest_version_fits_its_frame() {
    let features = (0..32).map(|n| Feature { name: format!("{n:0>32}"), version: u32::MAX });
    let largest = Version {
        network: "n".repeat(64),
        application: "a".repeat(64),
        agent: "g".repeat(128),
        version: Semver { major: u32::MAX, minor: u32::MAX, patch: u32::MAX },
        nonce: u64::MAX,
        observed: None,
        kind: SessionKind::Direct,
        features: features.collect(),
        record: vec![1; 2048].into(),
    };
    let frame = encode(&Handshake::Version(Box::new(largest.clone())));
    assert_eq!(Handshake::decode(frame), Ok(Handshake::Version(Box::new(largest))));
}

fn anything() -> impl Strategy<Value = Handshake> {
    let feature =
        ("[a-z]{1,32}", any::<u32>()).prop_map(|(name, version)| Feature { name, version });
    let features =
        proptest::collection::btree_map("[a-z]{1,8}", any::<u32>(), 0..4).prop_map(|f| {
            f.into_iter().map(|(name, version)| Feature { name, version }).collect::<Vec<_>>()
        });
    let version = (any::<u64>(), "\\PC{0,16}", features.clone(), 0..6_usize, feature).prop_map(
        |(nonce, agent, features, kind, _)| {
            let kind = SessionKind::EACH[kind];
            let kind = if kind == SessionKind::Inbound { SessionKind::Outbound } else { kind };
            Handshake::Version(Box::new(Version { agent, features, kind, ..version(nonce) }))
        },
    );
    let verack = (any::<u64>(), any::<[u8; 32]>(), features).prop_map(|(nonce, hash, features)| {
        Handshake::Verack(Verack { nonce, version_hash: hash, features })
    });
    let reject = (0..12_usize, "\\PC{0,32}", any::<u32>()).prop_map(|(code, detail, millis)| {
        let delay = std::time::Duration::from_millis(millis.into());
        Handshake::Reject(Reject::new(RejectCode::EACH[code], detail).retry_after(delay))
    });
    prop_oneof![version, verack, reject]
}

proptest! {
    #[test]
    fn every_message_survives_the_wire(message in anything()) {
        prop_assert_eq!(Handshake::decode(encode(&message)), Ok(message));
    }

    #[test]
    fn no_bytes_make_it_panic(
        frames in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..200), 1..5),
    ) {
        for side in [Side::Dialer, Side::Listener] {
            let mut exchange = Exchange::new(side, version(1));
            for frame in &frames {
                let _heard = exchange.hear(&Bytes::copy_from_slice(frame));
            }
        }
    }

    /// Whatever is said in whatever order, a side that was not accepted never thinks so.
    #[test]
    fn nobody_agrees_without_a_verack_of_ours(
        frames in proptest::collection::vec(anything(), 1..6),
    ) {
        for side in [Side::Dialer, Side::Listener] {
            let mut exchange = Exchange::new(side, version(1));
            for frame in &frames {
                let turn = exchange.hear(&encode(frame));
                if let Ok(Turn::Judge(_)) = turn {
                    // A dialer judges only whom it has a matching verack of.
                    prop_assert_eq!(side, Side::Listener);
                    prop_assert_eq!(exchange.accept(Vec::new()).len(), 2);
                }
                prop_assert!(!matches!(turn, Ok(Turn::Agreed)));
            }
        }
    }
}
