//! How a letter is sealed: RFC 9180, base mode, X25519, HKDF-SHA256 and ChaCha20-Poly1305; and what
//! its sender signs.

use bytes::BufMut as _;
use hpke::aead::AeadCtxS;

use super::SIGNATURE_LEN;
use super::header::Header;
use crate::network::Network;

pub(super) type Encapsulation = hpke::kem::X25519HkdfSha256;
pub(super) type Kdf = hpke::kdf::HkdfSha256;
pub(super) type Cipher = hpke::aead::ChaCha20Poly1305;
/// What encrypts, once its key is agreed on, and what the recipient needs to agree on it too.
pub(super) type Encapsulated = ([u8; 32], AeadCtxS<Cipher, Kdf, Encapsulation>);

/// What a sealed letter begins with: the key of its sender, and the signature.
pub(super) const SENDER_LEN: usize = 32 + SIGNATURE_LEN;

/// What the sender's signature is over, before header and digest.
const SIGNED: &[u8; 32] = b"meshwork dht 2026-11 sender/1   ";

/// What the sender of a letter signs: the header that it goes under, in which are the recipient and
/// the key that signs the envelope, and the digest of what it says: id, kind, length and payload.
///
/// A recipient that shows the letter to others shows them for whom it was; it cannot put it into
/// another envelope.
pub(super) fn signed_by_sender(
    head: &[u8; Header::LEN],
    said: &[u8],
    network: &Network,
) -> [u8; 32 + Header::LEN + 32] {
    let digest = blake3::keyed_hash(network.letter_key(), said);
    let mut message = [0; 32 + Header::LEN + 32];
    let mut to = message.as_mut_slice();
    to.put_slice(SIGNED);
    to.put_slice(head);
    to.put_slice(digest.as_bytes());
    message
}
