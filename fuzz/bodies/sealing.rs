//! Envelopes: any bytes, genuine ones in which something is changed, and what is put into them.

use std::sync::{Arc, LazyLock};

use bytes::{Buf, Bytes};
use dht::{
    Carriage, Config, Contents, Destination, Envelope, Flags, Form, Gate, InboundMessage, Kind,
    Letter, LetterId, Lifetime, Moment, Network, Opener, PADDED_MIN, PAYLOAD_MAX, QUANTUM,
    Recorded, Sealer, Seen, Terms, Ticket, is_padded, padded, pass,
};
use libp2p_identity::Keypair;
use machine::{Instant, UnixTime};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;

/// Begins a quantum.
pub(super) const START: UnixTime = UnixTime::from_millis(1_790_000_100_000);

pub(super) fn keys(number: u8) -> Keypair {
    Keypair::ed25519_from_bytes([number; 32]).expect("32 bytes")
}

pub(super) fn network() -> Network {
    Network::new("test").expect("a short name")
}

pub(super) fn gate(number: u8, config: &Config) -> Gate {
    let params = config.clone().check().expect("within bounds");
    let opener = Opener::new(network(), &keys(number)).expect("an Ed25519 key");
    Gate::new(&params, Arc::new(opener), Seen::new(network(), &params))
}

pub(super) fn sealer(number: u8) -> Sealer {
    Sealer::new(network(), &keys(number)).expect("an Ed25519 key")
}

fn key(number: u8) -> Destination {
    Destination::of(&keys(number).public().to_peer_id()).expect("an Ed25519 key")
}

/// Takes a byte.
fn byte(data: &mut &[u8]) -> u8 {
    if data.is_empty() { 0 } else { data.get_u8() }
}

/// A byte that says how they come about, and envelopes.
pub(super) fn envelope(mut data: &[u8]) {
    match byte(&mut data) % 4 {
        0 => anything(data),
        1 => changed(&GENUINE.0, data),
        2 => changed(&GENUINE.1, data),
        _ => sealed(data),
    }
}

/// Whatever has the shape of an envelope says the same of itself as its bytes, and nobody takes it
/// who did not see it signed.
fn anything(data: &[u8]) {
    let Ok(envelope) = Envelope::parse(Bytes::copy_from_slice(data)) else { return };
    assert_eq!(envelope.bytes(), data);
    assert!(data.len() <= dht::ENVELOPE_MAX);
    assert!(envelope.lifetime() <= Lifetime::MAX);
    let span = envelope.lifetime().duration() + QUANTUM;
    assert_eq!(envelope.expires(), envelope.created().after(span));
    assert_eq!(envelope.created().as_millis() % 300_000, 0);
    match (envelope.form(), envelope.destination()) {
        (Form::Sealed, to) => assert!(to.is_some() && envelope.read().is_none()),
        (Form::Clear, _) => assert_eq!(envelope.flags(), Flags::NONE),
    }
    if envelope.form() == Form::Clear {
        let opened = envelope.read().expect("in clear");
        assert!(opened.letter.kind.may_be_clear() && opened.letter.payload.len() <= PAYLOAD_MAX);
    }
    let opener = Opener::new(network(), &keys(2)).expect("an Ed25519 key");
    if let Ok(opened) = envelope.open(&opener) {
        assert!(opened.letter.kind.may_be_sealed() && opened.letter.payload.len() <= PAYLOAD_MAX);
    }
    let id = envelope.identify(&network()).id;
    let holds = envelope.verify(&id).is_ok();
    let passed = inbound(data, Carriage::Routed).is_some();
    assert!(holds || !passed, "nothing passes without a signature");
}

/// What passes the stages of its recipient out of a link's bytes.
fn inbound(bytes: &[u8], carriage: Carriage) -> Option<Contents> {
    let message = InboundMessage {
        from: keys(9).public().to_peer_id(),
        ticket: Ticket::new(1),
        hops: 9,
        carriage,
        envelope: Bytes::copy_from_slice(bytes),
    };
    let moment = Moment { now: Instant::START, wall: START };
    pass(&gate(2, &Config::default()), message, moment).ok().map(Recorded::into_contents)
}

