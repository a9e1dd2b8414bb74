//! Envelopes: one layout, one encoding, a signature that everybody checks.

mod error;
mod header;
mod key;
mod open;
mod seal;
mod suite;

use std::fmt;

use bytes::{BufMut as _, Bytes};
use machine::UnixTime;

pub use self::error::{BadEnvelope, BadSignature, NotEd25519, OpenError, SealError};
pub use self::header::{Flags, Form, Lifetime, QUANTUM, Terms};
pub use self::key::Destination;
pub use self::open::{Opened, Opener};
pub use self::seal::Sealer;

use self::header::Header;
use crate::letter::{Kind, LetterId, PAYLOAD_MAX};
use crate::network::Network;
use crate::padding::{is_padded, padded};

/// The author's signature, at the end.
const SIGNATURE_LEN: usize = 64;
/// The key of HPKE's encapsulation, behind the header of a sealed envelope.
const ENCAPSULATED_LEN: usize = 32;
/// Where the body of a sealed envelope begins.
const BODY_AT: usize = Header::LEN + ENCAPSULATED_LEN;
/// The code of the cipher, behind what it encrypts.
const TAG_LEN: usize = 16;
/// What precedes the payload of a clear letter: id and kind.
const CLEAR_LEN: usize = LetterId::LEN + 1;
/// What precedes the payload of a sealed one: sender, its signature, id, kind, length.
const LETTER_LEN: usize = 32 + SIGNATURE_LEN + LetterId::LEN + 1 + 4;

/// What a sealed envelope has besides the letter with its padding, in bytes.
const SEALED_LEN: usize = BODY_AT + TAG_LEN + SIGNATURE_LEN;
/// Shortest and longest sealed envelope, in bytes.
const SEALED: (usize, usize) =
    (SEALED_LEN + padded(LETTER_LEN), SEALED_LEN + padded(LETTER_LEN + PAYLOAD_MAX));
/// Shortest and longest clear envelope, in bytes.
const CLEAR: (usize, usize) = (
    Header::LEN + CLEAR_LEN + SIGNATURE_LEN,
    Header::LEN + CLEAR_LEN + PAYLOAD_MAX + SIGNATURE_LEN,
);

/// Most bytes of an envelope.
pub const ENVELOPE_MAX: usize = SEALED.1;

const _: () = assert!(CLEAR.1 <= ENVELOPE_MAX, "ENVELOPE_MAX is of both forms");

/// What the author's signature is over, before the id.
const SIGNED: &[u8; 32] = b"meshwork dht 2026-11 envelope/1 ";

/// A message as it travels: its header read, its body as it came.
///
/// Of the right shape, no more: whether the author signed it is for [`verify`](Self::verify).
#[derive(Clone, Eq, PartialEq)]
pub struct Envelope {
    header: Header,
    bytes: Bytes,
}

impl Envelope {
    /// Reads what everybody can. Allocates nothing and keeps the bytes that it is given.
    ///
    /// # Bounds
    /// At most [`ENVELOPE_MAX`] bytes.
    ///
    /// # Errors
    /// [`BadEnvelope`].
    pub fn parse(bytes: Bytes) -> Result<Self, BadEnvelope> {
        let len = bytes.len();
        let (min, max) = (CLEAR.0, ENVELOPE_MAX);
        let short = BadEnvelope::Length { len, min, max };
        let head = bytes.first_chunk().ok_or(short)?;
        let header = Header::read(head)?;
        let (min, max) = match header.form {
            Form::Sealed => SEALED,
            Form::Clear => CLEAR,
        };
        if len < min || len > max {
            return Err(BadEnvelope::Length { len, min, max });
        }
        match header.form {
            Form::Sealed => check_sealed(len)?,
            Form::Clear => check_clear(&header, &bytes)?,
        }
        Ok(Self { header, bytes })
    }

    /// All of it, as it travels.
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// Whether it is sealed or clear.
    pub fn form(&self) -> Form {
        self.header.form
    }

    /// What is asked of those who carry it.
    pub fn flags(&self) -> Flags {
        self.header.flags
    }

    /// Whom it is for; `None` if for nobody in particular, which only a clear one is.
    pub fn destination(&self) -> Option<Destination> {
        self.header.destination
    }

    /// Whose signature it bears: a key for this envelope only if it is sealed, else the sender's.
    pub fn author(&self) -> Destination {
        self.header.author
    }

