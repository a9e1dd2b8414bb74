//! What names an account, and what names an order.

use crate::hex::hex_text;

/// An Ethereum account: the last 20 bytes of a hash of its key, or of how its contract was made.
///
/// Text is `0x` and 40 digits. Either case is read; mixed case is not taken as a checksum, because
/// an order is known by its hash, which the spelling does not enter.
///
/// ```
/// let wallet: meshwork_orders::Address = "0x22F9dcF4647084d6C31b2765F6910cd85C178C18".parse()?;
/// assert_eq!(wallet, meshwork_orders::network::FLASH_WALLET);
/// assert_eq!(wallet.to_string(), "0x22f9dcf4647084d6c31b2765f6910cd85c178c18");
/// # Ok::<_, meshwork_orders::Defect>(())
/// ```
#[derive(Clone, Copy, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Address(pub [u8; 20]);

impl Address {
    /// Nobody: where an order names it, anybody.
    pub const ZERO: Self = Self([0; 20]);

    /// Whether this is [`Address::ZERO`].
    pub fn is_zero(&self) -> bool {
        *self == Self::ZERO
    }
}

hex_text!(Address);

/// The EIP-712 hash of an order, by which it is known. The signature does not enter it: two
/// signatures of one order share a hash.
///
/// Ordered by its bytes. Text is `0x` and 64 digits.
#[derive(Clone, Copy, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct OrderHash(pub [u8; 32]);

hex_text!(OrderHash);