/// From 1 to 2, sealed and in clear.
static GENUINE: LazyLock<(Bytes, Bytes)> = LazyLock::new(|| {
    let letter =
        Letter { id: LetterId([7; 16]), kind: Kind::Domain, payload: Bytes::from_static(b"hello") };
    let terms = Terms { flags: Flags::MAILBOX, created: START, lifetime: Lifetime::HOUR };
    let mut rng = ChaCha20Rng::from_seed([9; 32]);
    let sealed = sealer(1).seal(&key(2), &letter, terms, &mut rng).expect("fits");
    let unkept = Terms { flags: Flags::NONE, ..terms };
    let clear = sealer(1).clear(Some(key(2)), &letter, unkept).expect("fits");
    (sealed.bytes().clone(), clear.bytes().clone())
});

/// A genuine envelope in which bytes are changed at places, cut or lengthened: it passes in no
/// manner, unless it is as it was.
fn changed(genuine: &Bytes, mut data: &[u8]) {
    let mut bytes = genuine.to_vec();
    let len = match byte(&mut data) {
        len @ 1..0x80 => bytes.len().saturating_sub(len.into()),
        len => bytes.len() + usize::from(len & 0x7f),
    };
    bytes.resize(len, 0);
    while let [high, low, mask, rest @ ..] = data {
        data = rest;
        let place = usize::from(u16::from_be_bytes([*high, *low])) % bytes.len().max(1);
        if let Some(byte) = bytes.get_mut(place) {
            *byte ^= mask;
        }
    }
    let same = bytes == *genuine;
    for carriage in [Carriage::Routed, Carriage::Put, Carriage::Fetched] {
        assert!(same || inbound(&bytes, carriage).is_none(), "{carriage:?}");
    }
    assert_eq!(inbound(&bytes, Carriage::Routed).is_some(), same);
}

/// What is sealed is what is opened, and as long as it should be: a kind, flags, a lifetime, a length
/// in two bytes, and what the payload repeats.
fn sealed(mut data: &[u8]) {
    let kind = Kind::from_byte(byte(&mut data) % 5).expect("there are five");
    let flags = byte(&mut data);
    let flag = |bit, flag| if flags & bit == 0 { Flags::NONE } else { flag };
    let flags = flag(1, Flags::MAILBOX).with(flag(2, Flags::URGENT));
    let lifetime = Lifetime::new(u16::from(byte(&mut data)) + 1).expect("at most 256 quanta");
    let len = usize::from(u16::from_be_bytes([byte(&mut data), byte(&mut data)]));
    let payload: Bytes = data.iter().copied().chain([0]).cycle().take(len).collect();
    let letter = Letter { id: LetterId([len.to_be_bytes()[7]; 16]), kind, payload };
    let terms = Terms { flags, created: START, lifetime };
    let mut rng = ChaCha20Rng::from_seed([8; 32]);
    let result = sealer(1).seal(&key(2), &letter, terms, &mut rng);
    assert_eq!(result.is_ok(), kind.may_be_sealed());
    let Ok(envelope) = result else { return };
    assert_eq!(Envelope::parse(envelope.bytes().clone()).as_ref(), Ok(&envelope));
    assert_eq!(envelope.bytes().len(), 185 + padded(117 + len));
    assert_eq!((envelope.flags(), envelope.lifetime()), (flags, lifetime));
    let Some(Contents::Mine(opened)) = inbound(envelope.bytes(), Carriage::Routed) else {
        panic!("its recipient does not take {envelope:?}")
    };
    assert_eq!(opened.sender, keys(1).public().to_peer_id());
    assert_eq!(opened.letter, letter);
}

/// Lengths, eight bytes each: what each is padded to, beside the one before.
pub(super) fn padding(data: &[u8]) {
    let mut last: Option<(usize, usize)> = None;
    for bytes in data.chunks_exact(8) {
        let len = u64::from_be_bytes(bytes.try_into().expect("eight bytes"));
        let len = usize::try_from(len).unwrap_or(usize::MAX);
        let to = padded(len);
        let least = len.max(PADDED_MIN);
        assert!(to >= least && is_padded(to) && is_padded(len) == (to == len));
        assert!((to - least) as u128 * 100 <= least as u128 * 12, "{len} to {to}");
        if let Some((other, other_to)) = last.replace((len, to)) {
            assert!((len <= other && to <= other_to) || (len >= other && to >= other_to));
        }
    }
}
