//! Attackers that dial.

use bytes::Bytes;
use futures::AsyncWriteExt;
use libp2p_identity::Keypair;
use wire::proto::handshake::v1 as proto;
use wire::proto::handshake::v1::handshake::Body;
use wire::signed::SignedRecord;

use super::words::{
    frame, framed, good_version, hear, last_word, noise, reject, stray_verack, verack_of, version,
};
use super::{DEADLINE, Siege};
use crate::net::{Net, soon};
use crate::node::{ECHO, Node};
use crate::outsider::{Outsider, put, rest};
use crate::seen::Seen;

over_every_net!(
    a_bad_first_word_is_refused,
    a_bad_second_word_is_refused,
    what_only_newer_versions_know_is_no_offence,
    who_does_not_go_on_is_told_that_time_is_up,
    a_farewell_of_theirs_is_heard,
    silent_handshakes_do_not_keep_others_out,
);

fn feature(name: &str) -> proto::Feature {
    proto::Feature { name: name.to_owned(), version: 1 }
}

/// What an attacker says first, and what it is told.
fn bad_first_words(own: &Keypair) -> Vec<(&'static str, Vec<u8>, &'static str)> {
    let alternatives = vec![record(own); 17];
    let mut words = vec![
        ("no length", vec![0xff; 64], "malformed frame: invalid"),
        ("1 MiB announced", [0x80, 0x80, 0x40].into(), "malformed frame: too long"),
        ("noise", frame(&noise(1, 300)), "malformed handshake: "),
        ("nothing", frame(&[]), "malformed handshake.body: missing"),
        ("1 MiB of nothings", [0x52, 0].repeat(1 << 19), "malformed handshake: "),
        ("8 KiB of nothings", nothings(), "malformed version.features: too many"),
        ("a verack", framed(Body::Verack(stray_verack())), "out of place: verack"),
        (
            "17 alternatives",
            framed(Body::Reject(proto::Reject { alternatives, ..reject(4, "") })),
            "malformed reject.alternatives: too many",
        ),
    ];
    words.extend(bad_versions(own));
    words
}

fn record(key: &Keypair) -> Bytes {
    SignedRecord::seal(key, 1, vec![]).unwrap().encoded().clone()
}

/// Versions that are none, and what they are told.
fn bad_versions(own: &Keypair) -> Vec<(&'static str, Vec<u8>, &'static str)> {
    let other = Keypair::generate_ed25519();
    let mut unsigned = record(own).to_vec();
    *unsigned.last_mut().unwrap() ^= 1;
    let many = |count: usize| (0..count).map(|n| feature(&format!("f{n}"))).collect();
    vec![
        (
            "a network of 65 bytes",
            version(|v| v.network = "n".repeat(65)),
            "malformed version.network: too long",
        ),
        (
            "an agent of 129 bytes",
            version(|v| v.agent = "a".repeat(129)),
            "malformed version.agent: too long",
        ),
        (
            "an address of 257 bytes",
            version(|v| v.observed_address = vec![0; 257].into()),
            "malformed version.observed_address: too long",
        ),
        ("33 features", version(|v| v.features = many(33)), "malformed version.features: too many"),
        (
            "twins",
            version(|v| v.features = vec![feature("twin"); 2]),
            "malformed version.features: invalid",
        ),
        (
            "a feature without a name",
            version(|v| v.features = vec![feature("")]),
            "malformed version.features: invalid",
        ),
        (
            "a record of somebody else",
            version(|v| v.record = record(&other)),
            "version.record: of another peer",
        ),
        (
            "a record that nobody signed",
            version(|v| v.record = unsigned.into()),
            "version.record: signature does not hold",
        ),
        (
            "a record signed by another key",
            version(|v| v.record = signed_for(&other, own).into()),
            "version.record: record is signed by another peer than it speaks of",
        ),
        (
            "a record of 2,049 bytes",
            version(|v| v.record = vec![0; 2049].into()),
            "malformed version.record: too long",
        ),
        (
            "more than 4 KiB of the future",
            of_the_future(4_096),
            "malformed handshake.version: too long",
        ),
    ]
}

