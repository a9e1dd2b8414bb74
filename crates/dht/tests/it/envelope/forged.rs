//! Envelopes by senders that keep to no rule: made here byte for byte, as the specification says,
//! without the code under test.

use bytes::Bytes;
use ed25519_dalek::{Signer as _, SigningKey, Verifier as _, VerifyingKey};
use hpke::aead::ChaCha20Poly1305;
use hpke::inout::InOutBuf;
use hpke::kdf::HkdfSha256;
use hpke::kem::X25519HkdfSha256;
use hpke::{Deserializable as _, Kem, OpModeS, Serializable as _, setup_sender_with_rng};
use meshwork_dht::{Envelope, Kind, LetterId, OpenError, Opened};

use super::{key, keys, letter, network, opener, rng, sealed};

/// A sealed envelope from 1 to 2, and how it departs from the rules.
struct Forged {
    one_time: SigningKey,
    sender: SigningKey,
    /// The key that the sender's signature says signs the envelope.
    vouched: [u8; 32],
    recipient: [u8; 32],
    kind: u8,
    len: u32,
    payload: Vec<u8>,
    /// Length of the letter with its padding, and what that is of.
    plain: usize,
    padding: u8,
}

impl Forged {
    fn honest(payload: &[u8]) -> Self {
        let one_time = SigningKey::from_bytes(&[5; 32]);
        Self {
            vouched: one_time.verifying_key().to_bytes(),
            one_time,
            sender: SigningKey::from_bytes(&[1; 32]),
            recipient: *key(2).as_bytes(),
            kind: 0,
            len: u32::try_from(payload.len()).unwrap(),
            payload: payload.to_vec(),
            plain: 256,
            padding: 0,
        }
    }

    fn head(author: [u8; 32], recipient: [u8; 32]) -> Vec<u8> {
        let mut head = vec![1, 1, 1];
        head.extend(recipient);
        head.extend(5_966_667_u32.to_be_bytes());
        head.extend(12_u16.to_be_bytes());
        head.extend(author);
        head
    }

    fn said(&self) -> Vec<u8> {
        let mut said = vec![7; 16];
        said.push(self.kind);
        said.extend(self.len.to_be_bytes());
        said.extend(&self.payload);
        said
    }

    fn letter(&self) -> Vec<u8> {
        let said = self.said();
        let digest_key = blake3::derive_key("meshwork dht 2026-11 letter/1", b"test");
        let mut message = b"meshwork dht 2026-11 sender/1   ".to_vec();
        message.extend(Self::head(self.vouched, self.recipient));
        message.extend(blake3::keyed_hash(&digest_key, &said).as_bytes());
        let mut letter = self.sender.verifying_key().to_bytes().to_vec();
        letter.extend(self.sender.sign(&message).to_bytes());
        letter.extend(said);
        letter.resize(self.plain, self.padding);
        letter
    }

    fn seal(&self, mut letter: Vec<u8>) -> Envelope {
        let mut bytes = Self::head(self.one_time.verifying_key().to_bytes(), *key(2).as_bytes());
        let recipient = VerifyingKey::from_bytes(key(2).as_bytes()).unwrap().to_montgomery();
        let recipient = <X25519HkdfSha256 as Kem>::PublicKey::from_bytes(&recipient.0).unwrap();
        let info = b"meshwork dht 2026-11 sealed/1 test";
        let (encapsulated, mut cipher) = setup_sender_with_rng::<
            ChaCha20Poly1305,
            HkdfSha256,
            X25519HkdfSha256,
        >(&OpModeS::Base, &recipient, info, &mut rng())
        .unwrap();
        let tag = cipher.seal_inout_detached(InOutBuf::from(&mut letter[..]), &bytes).unwrap();
        bytes.extend(encapsulated.to_bytes());
        bytes.extend(letter);
        bytes.extend(tag.to_bytes());
        sign(bytes, &self.one_time)
    }

    fn opened(&self) -> Result<Opened, OpenError> {
        self.seal(self.letter()).open(&opener(2))
    }
}

fn sign(mut bytes: Vec<u8>, by: &SigningKey) -> Envelope {
    let id_key = blake3::derive_key("meshwork dht 2026-11 message id/1", b"test");
    let id = blake3::keyed_hash(&id_key, &bytes);
    let message = [&b"meshwork dht 2026-11 envelope/1 "[..], id.as_bytes()].concat();
    bytes.extend(by.sign(&message).to_bytes());
    let envelope = Envelope::parse(bytes.into()).unwrap();
    envelope.verify(&envelope.identify(&network()).id).unwrap();
    envelope
}

#[test]
fn one_made_by_the_specification_opens() {
    let opened = Forged::honest(b"hello").opened().unwrap();
    assert_eq!(opened.sender, keys(1).public().to_peer_id());
    assert_eq!(opened.letter, letter(b"hello"));
}

