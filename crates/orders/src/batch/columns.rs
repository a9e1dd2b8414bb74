//! Columns: one kind of value for every order, written so that what is alike costs little.

use super::BadBatch;
use super::bits::{LENGTH_BITS, Reader, Writer, bit_length};
use crate::U256;

/// Bits that say how wide the entries of a column of indices are, 0 to 32.
const WIDTH_BITS: u32 = 6;

/// Small values, each as its distance from the least in as many bits as the greatest needs.
pub(super) fn write_indices(out: &mut Writer, values: impl Iterator<Item = usize> + Clone) {
    let (least, most) = values
        .clone()
        .fold((usize::MAX, 0), |(least, most), value| (least.min(value), most.max(value)));
    let least = least.min(most);
    let distance = |value: usize| u64::try_from(value.saturating_sub(least)).unwrap_or(u64::MAX);
    let width = bit_length(distance(most));
    out.count(least);
    out.bits(width.into(), WIDTH_BITS);
    for value in values {
        out.bits(distance(value), width);
    }
}

/// Reads `count` small values below `end`. The caller has bounded `count`.
pub(super) fn read_indices(
    from: &mut Reader<'_>,
    count: usize,
    end: usize,
) -> Result<Vec<usize>, BadBatch> {
    let least = from.count(end)?;
    let width = u32::try_from(from.bits(WIDTH_BITS)?).unwrap_or(u32::MAX);
    let mut values = Vec::with_capacity(count);
    for _ in 0..count {
        let distance = usize::try_from(from.bits(width)?).unwrap_or(usize::MAX);
        let value = least.saturating_add(distance);
        if value >= end {
            return Err(BadBatch::Index { index: value, end });
        }
        values.push(value);
    }
    Ok(values)
}

/// Numbers of any size: how many bits the distance of each from the least has, then these bits
/// without the first, which is 1. A few large ones among small ones do not make these cost more.
pub(super) fn write_numbers(out: &mut Writer, values: impl Iterator<Item = U256> + Clone) {
    let least = values.clone().min().unwrap_or(U256::ZERO);
    out.bits(u64::try_from(least.bit_len()).unwrap_or(u64::MAX), LENGTH_BITS);
    out.wide(&least, least.bit_len());
    let distances = values.map(|value| value.saturating_sub(least));
    write_indices(out, distances.clone().map(|distance| distance.bit_len()));
    for distance in distances {
        out.wide(&distance, distance.bit_len().saturating_sub(1));
    }
}

/// Reads `count` numbers. The caller has bounded `count`.
pub(super) fn read_numbers(from: &mut Reader<'_>, count: usize) -> Result<Vec<U256>, BadBatch> {
    const LONGEST: usize = 256;
    let length = usize::try_from(from.bits(LENGTH_BITS)?).unwrap_or(usize::MAX);
    if length > LONGEST {
        return Err(BadBatch::Number);
    }
    let least = from.wide(length)?;
    let lengths = read_indices(from, count, LONGEST.saturating_add(1))?;
    let mut values = Vec::with_capacity(count);
    for length in lengths {
        let below = length.saturating_sub(1);
        let first = if length == 0 { U256::ZERO } else { U256::ONE.wrapping_shl(below) };
        let distance = from.wide(below)? | first;
        values.push(least.checked_add(distance).ok_or(BadBatch::Number)?);
    }
    Ok(values)
}

/// Amounts, which people write with many zeros at the end: `mantissa · 10^zeros`.
pub(super) fn write_amounts(out: &mut Writer, values: impl Iterator<Item = U256>) {
    let parts: Vec<_> = values.map(without_zeros).collect();
    write_indices(out, parts.iter().map(|(_, zeros)| *zeros));
    write_numbers(out, parts.iter().map(|(mantissa, _)| *mantissa));
}

/// Reads `count` amounts. The caller has bounded `count`.
pub(super) fn read_amounts(from: &mut Reader<'_>, count: usize) -> Result<Vec<U256>, BadBatch> {
    let zeros = read_indices(from, count, MOST_ZEROS.saturating_add(1))?;
    let mantissas = read_numbers(from, count)?;
    mantissas
        .into_iter()
        .zip(zeros)
        .map(|(mantissa, zeros)| {
            let scale = U256::from(10_u64).wrapping_pow(U256::from(zeros));
            mantissa.checked_mul(scale).ok_or(BadBatch::Number)
        })
        .collect()
}

