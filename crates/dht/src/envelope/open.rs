//! Taking letters out of envelopes.

use std::fmt;

use bytes::Bytes;
use ed25519_dalek::SigningKey;
use hpke::aead::AeadTag;
use hpke::inout::InOutBuf;
use hpke::{Deserializable as _, Kem, OpModeR, setup_receiver};
use libp2p_identity::{Keypair, PeerId};
use zeroize::Zeroizing;

use super::error::{NotEd25519, OpenError};
use super::header::{Form, Header};
use super::key::{self, Destination};
use super::suite::{Cipher, Encapsulation, Kdf, SENDER_LEN, signed_by_sender};
use super::{Envelope, LETTER_LEN, SIGNATURE_LEN, TAG_LEN};
use crate::letter::{Kind, Letter, LetterId, PAYLOAD_MAX};
use crate::network::Network;
use crate::padding::padded;

/// A letter, and whom it is from: proven by a signature, within a sealed envelope or on a clear one.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Opened {
    /// Who wrote it.
    pub sender: PeerId,
    /// What it says. The payload is a part of a buffer with the whole letter in it.
    pub letter: Letter,
}

/// What envelopes for one peer are opened with.
pub struct Opener {
    network: Network,
    /// Wiped when it is dropped.
    secret: <Encapsulation as Kem>::PrivateKey,
    own: Destination,
}

impl Opener {
    /// That of a peer in a network.
    ///
    /// Its secret for X25519 is the one that Ed25519 signs with.
    ///
    /// # Errors
    /// [`NotEd25519`] if its key is another.
    pub fn new(network: Network, keys: &Keypair) -> Result<Self, NotEd25519> {
        let signing = SigningKey::from_bytes(&*key::seed(keys)?);
        let scalar = Zeroizing::new(signing.to_scalar_bytes());
        let secret = <Encapsulation as Kem>::PrivateKey::from_bytes(&*scalar);
        let secret = secret.map_err(|_| NotEd25519)?;
        Ok(Self { network, secret, own: Destination::by(&signing) })
    }

    /// The network that letters are of.
    pub fn network(&self) -> &Network {
        &self.network
    }

    /// The key that envelopes have to be for.
    pub fn own(&self) -> Destination {
        self.own
    }
}

impl fmt::Debug for Opener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Opener")
            .field("network", &self.network)
            .field("own", &self.own)
            .finish_non_exhaustive()
    }
}

impl Envelope {
    /// Opens a sealed envelope, whose signature has been verified.
    ///
    /// # Bounds
    /// One allocation, of the letter's length with its padding; the envelope stays as it is.
    ///
    /// # Errors
    /// [`OpenError`]; [`OpenError::NotOurs`] before anything is tried.
    pub fn open(&self, opener: &Opener) -> Result<Opened, OpenError> {
        let sealed = self.sealed().ok_or(OpenError::Clear)?;
        if self.destination() != Some(opener.own) {
            return Err(OpenError::NotOurs);
        }
        let plain = sealed.decrypt(opener).ok_or(OpenError::Sealed)?;
        read_sealed(sealed.head, plain, &opener.network)
    }

    /// Reads a clear envelope, whose signature has been verified; `None` if it is sealed.
    ///
    /// The payload is a part of the envelope's bytes.
    pub fn read(&self) -> Option<Opened> {
        if self.form() == Form::Sealed {
            return None;
        }
        let (unsigned, _) = self.parts();
        let (id, rest) = unsigned.get(Header::LEN..)?.split_first_chunk()?;
        let (kind, payload) = rest.split_first()?;
        let letter = Letter {
            id: LetterId(*id),
            kind: Kind::from_byte(*kind)?,
            payload: self.bytes.slice_ref(payload),
        };
        Some(Opened { sender: self.author().peer(), letter })
    }

    fn sealed(&self) -> Option<Sealed<'_>> {
        if self.form() == Form::Clear {
            return None;
        }
        let (unsigned, _) = self.parts();
        let (head, rest) = unsigned.split_first_chunk()?;
        let (encapsulated, rest) = rest.split_first_chunk()?;
        let (body, tag) = rest.split_last_chunk()?;
        Some(Sealed { head, encapsulated, body, tag })
    }
}

/// A sealed envelope, taken apart.
struct Sealed<'a> {
    head: &'a [u8; Header::LEN],
    encapsulated: &'a [u8; 32],
    body: &'a [u8],
    tag: &'a [u8; TAG_LEN],
}

impl Sealed<'_> {
    /// The letter with its padding, decrypted from one buffer into another.
    fn decrypt(&self, opener: &Opener) -> Option<Vec<u8>> {
        let key = <Encapsulation as Kem>::EncappedKey::from_bytes(self.encapsulated).ok()?;
        let tag = AeadTag::from_bytes(self.tag).ok()?;
        let info = opener.network.sealed_info();
        let mut cipher = setup_receiver::<Cipher, Kdf, Encapsulation>(
            &OpModeR::Base,
            &opener.secret,
            &key,
            info,
        )
        .ok()?;
        let mut plain = vec![0; self.body.len()];
        let buffer = InOutBuf::new(self.body, &mut plain).ok()?;
        cipher.open_inout_detached(buffer, self.head, &tag).ok()?;
        Some(plain)
    }
}

/// Reads what was decrypted: what is cheap to see first, the signature last.
fn read_sealed(
    head: &[u8; Header::LEN],
    plain: Vec<u8>,
    network: &Network,
) -> Result<Opened, OpenError> {
    let fixed = Fixed::read(&plain).ok_or(OpenError::Length { len: 0 })?;
    let bad_length = OpenError::Length { len: fixed.len };
    let len = usize::try_from(fixed.len).map_err(|_| bad_length)?;
    let end = LETTER_LEN.saturating_add(len);
    if len > PAYLOAD_MAX || padded(end) != plain.len() {
        return Err(bad_length);
    }
    let (letter, padding) = plain.split_at_checked(end).ok_or(bad_length)?;
    if padding.iter().any(|byte| *byte != 0) {
        return Err(OpenError::Padding);
    }
    let kind = Kind::from_byte(fixed.kind)
        .filter(|kind| kind.may_be_sealed())
        .ok_or(OpenError::Kind(fixed.kind))?;
    let sender = Destination::from_bytes(fixed.sender).ok_or(OpenError::Sender)?;
    let said = letter.get(SENDER_LEN..).unwrap_or_default();
    if !sender.has_signed(&signed_by_sender(head, said, network), &fixed.signature) {
        return Err(OpenError::Sender);
    }
    let payload = Bytes::from(plain).slice(LETTER_LEN..end);
    Ok(Opened { sender: sender.peer(), letter: Letter { id: fixed.id, kind, payload } })
}

/// What precedes the payload of a sealed letter.
struct Fixed {
    sender: [u8; 32],
    signature: [u8; SIGNATURE_LEN],
    id: LetterId,
    kind: u8,
    len: u32,
}

impl Fixed {
    fn read(plain: &[u8]) -> Option<Self> {
        let (sender, rest) = plain.split_first_chunk()?;
        let (signature, rest) = rest.split_first_chunk()?;
        let (id, rest) = rest.split_first_chunk()?;
        let (kind, rest) = rest.split_first()?;
        let (len, _) = rest.split_first_chunk()?;
        Some(Self {
            sender: *sender,
            signature: *signature,
            id: LetterId(*id),
            kind: *kind,
            len: u32::from_be_bytes(*len),
        })
    }
}
