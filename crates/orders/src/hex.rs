//! Hexadecimal text, and what an order is told of it.

pub(crate) use ecdsa::hex::write;

use crate::Defect;

/// Reads `0x` and any number of pairs of digits, of either case.
pub(crate) fn read(text: &str) -> Result<Vec<u8>, Defect> {
    Ok(ecdsa::hex::read(text)?)
}

/// Reads `0x` and exactly `2 * N` digits, of either case.
pub(crate) fn read_array<const N: usize>(text: &str) -> Result<[u8; N], Defect> {
    Ok(ecdsa::hex::read_array(text)?)
}
