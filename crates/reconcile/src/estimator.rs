//! How large the difference of two sets is, about, from 96 bytes.

/// Numbers that are kept.
pub(crate) const COUNTERS: usize = 64;

/// Estimates the size of the symmetric difference of two sets.
///
/// Each counter adds one for an item if one bit of its id is set and subtracts one if it is not.
/// Common items cancel between the two sides; what remains is a random walk of as many steps as
/// there are differences, whose squared distance is that number on average. 64 counters have a
/// standard deviation of 18 %.
///
/// # Bounds
/// Counters are sent modulo 2¹²: differences of over 300,000 are estimated too low, and none above
/// about 1,400,000. Inserting takes about 20 ns.
///
/// # Security
/// Ids are hashes, but their owner may make many and keep those that he likes, so the estimate can
/// be wrong by any factor. That costs bytes and never correctness: the difference is known only once
/// it is decoded, and the summaries agree.
///
/// # Source
/// Alon, Matias, Szegedy: The Space Complexity of Approximating the Frequency Moments (1996).
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Estimator {
    counters: [u16; COUNTERS],
}

impl Estimator {
    /// Bytes of an estimator.
    pub const LEN: usize = COUNTERS / 2 * 3;

    /// The estimator of the empty set.
    pub fn new() -> Self {
        Self { counters: [0; COUNTERS] }
    }

    /// Adds an item that is not in the set. It is named by a hash of 32 bytes.
    pub fn insert(&mut self, id: &[u8; 32]) {
        self.apply(id, u16::wrapping_add);
    }

    /// Takes out an item that is in the set.
    pub fn remove(&mut self, id: &[u8; 32]) {
        self.apply(id, u16::wrapping_sub);
    }

    fn apply(&mut self, id: &[u8; 32], add: impl Fn(u16, u16) -> u16) {
        let (eights, _) = self.counters.as_chunks_mut::<8>();
        for (counters, byte) in eights.iter_mut().zip(id) {
            for (bit, counter) in (0_u32..).zip(counters) {
                // 1 or −1.
                let step = u16::from(byte.wrapping_shr(bit) & 1).wrapping_mul(2).wrapping_sub(1);
                *counter = add(*counter, step);
            }
        }
    }

    /// The counters modulo 2¹², two in three bytes, least significant first.
    pub fn to_bytes(&self) -> [u8; Self::LEN] {
        let mut bytes = [0; Self::LEN];
        let ((threes, _), (pairs, _)) =
            (bytes.as_chunks_mut::<3>(), self.counters.as_chunks::<2>());
        for ([low, mixed, high], [first, second]) in threes.iter_mut().zip(pairs) {
            let [first_low, first_high] = first.to_le_bytes();
            let [second_low, second_high] = second.wrapping_shl(4).to_le_bytes();
            (*low, *mixed, *high) = (first_low, (first_high & 0x0f) | second_low, second_high);
        }
        bytes
    }

    /// About how many items are in only one of this set and the one with these bytes.
    pub fn difference(&self, other: &[u8; Self::LEN]) -> u64 {
        let (threes, _) = other.as_chunks::<3>();
        let theirs = threes.iter().flat_map(|[low, mixed, high]| {
            let second = u16::from_le_bytes([*mixed, *high]).wrapping_shr(4);
            [u16::from_le_bytes([*low, mixed & 0x0f]), second]
        });
        let (squares, counters) = self.counters.iter().zip(theirs).fold(
            (0_u64, 0_u64),
            |(squares, counters), (ours, theirs)| {
                // The distance modulo 2¹², from −2,048 to 2,047.
                let apart = ours.wrapping_sub(theirs).wrapping_shl(4).cast_signed().wrapping_shr(4);
                let square = u64::from(apart.unsigned_abs()).saturating_pow(2);
                (squares.saturating_add(square), counters.saturating_add(1))
            },
        );
        squares.div_ceil(counters.max(1))
    }
}

impl Default for Estimator {
    fn default() -> Self {
        Self::new()
    }
}
