//! Hashes to the curve and to its scalars (RFC 9380, XMD with Keccak-256).

use k256::elliptic_curve::consts::U48;
use k256::hash2curve::{self, ExpandMsgXmd};
use k256::{ProjectivePoint, Scalar, Secp256k1};
use sha3::Keccak256;

/// Why neither hash can fail.
const NO_ERROR: &str = "the domain is not empty, and few bytes are asked for";

/// The point to which `parts`, one after the other, are hashed.
pub(super) fn to_curve(parts: &[&[u8]], domain: &[u8]) -> ProjectivePoint {
    hash2curve::hash_from_bytes::<Secp256k1, ExpandMsgXmd<Keccak256>>(parts, &[domain])
        .expect(NO_ERROR)
}

/// The number to which `parts`, one after the other, are hashed: 48 bytes modulo the order.
pub(super) fn to_scalar(parts: &[&[u8]], domain: &[u8]) -> Scalar {
    hash2curve::hash_to_scalar::<Secp256k1, ExpandMsgXmd<Keccak256>, U48>(parts, &[domain])
        .expect(NO_ERROR)
}
