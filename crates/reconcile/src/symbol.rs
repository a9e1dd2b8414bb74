//! What a set is made of: bit strings of one width, added without carry.

use std::fmt::Debug;

/// A bit string of fixed width, as it is summed in a [`Cell`](crate::Cell).
pub trait Symbol: Copy + Debug + Default + Eq + Ord + Send + Sync + 'static {
    /// Bytes of one symbol.
    const WIDTH: usize;

    /// The bytes of a symbol.
    type Bytes: AsRef<[u8]>;

    /// Adds without carry; its own inverse.
    #[must_use]
    fn xor(self, other: Self) -> Self;

    /// Whether no bit is set.
    fn is_zero(self) -> bool;

    /// The bytes, least significant first.
    fn le_bytes(self) -> Self::Bytes;
}

impl Symbol for u64 {
    const WIDTH: usize = 8;
    type Bytes = [u8; 8];

    #[inline]
    fn xor(self, other: Self) -> Self {
        self ^ other
    }

    #[inline]
    fn is_zero(self) -> bool {
        self == 0
    }

    #[inline]
    fn le_bytes(self) -> [u8; 8] {
        self.to_le_bytes()
    }
}

impl Symbol for [u8; 32] {
    const WIDTH: usize = 32;
    type Bytes = Self;

    #[inline]
    fn xor(mut self, other: Self) -> Self {
        for (byte, other) in self.iter_mut().zip(other) {
            *byte ^= other;
        }
        self
    }

    #[inline]
    fn is_zero(self) -> bool {
        self == [0; 32]
    }

    #[inline]
    fn le_bytes(self) -> Self {
        self
    }
}
