//! Items in a frame: as many as fit.

use bytes::Bytes;

use super::Unpackable;
use crate::{BadItem, Entry, Item};

/// Most items in one frame. An order takes 110 bytes, so a page of as many is a ninth of a frame and
/// what frames and round trips cost beside is lost in it; with more, one frame of items that pack
/// well could make its receiver take far more memory than 16 MiB.
pub const ITEMS_MAX: usize = 1024;

/// Items, encoded.
pub(super) struct Items {
    pub(super) bytes: Bytes,
    /// How many, counted from the first.
    pub(super) taken: usize,
}

impl Items {
    /// Encodes as many of `entries` as `room` bytes hold, and no more than [`ITEMS_MAX`].
    ///
    /// Each try takes at most 7/8 of the items of the one before, so all of them together encode
    /// less than eight times as many; a second try is nearly always the last.
    pub(super) fn encode<I: Item>(entries: &[Entry<I>], room: usize) -> Result<Self, Unpackable> {
        let mut items: Vec<&I> = entries.iter().take(ITEMS_MAX).map(|entry| &*entry.item).collect();
        while !items.is_empty() {
            let bytes = I::encode_batch(&items);
            if bytes.len() <= room {
                return Ok(Self { taken: items.len(), bytes: bytes.into() });
            }
            if items.len() == 1 {
                let (what, len) = ("bytes of an item", bytes.len());
                return Err(Unpackable::OutOfBounds { what, len, min: 0, max: room });
            }
            items.truncate(fitting(items.len(), room, bytes.len()).max(1));
        }
        Ok(Self { bytes: Bytes::new(), taken: 0 })
    }
}

/// 7/8 of how many of `count` items fit in `room` if all are as large as on average.
fn fitting(count: usize, room: usize, len: usize) -> usize {
    let share = count.saturating_mul(room).saturating_mul(7);
    share.checked_div(len.saturating_mul(8)).unwrap_or(0)
}

/// Reads what [`Items::encode`] makes, and computes the ids.
pub(super) fn decode<I: Item>(bytes: &[u8]) -> Result<Vec<Entry<I>>, BadItem> {
    if bytes.is_empty() {
        return Ok(Vec::new());
    }
    let items = I::decode_batch(bytes, ITEMS_MAX)?;
    Ok(items.into_iter().map(Entry::new).collect())
}
