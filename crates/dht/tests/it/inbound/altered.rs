//! Copies in which a carrier changed something.

use bytes::Bytes;
use curve25519_dalek::edwards::EdwardsPoint;
use curve25519_dalek::scalar::Scalar;
use ed25519_dalek::{Signer as _, SigningKey};
use machine::Verdict;
use meshwork_dht::{
    Contents, Envelope, InboundMessage, Refusal, deserialize, rate_limit, seen, validate, weigh,
};
use sha2::{Digest as _, Sha512};

use super::{MINUTE, Node, at, clear, key, network, routed, sealed};

/// The envelope's bytes with one bit changed.
fn flipped(envelope: &Envelope, at: usize) -> InboundMessage {
    let mut bytes = envelope.bytes().to_vec();
    bytes[at] ^= 1 << (at % 8);
    InboundMessage { envelope: bytes.into(), ..routed(envelope) }
}

/// What is before the signature.
fn unsigned(envelope: &Envelope) -> Vec<u8> {
    let bytes = envelope.bytes();
    bytes[..bytes.len() - 64].to_vec()
}

/// What an author signs.
fn signed(unsigned: &[u8]) -> Vec<u8> {
    let id_key = blake3::derive_key("meshwork dht 2026-11 message id/1", b"test");
    let id = blake3::keyed_hash(&id_key, unsigned);
    [&b"meshwork dht 2026-11 envelope/1 "[..], id.as_bytes()].concat()
}

/// Another signature by the author of the first, that holds just as well.
fn signed_again(envelope: &Envelope, author: &SigningKey) -> Envelope {
    let mut bytes = unsigned(envelope);
    let message = signed(&bytes);
    let nonce = Scalar::from(0x1234_5678_u64);
    let commitment = EdwardsPoint::mul_base(&nonce).compress();
    let challenge = Sha512::new()
        .chain_update(commitment.as_bytes())
        .chain_update(author.verifying_key().as_bytes())
        .chain_update(&message);
    let response = nonce + Scalar::from_hash(challenge) * author.to_scalar();
    bytes.extend(commitment.as_bytes());
    bytes.extend(response.as_bytes());
    Envelope::parse(bytes.into()).unwrap()
}

/// An envelope for 2 whose author signed what does not open.
fn nonsense() -> Envelope {
    let author = SigningKey::from_bytes(&[5; 32]);
    let mut bytes = unsigned(&sealed(1));
    bytes[41..73].copy_from_slice(author.verifying_key().as_bytes());
    bytes.extend(author.sign(&signed(&bytes)).to_bytes());
    Envelope::parse(Bytes::from(bytes)).unwrap()
}

#[test]
fn scenario_5_an_altered_copy_does_not_stand_in_the_way_of_the_genuine_one() {
    for envelope in [sealed(1), clear(Some(key(2)), 1)] {
        for node in [Node::new(2), Node::new(3)] {
            for byte in 0..envelope.bytes().len() {
                let refused = node.refusal(flipped(&envelope, byte)).expect("a bit was changed");
                assert_ne!(refused, Refusal::Duplicate, "byte {byte}");
            }
            assert_eq!(node.gauges().messages, 0, "nothing is recorded that is not verified");
            node.take(routed(&envelope), at(MINUTE)).unwrap();
        }
    }
}

#[test]
fn scenario_7_neither_header_nor_contents_can_be_changed_on_the_way() {
    let node = Node::new(3);
    let envelope = sealed(1);
    node.take(routed(&envelope), at(MINUTE)).unwrap();
    for byte in 73..envelope.bytes().len() {
        let refused = node.refusal(flipped(&envelope, byte)).unwrap();
        assert!(matches!(refused, Refusal::BadSignature(_)), "byte {byte}: {refused}");
        assert_eq!(refused.verdict(), Some(Verdict::Charge(50)), "whoever carries it checks it");
    }
    assert_eq!(node.gauges().messages, 1);
}

#[test]
fn another_signature_of_the_same_message_is_a_duplicate() {
    let author = SigningKey::from_bytes(&[1; 32]);
    let envelope = clear(Some(key(2)), 1);
    let again = signed_again(&envelope, &author);
    assert_ne!(again, envelope);
    again.verify(&again.identify(&network()).id).unwrap();

    let node = Node::new(3);
    node.take(routed(&envelope), at(MINUTE)).unwrap();
    assert_eq!(node.refusal(routed(&again)), Some(Refusal::Duplicate));
    assert_eq!(node.gauges().messages, 1);
}

#[test]
fn defect_21_a_duplicate_costs_no_cryptography() {
    let node = Node::new(2);
    node.take(routed(&sealed(1)), at(MINUTE)).unwrap();
    // Only what passes these stages can come to those that open and verify.
    let rates = node.gate.rates();
    let parsed = deserialize(node.gate.rules(), routed(&sealed(1))).unwrap();
    let fresh = seen(node.gate.seen(), weigh(rates, parsed, at(MINUTE)).unwrap()).unwrap();
    let valid = validate(node.gate.rules(), fresh).unwrap();
    assert_eq!(rate_limit(rates, valid).err(), Some(Refusal::Duplicate));
}

#[test]
fn what_does_not_open_is_not_refused_and_not_opened_twice() {
    let node = Node::new(2);
    let taken = node.take(routed(&nonsense()), at(MINUTE)).unwrap();
    assert_eq!(taken.contents(), &Contents::Unreadable);
    assert!(taken.is_ours());
    assert_eq!(node.refusal(routed(&nonsense())), Some(Refusal::Duplicate));
    let carrier = Node::new(3);
    let carried = carrier.take(routed(&nonsense()), at(MINUTE)).unwrap();
    assert_eq!(carried.contents(), &Contents::Others, "carriers cannot tell");
}
