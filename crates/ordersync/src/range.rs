//! A part of the space of ids, so that several providers can share the work.

use crate::ItemId;

/// Ids above `after`, up to and with `until`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Range {
    /// The highest id that is done.
    pub after: ItemId,
    /// The highest id that is wanted.
    pub until: ItemId,
}

impl Range {
    /// All ids but the lowest, which no hash has.
    pub const ALL: Self = Self { after: ItemId::ZERO, until: ItemId::MAX };

    /// Whether `id` is one of them.
    pub fn contains(&self, id: &ItemId) -> bool {
        *id > self.after && *id <= self.until
    }

    /// The whole space in `parts` parts of about the same width, lowest first. 1 to 256 parts.
    pub fn shards(parts: u16) -> Vec<Self> {
        let parts = parts.clamp(1, 256);
        let bound = |part: u16| match u8::try_from(u32::from(part) * 256 / u32::from(parts)) {
            Ok(0) => ItemId::ZERO,
            // The highest id below those that begin with this byte.
            Ok(first) => {
                let mut bytes = [0xff; 32];
                bytes[0] = first - 1;
                ItemId(bytes)
            }
            Err(_) => ItemId::MAX,
        };
        (0..parts).map(|part| Self { after: bound(part), until: bound(part + 1) }).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards_meet_without_a_gap() {
        for parts in [1, 2, 3, 7, 16, 255, 256] {
            let shards = Range::shards(parts);
            assert_eq!(shards.len(), usize::from(parts));
            assert_eq!(shards[0].after, ItemId::ZERO);
            assert_eq!(shards[shards.len() - 1].until, ItemId::MAX);
            assert!(shards.windows(2).all(|pair| pair[0].until == pair[1].after));
            assert!(shards.iter().all(|shard| shard.after < shard.until));
        }
    }
}
