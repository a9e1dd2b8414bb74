//! Bits one after another, the lowest of each value first; and whole bytes behind them.

use super::BadBatch;
use crate::U256;

/// Bits that say how many bits a count has.
const COUNT_BITS: u32 = 6;
/// Bits that say how many bits a number has, 0 to 256.
pub(super) const LENGTH_BITS: u32 = 9;

/// Writes bits.
#[derive(Debug, Default)]
pub(super) struct Writer {
    out: Vec<u8>,
    /// Bits that do not fill eight bytes yet.
    pending: u128,
    /// How many these are, fewer than 64.
    filled: u32,
}

impl Writer {
    /// Room for about `capacity` bytes is made at once.
    pub(super) fn starting_with(version: u8, capacity: usize) -> Self {
        let mut out = Vec::with_capacity(capacity);
        out.push(version);
        Self { out, ..Self::default() }
    }

    /// The lowest `width` bits of `value`, at most 64.
    pub(super) fn bits(&mut self, value: u64, width: u32) {
        let kept = u128::from(value) & mask(width);
        self.pending |= kept.wrapping_shl(self.filled);
        self.filled = self.filled.saturating_add(width);
        if let Some(left) = self.filled.checked_sub(u64::BITS) {
            self.flush(u64::BITS);
            self.pending >>= u64::BITS;
            self.filled = left;
        }
    }

    /// A count, in as many bits as it has.
    pub(super) fn count(&mut self, value: usize) {
        let value = u64::try_from(value).unwrap_or(u64::MAX);
        let width = bit_length(value);
        self.bits(width.into(), COUNT_BITS);
        self.bits(value, width);
    }

    /// The lowest `width` bits of a number.
    pub(super) fn wide(&mut self, value: &U256, width: usize) {
        let mut left = u32::try_from(width).unwrap_or(u32::MAX);
        for limb in value.as_limbs() {
            self.bits(*limb, left.min(64));
            left = left.saturating_sub(64);
        }
    }

    /// Fills the byte, so that whole bytes can follow.
    pub(super) fn align(&mut self) {
        self.flush(self.filled);
        self.pending = 0;
        self.filled = 0;
    }

    /// Whole bytes. Call [`Writer::align`] first.
    pub(super) fn bytes(&mut self, bytes: &[u8]) {
        debug_assert_eq!(self.filled, 0, "bytes follow whole bytes");
        self.out.extend_from_slice(bytes);
    }

    /// Passes on the bytes that begin within the next `width` bits, at most 128.
    fn flush(&mut self, width: u32) {
        let bytes = usize::try_from(width.div_ceil(8)).unwrap_or(usize::MAX);
        self.out.extend_from_slice(self.pending.to_le_bytes().get(..bytes).unwrap_or_default());
    }

    /// Everything, once it is whole bytes.
    pub(super) fn finish(self) -> Vec<u8> {
        debug_assert_eq!(self.filled, 0, "the last byte is whole");
        self.out
    }
}

/// Reads bits.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reader<'a> {
    rest: &'a [u8],
    pending: u128,
    filled: u32,
}

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes, pending: 0, filled: 0 }
    }

    /// The next `width` bits, at most 64.
    pub(super) fn bits(&mut self, width: u32) -> Result<u64, BadBatch> {
        while self.filled < width {
            let (byte, rest) = self.rest.split_first().ok_or(BadBatch::Truncated)?;
            self.pending |= u128::from(*byte).wrapping_shl(self.filled);
            self.filled = self.filled.saturating_add(8);
            self.rest = rest;
        }
        let value = u64::try_from(self.pending & mask(width)).unwrap_or(u64::MAX);
        self.pending = self.pending.wrapping_shr(width);
        self.filled = self.filled.saturating_sub(width);
        Ok(value)
    }

    /// A count of at most `max`.
    pub(super) fn count(&mut self, max: usize) -> Result<usize, BadBatch> {
        let width = u32::try_from(self.bits(COUNT_BITS)?).unwrap_or(u32::MAX);
        let count = self.bits(width)?;
        let within = usize::try_from(count).ok().filter(|count| *count <= max);
        within.ok_or(BadBatch::Count { bound: max })
    }

    /// A number of `width` bits, at most 256.
    pub(super) fn wide(&mut self, width: usize) -> Result<U256, BadBatch> {
        let mut left = u32::try_from(width).unwrap_or(u32::MAX);
        let mut limbs = [0; 4];
        for limb in &mut limbs {
            *limb = self.bits(left.min(64))?;
            left = left.saturating_sub(64);
        }
        Ok(U256::from_limbs(limbs))
    }

    /// Passes over the rest of a byte that was begun.
    pub(super) fn align(&mut self) {
        // What fills a byte is checked by encoding everything again.
        self.pending = 0;
        self.filled = 0;
    }

    /// Whole bytes. Call [`Reader::align`] first.
    pub(super) fn bytes(&mut self, len: usize) -> Result<&'a [u8], BadBatch> {
        let (bytes, rest) = self.rest.split_at_checked(len).ok_or(BadBatch::Truncated)?;
        self.rest = rest;
        Ok(bytes)
    }

    /// Whole bytes that are left.
    pub(super) fn left(&self) -> usize {
        self.rest.len()
    }
}

/// The highest bit that is set, counted from 1.
pub(super) fn bit_length(value: u64) -> u32 {
    u64::BITS.saturating_sub(value.leading_zeros())
}

fn mask(width: u32) -> u128 {
    1_u128.checked_shl(width).unwrap_or(0).wrapping_sub(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_read() {
        let wide = U256::MAX - U256::from(12_345);
        let mut writer = Writer::starting_with(9, 0);
        writer.bits(5, 3);
        writer.bits(u64::MAX, 64);
        writer.bits(0, 0);
        writer.count(0);
        writer.count(500);
        writer.wide(&wide, 256);
        writer.wide(&U256::from(6), 3);
        writer.align();
        writer.bytes(b"raw");
        let bytes = writer.finish();

        let mut reader = Reader::new(&bytes);
        assert_eq!(reader.bits(8), Ok(9));
        assert_eq!(reader.bits(3), Ok(5));
        assert_eq!(reader.bits(64), Ok(u64::MAX));
        assert_eq!(reader.bits(0), Ok(0));
        assert_eq!(reader.count(0), Ok(0));
        assert_eq!(reader.clone().count(499), Err(BadBatch::Count { bound: 499 }));
        assert_eq!(reader.count(500), Ok(500));
        assert_eq!(reader.wide(256), Ok(wide));
        assert_eq!(reader.wide(3), Ok(U256::from(6)));
        reader.align();
        assert_eq!(reader.bytes(4), Err(BadBatch::Truncated));
        assert_eq!(reader.bytes(3), Ok(&b"raw"[..]));
        assert_eq!((reader.left(), reader.bits(1)), (0, Err(BadBatch::Truncated)));
    }

    #[test]
    fn a_count_wider_than_64_bits_cannot_be_said() {
        let mut reader = Reader::new(&[0xff; 16]);
        assert_eq!(reader.count(usize::MAX), Ok(usize::MAX >> 1), "63 bits at most");
    }
}
