//! Envelopes: that they arrive, and what everybody sees of them.
#![expect(clippy::unwrap_used, reason = "a test")]

mod changed;
mod forged;
mod laws;
mod vectors;

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use libp2p_identity::Keypair;
use machine::UnixTime;
use meshwork_dht::{
    BadEnvelope, Destination, ENVELOPE_MAX, Envelope, Flags, Form, Kind, Letter, LetterId,
    Lifetime, Message, Network, NotEd25519, OpenError, Opener, PAYLOAD_MAX, QUANTUM, SealError,
    Sealer, Terms, padded,
};
use rand::SeedableRng as _;
use rand_chacha::ChaCha20Rng;

/// What a sealed letter has before its payload.
const LETTER_LEN: usize = 117;

fn keys(number: u8) -> Keypair {
    Keypair::ed25519_from_bytes([number; 32]).unwrap()
}

fn network() -> Network {
    Network::new("test").unwrap()
}

fn sealer(number: u8) -> Sealer {
    Sealer::new(network(), &keys(number)).unwrap()
}

fn opener(number: u8) -> Opener {
    Opener::new(network(), &keys(number)).unwrap()
}

fn key(number: u8) -> Destination {
    Destination::of(&keys(number).public().to_peer_id()).unwrap()
}

fn letter(payload: &[u8]) -> Letter {
    Letter { id: LetterId([7; 16]), kind: Kind::Domain, payload: Bytes::copy_from_slice(payload) }
}

/// Some time in 2026, not on a quantum.
fn terms() -> Terms {
    Terms {
        flags: Flags::MAILBOX,
        created: UnixTime::from_millis(1_790_000_123_456),
        lifetime: Lifetime::HOUR,
    }
}

/// The same, as a clear envelope has to have it.
fn no_flags() -> Terms {
    Terms { flags: Flags::NONE, ..terms() }
}

fn rng() -> ChaCha20Rng {
    ChaCha20Rng::from_seed([9; 32])
}

/// From 1 to 2.
fn sealed(payload: &[u8]) -> Envelope {
    sealer(1).seal(&key(2), &letter(payload), terms(), &mut rng()).unwrap()
}

/// From 1 to 2, for all to read.
fn clear(payload: &[u8]) -> Envelope {
    sealer(1).clear(Some(key(2)), &letter(payload), no_flags()).unwrap()
}

#[test]
fn a_sealed_letter_arrives_with_its_sender() {
    let sent = sealed(b"hello");
    let envelope = Envelope::parse(sent.bytes().clone()).unwrap();
    assert_eq!(envelope, sent);
    envelope.verify(&envelope.identify(&network()).id).unwrap();
    let opened = envelope.open(&opener(2)).unwrap();
    assert_eq!(opened.sender, keys(1).public().to_peer_id());
    assert_eq!(opened.letter, letter(b"hello"));
    assert_eq!(envelope.read(), None, "nobody else");
}

#[test]
fn a_clear_letter_is_read_by_everybody() {
    let envelope = Envelope::parse(clear(b"hello").bytes().clone()).unwrap();
    envelope.verify(&envelope.identify(&network()).id).unwrap();
    let read = envelope.read().unwrap();
    assert_eq!(read.sender, keys(1).public().to_peer_id());
    assert_eq!(read.letter, letter(b"hello"));
    assert_eq!(envelope.author(), key(1));
    assert_eq!(envelope.open(&opener(2)), Err(OpenError::Clear));

    let to_all = sealer(1).clear(None, &letter(b""), no_flags());
    let to_all = Envelope::parse(to_all.unwrap().bytes().clone()).unwrap();
    assert_eq!(to_all.destination(), None);
    assert_eq!(to_all.read().unwrap().letter, letter(b""));
}

#[test]
fn who_carries_it_sees_the_header_and_no_more() {
    let envelope = sealed(&[0x5a; 200]);
    assert_eq!(envelope.form(), Form::Sealed);
    assert_eq!(envelope.destination(), Some(key(2)));
    assert_eq!(envelope.flags(), Flags::MAILBOX);
    assert_eq!(envelope.created(), UnixTime::from_millis(1_790_000_100_000), "five minutes");
    assert_eq!(envelope.lifetime().duration(), Duration::from_hours(1));
    assert_eq!(envelope.expires(), UnixTime::from_millis(1_790_004_000_000), "and one quantum");
    assert_ne!(envelope.author(), key(1), "a key for this envelope");
    let holds = |what: &[u8]| envelope.bytes().windows(what.len()).any(|seen| seen == what);
    assert!(holds(key(2).as_bytes()));
    assert!(!holds(key(1).as_bytes()), "not the sender");
    assert!(!holds(&[7; 16]), "not the letter's id");
    assert!(!holds(&[0x5a; 4]), "not the text");
}

