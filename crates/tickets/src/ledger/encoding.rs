//! Readers of fields that the proto file bounds but cannot type.

use bytes::Bytes;
use wire::{Defect, Malformed};

use crate::{Address, Amount, ChannelId};

/// Bytes of one length only.
pub(super) fn array<const LEN: usize>(
    field: &'static str,
    bytes: &[u8],
) -> Result<[u8; LEN], Malformed> {
    bytes.try_into().map_err(|_| Malformed::new(field, Defect::Invalid))
}

pub(super) fn address(field: &'static str, bytes: &[u8]) -> Result<Address, Malformed> {
    array(field, bytes).map(Address)
}

pub(super) fn channel_id(field: &'static str, bytes: &[u8]) -> Result<ChannelId, Malformed> {
    array(field, bytes).map(ChannelId)
}

pub(super) fn amount(field: &'static str, bytes: &[u8]) -> Result<Amount, Malformed> {
    valid(field, Amount::from_bytes(array(field, bytes)?))
}

/// What could be read, or where not.
pub(super) fn valid<T, E>(field: &'static str, read: Result<T, E>) -> Result<T, Malformed> {
    read.map_err(|_| Malformed::new(field, Defect::Invalid))
}

/// What has to be there.
pub(super) fn present<T>(field: &'static str, value: Option<T>) -> Result<T, Malformed> {
    value.ok_or(Malformed::new(field, Defect::Missing))
}

/// A field of its own memory, so that it does not hold the frame that it came in.
pub(super) fn field(bytes: &[u8]) -> Bytes {
    Bytes::copy_from_slice(bytes)
}
