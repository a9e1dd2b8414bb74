//! What a node makes of an envelope, by what is wrong with it and whom it is for.

use std::sync::Arc;

use bytes::Bytes;
use ed25519_dalek::{Signer as _, SigningKey};
use machine::{Instant, Verdict};
use meshwork_dht::{
    Carriage, Config, Contents, Envelope, Gate, InboundMessage, Kind, Moment, Opener, Refusal,
    Seen, Ticket, pass,
};

use crate::core::world::{START, envelope, keys, network, peer};

fn gate(number: u8) -> Gate {
    let params = Config::default().check().unwrap();
    let opener = Arc::new(Opener::new(network(), &keys(number)).unwrap());
    Gate::new(&params, opener, Seen::new(network(), &params))
}

fn message(number: u64, envelope: Bytes) -> InboundMessage {
    let (from, ticket) = (peer(8), Ticket::new(number));
    InboundMessage { from, ticket, hops: 8, carriage: Carriage::Routed, envelope }
}

const MOMENT: Moment = Moment { now: Instant::START, wall: START };

/// How many messages of one neighbour are let in at once. Each is given up, so that only what the
/// neighbour may bring counts.
pub(super) fn let_in(config: &Config) -> usize {
    let params = config.clone().check().unwrap();
    let opener = Arc::new(Opener::new(network(), &keys(2)).unwrap());
    let gate = Gate::new(&params, opener, Seen::new(network(), &params));
    let sealed = envelope(1, 2, Kind::Domain, b"hello");
    let outcome = |number| pass(&gate, message(number, sealed.bytes().clone()), MOMENT);
    let refused = (0..10_000).find_map(|number| Some((number, outcome(number).err()?)));
    let (number, refusal) = refused.expect("no end to what is let in");
    assert!(matches!(refusal, Refusal::TooOften { .. }), "{refusal}");
    number.try_into().unwrap()
}

/// Changes what is before the signature, and signs it as its author.
fn signed_anew(envelope: &Envelope, author: u8, change: impl FnOnce(&mut Vec<u8>)) -> Bytes {
    let author = SigningKey::from_bytes(&[author; 32]);
    let mut bytes = envelope.bytes().to_vec();
    bytes.truncate(bytes.len() - 64);
    bytes[41..73].copy_from_slice(author.verifying_key().as_bytes());
    change(&mut bytes);
    let id_key = blake3::derive_key("meshwork dht 2026-11 message id/1", b"test");
    let id = blake3::keyed_hash(&id_key, &bytes);
    let signed = [&b"meshwork dht 2026-11 envelope/1 "[..], id.as_bytes()].concat();
    bytes.extend(author.sign(&signed).to_bytes());
    bytes.into()
}

fn changed(envelope: &Envelope, change: impl FnOnce(&mut Vec<u8>)) -> Bytes {
    let mut bytes = envelope.bytes().to_vec();
    change(&mut bytes);
    bytes.into()
}

/// What becomes of it, in one word, and what whoever brought it pays.
fn judged(gate: &Gate, envelope: Bytes) -> (&'static str, u32) {
    match pass(gate, message(1, envelope), MOMENT) {
        Ok(recorded) => {
            recorded.settle();
            let word = match recorded.contents() {
                Contents::Mine(_) => "mine",
                Contents::Clear(_) => "clear",
                Contents::Others => "others",
                Contents::Unreadable => "unreadable",
            };
            (word, 0)
        }
        Err(refusal) => {
            let price = match refusal.verdict() {
                Some(Verdict::Charge(price)) => price.into(),
                Some(verdict) => panic!("{verdict:?}"),
                None => 0,
            };
            (refusal.reason(), price)
        }
    }
}