#[test]
fn two_envelopes_with_one_letter_share_only_what_the_header_has_to_say() {
    let mut rng = rng();
    let mut seal = || sealer(1).seal(&key(2), &letter(b"again"), terms(), &mut rng).unwrap();
    let (first, second) = (seal(), seal());
    let bodies = [&first, &second].map(|envelope| envelope.bytes().slice(41..));
    let mut seen: Vec<&[u8]> = bodies[0].windows(4).collect();
    seen.sort_unstable();
    // Behind the times and the lifetime, which are in the first six of these bytes.
    let shared = bodies[1].windows(4).filter(|part| seen.binary_search(part).is_ok()).count();
    assert_eq!(shared, 0, "{first:?} {second:?}");
    let open = |envelope: &Envelope| envelope.open(&opener(2)).unwrap().letter;
    assert_eq!(open(&first), open(&second), "and its id with it");
}

#[test]
fn another_recipient_and_another_network_open_nothing() {
    let envelope = sealed(b"hello");
    assert_eq!(envelope.open(&opener(3)), Err(OpenError::NotOurs));

    let elsewhere = Network::new("tess").unwrap();
    let there = Opener::new(elsewhere.clone(), &keys(2)).unwrap();
    assert_eq!(envelope.open(&there), Err(OpenError::Sealed));
    for envelope in [envelope, clear(b"hello")] {
        let (here, there) = (envelope.identify(&network()), envelope.identify(&elsewhere));
        assert_ne!(here.id, there.id);
        assert_ne!(here.fingerprint, there.fingerprint);
        assert!(envelope.verify(&there.id).is_err());
        assert!(envelope.verify(&here.id).is_ok());
    }
}

#[test]
fn what_is_fixed_and_its_framing_take_320_bytes_at_most() {
    for payload in [0, 1, 64, 139, 140, 1_024, PAYLOAD_MAX] {
        let envelope = sealed(&vec![1; payload]).bytes().clone();
        let len = envelope.len();
        let padding = padded(LETTER_LEN + payload) - LETTER_LEN - payload;
        assert_eq!(len - payload - padding, 302);
        let mut frame = BytesMut::new();
        wire::frame::put(&Message::Carry { number: u32::MAX, hops: 127, envelope }, &mut frame)
            .unwrap();
        assert!(frame.len() - payload - padding <= 320, "with the length of its frame");
        assert!(len <= ENVELOPE_MAX);
    }
    assert_eq!(sealed(&[]).bytes().len(), sealed(&[1; 139]).bytes().len(), "all look alike");
    assert_eq!(sealed(&vec![1; PAYLOAD_MAX]).bytes().len(), ENVELOPE_MAX);
    assert_eq!(clear(&[1; 100]).bytes().len(), 73 + 17 + 100 + 64, "not padded");
}

#[test]
fn a_letter_goes_only_into_an_envelope_of_its_form() {
    let own = Some(key(1));
    for kind in Kind::ALL {
        let letter = Letter { kind, ..letter(b"") };
        let sealed = sealer(1).seal(&key(2), &letter, terms(), &mut rng());
        let clear = sealer(1).clear(own, &letter, no_flags());
        match kind {
            Kind::Domain => assert!(sealed.is_ok() && clear.is_ok()),
            Kind::Join => assert!(sealed == Err(SealError::Kind(kind)) && clear.is_ok()),
            Kind::Receipt | Kind::Discover | Kind::DiscoverResponse => {
                assert!(sealed.is_ok() && clear == Err(SealError::Kind(kind)));
            }
        }
        assert_eq!(Kind::from_byte(kind.as_byte()), Some(kind));
    }
    assert_eq!((5..=255).find_map(Kind::from_byte), None);
    let join = Letter { kind: Kind::Join, ..letter(b"") };
    assert_eq!(sealer(1).clear(Some(key(2)), &join, no_flags()), Err(SealError::Join));
    assert_eq!(sealer(1).clear(None, &join, no_flags()), Err(SealError::Join));
}

#[test]
fn what_does_not_fit_is_not_sealed() {
    let long = letter(&vec![0; PAYLOAD_MAX + 1]);
    let too_long = SealError::TooLong { len: PAYLOAD_MAX + 1, max: PAYLOAD_MAX };
    assert_eq!(sealer(1).seal(&key(2), &long, terms(), &mut rng()), Err(too_long));
    assert_eq!(sealer(1).clear(None, &long, no_flags()), Err(too_long));
    for to in [None, Some(key(2))] {
        let kept_in_clear = sealer(1).clear(to, &letter(b""), terms());
        assert_eq!(kept_in_clear, Err(SealError::Flags(1)));
    }
}

#[test]
fn a_key_that_nobody_can_have_is_sealed_for_by_nobody() {
    // The points of small order whose encodings are canonical, and a coordinate of no point.
    let others = [
        "0100000000000000000000000000000000000000000000000000000000000000",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "0000000000000000000000000000000000000000000000000000000000000080",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
        "0200000000000000000000000000000000000000000000000000000000000000",
    ];
    for bytes in others {
        let to = Destination::from_bytes(vectors::array(bytes)).unwrap();
        let refused = sealer(1).seal(&to, &letter(b""), terms(), &mut rng());
        assert_eq!(refused, Err(SealError::Destination), "{bytes}");
    }
    let p = "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f";
    assert_eq!(Destination::from_bytes(vectors::array(p)), None, "is 0 written otherwise");
    assert_eq!(Destination::from_bytes([0xff; 32]), None);
    assert_eq!(Destination::from_bytes([0; 32]), None, "stands for nobody");
}

