//! One cell of the sequence: what is mapped to it, summed.

use crate::Symbol;

/// The symbols that map to one index, summed up.
///
/// The cells of the difference of two sets are the differences of their cells, one by one.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Cell<S> {
    /// The symbols, added without carry.
    pub sum: S,
    /// Their checks, added without carry.
    pub check: u64,
    /// How many. In a difference, those of the minuend less those of the subtrahend.
    pub count: i64,
}

impl<S: Symbol> Cell<S> {
    /// Adds a symbol `by` times, 1 or −1.
    #[inline]
    pub(crate) fn add(&mut self, symbol: S, check: u64, by: i64) {
        self.sum = self.sum.xor(symbol);
        self.check ^= check;
        self.count = self.count.wrapping_add(by);
    }

    /// What the cell holds beyond `other`.
    #[inline]
    #[must_use]
    pub fn minus(&self, other: &Self) -> Self {
        Self {
            sum: self.sum.xor(other.sum),
            check: self.check ^ other.check,
            count: self.count.wrapping_sub(other.count),
        }
    }

    /// Whether nothing is in it, as far as it tells: sum, check and count are zero.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.count == 0 && self.check == 0 && self.sum.is_zero()
    }
}
