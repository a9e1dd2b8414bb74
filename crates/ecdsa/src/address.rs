//! What names an account.

use crate::{hex_text, keccak256};

/// An Ethereum account: the last 20 bytes of a hash of its key, or of how its contract was made.
///
/// Text is `0x` and 40 digits. Either case is read; mixed case is not taken as a checksum, because
/// what is signed is the bytes, which the spelling does not enter.
///
/// ```
/// use meshwork_ecdsa::Address;
///
/// let wallet: Address = "0x22F9dcF4647084d6C31b2765F6910cd85C178C18".parse()?;
/// assert_eq!(wallet.to_string(), "0x22f9dcf4647084d6c31b2765f6910cd85c178c18");
/// # Ok::<_, meshwork_ecdsa::BadHex>(())
/// ```
#[derive(Clone, Copy, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Address(pub [u8; 20]);

impl Address {
    /// Nobody.
    pub const ZERO: Self = Self([0; 20]);

    /// The account whose key is the point of these coordinates, 32 bytes each.
    pub fn of_point(xy: &[u8; 64]) -> Self {
        let [_, _, _, _, _, _, _, _, _, _, _, _, address @ ..] = keccak256(xy);
        Self(address)
    }

    /// As EIP-712 hashes it: 32 bytes, of which these are the last.
    pub fn to_word(&self) -> [u8; 32] {
        let mut word = [0; 32];
        if let Some(tail) = word.last_chunk_mut() {
            *tail = self.0;
        }
        word
    }

    /// Whether this is [`Address::ZERO`].
    pub fn is_zero(&self) -> bool {
        *self == Self::ZERO
    }
}

hex_text!(Address);
