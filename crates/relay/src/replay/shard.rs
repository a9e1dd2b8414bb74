//! One part of the filter: pairs of blocks, one block of each for each of two generations.

use super::place::{Place, WORDS};

/// Words of a pair of blocks.
const PAIR: usize = 2 * WORDS;

/// The blocks of one shard.
#[derive(Debug)]
pub(super) struct Shard {
    /// The generation that fills. Even ones have the first block of each pair, odd ones the second;
    /// the other block has the one before.
    generation: u64,
    /// The blocks, with a few words more so that they can begin where a cache line does. Zeros
    /// that the system gives cost no memory before they are written; those of an aligned type
    /// would be written here.
    words: Vec<u64>,
    /// Words before the first block.
    skip: usize,
    /// Tags that wait for the journal, each with its position among all, oldest first.
    pub(super) unflushed: Vec<(u64, [u8; 16])>,
}

impl Shard {
    /// An empty shard of `pairs` pairs.
    pub(super) fn new(pairs: usize, generation: u64) -> Self {
        let words = vec![0_u64; pairs.saturating_add(1).saturating_mul(PAIR)];
        // At most a pair less one word, as the words themselves are aligned; `min` says so should
        // a platform not know the address.
        let skip = words.as_ptr().align_offset(PAIR.saturating_mul(8)).min(PAIR);
        Self { generation, words, skip, unflushed: Vec::new() }
    }

    /// Forgets what is older than the generation before `generation`, and fills that from now on.
    pub(super) fn turn_to(&mut self, generation: u64) {
        if generation <= self.generation {
            return;
        }
        let skipped = generation.abs_diff(self.generation) > 1;
        self.generation = generation;
        let (pairs, _) =
            self.words.get_mut(self.skip..).unwrap_or_default().as_chunks_mut::<PAIR>();
        for pair in pairs {
            let (even, odd) = pair.split_at_mut(WORDS);
            if skipped || generation.is_multiple_of(2) {
                even.fill(0);
            }
            if skipped || !generation.is_multiple_of(2) {
                odd.fill(0);
            }
        }
    }

    /// Whether all bits of `place` are set in one of the generations.
    pub(super) fn contains(&self, place: &Place) -> bool {
        let has = |block: &[u64; WORDS]| {
            // Without a branch for each word: to read all eight costs less.
            block.iter().zip(&place.bits).fold(0, |missing, (word, bits)| missing | (bits & !word))
                == 0
        };
        has(self.block(place.pair, 0)) || has(self.block(place.pair, 1))
    }

    /// Sets the bits of `place` in the generation that fills.
    pub(super) fn insert(&mut self, place: &Place) {
        self.insert_in(self.generation, place);
    }

    /// Sets the bits of `place` in `generation`, if that is remembered.
    pub(super) fn insert_in(&mut self, generation: u64, place: &Place) {
        if generation > self.generation || self.generation.abs_diff(generation) > 1 {
            return;
        }
        let half = usize::from(!generation.is_multiple_of(2));
        for (word, bits) in self.block_mut(place.pair, half).iter_mut().zip(place.bits) {
            *word |= bits;
        }
    }

    /// One block of a pair: 64 bytes that begin where a cache line does.
    #[expect(
        clippy::indexing_slicing,
        clippy::arithmetic_side_effects,
        reason = "pairs are picked below the number that `new` made room for"
    )]
    fn block(&self, pair: usize, half: usize) -> &[u64; WORDS] {
        &self.words[self.skip..].as_chunks().0[2 * pair + half]
    }

    #[expect(
        clippy::indexing_slicing,
        clippy::arithmetic_side_effects,
        reason = "pairs are picked below the number that `new` made room for"
    )]
    fn block_mut(&mut self, pair: usize, half: usize) -> &mut [u64; WORDS] {
        &mut self.words[self.skip..].as_chunks_mut().0[2 * pair + half]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(pair: usize, bit: u32) -> Place {
        Place { shard: 0, pair, bits: [0x1_0000_0001_u64.rotate_left(bit); WORDS] }
    }

    /// A look-up touches what `block` returns for the two halves of one pair, and nothing else.
    #[test]
    fn a_look_up_touches_two_neighbouring_cache_lines() {
        for pairs in [1, 2, 3, 100, 11_161] {
            let shard = Shard::new(pairs, 0);
            for pair in [0, pairs / 2, pairs - 1] {
                let [first, second] =
                    [0, 1].map(|half| std::ptr::from_ref(shard.block(pair, half)).addr());
                assert_eq!(first % 128, 0, "the pair begins where two lines do");
                assert_eq!(second, first + 64);
            }
        }
        assert_eq!(size_of::<[u64; WORDS]>(), 64);
    }

    #[test]
    fn a_generation_is_remembered_for_one_more_and_no_longer() {
        let mut shard = Shard::new(4, 6);
        shard.insert(&place(3, 0));
        assert!(shard.contains(&place(3, 0)));
        assert!(!shard.contains(&place(2, 0)) && !shard.contains(&place(3, 1)));
        shard.turn_to(7);
        shard.insert(&place(3, 1));
        assert!(shard.contains(&place(3, 0)) && shard.contains(&place(3, 1)));
        shard.turn_to(8);
        assert!(!shard.contains(&place(3, 0)) && shard.contains(&place(3, 1)));
        shard.turn_to(7);
        assert!(shard.contains(&place(3, 1)), "no way back");
        shard.turn_to(10);
        assert!(!shard.contains(&place(3, 1)), "none of generation 9 came here");
    }

    /// Sixteen bits of which eight are in one generation and eight in the other are no tag.
    #[test]
    fn generations_are_not_mixed() {
        let mut shard = Shard::new(1, 0);
        let (mut one, mut other) = (place(0, 5), place(0, 5));
        one.bits[..4].fill(0);
        other.bits[4..].fill(0);
        shard.insert(&one);
        shard.turn_to(1);
        shard.insert(&other);
        assert!(!shard.contains(&place(0, 5)));
    }

    #[test]
    fn only_the_two_generations_are_written() {
        let mut shard = Shard::new(1, 5);
        for generation in [3, 6] {
            shard.insert_in(generation, &place(0, 1));
            assert!(!shard.contains(&place(0, 1)));
        }
        shard.insert_in(4, &place(0, 1));
        assert!(shard.contains(&place(0, 1)));
        shard.turn_to(6);
        assert!(!shard.contains(&place(0, 1)));
    }
}
