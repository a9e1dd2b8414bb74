//! One digest for a whole set, kept up to date item by item.

use std::array;
use std::fmt;
use std::ops::{AddAssign, SubAssign};

/// Numbers that an item adds to.
const LANES: usize = 1_024;
/// Bytes that an item is expanded to.
const EXPANDED: usize = 2 * LANES;
/// What an item is expanded under; not a secret.
const ITEM_DOMAIN: &[u8; 32] = b"meshwork reconcile digest item 1";
/// What the lanes are hashed under; not a secret.
const SUMMARY_DOMAIN: &[u8; 32] = b"meshwork reconcile digest sets 1";

/// A digest of a set that does not depend on the order in which it grew.
///
/// It is linear: digests of disjoint sets add up to that of their union, so parts may be digested
/// on several threads. A set that is counted twice, or removed without having been there, gives a
/// digest that is no set's.
///
/// An item costs 0.6 µs where BLAKE3 has vectors of 512 bits, and up to 3 µs elsewhere; a digest
/// takes 2 KiB.
///
/// # Security
/// Each item is expanded by BLAKE3 to 1,024 numbers of 16 bits, which are added lane by lane: two
/// sets with one digest are a short vector of a lattice that nobody knows how to find, at an
/// estimated 2²⁰⁰ steps (`LtHash`). Addition modulo 2²⁵⁶ would be an eighth of the work, but there
/// is a way to find a sum among many lists (Wagner's generalised birthday) that breaks it in far
/// less than 2¹²⁸ steps, and addition without carry falls to linear algebra at once.
///
/// # Source
/// Bellare, Micciancio: A New Paradigm for Collision-Free Hashing (1997). Lewi, Kim, Maykov, Weis:
/// Securing Update Propagation with Homomorphic Hashing (2019). Wagner: A Generalized Birthday
/// Problem (2002).
#[derive(Clone, Eq, PartialEq)]
pub struct Digest {
    lanes: Box<[u16; LANES]>,
    count: u64,
}

/// What two sides compare: equal if and only if their sets are.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Summary {
    /// A hash of the digest and the count.
    pub hash: [u8; 32],
    /// Items in the set.
    pub count: u64,
}

impl Digest {
    /// The digest of the empty set.
    pub fn new() -> Self {
        Self { lanes: Box::new([0; LANES]), count: 0 }
    }

    /// Adds an item that is not in the set. It is named by a hash of 32 bytes.
    pub fn insert(&mut self, id: &[u8; 32]) {
        for (lane, value) in self.lanes.iter_mut().zip(expand(id)) {
            *lane = lane.wrapping_add(value);
        }
        self.count = self.count.wrapping_add(1);
    }

    /// Takes out an item that is in the set.
    pub fn remove(&mut self, id: &[u8; 32]) {
        for (lane, value) in self.lanes.iter_mut().zip(expand(id)) {
            *lane = lane.wrapping_sub(value);
        }
        self.count = self.count.wrapping_sub(1);
    }

    /// How many items are in the set.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// What is compared: a hash of 32 bytes, and the count.
    pub fn finish(&self) -> Summary {
        let mut bytes = [0; EXPANDED];
        let (pairs, _) = bytes.as_chunks_mut::<2>();
        for (pair, lane) in pairs.iter_mut().zip(&*self.lanes) {
            *pair = lane.to_le_bytes();
        }
        let mut hasher = blake3::Hasher::new_keyed(SUMMARY_DOMAIN);
        hasher.update(&bytes).update(&self.count.to_le_bytes());
        Summary { hash: hasher.finalize().into(), count: self.count }
    }
}

/// What an item adds to each lane.
fn expand(id: &[u8; 32]) -> [u16; LANES] {
    let mut bytes = [0; EXPANDED];
    blake3::Hasher::new_keyed(ITEM_DOMAIN).update(id).finalize_xof().fill(&mut bytes);
    let (pairs, _) = bytes.as_chunks::<2>();
    let mut pairs = pairs.iter();
    array::from_fn(|_| pairs.next().copied().map_or(0, u16::from_le_bytes))
}

impl Default for Digest {
    fn default() -> Self {
        Self::new()
    }
}

/// The union with a disjoint set.
impl AddAssign<&Self> for Digest {
    fn add_assign(&mut self, other: &Self) {
        for (lane, value) in self.lanes.iter_mut().zip(&*other.lanes) {
            *lane = lane.wrapping_add(*value);
        }
        self.count = self.count.wrapping_add(other.count);
    }
}

/// What is left without a subset.
impl SubAssign<&Self> for Digest {
    fn sub_assign(&mut self, other: &Self) {
        for (lane, value) in self.lanes.iter_mut().zip(&*other.lanes) {
            *lane = lane.wrapping_sub(*value);
        }
        self.count = self.count.wrapping_sub(other.count);
    }
}

impl<'a> FromIterator<&'a [u8; 32]> for Digest {
    fn from_iter<I: IntoIterator<Item = &'a [u8; 32]>>(ids: I) -> Self {
        let mut digest = Self::new();
        ids.into_iter().for_each(|id| digest.insert(id));
        digest
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Digest").field("count", &self.count).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(seed: u8) -> [u8; 32] {
        blake3::hash(&[seed]).into()
    }

    #[test]
    fn order_does_not_matter_and_membership_does() {
        let ids: Vec<_> = (0..9).map(id).collect();
        let all: Digest = ids.iter().collect();
        let reversed: Digest = ids.iter().rev().collect();
        assert_eq!(all.finish(), reversed.finish());
        let mut less = all.clone();
        less.remove(&ids[4]);
        assert_ne!(less.finish(), all.finish());
        less.insert(&ids[4]);
        assert_eq!(less.finish(), all.finish());
        less.insert(&ids[4]);
        assert_ne!(less.finish(), all.finish());
    }

    #[test]
    fn parts_add_up() {
        let ids: Vec<_> = (0..9).map(id).collect();
        let all: Digest = ids.iter().collect();
        let (mut left, right): (Digest, Digest) =
            (ids[..4].iter().collect(), ids[4..].iter().collect());
        left += &right;
        assert_eq!(left, all);
        left -= &right;
        assert_eq!(left.finish(), ids[..4].iter().collect::<Digest>().finish());
        assert_eq!(left.count(), 4);
    }

    #[test]
    fn the_digest_is_pinned() {
        let hash = |ids: u8| {
            let ids: Vec<_> = (0..ids).map(id).collect();
            let hash = ids.iter().collect::<Digest>().finish().hash;
            hash.map(|byte| format!("{byte:02x}")).concat()
        };
        let empty = "0ba25894b27cd54d4de084070c1b55b8d645659396991d7c1511ed0d6caf7501";
        assert_eq!(hash(0), empty);
        let three = "d8f877f309680dd13dda72c0f44bb549a023ba39874d4e70686ec754c5fb3b4f";
        assert_eq!(hash(3), three);
    }
}
