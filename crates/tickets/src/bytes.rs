//! Encodings of one length: taken apart, and put together.

/// The next so many bytes, or `None` if fewer are left.
pub(crate) fn take<const LEN: usize>(rest: &mut &[u8]) -> Option<[u8; LEN]> {
    let (taken, after) = rest.split_first_chunk()?;
    *rest = after;
    Some(*taken)
}

/// Parts one after the other, which have `LEN` bytes together.
pub(crate) fn joined<const LEN: usize>(parts: &[&[u8]]) -> [u8; LEN] {
    let mut bytes = [0; LEN];
    for (to, from) in bytes.iter_mut().zip(parts.iter().copied().flatten()) {
        *to = *from;
    }
    bytes
}
