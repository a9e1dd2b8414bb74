//! Recoverable signatures.

use secp256k1::ecdsa::{RecoverableSignature, RecoveryId};
use secp256k1::{Message, PublicKey, SecretKey};

use crate::Address;

/// Half the order of the curve, rounded down: the largest `s` that is taken.
///
/// Of each signature anybody can make a second one with the other `s`, so only the lower is good.
const S_MAX: [u8; 32] = [
    0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
    0x5d, 0x57, 0x6e, 0x73, 0x57, 0xa4, 0x50, 0x1d, 0xdf, 0xe9, 0x2f, 0x46, 0x68, 0x1b, 0x20, 0xa0,
];

/// Why a signature is refused.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq, thiserror::Error)]
pub enum BadSignature {
    /// `v` names no key.
    #[error("signature has v = {v}, must be 27 or 28")]
    Recovery {
        /// What it has.
        v: u8,
    },
    /// The higher of the two values of `s`.
    #[error("signature has the higher s of two")]
    HighS,
    /// No key can have made it, for `r` or `s` is out of range or no point of the curve.
    #[error("signature is one that no key can make")]
    NoKey,
    /// Somebody else's, or of something else.
    #[error("signature is that of {recovered}")]
    Signer {
        /// Whose it would be.
        recovered: Address,
    },
}

/// A signature of the curve.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Signature {
    /// Which of two keys made it: 27 or 28.
    pub v: u8,
    /// `r`, then `s`.
    pub rs: [u8; 64],
}

/// The address of a key.
pub fn address(key: &PublicKey) -> Address {
    let [_format, point @ ..] = key.serialize_uncompressed();
    Address::of_point(&point)
}

impl Signature {
    /// Puts one together from its parts.
    pub fn join(v: u8, r: &[u8; 32], s: &[u8; 32]) -> Self {
        let mut rs = [0; 64];
        let (first, second) = rs.split_at_mut(32);
        first.copy_from_slice(r);
        second.copy_from_slice(s);
        Self { v, rs }
    }

    /// `r` and `s`.
    pub fn halves(&self) -> ([u8; 32], [u8; 32]) {
        let mut halves = self.rs.as_chunks().0.iter();
        let mut half = || halves.next().copied().unwrap_or_default();
        (half(), half())
    }

    /// Which of two points made it, of which the other has the opposite ordinate: 1 for the odd one.
    ///
    /// # Errors
    /// [`BadSignature::Recovery`], and [`BadSignature::HighS`].
    pub fn parity(&self) -> Result<u8, BadSignature> {
        let parity = match self.v {
            27 => 0,
            28 => 1,
            v => return Err(BadSignature::Recovery { v }),
        };
        if self.rs.last_chunk().is_none_or(|s: &[u8; 32]| *s > S_MAX) {
            return Err(BadSignature::HighS);
        }
        Ok(parity)
    }

    /// The key that signed `digest`. Takes some 30 µs.
    ///
    /// # Errors
    /// All of [`BadSignature`] but [`BadSignature::Signer`].
    pub fn recover(&self, digest: [u8; 32]) -> Result<PublicKey, BadSignature> {
        let which = RecoveryId::from_u8_masked(self.parity()?);
        let signature = RecoverableSignature::from_compact(&self.rs, which);
        let key = signature.and_then(|signature| signature.recover(Message::from_digest(digest)));
        key.map_err(|_| BadSignature::NoKey)
    }

    /// Signs `digest`, by RFC 6979 with SHA-256, with the lower `s`.
    pub fn sign(digest: [u8; 32], key: &SecretKey) -> Self {
        let message = Message::from_digest(digest);
        let signature = RecoverableSignature::sign_ecdsa_recoverable(message, key);
        let (which, rs) = signature.serialize_compact();
        Self { v: which.to_u8().saturating_add(27), rs }
    }
}

#[cfg(test)]
mod tests {
    use ruint::aliases::U256;

    use super::*;

    #[test]
    fn the_largest_s_is_half_the_order_of_the_curve() {
        let max = U256::from_be_bytes(S_MAX);
        let order = U256::from_be_bytes(secp256k1::constants::CURVE_ORDER);
        assert_eq!(max.wrapping_add(max).wrapping_add(U256::from(1)), order);
        let over = max.wrapping_add(U256::from(1)).to_be_bytes();
        for (s, high) in [(S_MAX, false), (over, true)] {
            let made = Signature::join(27, &[1; 32], &s);
            assert_eq!(made.recover([7; 32]) == Err(BadSignature::HighS), high);
        }
    }
}
