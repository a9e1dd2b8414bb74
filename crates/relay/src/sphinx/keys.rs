//! What the sender and one node derive from the secret that they share.

use curve25519_dalek::edwards::EdwardsPoint;
use curve25519_dalek::scalar::Scalar;
use zeroize::{Zeroize as _, Zeroizing};

use super::key::NodeKey;

/// Names the protocol and its version in every derivation: packets of another do not open.
const CONTEXT: &str = "meshwork relay 2026-11 sphinx/1 keys of one node";

/// Keys of one packet at one node; none is used for two things.
pub(super) struct Keys {
    /// Factor of the group element on its way to the next node.
    pub(super) blinding: Scalar,
    /// Of the header's code.
    pub(super) mac: [u8; 32],
    /// Of the header's stream.
    pub(super) stream: [u8; 32],
    /// Of the four rounds over the payload.
    pub(super) rounds: [[u8; 32]; 4],
    /// Of proof of relay.
    pub(super) proof: [u8; 32],
    /// Tells a packet that came before.
    pub(super) tag: [u8; 16],
}

impl Keys {
    /// Binds the bytes of the group element, and the node: a point has other bytes, and other
    /// points lead to the same secret, but none of them to these keys.
    pub(super) fn derive(secret: &EdwardsPoint, alpha: &[u8; 32], node: &NodeKey) -> Self {
        let secret = Zeroizing::new(secret.compress().to_bytes());
        let mut hasher = blake3::Hasher::new_derive_key(CONTEXT);
        hasher.update(&*secret).update(alpha).update(&node.0);
        let mut output = hasher.finalize_xof();
        hasher.zeroize();

        let mut wide = Zeroizing::new([0; 64]);
        let mut keys = Self {
            blinding: Scalar::ZERO,
            mac: [0; 32],
            stream: [0; 32],
            rounds: [[0; 32]; 4],
            proof: [0; 32],
            tag: [0; 16],
        };
        output.fill(&mut *wide);
        keys.blinding = Scalar::from_bytes_mod_order_wide(&wide);
        output.fill(&mut keys.mac);
        output.fill(&mut keys.stream);
        keys.rounds.iter_mut().for_each(|round| output.fill(round));
        output.fill(&mut keys.proof);
        output.fill(&mut keys.tag);
        output.zeroize();
        keys
    }
}

impl Drop for Keys {
    fn drop(&mut self) {
        self.blinding.zeroize();
        self.mac.zeroize();
        self.stream.zeroize();
        self.rounds.zeroize();
        self.proof.zeroize();
    }
}
