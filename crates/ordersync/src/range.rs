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
        let parts = u32::from(parts.clamp(1, 256));
        // The first byte of the lowest id behind a part.
        let first = |part: u32| part.saturating_mul(256).checked_div(parts).unwrap_or(256);
        let bound = |part: u32| match u8::try_from(first(part)).map(|first| first.checked_sub(1)) {
            Ok(None) => ItemId::ZERO,
            Ok(Some(below)) => {
                let mut bytes = [0xff; 32];
                bytes[0] = below;
                ItemId(bytes)
            }
            Err(_) => ItemId::MAX,
        };
        let bounds: Vec<_> = (0..=parts).map(bound).collect();
        let ends = bounds.iter().skip(1);
        bounds
            .iter()
            .zip(ends)
            .map(|(after, until)| Self { after: *after, until: *until })
            .collect()
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
