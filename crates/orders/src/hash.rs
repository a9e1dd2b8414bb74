//! What names an order.

use ecdsa::hex_text;

/// The EIP-712 hash of an order, by which it is known. The signature does not enter it: two
/// signatures of one order share a hash.
///
/// Ordered by its bytes. Text is `0x` and 64 digits.
#[derive(Clone, Copy, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct OrderHash(pub [u8; 32]);

hex_text!(OrderHash);
