//! The words that EIP-712 hashes.

pub(crate) use ecdsa::{keccak256, keccak256_of};

use crate::U256;

/// What EIP-712 hashes: 32 bytes.
pub(crate) type Word = [u8; 32];

/// A number as a word.
pub(crate) fn number(value: &U256) -> Word {
    value.to_be_bytes()
}
