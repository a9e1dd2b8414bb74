//! Which applications of this node take messages.

use std::fmt;
use std::ops::RangeInclusive;
use std::sync::atomic::{AtomicU64, Ordering};

/// Tags of one word.
const WORD: usize = 64;
/// Words for all 65,536 tags.
const WORDS: usize = 1_024;

/// The tags that this node delivers messages of; the others are refused before they take anybody's
/// room. Takes 8 KiB, whatever is in it.
///
/// It is changed while packets come: a tag counts from the next packet on.
///
/// ```
/// use meshwork_relay::TagFilter;
///
/// let filter = TagFilter::none();
/// filter.set(1_024..=1_031, true);
/// assert!(filter.takes(1_024) && !filter.takes(7));
/// filter.set(1_024..=1_024, false);
/// assert!(!filter.takes(1_024));
/// ```
pub struct TagFilter(Box<[AtomicU64]>);

impl TagFilter {
    /// Takes every tag.
    pub fn all() -> Self {
        Self::filled(u64::MAX)
    }

    /// Takes none.
    pub fn none() -> Self {
        Self::filled(0)
    }

    fn filled(word: u64) -> Self {
        Self(std::iter::repeat_with(|| AtomicU64::new(word)).take(WORDS).collect())
    }

    /// Whether messages with this tag are delivered.
    pub fn takes(&self, tag: u16) -> bool {
        let (word, bit) = place(tag);
        self.0.get(word).is_some_and(|word| word.load(Ordering::Relaxed) & bit != 0)
    }

    /// From now on takes these tags, or no longer.
    pub fn set(&self, tags: RangeInclusive<u16>, takes: bool) {
        for (word, bit) in tags.map(place) {
            let Some(word) = self.0.get(word) else { continue };
            if takes {
                word.fetch_or(bit, Ordering::Relaxed);
            } else {
                word.fetch_and(!bit, Ordering::Relaxed);
            }
        }
    }

    /// How many tags are taken.
    pub fn len(&self) -> u32 {
        let ones = self.0.iter().map(|word| word.load(Ordering::Relaxed).count_ones());
        ones.fold(0, u32::saturating_add)
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// The word of a tag, and its bit there.
fn place(tag: u16) -> (usize, u64) {
    let tag = usize::from(tag);
    (tag / WORD, 1 << (tag % WORD))
}

impl Default for TagFilter {
    /// Takes every tag.
    fn default() -> Self {
        Self::all()
    }
}

impl fmt::Debug for TagFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TagFilter").field("tags", &self.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_taken_one_by_one() {
        let filter = TagFilter::none();
        assert!(filter.is_empty());
        filter.set(0..=u16::MAX, true);
        assert_eq!(filter.len(), 65_536);
        filter.set(63..=64, false);
        let refused: Vec<u16> = (0..=u16::MAX).filter(|tag| !filter.takes(*tag)).collect();
        assert_eq!(refused, [63, 64]);
        assert!(TagFilter::default().takes(u16::MAX));
    }
}