    /// When it was made, rounded down to [`QUANTUM`].
    pub fn created(&self) -> UnixTime {
        self.header.created()
    }

    /// How long it is worth carrying.
    pub fn lifetime(&self) -> Lifetime {
        self.header.lifetime
    }

    /// From when on it is refused: its lifetime and one [`QUANTUM`] after it was made.
    pub fn expires(&self) -> UnixTime {
        self.header.expires()
    }

    /// What it is known by, in one pass over its bytes.
    pub fn identify(&self, network: &Network) -> Identified {
        let (unsigned, signature) = self.parts();
        let id = MessageId::of(unsigned, network);
        Identified { id, fingerprint: Fingerprint::of(&id, signature, network) }
    }

    /// The same, for whoever knows its id: without a pass over it.
    pub(crate) fn identify_as(&self, id: MessageId, network: &Network) -> Identified {
        let (_, signature) = self.parts();
        Identified { id, fingerprint: Fingerprint::of(&id, signature, network) }
    }

    /// Whether the author signed it, `id` being what [`identify`](Self::identify) says.
    ///
    /// # Errors
    /// [`BadSignature`] if not, or if the key is of small order: such a one signs everything.
    ///
    /// # Security
    /// Says that nobody changed it, not who sent it: who that is, only the letter says.
    pub fn verify(&self, id: &MessageId) -> Result<(), BadSignature> {
        let (_, signature) = self.parts();
        let author = &self.header.author;
        if author.has_signed(&id.signed(), signature) { Ok(()) } else { Err(BadSignature) }
    }

    /// What is signed, and the signature.
    fn parts(&self) -> (&[u8], &[u8; SIGNATURE_LEN]) {
        self.bytes.split_last_chunk().expect("longer than a signature since it was parsed")
    }
}

impl fmt::Debug for Envelope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Envelope")
            .field("header", &self.header)
            .field("len", &self.bytes.len())
            .finish()
    }
}

fn check_sealed(len: usize) -> Result<(), BadEnvelope> {
    let len = len.saturating_sub(SEALED_LEN);
    if is_padded(len) { Ok(()) } else { Err(BadEnvelope::Padding { len }) }
}

fn check_clear(header: &Header, bytes: &[u8]) -> Result<(), BadEnvelope> {
    let kind = bytes.get(Header::LEN + LetterId::LEN).copied().unwrap_or(u8::MAX);
    match Kind::from_byte(kind).filter(|kind| kind.may_be_clear()) {
        None => Err(BadEnvelope::Kind(kind)),
        Some(Kind::Join) if header.destination != Some(header.author) => Err(BadEnvelope::Join),
        Some(_) => Ok(()),
    }
}

/// What an envelope is known by.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Identified {
    /// Of what its author signed.
    pub id: MessageId,
    /// Of all its bytes.
    pub fingerprint: Fingerprint,
}

/// What those who carry an envelope call it: the hash of all that is before its signature, under a
/// key of the network.
#[derive(Clone, Copy, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct MessageId(pub [u8; 32]);

impl MessageId {
    fn of(unsigned: &[u8], network: &Network) -> Self {
        Self(*blake3::keyed_hash(network.id_key(), unsigned).as_bytes())
    }

    /// What the author's signature is over.
    fn signed(&self) -> [u8; 64] {
        joined(SIGNED, &self.0)
    }
}

impl fmt::Debug for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MessageId({self})")
    }
}

impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// What an envelope is recognised by if it comes again just as it was: the hash of its id and its
/// signature, under a key of the network.
///
/// A copy in which anything is changed has another one.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Fingerprint(pub [u8; 32]);

impl Fingerprint {
    fn of(id: &MessageId, signature: &[u8; SIGNATURE_LEN], network: &Network) -> Self {
        let bytes: [u8; 32 + SIGNATURE_LEN] = joined(&id.0, signature);
        Self(*blake3::keyed_hash(network.fingerprint_key(), &bytes).as_bytes())
    }
}

/// Both, one behind the other.
fn joined<const N: usize>(first: &[u8; 32], second: &[u8]) -> [u8; N] {
    let mut bytes = [0; N];
    let mut to = bytes.as_mut_slice();
    to.put_slice(first);
    to.put_slice(second);
    bytes
}
