//! Putting letters into envelopes.

use std::fmt;

use ed25519_dalek::{Signer as _, SigningKey};
use hpke::inout::InOutBuf;
use hpke::{Deserializable as _, Kem, OpModeS, Serializable as _, setup_sender_with_rng};
use libp2p_identity::Keypair;
use rand::CryptoRng;
use zeroize::Zeroizing;

use super::error::{NotEd25519, SealError};
use super::header::{Flags, Form, Header, Terms};
use super::key::{self, Destination};
use super::suite::{Cipher, Encapsulated, Encapsulation, Kdf, signed_by_sender};
use super::{BODY_AT, CLEAR_LEN, Envelope, LETTER_LEN, MessageId, SEALED_LEN, SIGNATURE_LEN};
use crate::letter::{Kind, Letter, PAYLOAD_MAX};
use crate::network::Network;
use crate::padding::padded;

/// What letters are signed with, and whom they are from.
pub struct Sealer {
    network: Network,
    secret: SigningKey,
    own: Destination,
}

impl Sealer {
    /// That of a peer in a network.
    ///
    /// # Errors
    /// [`NotEd25519`] if its key is another.
    pub fn new(network: Network, keys: &Keypair) -> Result<Self, NotEd25519> {
        let secret = SigningKey::from_bytes(&*key::seed(keys)?);
        let own = Destination::by(&secret);
        Ok(Self { network, secret, own })
    }

    /// The network that letters go to.
    pub fn network(&self) -> &Network {
        &self.network
    }

    /// The key that letters are from.
    pub fn own(&self) -> Destination {
        self.own
    }

    /// Seals a letter for one recipient: nobody else reads it or learns whom it is from, and no two
    /// envelopes look alike, also with the same letter.
    ///
    /// # Bounds
    /// One allocation, of the envelope's length.
    ///
    /// # Errors
    /// [`SealError`].
    ///
    /// # Security
    /// Takes 64 bytes from `rng`: the seed of the envelope's own key, and what HPKE makes its key
    /// of. Whoever can foresee them reads the letter.
    pub fn seal(
        &self,
        to: &Destination,
        letter: &Letter,
        terms: Terms,
        rng: &mut impl CryptoRng,
    ) -> Result<Envelope, SealError> {
        self.seal_named(to, letter, terms, rng).map(|(envelope, _)| envelope)
    }

    /// [`seal`](Self::seal), and what those who carry the envelope call it: the signature is over
    /// that, so it is known already.
    pub(crate) fn seal_named(
        &self,
        to: &Destination,
        letter: &Letter,
        terms: Terms,
        rng: &mut impl CryptoRng,
    ) -> Result<(Envelope, MessageId), SealError> {
        check(letter, Kind::may_be_sealed)?;
        let recipient = to.to_montgomery().ok_or(SealError::Destination)?;
        let author = one_time(rng);
        let header = Header::new(Form::Sealed, Some(*to), terms, Destination::by(&author));
        let (encapsulated, mut cipher) = self.encapsulate(recipient.as_bytes(), rng)?;

        let length = LETTER_LEN.saturating_add(letter.payload.len());
        let plain = padded(length);
        let head = header.to_bytes();
        let mut bytes = Vec::with_capacity(SEALED_LEN.saturating_add(plain));
        bytes.extend_from_slice(&head);
        bytes.extend_from_slice(&encapsulated);
        self.write_letter(&mut bytes, &head, letter);
        bytes.resize(BODY_AT.saturating_add(plain), 0);
        // Fails only after 2⁶⁴ messages, and this is the first.
        let tag = cipher
            .seal_inout_detached(InOutBuf::from(from_mut(&mut bytes, BODY_AT)), &head)
            .map_err(|_| SealError::Destination)?;
        bytes.extend_from_slice(&tag.to_bytes());
        Ok(self.finish(header, bytes, &author))
    }

    /// Puts a letter into an envelope that everybody can read: for one recipient, or for whoever
    /// hears it. It has no flags.
    ///
    /// # Errors
    /// [`SealError`].
    pub fn clear(
        &self,
        to: Option<Destination>,
        letter: &Letter,
        terms: Terms,
    ) -> Result<Envelope, SealError> {
        self.clear_named(to, letter, terms).map(|(envelope, _)| envelope)
    }

