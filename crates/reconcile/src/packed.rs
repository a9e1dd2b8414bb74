//! Cells as bytes: the sum, half of the check, and how far the count is from what it should be.
//!
//! A cell takes 8 bytes of sum and 4 bytes of check, both least significant first, then the count
//! as a varint in its shortest form: the zigzag of count − [`expected`]. Near the start of a large
//! set the count takes two or three bytes, later one.
//!
//! Half of a check is enough: a cell that only looks pure, one in 2³² of those that hold several
//! symbols and have a count of ±1, makes the decoding fail, not lie.

use thiserror::Error;

use crate::Cell;

/// Bytes of the sum and the check of one cell.
const FIXED: usize = 12;
/// Bytes of one cell at least.
pub const CELL_MIN: usize = 13;
/// Bytes of one cell at most.
pub const CELL_MAX: usize = 22;

/// Why bytes are not the cells that were asked for.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
pub enum BadCells {
    /// Too few bytes, or too many, whatever they are.
    #[error("{bytes} bytes for {cells} cells of 13 to 22")]
    Length {
        /// How many there are.
        bytes: usize,
        /// Cells that were asked for.
        cells: usize,
    },
    /// The bytes end within a cell.
    #[error("the bytes end within cell {index}")]
    Truncated {
        /// Which.
        index: u64,
    },
    /// Bytes are left after the last cell.
    #[error("{bytes} bytes after the last cell")]
    Trailing {
        /// How many.
        bytes: usize,
    },
    /// A count is not in its shortest form, or has more than 64 bits.
    #[error("the count of cell {index} is not a shortest varint of 64 bits")]
    Varint {
        /// Of which cell.
        index: u64,
    },
    /// A count is negative or more than the set has, or the first cell does not hold the whole set.
    #[error("cell {index} counts {count} symbols of a set of {set_len}")]
    Count {
        /// Of which cell.
        index: u64,
        /// The count.
        count: i64,
        /// Symbols in the set.
        set_len: u64,
    },
}

/// The count that cell `index` of a set of `set_len` symbols has on average: `set_len` / (1 +
/// `index`/2), rounded to the nearest, halves up.
///
/// In whole numbers ⌊(4 · `set_len` + `index` + 2) / (2 · (`index` + 2))⌋; saturates at `i64::MAX`.
pub fn expected(set_len: u64, index: u64) -> i64 {
    let slots = u128::from(index).saturating_add(2);
    let doubled = u128::from(set_len).saturating_mul(4).saturating_add(slots);
    let rounded = doubled.checked_div(slots.saturating_mul(2)).unwrap_or_default();
    i64::try_from(rounded).unwrap_or(i64::MAX)
}

/// The bytes of consecutive cells of a set of `set_len` symbols, from `first_index` on.
pub fn pack(cells: &[Cell<u64>], first_index: u64, set_len: u64) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(cells.len().saturating_mul(CELL_MIN));
    for (cell, index) in cells.iter().zip(first_index..) {
        let [a, b, c, d, ..] = cell.check.to_le_bytes();
        bytes.extend_from_slice(&cell.sum.to_le_bytes());
        bytes.extend_from_slice(&[a, b, c, d]);
        let mut left = zigzag(cell.count.wrapping_sub(expected(set_len, index)));
        loop {
            let [low, ..] = left.to_le_bytes();
            left = left.wrapping_shr(7);
            if left == 0 {
                bytes.push(low);
                break;
            }
            bytes.push(low | 0x80);
        }
    }
    bytes
}

/// The `cells` cells that [`pack`] made these bytes of, with the low 32 bits of their checks.
///
/// # Bounds
/// Allocates for the cells asked for, and only if there are bytes enough to fill them.
///
/// # Errors
/// Everything that is not the one way to write possible cells of a set of `set_len` symbols.
pub fn unpack(
    bytes: &[u8],
    first_index: u64,
    cells: usize,
    set_len: u64,
) -> Result<Vec<Cell<u64>>, BadCells> {
    let bounds = cells.checked_mul(CELL_MIN).zip(cells.checked_mul(CELL_MAX));
    if bounds.is_none_or(|(least, most)| !(least..=most).contains(&bytes.len())) {
        return Err(BadCells::Length { bytes: bytes.len(), cells });
    }
    let mut unpacked = Vec::with_capacity(cells);
    let mut rest = bytes;
    for index in (first_index..).take(cells) {
        let Some((fixed, after)) = rest.split_first_chunk::<FIXED>() else {
            return Err(BadCells::Truncated { index });
        };
        let [s0, s1, s2, s3, s4, s5, s6, s7, c0, c1, c2, c3] = *fixed;
        rest = after;
        let count = zagzig(varint(&mut rest, index)?).wrapping_add(expected(set_len, index));
        let whole = u64::try_from(count).ok().filter(|count| *count <= set_len);
        if whole.is_none_or(|count| index == 0 && count != set_len) {
            return Err(BadCells::Count { index, count, set_len });
        }
        unpacked.push(Cell {
            sum: u64::from_le_bytes([s0, s1, s2, s3, s4, s5, s6, s7]),
            check: u64::from(u32::from_le_bytes([c0, c1, c2, c3])),
            count,
        });
    }
    if rest.is_empty() { Ok(unpacked) } else { Err(BadCells::Trailing { bytes: rest.len() }) }
}

/// Takes a varint from the front of the bytes of cell `index`.
fn varint(bytes: &mut &[u8], index: u64) -> Result<u64, BadCells> {
    let mut value = 0_u64;
    for shift in (0_u32..64).step_by(7) {
        let Some((byte, rest)) = bytes.split_first() else {
            return Err(BadCells::Truncated { index });
        };
        *bytes = rest;
        let group = u64::from(byte & 0x7f);
        let placed = group.wrapping_shl(shift);
        if placed.wrapping_shr(shift) != group || (*byte == 0 && shift > 0) {
            return Err(BadCells::Varint { index });
        }
        value |= placed;
        if *byte < 0x80 {
            return Ok(value);
        }
    }
    Err(BadCells::Varint { index })
}

/// Small numbers of either sign to small numbers.
fn zigzag(value: i64) -> u64 {
    (value.wrapping_shl(1) ^ value.wrapping_shr(63)).cast_unsigned()
}

fn zagzig(value: u64) -> i64 {
    value.wrapping_shr(1).cast_signed() ^ (value & 1).cast_signed().wrapping_neg()
}
