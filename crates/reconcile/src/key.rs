//! The secret of one session, under which items are shortened and symbols are checked.

use std::fmt;

use siphasher::sip::SipHasher24;

use crate::Symbol;

/// What a check of zero becomes: zero would map a symbol to cell 0 only.
const CHECK_OF_ZERO: u64 = 0x9e37_79b9_7f4a_7c15;

/// A 128-bit key, drawn at random for each session.
///
/// Every cell sequence is a function of a set and a key; two sequences can be compared only under
/// the same one.
///
/// # Security
/// Sums and checks are linear. Who knows the key when he makes his items can choose some whose
/// checks cancel those of a victim, so that a difference looks like none. Drawn after the items
/// exist and used once, the key takes that from him. The remote of the session knows it and gains
/// nothing: it may lie about its own set anyway.
#[derive(Clone, Copy, Eq, PartialEq)]
pub struct Key {
    low: u64,
    high: u64,
}

impl Key {
    /// A key of its bytes, least significant first.
    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        let (words, _) = bytes.as_chunks::<8>();
        let mut words = words.iter().copied().map(u64::from_le_bytes);
        let [low, high] = [(); 2].map(|()| words.next().unwrap_or_default());
        Self { low, high }
    }

    /// The bytes, as [`from_bytes`](Self::from_bytes) takes them.
    pub fn to_bytes(&self) -> [u8; 16] {
        (u128::from(self.high).wrapping_shl(64) | u128::from(self.low)).to_le_bytes()
    }

    /// The short name of an item in this session: SipHash-2-4 of its id.
    ///
    /// Two of 100,000 items share one with a chance of 3 · 10⁻¹⁰.
    #[inline]
    pub fn short_id(&self, id: &[u8; 32]) -> u64 {
        self.hasher().hash(id)
    }

    /// The check of a symbol, which is also where its walk starts: SipHash-2-4 of its bytes, and
    /// never zero.
    #[inline]
    pub fn check<S: Symbol>(&self, symbol: S) -> u64 {
        match self.hasher().hash(symbol.le_bytes().as_ref()) {
            0 => CHECK_OF_ZERO,
            check => check,
        }
    }

    #[inline]
    fn hasher(self) -> SipHasher24 {
        SipHasher24::new_with_keys(self.low, self.high)
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_come_back_and_are_not_shown() {
        let bytes = *b"sixteen bytes ok";
        let key = Key::from_bytes(bytes);
        assert_eq!(key.to_bytes(), bytes);
        assert_eq!(format!("{key:?}"), "Key(..)");
    }

    #[test]
    fn checks_are_siphash_2_4() {
        // The reference vector: key 00..0f, message 00..07.
        let key = Key::from_bytes(std::array::from_fn(|i| u8::try_from(i).unwrap()));
        assert_eq!(key.check(0x0706_0504_0302_0100_u64), 0x93f5_f579_9a93_2462);
        let id = std::array::from_fn(|i| u8::try_from(i).unwrap());
        assert_eq!(key.short_id(&id), 0x7127_512f_72f2_7cce);
    }
}
