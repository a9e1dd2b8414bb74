//! What names an account.

use crate::hex_text;

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

    /// Whether this is [`Address::ZERO`].
    pub fn is_zero(&self) -> bool {
        *self == Self::ZERO
    }
}

hex_text!(Address);
