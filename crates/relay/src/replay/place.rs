//! Where the bits of a tag are: a function of the tag and a secret.

use siphasher::sip128::SipHasher24;

/// Words of a block. A block is one cache line.
pub(super) const WORDS: usize = 8;

/// The bits of one tag.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Place {
    /// Below the number of shards.
    pub(super) shard: usize,
    /// Below the number of pairs of a shard: the same in both generations.
    pub(super) pair: usize,
    /// Two bits of each word, one in each half.
    pub(super) bits: [u64; WORDS],
}

impl Place {
    /// The place of `tag` among `shards` of `pairs` each.
    pub(super) fn of(tag: &[u8; 16], secret: &SipHasher24, shards: usize, pairs: usize) -> Self {
        let hash = secret.hash(tag);
        let (shard, rest) = scale(hash.h1, shards);
        let (pair, _) = scale(rest, pairs);
        // Twelve lanes take 60 bits of one half. The other four take the lowest 20 of the other
        // half, which have no part in the pick of a pair: of 2³⁰ tags it is made by the first 27.
        let (low, high) = (hash.h2, hash.h1);
        let bits = [low, low >> 10, low >> 20, low >> 30, low >> 40, low >> 50, high, high >> 10];
        Self { shard, pair, bits: bits.map(two_bits) }
    }
}

/// One bit in each half of a word, picked by five bits each.
#[expect(clippy::arithmetic_side_effects, reason = "shifts by 63 at most")]
const fn two_bits(picks: u64) -> u64 {
    (1 << (picks & 31)) | (1 << (32 + ((picks >> 5) & 31)))
}

/// Maps evenly distributed bits to a number below `bound`, and returns the bits left over.
#[expect(
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    reason = "a product of 64 bits each has 128; its upper half is below the bound, a usize"
)]
const fn scale(bits: u64, bound: usize) -> (usize, u64) {
    let product = bits as u128 * bound as u128;
    ((product >> 64) as usize, product as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places() -> impl Iterator<Item = Place> {
        let secret = SipHasher24::new_with_key(b"a secret of ours");
        (0..20_000_u128).map(move |tag| Place::of(&tag.to_le_bytes(), &secret, 3, 5))
    }

    #[test]
    fn a_tag_has_two_bits_in_each_word_of_one_block() {
        for place in places() {
            assert!(place.shard < 3 && place.pair < 5);
            for word in place.bits {
                let (low, high) = (word & 0xffff_ffff, word >> 32);
                assert_eq!((low.count_ones(), high.count_ones()), (1, 1));
            }
        }
    }

    /// Every pick, and every two of the picks that come from the same bits, are even.
    #[test]
    fn places_are_even() {
        let (mut blocks, mut lanes) = ([[0_i32; 5]; 3], [[0_i32; 64]; WORDS]);
        let mut joint = [[0_i32; 5]; 32];
        for place in places() {
            blocks[place.shard][place.pair] += 1;
            for (lane, word) in lanes.iter_mut().zip(place.bits) {
                (0..64).filter(|bit| word >> bit & 1 == 1).for_each(|bit| lane[bit] += 1);
            }
            let pick = (place.bits[6] & 0xffff_ffff).trailing_zeros();
            joint[usize::try_from(pick).expect("small")][place.pair] += 1;
        }
        // Six standard deviations of 20,000 / 15, 20,000 / 32 and 20,000 / 160.
        assert!(blocks.as_flattened().iter().all(|count| (count - 1_333).abs() < 220));
        assert!(lanes.as_flattened().iter().all(|count| (count - 625).abs() < 150));
        assert!(joint.as_flattened().iter().all(|count| (count - 125).abs() < 67));
    }

    #[test]
    fn the_secret_decides() {
        let one = SipHasher24::new_with_key(b"a secret of ours");
        let other = SipHasher24::new_with_key(b"a secret of hers");
        assert_eq!(Place::of(&[1; 16], &one, 64, 9), Place::of(&[1; 16], &one, 64, 9));
        assert_ne!(Place::of(&[1; 16], &one, 64, 9), Place::of(&[1; 16], &other, 64, 9));
    }
}