/// A Version with `len` bytes of a field that this version does not know.
fn of_the_future(len: usize) -> Vec<u8> {
    use prost::Message as _;
    let mut inner = good_version().encode_to_vec();
    inner.extend([0x82, 0x06]);
    prost::encoding::encode_varint(len as u64, &mut inner);
    inner.extend(vec![0; len]);
    let mut version = vec![0x0a];
    prost::encoding::encode_varint(inner.len() as u64, &mut version);
    version.extend(inner);
    frame(&version)
}

/// A Version whose frame is full of empty features.
fn nothings() -> Vec<u8> {
    let inner = [0x52, 0].repeat(2_000);
    let mut version = vec![0x0a];
    prost::encoding::encode_varint(inner.len() as u64, &mut version);
    version.extend(inner);
    frame(&version)
}

/// A record that speaks of `of` and is signed with `key`.
fn signed_for(key: &Keypair, of: &Keypair) -> Vec<u8> {
    use prost::Message as _;
    let record = wire::proto::peer::v1::PeerRecord {
        peer_id: of.public().to_peer_id().to_bytes().into(),
        seq: 1,
        addresses: vec![],
    };
    let (domain, kind) = ("libp2p-peer-record".to_owned(), vec![0x03, 0x01]);
    let envelope = libp2p_core::SignedEnvelope::new(key, domain, kind, record.encode_to_vec());
    envelope.unwrap().into_protobuf_encoding()
}

async fn a_bad_first_word_is_refused(net: Net) {
    let siege = Siege::start(net).await;
    let attacker = Outsider::start(net).await;
    for (what, words, why) in bad_first_words(&attacker.key) {
        let before = siege.node.now();
        let mut stream = siege.knock(&attacker).await;
        put(&mut stream, &words).await;
        let heard = last_word(&mut stream).await.unwrap_or_else(|| panic!("{what}: not a word"));
        let said = siege.refusal(&before, what).await;
        assert_eq!(said, format!("ours {heard}"), "{what}: both sides know the same");
        assert!(said.starts_with(&format!("ours malformed ({why}")), "{what}: {said}");
        drop(stream);
        attacker.shut_out().await;
        siege.holds(what).await;
    }
}

async fn what_only_newer_versions_know_is_no_offence(net: Net) {
    let siege = Siege::start(net).await;
    let guest = Outsider::start(net).await;
    let mut stream = siege.knock(&guest).await;
    put(&mut stream, &of_the_future(1_000)).await;
    let theirs = hear(&mut stream).await.expect("a version");
    hear(&mut stream).await.expect("a verack");
    put(&mut stream, &framed(Body::Verack(verack_of(&theirs)))).await;
    siege.node.until("the guest", |seen| seen.opened.len() == 2).await;
}

/// What is said, given the Verack that would be right.
type Word<'a> = &'a dyn Fn(&proto::Verack) -> Vec<u8>;

