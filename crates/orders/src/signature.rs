//! What can be said of a signature without asking a chain.

use secp256k1::ecdsa::{RecoverableSignature, RecoveryId};
use secp256k1::{Message, PublicKey};

use crate::keccak::{Word, keccak256, keccak256_of};
use crate::{Address, OrderHash};

/// Half the order of the curve, rounded down: the largest `s` that is taken.
///
/// Of each signature anybody can make a second one with the other `s`, so only the lower is good.
const S_MAX: [u8; 32] = [
    0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
    0x5d, 0x57, 0x6e, 0x73, 0x57, 0xa4, 0x50, 0x1d, 0xdf, 0xe9, 0x2f, 0x46, 0x68, 0x1b, 0x20, 0xa0,
];

/// How a signature is to be checked.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[repr(u8)]
pub enum SignatureKind {
    /// Never valid.
    Illegal = 0,
    /// Never valid.
    Invalid = 1,
    /// The maker signed the hash of the order.
    Eip712 = 2,
    /// The maker signed the hash of the order as a message.
    EthSign = 3,
    /// The maker is a contract that decides.
    Wallet = 4,
    /// A contract that the maker trusts decides.
    Validator = 5,
    /// The maker told the exchange beforehand.
    PreSigned = 6,
    /// The maker is a contract that decides, by EIP-1271.
    Eip1271Wallet = 7,
}

impl SignatureKind {
    /// The kind with this number, if there is one.
    pub const fn from_byte(byte: u8) -> Option<Self> {
        Some(match byte {
            0 => Self::Illegal,
            1 => Self::Invalid,
            2 => Self::Eip712,
            3 => Self::EthSign,
            4 => Self::Wallet,
            5 => Self::Validator,
            6 => Self::PreSigned,
            7 => Self::Eip1271Wallet,
            _ => return None,
        })
    }

    /// Its number.
    pub const fn to_byte(self) -> u8 {
        match self {
            Self::Illegal => 0,
            Self::Invalid => 1,
            Self::Eip712 => 2,
            Self::EthSign => 3,
            Self::Wallet => 4,
            Self::Validator => 5,
            Self::PreSigned => 6,
            Self::Eip1271Wallet => 7,
        }
    }
}

/// What became of a check of a signature.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[must_use]
pub enum SignatureCheck {
    /// The maker signed this order.
    Valid,
    /// No chain would take it.
    Invalid(BadSignature),
    /// Well formed, but only a contract on the chain can say whether it holds.
    NotCheckableOffline(SignatureKind),
}

/// Why a signature is refused.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq, thiserror::Error)]
pub enum BadSignature {
    /// No bytes at all.
    #[error("signature is empty")]
    Empty,
    /// A kind that is never valid, or none.
    #[error("signature is of kind {byte}, which is never valid")]
    Kind {
        /// Its number.
        byte: u8,
    },
    /// Not as long as its kind must be.
    #[error("signature is {len} bytes, must be {expected} for its kind")]
    Length {
        /// Its length in bytes.
        len: usize,
        /// What it must be; for a validator at least that.
        expected: usize,
    },
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

impl BadSignature {
    /// A stable name for tables.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Empty => "signature_empty",
            Self::Kind { .. } => "signature_kind",
            Self::Length { .. } => "signature_length",
            Self::Recovery { .. } => "signature_v",
            Self::HighS => "signature_high_s",
            Self::NoKey => "signature_no_key",
            Self::Signer { .. } => "signature_signer",
        }
    }
}

/// How a maker signs with a key.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Signing {
    /// The hash of the order, [`SignatureKind::Eip712`].
    Eip712,
    /// The hash of the order as a message, [`SignatureKind::EthSign`].
    EthSign,
}

impl Signing {
    pub(crate) const fn kind(self) -> SignatureKind {
        match self {
            Self::Eip712 => SignatureKind::Eip712,
            Self::EthSign => SignatureKind::EthSign,
        }
    }

    /// What is signed of the order of this hash.
    pub(crate) fn digest(self, hash: &OrderHash) -> Word {
        match self {
            Self::Eip712 => hash.0,
            Self::EthSign => keccak256_of([b"\x19Ethereum Signed Message:\n32", &hash.0, b""]),
        }
    }
}

/// A signature of the curve: `r`, then `s`, and which of two keys.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ecdsa {
    pub(crate) v: u8,
    pub(crate) rs: [u8; 64],
}

/// The address of a key.
pub(crate) fn address(key: &PublicKey) -> Address {
    let [_format, point @ ..] = key.serialize_uncompressed();
    let [_, _, _, _, _, _, _, _, _, _, _, _, address @ ..] = keccak256(&point);
    Address(address)
}

impl Ecdsa {
    pub(crate) fn join(v: u8, r: &[u8; 32], s: &[u8; 32]) -> Self {
        let mut rs = [0; 64];
        let (first, second) = rs.split_at_mut(32);
        first.copy_from_slice(r);
        second.copy_from_slice(s);
        Self { v, rs }
    }

    /// `r` and `s`.
    pub(crate) fn halves(&self) -> ([u8; 32], [u8; 32]) {
        let mut halves = self.rs.as_chunks().0.iter();
        let mut half = || halves.next().copied().unwrap_or_default();
        (half(), half())
    }

    /// Which of two points made it, of which the other has the opposite ordinate: 1 for the odd one.
    ///
    /// # Errors
    /// [`BadSignature::Recovery`], and [`BadSignature::HighS`].
    pub(crate) fn parity(&self) -> Result<u8, BadSignature> {
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

    /// The key that signed `digest`.
    pub(crate) fn recover(&self, digest: Word) -> Result<PublicKey, BadSignature> {
        let which = RecoveryId::from_u8_masked(self.parity()?);
        let signature = RecoverableSignature::from_compact(&self.rs, which);
        let key = signature.and_then(|signature| signature.recover(Message::from_digest(digest)));
        key.map_err(|_| BadSignature::NoKey)
    }

    /// Signs `digest`, with the lower `s`.
    pub(crate) fn sign(digest: Word, key: &secp256k1::SecretKey) -> Self {
        let message = Message::from_digest(digest);
        let signature = RecoverableSignature::sign_ecdsa_recoverable(message, key);
        let (which, rs) = signature.serialize_compact();
        Self { v: which.to_u8().saturating_add(27), rs }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::U256;

    #[test]
    fn the_largest_s_is_half_the_order_of_the_curve() {
        let max = U256::from_be_bytes(S_MAX);
        let order = U256::from_be_bytes(secp256k1::constants::CURVE_ORDER);
        assert_eq!(max.wrapping_add(max).wrapping_add(U256::from(1)), order);
        let over = max.wrapping_add(U256::from(1)).to_be_bytes();
        for (s, high) in [(S_MAX, false), (over, true)] {
            let made = Ecdsa::join(27, &[1; 32], &s);
            assert_eq!(made.recover([7; 32]) == Err(BadSignature::HighS), high);
        }
    }
}
