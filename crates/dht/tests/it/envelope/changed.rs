//! Envelopes in which something was changed on the way.

use meshwork_dht::{Envelope, OpenError};

use super::{clear, network, opener, sealed};

/// What the first honest node does: it looks at the shape, then at the signature.
fn passes(bytes: Vec<u8>) -> bool {
    Envelope::parse(bytes.into())
        .is_ok_and(|envelope| envelope.verify(&envelope.identify(&network()).id).is_ok())
}

/// The bytes with one bit changed, for each bit.
fn flipped(envelope: &Envelope) -> impl Iterator<Item = (usize, Vec<u8>)> {
    let bytes = envelope.bytes().clone();
    (0..bytes.len() * 8).map(move |bit| {
        let mut bytes = bytes.to_vec();
        bytes[bit / 8] ^= 1 << (bit % 8);
        (bit, bytes)
    })
}

#[test]
fn a_bit_flipped_anywhere_is_noticed_by_the_first_who_looks() {
    for envelope in [sealed(b"hello"), clear(b"hello")] {
        assert!(passes(envelope.bytes().to_vec()));
        for (bit, bytes) in flipped(&envelope) {
            assert!(!passes(bytes), "bit {bit} of {envelope:?}");
        }
    }
}

#[test]
fn a_bit_flipped_before_the_signature_is_noticed_by_the_recipient_too() {
    let envelope = sealed(b"hello");
    let signature_at = envelope.bytes().len() - 64;
    for (bit, bytes) in flipped(&envelope) {
        let opened = Envelope::parse(bytes.into()).ok().map(|changed| changed.open(&opener(2)));
        let in_destination = (3 * 8..35 * 8).contains(&bit);
        match opened {
            None => {}
            Some(Err(OpenError::NotOurs)) => assert!(in_destination, "bit {bit}"),
            Some(Err(error)) => assert_eq!(error, OpenError::Sealed, "bit {bit}"),
            Some(Ok(_)) => assert!(bit >= signature_at * 8, "bit {bit}"),
        }
    }
}

#[test]
fn a_changed_copy_is_recognised_as_another_and_an_unchanged_one_as_the_same() {
    let envelope = sealed(b"hello");
    let genuine = envelope.identify(&network());
    assert_eq!(Envelope::parse(envelope.bytes().clone()).unwrap().identify(&network()), genuine);
    let signature_at = (envelope.bytes().len() - 64) * 8;
    for (bit, bytes) in flipped(&envelope) {
        let Ok(changed) = Envelope::parse(bytes.into()) else { continue };
        let changed = changed.identify(&network());
        assert_ne!(changed.fingerprint, genuine.fingerprint, "bit {bit}");
        assert_eq!(changed.id == genuine.id, bit >= signature_at, "bit {bit}");
    }
}

#[test]
fn an_envelope_cut_or_lengthened_is_noticed() {
    let envelope = sealed(&[3; 1_000]);
    for len in 0..envelope.bytes().len() {
        assert!(!passes(envelope.bytes()[..len].to_vec()), "{len}");
    }
    let envelope = clear(b"hello");
    let mut longer = envelope.bytes().to_vec();
    longer.push(0);
    assert!(!passes(longer));
    for at in 0..envelope.bytes().len() {
        let mut shorter = envelope.bytes().to_vec();
        shorter.remove(at);
        assert!(!passes(shorter), "{at}");
    }
}

#[test]
fn a_signature_has_one_form() {
    /// The order of the group, lowest byte first.
    const ORDER: [u8; 32] = [
        0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde,
        0x14, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
    ];
    let envelope = sealed(b"hello");
    let mut bytes = envelope.bytes().to_vec();
    let at = bytes.len() - 32;
    let mut carry = 0;
    for (byte, add) in bytes[at..].iter_mut().zip(ORDER) {
        let sum = u16::from(*byte) + u16::from(add) + carry;
        [*byte, _] = sum.to_le_bytes();
        carry = sum >> 8;
    }
    assert_eq!(carry, 0, "the sum fits");
    assert!(!passes(bytes));
}