/// The first word was accepted.
async fn a_bad_second_word_is_refused(net: Net) {
    let siege = Siege::start(net).await;
    let attacker = Outsider::start(net).await;
    let wrong_nonce = |right: &proto::Verack| proto::Verack { nonce: 0, ..right.clone() };
    let wrong_hash =
        |right: &proto::Verack| proto::Verack { version_hash: vec![0; 32].into(), ..right.clone() };
    let short_hash =
        |right: &proto::Verack| proto::Verack { version_hash: vec![0; 31].into(), ..right.clone() };
    let cases: [(&str, Word<'_>, &str); 5] = [
        ("the version again", &|_| version(|_| {}), "out of place: version"),
        (
            "another nonce",
            &|right| framed(Body::Verack(wrong_nonce(right))),
            "verack of another version",
        ),
        (
            "another hash",
            &|right| framed(Body::Verack(wrong_hash(right))),
            "verack of another version",
        ),
        (
            "half a hash",
            &|right| framed(Body::Verack(short_hash(right))),
            "malformed verack.version_hash: invalid",
        ),
        ("noise", &|_| vec![0xff; 64], "malformed frame: invalid"),
    ];
    for (what, word, why) in cases {
        let before = siege.node.now();
        let mut stream = siege.knock(&attacker).await;
        put(&mut stream, &version(|_| {})).await;
        let theirs = hear(&mut stream).await.expect("a version");
        hear(&mut stream).await.expect("a verack");
        put(&mut stream, &word(&verack_of(&theirs))).await;
        let heard = last_word(&mut stream).await.unwrap_or_else(|| panic!("{what}: not a word"));
        assert_eq!(siege.refusal(&before, what).await, format!("ours malformed ({why})"));
        assert_eq!(heard.to_string(), format!("malformed ({why})"), "{what}");
        drop(stream);
        attacker.shut_out().await;
        siege.holds(what).await;
    }
}

async fn who_does_not_go_on_is_told_that_time_is_up(net: Net) {
    let siege = Siege::start(net).await;
    let attacker = Outsider::start(net).await;
    let whole = version(|_| {});
    let cases: [(&str, &[u8]); 4] = [
        ("silence", &[]),
        ("half a length", &[0x80]),
        ("half a frame", &whole[..whole.len() / 2]),
        ("a version and no verack", &whole),
    ];
    for (what, words) in cases {
        let before = siege.node.now();
        let mut stream = siege.knock(&attacker).await;
        put(&mut stream, words).await;
        stream.flush().await.unwrap();
        let heard = last_word(&mut stream).await.unwrap_or_else(|| panic!("{what}: not a word"));
        assert_eq!(heard.to_string(), "timeout", "{what}");
        assert_eq!(siege.refusal(&before, what).await, "ours timeout", "{what}");
        drop(stream);
        attacker.shut_out().await;
        siege.holds(what).await;
    }
    // Who never reads is not waited for much longer.
    let before = siege.node.now();
    let mut stream = siege.knock(&attacker).await;
    put(&mut stream, &whole).await;
    assert_eq!(siege.refusal(&before, "who never reads").await, "ours timeout");
    attacker.shut_out().await;
    drop(stream);
    siege.holds("who never reads").await;
}

async fn a_farewell_of_theirs_is_heard(net: Net) {
    let siege = Siege::start(net).await;
    let attacker = Outsider::start(net).await;
    let cases = [
        (proto::Code::Full.into(), "no \u{1b}[31mroom", "full (no \\u{1b}[31mroom)"),
        (99, "", "unknown"),
    ];
    for (code, detail, heard) in cases {
        for after_version in [false, true] {
            let before = siege.node.now();
            let mut stream = siege.knock(&attacker).await;
            if after_version {
                put(&mut stream, &version(|_| {})).await;
                hear(&mut stream).await.expect("a version");
            }
            put(&mut stream, &framed(Body::Reject(reject(code, detail)))).await;
            let refusal = siege.refusal(&before, heard).await;
            assert_eq!(refusal, format!("theirs {heard}"));
            drop(stream);
            attacker.shut_out().await;
            siege.holds(heard).await;
        }
    }
    // To hang up without a word is no crime, but no agreement either.
    let before = siege.node.now();
    let mut stream = siege.knock(&attacker).await;
    put(&mut stream, &version(|_| {})).await;
    hear(&mut stream).await.expect("a version");
    drop(stream);
    assert_eq!(siege.refusal(&before, "hanging up").await, "disconnected");
    attacker.shut_out().await;
    siege.holds("hanging up").await;
}

/// The oldest makes room, and an honest node needs no longer than ever.
async fn silent_handshakes_do_not_keep_others_out(net: Net) {
    let long = DEADLINE * 100;
    let node = Node::with(net, |config| (config.pending_max, config.deadline) = (4, long)).await;
    let mut silent = Vec::new();
    for number in 1..=4 {
        let attacker = Outsider::start(net).await;
        attacker.connect(node.peer, &node.address).await;
        let mut stream = attacker.open(node.peer, handshake::NAME).await;
        put(&mut stream, &[0x80]).await;
        node.run(|_| ()).await;
        node.until("one more handshake", |seen| seen.connected == number).await;
        silent.push((attacker, stream));
    }
    let friend = Node::start(net).await;
    friend.dial(&node).await;
    soon("the friend", friend.until("the gate to open", |seen| seen.opened.len() == 1)).await;
    silent[0].0.shut_out().await;
    let left = |seen: &Seen| (seen.pending, seen.opened.len(), seen.connections()) == (3, 1, 4);
    let seen = node.until("four to be left", left).await;
    assert_eq!(seen.refusals(), ["disconnected"]);
    // None of them can do anything behind the gate meanwhile.
    let mut refused = silent[3].0.open(node.peer, ECHO).await;
    assert_eq!(rest(&mut refused).await, b"");
}