/// Each row: what it is, and what becomes of it at its recipient and at anybody else's.
#[test]
fn each_fault_is_named_and_paid_by_whom_it_is_provable_of() {
    const MALFORMED: (&str, u32) = ("malformed", 50);
    const BAD_SIGNATURE: (&str, u32) = ("bad_signature", 50);
    let sealed = &envelope(1, 2, Kind::Domain, b"hello");
    let empty = &envelope(1, 2, Kind::Domain, b"");
    let join = &envelope(1, 1, Kind::Join, b"where I am");
    let mine = [("mine", 0), ("others", 0)];
    let read = [("clear", 0); 2];
    // Only its recipient knows: and it cannot tell who did it.
    let unreadable = [("unreadable", 0), ("others", 0)];
    let rows = [
        ("as it should be", sealed.bytes().clone(), mine),
        ("nothing in it", empty.bytes().clone(), mine),
        ("nonsense, signed", signed_anew(sealed, 5, |b| b[105..].fill(7)), unreadable),
        ("of somebody else's author", signed_anew(sealed, 5, |_| ()), unreadable),
        ("no key, signed", signed_anew(sealed, 5, |b| b[73..105].fill(0)), unreadable),
        ("for nobody", signed_anew(sealed, 5, |b| b[3..35].fill(0)), [MALFORMED; 2]),
        ("no letter", signed_anew(sealed, 5, |b| b.truncate(105)), [MALFORMED; 2]),
        ("another length", signed_anew(sealed, 5, |b| b.push(0)), [MALFORMED; 2]),
        ("unknown version", signed_anew(sealed, 5, |b| b[0] = 2), [MALFORMED; 2]),
        ("unknown form", signed_anew(sealed, 5, |b| b[1] = 3), [MALFORMED; 2]),
        ("unknown flag", signed_anew(sealed, 5, |b| b[2] = 4), [MALFORMED; 2]),
        ("no lifetime", signed_anew(sealed, 5, |b| b[39..41].fill(0)), [MALFORMED; 2]),
        ("no author", changed(sealed, |b| b[41..73].fill(0)), [MALFORMED; 2]),
        ("no signature", changed(sealed, |b| b.truncate(b.len() - 64)), [MALFORMED; 2]),
        ("signature of zeros", changed(sealed, |b| zero_last(b)), [BAD_SIGNATURE; 2]),
        ("another's author", changed(sealed, |b| author(b, 5)), [BAD_SIGNATURE; 2]),
        ("another key", changed(sealed, |b| b[80] ^= 1), [BAD_SIGNATURE; 2]),
        ("another body", changed(sealed, |b| b[200] ^= 1), [BAD_SIGNATURE; 2]),
        ("another destination", changed(sealed, |b| author_at(b, 3, 6)), [BAD_SIGNATURE; 2]),
        ("in clear", join.bytes().clone(), read),
        ("in clear, changed", changed(join, |b| b[95] ^= 1), [BAD_SIGNATURE; 2]),
        ("in clear, no signature", changed(join, |b| b.truncate(b.len() - 64)), [MALFORMED; 2]),
        ("in clear, kind unknown", signed_anew(join, 1, |b| b[89] = 9), [MALFORMED; 2]),
        ("in clear, a receipt", signed_anew(join, 1, |b| b[89] = 1), [MALFORMED; 2]),
        ("in clear, to be kept", signed_anew(join, 1, |b| b[2] = 1), [MALFORMED; 2]),
        ("nothing", Bytes::new(), [MALFORMED; 2]),
        ("nonsense", Bytes::from_static(b"nonsense"), [MALFORMED; 2]),
    ];
    for (what, bytes, [recipient, other]) in rows {
        assert_eq!(judged(&gate(2), bytes.clone()), recipient, "{what}, at its recipient");
        assert_eq!(judged(&gate(3), bytes), other, "{what}, at a carrier");
    }
}

fn zero_last(bytes: &mut [u8]) {
    let len = bytes.len();
    bytes[len - 64..].fill(0);
}

fn author(bytes: &mut [u8], number: u8) {
    author_at(bytes, 41, number);
}

fn author_at(bytes: &mut [u8], at: usize, number: u8) {
    let key = SigningKey::from_bytes(&[number; 32]).verifying_key();
    bytes[at..at + 32].copy_from_slice(key.as_bytes());
}
