//! What a store keeps of an entry.

use machine::UnixTime;

use super::entry::{Entry, Expiry, Key, Link, Mark};

/// What a store keeps of an entry: 24 bytes that name neither a link nor a sender.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct SeenRow {
    /// What it is found by.
    pub key: [u8; 16],
    /// What is known of it.
    pub value: [u8; 8],
}

impl SeenRow {
    /// From when on the row is of no use.
    pub fn expires(&self) -> UnixTime {
        self.entry().expires.time()
    }

    pub(super) fn new(key: Key, entry: &Entry) -> Self {
        let value = u64::from(entry.expires.0) << 32 | u64::from(entry.mark.0);
        Self { key: key.0, value: value.to_be_bytes() }
    }

    pub(super) fn key(&self) -> Key {
        Key(self.key)
    }

    pub(super) fn entry(&self) -> Entry {
        let value = u64::from_be_bytes(self.value);
        let half = |half: u64| u32::try_from(half & u64::from(u32::MAX)).unwrap_or(u32::MAX);
        Entry {
            mark: Mark(half(value)),
            expires: Expiry(half(value >> 32)),
            link: Link::NONE,
            reserved: false,
            short: false,
        }
    }
}
