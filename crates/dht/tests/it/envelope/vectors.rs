//! The test vectors of the specification page, and that of RFC 9180 for the suite.

use std::convert::Infallible;

use ed25519_dalek::{Signer as _, SigningKey, VerifyingKey};
use hpke::aead::ChaCha20Poly1305;
use hpke::kdf::HkdfSha256;
use hpke::kem::X25519HkdfSha256;
use hpke::{Deserializable as _, Kem, OpModeR, OpModeS, Serializable as _};
use rand::{TryCryptoRng, TryRng};

use super::{Envelope, clear, key, letter, network, opener, sealer, terms};

/// Bytes written in hexadecimal digits.
fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
    let pair = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    digits.chunks(2).map(pair).collect()
}

/// So many of them.
pub(super) fn array<const N: usize>(text: &str) -> [u8; N] {
    hex(text).try_into().unwrap()
}

fn shown(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}

/// Bytes that were written down, where others draw them.
struct Given(Vec<u8>);

impl TryRng for Given {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        unreachable!("only bytes are drawn")
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        unreachable!("only bytes are drawn")
    }

    fn try_fill_bytes(&mut self, to: &mut [u8]) -> Result<(), Infallible> {
        to.copy_from_slice(&self.0.drain(..to.len()).collect::<Vec<u8>>());
        Ok(())
    }
}

impl TryCryptoRng for Given {}

/// RFC 9180, A.2.1: base mode, the first encryption.
#[test]
fn the_suite_is_that_of_rfc_9180() {
    let info = hex("4f6465206f6e2061204772656369616e2055726e");
    let ikm = hex("909a9b35d3dc4713a5e72a4da274b55d3d3821a37e5d099e74a647db583a904b");
    let secret = hex("8057991eef8f1f1af18f4a9491d16a1ce333f695d4db8e38da75975c4478e0fb");
    let public = hex("4310ee97d88cc1f088a5576c77ab0cf5c3ac797f3d95139c6c84b5429c59662a");
    let encapsulated = "1afa08d3dec047a643885163f1180476fa7ddb54c6a8029ea33f95796bf2ac4a";
    let plain = hex("4265617574792069732074727574682c20747275746820626561757479");
    let (aad, sealed) = (
        hex("436f756e742d30"),
        "1c5250d8034ec2b784ba2cfd69dbdb8af406cfe3ff938e131f0def8c8b60b4db\
         21993c62ce81883d2dd1b51a28",
    );
    let public = <X25519HkdfSha256 as Kem>::PublicKey::from_bytes(&public).unwrap();
    let (key, mut cipher) = hpke::setup_sender_with_rng::<
        ChaCha20Poly1305,
        HkdfSha256,
        X25519HkdfSha256,
    >(&OpModeS::Base, &public, &info, &mut Given(ikm))
    .unwrap();
    assert_eq!(shown(&key.to_bytes()), encapsulated);
    assert_eq!(shown(&cipher.seal(&plain, &aad).unwrap()), sealed);

    let secret = <X25519HkdfSha256 as Kem>::PrivateKey::from_bytes(&secret).unwrap();
    let mut cipher = hpke::setup_receiver::<ChaCha20Poly1305, HkdfSha256, X25519HkdfSha256>(
        &OpModeR::Base,
        &secret,
        &key,
        &info,
    )
    .unwrap();
    assert_eq!(cipher.open(&hex(sealed), &aad).unwrap(), plain);
}

const PAGE: &str = include_str!("../../../../../docs/protocols/dht.md");

/// The values in the block that the page says a test is for, in their order: lines of 96 digits go
/// on in the next.
fn vectors<const N: usize>(test: &str) -> [String; N] {
    let (_, block) = PAGE.split_once(&format!("(`{test}()`).\n\n```text\n")).unwrap();
    let (block, _) = block.split_once("```").unwrap();
    let mut values = vec![String::new()];
    for line in block.lines() {
        *values.last_mut().unwrap() += line;
        if line.len() < 96 {
            values.push(String::new());
        }
    }
    assert_eq!(values.pop().as_deref(), Some(""), "the last line ends a value");
    values.try_into().unwrap()
}

#[test]
fn a_sealed_envelope_is_that_of_the_specification() {
    let [sealed, id, fingerprint] = vectors("a_sealed_envelope_is_that_of_the_specification");
    let mut drawn = Given([[3; 32], [4; 32]].concat());
    let made = sealer(1).seal(&key(2), &letter(b"hello"), terms(), &mut drawn).unwrap();
    assert_eq!(shown(made.bytes()), sealed);
    let envelope = Envelope::parse(hex(&sealed).into()).unwrap();
    let identified = envelope.identify(&network());
    assert_eq!(identified.id.to_string(), id);
    assert_eq!(shown(&identified.fingerprint.0), fingerprint);
    assert_eq!(envelope.open(&opener(2)).unwrap().letter, letter(b"hello"));
}

#[test]
fn what_leads_to_it_is_that_of_the_specification() {
    let [x25519, id_key, digest, signature] =
        vectors("what_leads_to_it_is_that_of_the_specification");
    let recipient = VerifyingKey::from_bytes(key(2).as_bytes()).unwrap().to_montgomery();
    assert_eq!(shown(recipient.as_bytes()), x25519);
    let derived = blake3::derive_key("meshwork dht 2026-11 message id/1", b"test");
    assert_eq!(shown(&derived), id_key);
    let letter_key = blake3::derive_key("meshwork dht 2026-11 letter/1", b"test");
    let said = [&[7; 16][..], &[0], &5_u32.to_be_bytes(), b"hello"].concat();
    let said = blake3::keyed_hash(&letter_key, &said);
    assert_eq!(said.to_string(), digest);
    let [sealed, ..] = vectors::<3>("a_sealed_envelope_is_that_of_the_specification");
    let message =
        [b"meshwork dht 2026-11 sender/1   ", &hex(&sealed)[..73], said.as_bytes()].concat();
    assert_eq!(shown(&SigningKey::from_bytes(&[1; 32]).sign(&message).to_bytes()), signature);
}

#[test]
fn a_clear_envelope_is_that_of_the_specification() {
    let [sent, id, fingerprint] = vectors("a_clear_envelope_is_that_of_the_specification");
    assert_eq!(shown(clear(b"hello").bytes()), sent);
    let envelope = Envelope::parse(hex(&sent).into()).unwrap();
    let identified = envelope.identify(&network());
    assert_eq!(identified.id.to_string(), id);
    assert_eq!(shown(&identified.fingerprint.0), fingerprint);
}
