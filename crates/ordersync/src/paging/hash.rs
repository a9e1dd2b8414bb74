//! Ids as hexadecimal text: strictly, and as 0x-Mesh reads the name of a snapshot.

use crate::json::text;
use crate::{BadMetadata, ItemId};

/// `0x` and 64 digits of either case.
pub(super) fn strict(hash: &str) -> Option<ItemId> {
    match without_prefix(hash) {
        Some(digits) if digits.len() == 64 => number(digits),
        _ => None,
    }
}

/// Any number of digits, with or without `0x`: the last 32 bytes of the number they are.
pub(super) fn cropped(hash: &str) -> Option<ItemId> {
    number(without_prefix(hash).unwrap_or(hash))
}

fn without_prefix(hash: &str) -> Option<&str> {
    hash.strip_prefix("0x").or_else(|| hash.strip_prefix("0X"))
}

fn number(digits: &str) -> Option<ItemId> {
    if !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return None;
    }
    let mut id = [0; 32];
    // From the right, two digits for a byte; the first byte may have one.
    for (byte, pair) in id.iter_mut().rev().zip(digits.as_bytes().rchunks(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(ItemId(id))
}

/// A member of metadata that has to be a hash; missing is zero, as Go has it.
pub(super) fn member(json: Option<&str>, field: &str) -> Result<ItemId, BadMetadata> {
    let Some(json) = json else { return Ok(ItemId::ZERO) };
    let hash: Option<String> = text(Some(json)).map_err(|_| not_a_hash(field))?;
    strict(&hash.unwrap_or_default()).ok_or_else(|| not_a_hash(field))
}

fn not_a_hash(field: &str) -> BadMetadata {
    BadMetadata::new(field, "must be 0x and 64 hexadecimal digits")
}