#[test]
fn a_peer_is_its_key_and_only_ed25519_will_do() {
    let peer = keys(1).public().to_peer_id();
    assert_eq!(key(1).peer(), peer);
    assert_eq!(*key(1).as_bytes(), keys(1).public().try_into_ed25519().unwrap().to_bytes());
    // The id of a longer key is a hash of it.
    let hashed = [&[0x12, 0x20][..], &[3; 32]].concat();
    let hashed = libp2p_identity::PeerId::from_bytes(&hashed).unwrap();
    assert_eq!(Destination::of(&hashed), Err(NotEd25519));
}

#[test]
fn times_are_counted_in_quanta_and_rounded_to_the_senders_loss() {
    let at_least = |secs| Lifetime::at_least(Duration::from_secs(secs)).map(Lifetime::quanta);
    assert_eq!(at_least(0), Some(1));
    assert_eq!(at_least(300), Some(1));
    assert_eq!(at_least(301), Some(2));
    assert_eq!(at_least(86_400), Some(288));
    assert_eq!(at_least(86_401), None);
    assert_eq!(Lifetime::at_least(Duration::MAX), None);
    assert_eq!(Lifetime::at_least(QUANTUM + Duration::from_nanos(1)).unwrap().quanta(), 2);
    assert_eq!((Lifetime::new(0), Lifetime::new(289)), (None, None));
    let far = Terms { created: UnixTime::from_millis(u64::MAX), ..no_flags() };
    let envelope = sealer(1).clear(Some(key(2)), &letter(b""), far).unwrap();
    assert!(envelope.expires() > envelope.created(), "the end of time is not overrun");
}

#[test]
fn each_fault_of_shape_is_named() {
    let (sealed, clear) = (sealed(b""), clear(b"hello"));
    let parse = |bytes: Vec<u8>| Envelope::parse(bytes.into()).map(drop);
    let with = |envelope: &Envelope, at: usize, value: &[u8]| {
        let mut bytes = envelope.bytes().to_vec();
        bytes[at..at + value.len()].copy_from_slice(value);
        parse(bytes)
    };
    assert_eq!(with(&sealed, 0, &[2]), Err(BadEnvelope::Version(2)));
    assert_eq!(with(&sealed, 1, &[0]), Err(BadEnvelope::Form(0)));
    assert_eq!(with(&sealed, 2, &[4]), Err(BadEnvelope::Flags(4)));
    assert_eq!(with(&sealed, 3, &[0; 32]), Err(BadEnvelope::Destination));
    assert_eq!(with(&clear, 2, &[1]), Err(BadEnvelope::Flags(1)), "nobody keeps what is clear");
    assert_eq!(with(&clear, 2, &[2]), Err(BadEnvelope::Flags(2)));
    assert_eq!(with(&clear, 3, &[0; 32]), Ok(()), "for nobody in particular");
    assert_eq!(with(&clear, 3, &[0xff; 32]), Err(BadEnvelope::Destination));
    assert_eq!(with(&sealed, 39, &[0, 0]), Err(BadEnvelope::Lifetime(0)));
    assert_eq!(with(&sealed, 39, &[1, 33]), Err(BadEnvelope::Lifetime(289)));
    assert_eq!(with(&sealed, 41, &[0xff; 32]), Err(BadEnvelope::Author));
    assert_eq!(with(&clear, 41, &[0; 32]), Err(BadEnvelope::Author));
    assert_eq!(with(&clear, 89, &[1]), Err(BadEnvelope::Kind(1)));
    assert_eq!(with(&clear, 89, &[4]), Err(BadEnvelope::Join));

    let cut = |envelope: &Envelope, len| parse(envelope.bytes()[..len].to_vec());
    let range = |len, min, max| Err(BadEnvelope::Length { len, min, max });
    assert_eq!(cut(&sealed, 0), range(0, 154, ENVELOPE_MAX));
    assert_eq!(cut(&sealed, 72), range(72, 154, ENVELOPE_MAX));
    assert_eq!(cut(&sealed, 440), range(440, 441, ENVELOPE_MAX));
    assert_eq!(cut(&clear, 153), range(153, 154, 154 + PAYLOAD_MAX));
    let mut longer = sealed.bytes().to_vec();
    longer.push(0);
    assert_eq!(parse(longer.clone()), Err(BadEnvelope::Padding { len: 257 }));
    longer.resize(ENVELOPE_MAX + 1, 0);
    assert_eq!(parse(longer), range(ENVELOPE_MAX + 1, 441, ENVELOPE_MAX));
    let mut longer = clear.bytes().to_vec();
    longer.resize(154 + PAYLOAD_MAX + 1, 0);
    assert_eq!(parse(longer), range(154 + PAYLOAD_MAX + 1, 154, 154 + PAYLOAD_MAX));
}

#[test]
fn secrets_are_not_shown() {
    let shown = format!("{:?} {:?} {:?}", sealer(1), opener(1), sealed(b"hello"));
    assert!(!shown.contains("[1, 1") && !shown.contains("SigningKey"), "{shown}");
}
