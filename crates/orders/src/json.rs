//! Flat JSON objects with known keys: read strictly, written in one spelling.

mod object;
mod reader;
mod writer;

pub(crate) use self::reader::Reader;
pub(crate) use self::writer::{Writer, len, text};
use crate::OrderError;

/// The longest order that is passed on: bytes of its JSON as it is written. 0x-Mesh refuses a
/// longer one.
pub const ORDER_LEN_MAX: usize = 16_000;

/// The longest spelling of an order that is read, in bytes: room for spaces and unknown keys.
const INPUT_LEN_MAX: usize = 2 * ORDER_LEN_MAX;

/// Refuses an order of which more than [`ORDER_LEN_MAX`] bytes would be written.
///
/// What is read is never shorter than what is written of it, so `len` is only counted for what
/// came longer.
pub(crate) fn bound(read: usize, len: impl FnOnce() -> usize) -> Result<(), OrderError> {
    if read <= ORDER_LEN_MAX {
        return Ok(());
    }
    match len() {
        len if len > ORDER_LEN_MAX => Err(OrderError::TooLong { len, max: ORDER_LEN_MAX }),
        _ => Ok(()),
    }
}