/// Zeros at the end of the largest power of ten below 2²⁵⁶.
const MOST_ZEROS: usize = 77;

/// Takes the zeros off the end of a number, and says how many these were.
fn without_zeros(mut value: U256) -> (U256, usize) {
    const STEPS: [(u64, usize); 3] = [(10_000_000_000_000_000, 16), (10_000, 4), (10, 1)];
    let mut zeros: usize = 0;
    if value.is_zero() {
        return (value, 0);
    }
    for (scale, step) in STEPS {
        // 10^step divides only what 2^step divides, which is cheap to see.
        while value.trailing_zeros() >= step {
            let (quotient, rest) = divided(value, scale);
            if rest {
                break;
            }
            value = quotient;
            zeros = zeros.saturating_add(step);
        }
    }
    (value, zeros)
}

/// The quotient, and whether there is a rest. Of most amounts, one division of the processor or two.
fn divided(value: U256, scale: u64) -> (U256, bool) {
    let Ok(small) = u128::try_from(value) else {
        let (quotient, rest) = value.div_rem(U256::from(scale));
        return (quotient, !rest.is_zero());
    };
    let scale = u128::from(scale);
    let quotient = small.checked_div(scale).unwrap_or_default();
    (U256::from(quotient), quotient.wrapping_mul(scale) != small)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn size(bytes: usize, write: impl FnOnce(&mut Writer)) -> Vec<u8> {
        let mut writer = Writer::default();
        write(&mut writer);
        writer.align();
        let out = writer.finish();
        assert_eq!(out.len(), bytes);
        out
    }

    #[test]
    fn equal_indices_cost_nothing_each() {
        let out = size(3, |out| write_indices(out, [150; 500].into_iter()));
        assert_eq!(read_indices(&mut Reader::new(&out), 500, 151), Ok(vec![150; 500]));
        let end = BadBatch::Count { bound: 149 };
        assert_eq!(read_indices(&mut Reader::new(&out), 500, 149), Err(end));
        let out = size(3, |out| write_indices(out, [3, 6, 4].into_iter()));
        assert_eq!(read_indices(&mut Reader::new(&out), 3, 7), Ok(vec![3, 6, 4]));
        let found = read_indices(&mut Reader::new(&out), 3, 6);
        assert_eq!(found, Err(BadBatch::Index { index: 6, end: 6 }));
    }

    #[test]
    fn numbers_of_every_size_come_back() {
        let mut values = vec![U256::ZERO, U256::MAX, U256::ONE];
        values.extend((0..256).map(|bit| U256::ONE.wrapping_shl(bit)));
        let mut writer = Writer::default();
        write_numbers(&mut writer, values.iter().copied());
        writer.align();
        let out = writer.finish();
        assert_eq!(read_numbers(&mut Reader::new(&out), values.len()), Ok(values));
        // One large number among 99 small ones costs itself and a little more.
        let mut values = vec![U256::from(1_000); 99];
        values.push(U256::MAX);
        size(5 + 100 * 9 / 8 + 32, |out| write_numbers(out, values.iter().copied()));
    }

    #[test]
    fn amounts_are_taken_apart_at_their_zeros() {
        for zeros in 0..=MOST_ZEROS {
            let value = U256::from(10_u64).wrapping_pow(U256::from(zeros));
            assert_eq!(without_zeros(value), (U256::ONE, zeros));
        }
        assert_eq!(without_zeros(U256::ZERO), (U256::ZERO, 0));
        assert_eq!(without_zeros(U256::from(1024)), (U256::from(1024), 0));
        assert_eq!(without_zeros(U256::from(120_500)), (U256::from(1205), 2));
        assert_eq!(without_zeros(U256::MAX), (U256::MAX, 0));

        // The largest mantissa does not fit with a zero behind it.
        let mut writer = Writer::default();
        write_indices(&mut writer, [1].into_iter());
        write_numbers(&mut writer, [U256::MAX].into_iter());
        writer.align();
        let out = writer.finish();
        assert_eq!(read_amounts(&mut Reader::new(&out), 1), Err(BadBatch::Number));
    }
}
