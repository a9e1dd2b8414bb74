//! What can be said of a signature without asking a chain.

use crate::OrderHash;
use crate::keccak::{Word, keccak256_of};

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
    /// One of a key that is not good, or not the maker's.
    #[error(transparent)]
    Key(#[from] ecdsa::BadSignature),
}

impl BadSignature {
    /// A stable name for tables.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Empty => "signature_empty",
            Self::Kind { .. } => "signature_kind",
            Self::Length { .. } => "signature_length",
            Self::Key(ecdsa::BadSignature::Recovery { .. }) => "signature_v",
            Self::Key(ecdsa::BadSignature::HighS) => "signature_high_s",
            Self::Key(ecdsa::BadSignature::NoKey) => "signature_no_key",
            Self::Key(ecdsa::BadSignature::Signer { .. }) => "signature_signer",
        }
    }
}

impl From<Result<(), ecdsa::BadSignature>> for SignatureCheck {
    fn from(check: Result<(), ecdsa::BadSignature>) -> Self {
        check.map_or_else(|bad| Self::Invalid(bad.into()), |()| Self::Valid)
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
