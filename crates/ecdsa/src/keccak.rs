//! Keccak-256, with the padding that Ethereum has and SHA-3 has not.

use sha3::{Digest, Keccak256};

/// The hash of nothing.
const EMPTY: [u8; 32] = [
    0xc5, 0xd2, 0x46, 0x01, 0x86, 0xf7, 0x23, 0x3c, 0x92, 0x7e, 0x7d, 0xb2, 0xdc, 0xc7, 0x03, 0xc0,
    0xe5, 0x00, 0xb6, 0x53, 0xca, 0x82, 0x27, 0x3b, 0x7b, 0xfa, 0xd8, 0x04, 0x5d, 0x85, 0xa4, 0x70,
];

/// The Keccak-256 hash of `bytes`.
pub fn keccak256(bytes: &[u8]) -> [u8; 32] {
    if bytes.is_empty() { EMPTY } else { Keccak256::digest(bytes).into() }
}

/// The hash of several parts as one.
pub fn keccak256_of<const COUNT: usize>(parts: [&[u8]; COUNT]) -> [u8; 32] {
    let mut hasher = Keccak256::new();
    for part in parts {
        hasher.update(part);
    }
    hasher.finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_constant_is_the_hash_of_nothing() {
        assert_eq!(EMPTY, <[u8; 32]>::from(Keccak256::digest([])));
    }

    #[test]
    fn parts_are_hashed_as_one() {
        assert_eq!(keccak256_of([b"a", b"", b"bc"]), keccak256(b"abc"));
    }
}
