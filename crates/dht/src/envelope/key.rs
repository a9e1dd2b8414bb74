//! The keys that envelopes name: those of peers, and those made for one envelope.

use std::fmt;

use curve25519_dalek::montgomery::MontgomeryPoint;
use ed25519_dalek::{Signature, SigningKey, VerifyingKey};
use libp2p_identity::{Keypair, PeerId};
use zeroize::Zeroizing;

use super::error::NotEd25519;

/// What an id is of whose bytes are a key: the multihash "identity".
const IDENTITY: u64 = 0;
/// What precedes the key there: a protobuf message with its type and its 32 bytes.
const KEY_PREFIX: [u8; 4] = [0x08, 0x01, 0x12, 0x20];
/// What precedes a key in the bytes of an id: the multihash's code and length, and the above.
const ID_PREFIX: [u8; 6] = [0x00, 0x24, 0x08, 0x01, 0x12, 0x20];

/// The Ed25519 key that an envelope is for, or by: 32 bytes, in the one encoding of a point.
///
/// Whether there is a point with these bytes is seen where it is needed: when something is sealed
/// for it, or a signature verified.
#[derive(Clone, Copy, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Destination([u8; 32]);

impl Destination {
    /// That of a peer, as its id holds it.
    ///
    /// # Errors
    /// [`NotEd25519`] if the id holds another key, or the hash of one.
    pub fn of(peer: &PeerId) -> Result<Self, NotEd25519> {
        let hash = peer.as_ref();
        if hash.code() != IDENTITY {
            return Err(NotEd25519);
        }
        let key = hash.digest().strip_prefix(&KEY_PREFIX).ok_or(NotEd25519)?;
        let bytes = key.try_into().map_err(|_| NotEd25519)?;
        Self::from_bytes(bytes).ok_or(NotEd25519)
    }

    /// That with these bytes; `None` if they are not the canonical encoding of a coordinate, as
    /// zeros are not of any key.
    ///
    /// The coordinate is the lower 255 bits, lowest byte first, and less than 2²⁵⁵ − 19.
    pub fn from_bytes(bytes: [u8; 32]) -> Option<Self> {
        let [first, middle @ .., last] = &bytes;
        let over = *first >= 0xed && middle.iter().all(|byte| *byte == 0xff) && last & 0x7f == 0x7f;
        (!over && bytes != [0; 32]).then_some(Self(bytes))
    }

    /// That of whom a secret belongs to.
    pub(super) fn by(secret: &SigningKey) -> Self {
        Self(secret.verifying_key().to_bytes())
    }

    /// The key.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The peer with this key.
    #[expect(clippy::missing_panics_doc, reason = "there are always 36 bytes")]
    pub fn peer(&self) -> PeerId {
        let mut id = [0; 38];
        id.iter_mut().zip(ID_PREFIX.iter().chain(&self.0)).for_each(|(to, byte)| *to = *byte);
        PeerId::from_bytes(&id).expect("an identity hash of 36 bytes is an id")
    }

    /// The same key for X25519; `None` if it is no point or one of small order, with which every
    /// secret makes one that all know.
    pub(super) fn to_montgomery(self) -> Option<MontgomeryPoint> {
        let key = VerifyingKey::from_bytes(&self.0).ok()?;
        (!key.is_weak()).then(|| key.to_montgomery())
    }

    /// Whether this key signed `message`. Neither keys nor commitments of small order are taken,
    /// and there is one encoding of each signature.
    pub(crate) fn has_signed(&self, message: &[u8], signature: &[u8; 64]) -> bool {
        let signature = Signature::from_bytes(signature);
        VerifyingKey::from_bytes(&self.0)
            .is_ok_and(|key| key.verify_strict(message, &signature).is_ok())
    }
}

impl From<Destination> for PeerId {
    fn from(destination: Destination) -> Self {
        destination.peer()
    }
}

impl fmt::Debug for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Destination({})", self.peer())
    }
}

/// The seed of an Ed25519 key pair.
pub(super) fn seed(keys: &Keypair) -> Result<Zeroizing<[u8; 32]>, NotEd25519> {
    let keys = keys.clone().try_into_ed25519().map_err(|_| NotEd25519)?;
    let secret = keys.secret();
    let seed = secret.as_ref().try_into().map_err(|_| NotEd25519)?;
    Ok(Zeroizing::new(seed))
}
