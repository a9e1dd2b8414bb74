//! Variable-length integers, as frames and protobuf write them: seven bits to a byte, lowest first.

/// Why no integer could be read.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Unreadable {
    /// The bytes end before the integer does.
    Incomplete,
    /// Longer than needed for its value, or more than 64 bits.
    Overlong,
}

/// Reads one integer and returns it with the bytes behind it.
///
/// Only the shortest form of a value is accepted, so that a value has one encoding.
#[inline]
pub(crate) fn read(bytes: &[u8]) -> Result<(u64, &[u8]), Unreadable> {
    match bytes {
        [byte, rest @ ..] if *byte < 0x80 => Ok((u64::from(*byte), rest)),
        _ => read_long(bytes),
    }
}

fn read_long(bytes: &[u8]) -> Result<(u64, &[u8]), Unreadable> {
    let mut value = 0_u64;
    let mut rest = bytes;
    for shift in (0..u64::BITS).step_by(7) {
        let [byte, behind @ ..] = rest else { return Err(Unreadable::Incomplete) };
        rest = behind;
        let low = u64::from(*byte & 0x7f);
        let overflows = low.leading_zeros() < shift;
        let superfluous = *byte == 0 && shift > 0;
        if overflows || superfluous {
            return Err(Unreadable::Overlong);
        }
        value |= low << shift;
        if *byte < 0x80 {
            return Ok((value, rest));
        }
    }
    Err(Unreadable::Overlong)
}