    /// [`clear`](Self::clear), and what those who carry the envelope call it.
    pub(crate) fn clear_named(
        &self,
        to: Option<Destination>,
        letter: &Letter,
        terms: Terms,
    ) -> Result<(Envelope, MessageId), SealError> {
        check(letter, Kind::may_be_clear)?;
        if terms.flags != Flags::NONE {
            return Err(SealError::Flags(terms.flags.bits()));
        }
        if letter.kind == Kind::Join && to != Some(self.own) {
            return Err(SealError::Join);
        }
        let header = Header::new(Form::Clear, to, terms, self.own);
        let fixed = Header::LEN + CLEAR_LEN + SIGNATURE_LEN;
        let mut bytes = Vec::with_capacity(fixed.saturating_add(letter.payload.len()));
        bytes.extend_from_slice(&header.to_bytes());
        bytes.extend_from_slice(&letter.id.0);
        bytes.push(letter.kind.as_byte());
        bytes.extend_from_slice(&letter.payload);
        Ok(self.finish(header, bytes, &self.secret))
    }

    fn encapsulate(
        &self,
        recipient: &[u8; 32],
        rng: &mut impl CryptoRng,
    ) -> Result<Encapsulated, SealError> {
        let recipient = <Encapsulation as Kem>::PublicKey::from_bytes(recipient)
            .map_err(|_| SealError::Destination)?;
        let info = self.network.sealed_info();
        let (key, cipher) = setup_sender_with_rng::<Cipher, Kdf, Encapsulation>(
            &OpModeS::Base,
            &recipient,
            info,
            rng,
        )
        .map_err(|_| SealError::Destination)?;
        Ok((key.to_bytes().into(), cipher))
    }

    /// The letter with its sender's signature, without padding.
    fn write_letter(&self, to: &mut Vec<u8>, head: &[u8; Header::LEN], letter: &Letter) {
        to.extend_from_slice(self.own.as_bytes());
        let signature_at = to.len();
        to.extend_from_slice(&[0; SIGNATURE_LEN]);
        let said_at = to.len();
        to.extend_from_slice(&letter.id.0);
        to.push(letter.kind.as_byte());
        let len = u32::try_from(letter.payload.len()).expect("checked to be at most PAYLOAD_MAX");
        to.extend_from_slice(&len.to_be_bytes());
        to.extend_from_slice(&letter.payload);
        let message = signed_by_sender(head, from_mut(to, said_at), &self.network);
        let signature = self.secret.sign(&message).to_bytes();
        let place = from_mut(to, signature_at);
        place.iter_mut().zip(signature).for_each(|(to, byte)| *to = byte);
    }

    fn finish(
        &self,
        header: Header,
        mut bytes: Vec<u8>,
        author: &SigningKey,
    ) -> (Envelope, MessageId) {
        let id = MessageId::of(&bytes, &self.network);
        bytes.extend_from_slice(&author.sign(&id.signed()).to_bytes());
        (Envelope { header, bytes: bytes.into() }, id)
    }
}

impl fmt::Debug for Sealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sealer")
            .field("network", &self.network)
            .field("own", &self.own)
            .finish_non_exhaustive()
    }
}

fn check(letter: &Letter, may_be: fn(Kind) -> bool) -> Result<(), SealError> {
    let len = letter.payload.len();
    if len > PAYLOAD_MAX {
        return Err(SealError::TooLong { len, max: PAYLOAD_MAX });
    }
    if may_be(letter.kind) { Ok(()) } else { Err(SealError::Kind(letter.kind)) }
}

/// The key of one envelope. Its secret is gone when that is signed.
fn one_time(rng: &mut impl CryptoRng) -> SigningKey {
    let mut seed = Zeroizing::new([0; 32]);
    rng.fill_bytes(&mut *seed);
    SigningKey::from_bytes(&seed)
}

/// What is written already, from there on.
fn from_mut(bytes: &mut [u8], at: usize) -> &mut [u8] {
    bytes.get_mut(at..).expect("so much is written already")
}
