//! What no envelope can do without: its cryptography, called directly.
//!
//! To seal: one key pair, HPKE's encapsulation, the cipher over the padded letter, two signatures and
//! one digest of the envelope. To open: that digest, two verifications with the keys from their bytes,
//! HPKE's decapsulation and the cipher. To carry: the digest and one verification.
//!
//! Not among them: the sender's signature is over a second digest, that of the letter; the recipient's
//! key is made from its Ed25519 key; the zeros behind the letter are looked at; buffers.

use std::hint::black_box;

use dht::{Destination, Envelope, Kind, Letter, LetterId, Network, Sealer, Terms};
use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};
use hpke::aead::{AeadTag, ChaCha20Poly1305};
use hpke::inout::InOutBuf;
use hpke::kdf::HkdfSha256;
use hpke::kem::X25519HkdfSha256;
use hpke::{
    Deserializable as _, Kem, OpModeR, OpModeS, Serializable as _, setup_receiver,
    setup_sender_with_rng,
};
use libp2p_identity::Keypair;
use rand::SeedableRng as _;
use rand_chacha::ChaCha20Rng;

use crate::Failure;

/// What is bound to the ciphertext: as long as the header.
const HEADER: [u8; 73] = [5; 73];
/// As long as what HPKE binds a letter to in the network `meshwork`.
const INFO: [u8; 38] = [6; 38];
const DIGEST_KEY: [u8; 32] = [4; 32];
/// What precedes the letter in an envelope, and what follows it.
const AROUND: usize = 73 + 32 + 16 + 64;

/// A key, what it signed, and the signature.
struct Signed<const N: usize> {
    key: [u8; 32],
    message: [u8; N],
    signature: [u8; 64],
}

impl<const N: usize> Signed<N> {
    fn by(secret: &SigningKey) -> Self {
        let message = [3; N];
        let signature = secret.sign(&message).to_bytes();
        Self { key: secret.verifying_key().to_bytes(), message, signature }
    }

    fn verify(&self) -> bool {
        let signature = Signature::from_bytes(black_box(&self.signature));
        let key = VerifyingKey::from_bytes(black_box(&self.key));
        key.is_ok_and(|key| key.verify_strict(&self.message, &signature).is_ok())
    }
}

/// The inputs of the primitives for payloads of one length.
pub(crate) struct Primitives {
    own: SigningKey,
    recipient: <X25519HkdfSha256 as Kem>::PublicKey,
    secret: <X25519HkdfSha256 as Kem>::PrivateKey,
    /// As long as an envelope.
    envelope: Vec<u8>,
    /// A letter as it is encrypted, and with what it is opened.
    body: Vec<u8>,
    encapsulated: [u8; 32],
    tag: [u8; 16],
    plain: Vec<u8>,
    /// Of the envelope and of the letter.
    signed: (Signed<64>, Signed<137>),
    rng: ChaCha20Rng,
}

impl Primitives {
    pub(crate) fn new(payload: usize) -> Result<Self, Failure> {
        let own = SigningKey::from_bytes(&[1; 32]);
        let (secret, recipient) = X25519HkdfSha256::derive_keypair(&[2; 32]);
        let envelope = vec![7; envelope(payload)?.bytes().len()];
        let letter = envelope.len().checked_sub(AROUND).ok_or("an envelope without a letter")?;
        let mut new = Self {
            signed: (Signed::by(&SigningKey::from_bytes(&[8; 32])), Signed::by(&own)),
            own,
            recipient,
            secret,
            envelope,
            body: vec![7; letter],
            encapsulated: [0; 32],
            tag: [0; 16],
            plain: vec![0; letter],
            rng: ChaCha20Rng::from_seed([9; 32]),
        };
        new.seal().ok_or("nothing is sealed")?;
        new.open().ok_or("what is sealed does not open")?;
        Ok(new)
    }

    /// Those of sealing.
    pub(crate) fn seal(&mut self) -> Option<()> {
        let author = SigningKey::from_bytes(black_box(&[3; 32]));
        let (key, mut cipher) = setup_sender_with_rng::<
            ChaCha20Poly1305,
            HkdfSha256,
            X25519HkdfSha256,
        >(&OpModeS::Base, &self.recipient, &INFO, &mut self.rng)
        .ok()?;
        let body = InOutBuf::from(self.body.as_mut_slice());
        self.tag = cipher.seal_inout_detached(body, &HEADER).ok()?.to_bytes().into();
        self.encapsulated = key.to_bytes().into();
        black_box(self.own.sign(black_box(&[3; 137])));
        black_box(self.digest());
        black_box(author.sign(black_box(&[3; 64])));
        Some(())
    }

    /// Those of opening what was sealed last.
    pub(crate) fn open(&mut self) -> Option<()> {
        if !self.carry() {
            return None;
        }
        let key = <X25519HkdfSha256 as Kem>::EncappedKey::from_bytes(&self.encapsulated).ok()?;
        let tag = AeadTag::from_bytes(&self.tag).ok()?;
        let mut cipher = setup_receiver::<ChaCha20Poly1305, HkdfSha256, X25519HkdfSha256>(
            &OpModeR::Base,
            &self.secret,
            &key,
            &INFO,
        )
        .ok()?;
        let body = InOutBuf::new(&self.body, &mut self.plain).ok()?;
        cipher.open_inout_detached(body, &HEADER, &tag).ok()?;
        self.signed.1.verify().then_some(())
    }

    /// Those of carrying.
    pub(crate) fn carry(&self) -> bool {
        black_box(self.digest());
        self.verify()
    }

    /// One verification.
    pub(crate) fn verify(&self) -> bool {
        self.signed.0.verify()
    }

    fn digest(&self) -> [u8; 32] {
        digest(&self.envelope)
    }
}

/// One pass over so many bytes.
pub(crate) fn digest(bytes: &[u8]) -> [u8; 32] {
    *blake3::keyed_hash(&DIGEST_KEY, black_box(bytes)).as_bytes()
}

/// One with a payload of so many bytes.
pub(crate) fn envelope(payload: usize) -> Result<Envelope, Failure> {
    let network = Network::new("meshwork")?;
    let sealer = Sealer::new(network, &Keypair::ed25519_from_bytes([1; 32])?)?;
    let recipient = Keypair::ed25519_from_bytes([2; 32])?.public().to_peer_id();
    let letter =
        Letter { id: LetterId([7; 16]), kind: Kind::Domain, payload: vec![7; payload].into() };
    let terms = Terms {
        flags: dht::Flags::MAILBOX,
        created: machine::UnixTime::from_millis(1_790_000_100_000),
        lifetime: dht::Lifetime::HOUR,
    };
    let mut rng = ChaCha20Rng::from_seed([9; 32]);
    Ok(sealer.seal(&Destination::of(&recipient)?, &letter, terms, &mut rng)?)
}