#[test]
fn padding_is_zeros_and_no_longer_or_shorter_than_it_should_be() {
    let honest = || Forged::honest(b"hello");
    let filled = Forged { padding: 1, ..honest() };
    assert_eq!(filled.opened(), Err(OpenError::Padding));
    let hidden = Forged { len: 4, ..honest() };
    assert_eq!(hidden.opened(), Err(OpenError::Padding), "a byte behind the payload");
    let longer = Forged { plain: 272, ..honest() };
    assert_eq!(longer.opened(), Err(OpenError::Length { len: 5 }));
    for len in [140, 65_536, 65_537, u32::MAX] {
        let over = Forged { len, ..honest() };
        assert_eq!(over.opened(), Err(OpenError::Length { len }), "more than there is");
    }
    let allowed = |len| Forged { plain: 67_584, ..Forged::honest(&vec![4; len]) }.opened();
    assert!(allowed(65_536).is_ok());
    let too_long = Err(OpenError::Length { len: 65_537 });
    assert_eq!(allowed(65_537), too_long, "though it would fit the envelope");
    let zero_ended = Forged { len: 7, payload: b"hello\0\0".to_vec(), ..honest() };
    assert_eq!(zero_ended.opened().unwrap().letter.payload, Bytes::from_static(b"hello\0\0"));
}

#[test]
fn a_kind_that_is_never_sealed_does_not_come_out() {
    for kind in Kind::ALL {
        let sent = Forged { kind: kind.as_byte(), ..Forged::honest(b"") };
        let got = sent.opened().map(|opened| opened.letter.kind);
        let expect = if kind == Kind::Join { Err(OpenError::Kind(4)) } else { Ok(kind) };
        assert_eq!(got, expect);
    }
    let unknown = Forged { kind: 5, ..Forged::honest(b"") };
    assert_eq!(unknown.opened(), Err(OpenError::Kind(5)));
}

#[test]
fn a_recipient_cannot_pass_a_letter_on_as_if_it_were_for_another() {
    // 2 got a letter from 1 and seals it, as it is, in an envelope of its own making.
    let received =
        Forged { one_time: SigningKey::from_bytes(&[6; 32]), ..Forged::honest(b"I owe") };
    assert_eq!(received.opened(), Err(OpenError::Sender), "vouched for another envelope");
    let elsewhere = Forged { recipient: *key(3).as_bytes(), ..Forged::honest(b"I owe") };
    assert_eq!(elsewhere.opened(), Err(OpenError::Sender), "vouched for another recipient");
}

#[test]
fn nobody_writes_in_the_name_of_another() {
    let honest = Forged::honest(b"hello");
    let mut letter = honest.letter();
    letter[..32].copy_from_slice(key(3).as_bytes());
    assert_eq!(honest.seal(letter).open(&opener(2)), Err(OpenError::Sender));
    for bit in 0..(117 + 5) * 8 {
        let mut letter = honest.letter();
        letter[bit / 8] ^= 1 << (bit % 8);
        let got = honest.seal(letter).open(&opener(2));
        assert!(got.is_err(), "bit {bit}: {got:?}");
    }
}

#[test]
fn keys_of_small_order_sign_nothing() {
    // With the neutral element as key, and as commitment, and 0, the equation of Ed25519 holds for
    // every message.
    let mut neutral = [0; 32];
    neutral[0] = 1;
    let mut signature = [0; 64];
    signature[0] = 1;
    let lax = VerifyingKey::from_bytes(&neutral).unwrap();
    assert!(lax.verify(b"anything", &signature.into()).is_ok(), "taken by the lax rule");

    let mut bytes = sealed(b"hello").bytes().to_vec();
    bytes[41..73].copy_from_slice(&neutral);
    let at = bytes.len() - 64;
    bytes[at..].copy_from_slice(&signature);
    let envelope = Envelope::parse(bytes.into()).unwrap();
    assert!(envelope.verify(&envelope.identify(&network()).id).is_err());

    let honest = Forged::honest(b"hello");
    let mut letter = honest.letter();
    letter[..32].copy_from_slice(&neutral);
    letter[32..96].copy_from_slice(&signature);
    assert_eq!(honest.seal(letter).open(&opener(2)), Err(OpenError::Sender));
}

#[test]
fn an_encapsulated_key_of_small_order_opens_nothing() {
    let one_time = SigningKey::from_bytes(&[5; 32]);
    let honest = Forged::honest(b"hello");
    let envelope = honest.seal(honest.letter());
    for encapsulated in [[0; 32], {
        let mut one = [0; 32];
        one[0] = 1;
        one
    }] {
        let mut bytes = envelope.bytes()[..envelope.bytes().len() - 64].to_vec();
        bytes[73..105].copy_from_slice(&encapsulated);
        assert_eq!(sign(bytes, &one_time).open(&opener(2)), Err(OpenError::Sealed));
    }
}

#[test]
fn a_letter_keeps_its_id_and_length() {
    let opened = Forged::honest(&[4; 139]).opened().unwrap();
    assert_eq!(opened.letter.id, LetterId([7; 16]));
    assert_eq!(opened.letter.payload, Bytes::from(vec![4; 139]));
}
