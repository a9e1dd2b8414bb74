//! Keys of nodes: the Ed25519 keys that they have as peers, with another use.

use std::fmt;

use curve25519_dalek::edwards::{CompressedEdwardsY, EdwardsPoint};
use curve25519_dalek::scalar::{Scalar, clamp_integer};
use curve25519_dalek::traits::IsIdentity as _;
use libp2p_identity::{Keypair, PeerId};
use sha2::{Digest as _, Sha512};
use zeroize::{Zeroize as _, Zeroizing};

use crate::error::NotEd25519;

/// What precedes an Ed25519 key in an id: an identity hash of 36 bytes, which are a protobuf
/// message with the type of the key and its 32 bytes.
const ID_PREFIX: [u8; 6] = [0x00, 0x24, 0x08, 0x01, 0x12, 0x20];

/// The public key of a node, by which packets are made for it.
///
/// Whether there is a point with these bytes is seen when a packet is made.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct NodeKey(pub(super) [u8; 32]);

impl NodeKey {
    /// That of a peer, as its id holds it.
    ///
    /// # Errors
    /// [`NotEd25519`] if the id holds another key, or the hash of one.
    pub fn of(peer: &PeerId) -> Result<Self, NotEd25519> {
        let bytes = peer.to_bytes();
        let key = bytes.strip_prefix(&ID_PREFIX).ok_or(NotEd25519)?;
        key.try_into().map(Self).map_err(|_| NotEd25519)
    }

    /// The peer with this key.
    #[expect(clippy::missing_panics_doc, reason = "there are always 36 bytes")]
    pub fn peer(&self) -> PeerId {
        let id: Vec<u8> = ID_PREFIX.iter().chain(&self.0).copied().collect();
        PeerId::from_bytes(&id).expect("an identity hash of 36 bytes is an id")
    }

    /// Eight times its point, if that is not the neutral one: in the group of prime order, also
    /// where the key itself is not.
    pub(super) fn point(&self) -> Option<EdwardsPoint> {
        eightfold(self.0)
    }
}

/// What a node opens packets with.
pub struct NodeSecret {
    pub(super) scalar: Scalar,
    pub(super) key: NodeKey,
}

impl NodeSecret {
    /// From the seed of an Ed25519 key, as Ed25519 makes its scalar.
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        let hash: Zeroizing<[u8; 64]> = Zeroizing::new(Sha512::digest(seed).into());
        let mut low = Zeroizing::new([0; 32]);
        low.iter_mut().zip(hash.iter()).for_each(|(to, byte)| *to = *byte);
        let clamped = Zeroizing::new(clamp_integer(*low));
        let scalar = Scalar::from_bytes_mod_order(*clamped);
        let key = NodeKey(EdwardsPoint::mul_base(&scalar).compress().to_bytes());
        Self { scalar, key }
    }

    /// That of a peer.
    ///
    /// # Errors
    /// [`NotEd25519`] if its key is another.
    pub fn of(keys: &Keypair) -> Result<Self, NotEd25519> {
        let keys = keys.clone().try_into_ed25519().map_err(|_| NotEd25519)?;
        let secret = keys.secret();
        let seed: &[u8; 32] = secret.as_ref().try_into().map_err(|_| NotEd25519)?;
        Ok(Self::from_seed(seed))
    }

    /// The public key.
    pub fn key(&self) -> NodeKey {
        self.key
    }
}

impl Drop for NodeSecret {
    fn drop(&mut self) {
        self.scalar.zeroize();
    }
}

impl fmt::Debug for NodeSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NodeSecret").field("key", &self.key).finish_non_exhaustive()
    }
}

/// A multiple of a point, in a time that does not depend on the factor.
#[expect(clippy::arithmetic_side_effects, reason = "a group has no bounds to leave")]
pub(super) fn multiple(point: &EdwardsPoint, factor: &Scalar) -> EdwardsPoint {
    point * factor
}

/// Eight times the point with these bytes; `None` if there is none, or if it is of small order.
///
/// The factor is the order of the small subgroup. What somebody adds from it is gone before a
/// secret is multiplied with the point, or three bits of the secret could be tried out.
pub(super) fn eightfold(bytes: [u8; 32]) -> Option<EdwardsPoint> {
    let point = CompressedEdwardsY(bytes).decompress()?.mul_by_cofactor();
    (!point.is_identity()).then_some(point)
}
