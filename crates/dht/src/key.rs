//! The metric: 256-bit keys, the XOR distance between them, and the bucket that a distance falls in.

use std::fmt;

use libp2p_identity::PeerId;
use rand::Rng;
use sha2::{Digest as _, Sha256};

/// Bytes of a key and of a distance.
const LEN: usize = 32;

/// A point in the space in which messages are routed: the SHA-256 digest of a peer's id.
///
/// The digest spreads peers evenly whatever kind of key they have.
///
/// # Security
/// A peer chooses its key pair, and so where it sits: with 2ⁿ attempts it shares n bits with
/// whomever it likes. What that buys is bounded by the caps of [`Table`](crate::Table).
#[derive(Clone, Copy, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Key([u8; LEN]);

impl Key {
    /// Where `peer` sits.
    pub fn of(peer: &PeerId) -> Self {
        Self(Sha256::digest(peer.to_bytes()).into())
    }

    /// The point with these bytes, the first the most significant.
    pub const fn from_bytes(bytes: [u8; LEN]) -> Self {
        Self(bytes)
    }

    /// Its bytes, the first the most significant.
    pub const fn as_bytes(&self) -> &[u8; LEN] {
        &self.0
    }

    /// How far it is from `other`. Symmetric; zero only for equal keys.
    #[must_use]
    pub fn distance(&self, other: &Self) -> Distance {
        let mut bytes = self.0;
        for (byte, other) in bytes.iter_mut().zip(other.0) {
            *byte ^= other;
        }
        Distance(bytes)
    }

    /// A key drawn from those whose distance falls into `bucket`.
    #[must_use]
    pub fn in_bucket(&self, bucket: u8, rng: &mut impl Rng) -> Self {
        let mut bytes = [0; LEN];
        rng.fill_bytes(&mut bytes);
        for ((byte, own), place) in bytes.iter_mut().zip(self.0).zip(places()) {
            // Equal above the bit of the bucket, different at it, drawn below it.
            let bit = bucket.saturating_sub(place);
            let below = u8::MAX.checked_shr(8_u32.saturating_sub(bit.into())).unwrap_or(0);
            let at = if bucket < place { 0 } else { 1_u8.checked_shl(bit.into()).unwrap_or(0) };
            *byte = ((own ^ at) & !below) | (*byte & below);
        }
        Self(bytes)
    }
}

/// The place of the least significant bit of each byte.
fn places() -> impl Iterator<Item = u8> {
    (0..=u8::MAX).step_by(8).rev()
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({self})")
    }
}

impl fmt::Display for Key {
    /// Writes the first four bytes in hexadecimal: enough to tell keys apart in a log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().take(4).try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// The XOR of two keys, ordered as the number that it is.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Distance([u8; LEN]);

impl Distance {
    /// From a key to itself.
    pub const ZERO: Self = Self([0; LEN]);
    /// As far apart as keys can be, which no two are that are digests.
    pub const MAX: Self = Self([u8::MAX; LEN]);

    /// The place of its most significant bit, from 0 for the smallest distance to 255; `None` for
    /// zero.
    pub fn bucket(&self) -> Option<u8> {
        let (byte, place) = self.0.iter().zip(places()).find(|(byte, _)| **byte != 0)?;
        u8::try_from(byte.ilog2()).ok().map(|bit| place | bit)
    }

    /// A fourth of it, rounded down.
    #[must_use]
    pub fn quarter(&self) -> Self {
        let mut before = 0;
        Self(self.0.map(|byte| {
            let shifted = byte >> 2 | before << 6;
            before = byte;
            shifted
        }))
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng as _;
    use rand_chacha::ChaCha8Rng;

    use super::*;

    fn key(first: u8, last: u8) -> Key {
        let mut bytes = [0; LEN];
        bytes[0] = first;
        bytes[LEN - 1] = last;
        Key(bytes)
    }

    #[test]
    fn the_first_byte_weighs_most() {
        let zero = key(0, 0);
        assert!(zero.distance(&key(1, 0)) > zero.distance(&key(0, 255)));
        assert_eq!(zero.distance(&key(128, 0)).bucket(), Some(255));
        assert_eq!(zero.distance(&key(1, 0)).bucket(), Some(248));
        assert_eq!(zero.distance(&key(0, 1)).bucket(), Some(0));
        assert_eq!(zero.distance(&zero), Distance::ZERO);
        assert_eq!(Distance::ZERO.bucket(), None);
        assert_eq!(Distance::MAX.bucket(), Some(255));
    }

    #[test]
    fn a_quarter_has_its_first_bit_two_places_below() {
        let mut bytes = [0; LEN];
        (bytes[0], bytes[1], bytes[LEN - 1]) = (0b0000_0110, 0b1000_0001, 0b0000_0111);
        let mut quarter = [0; LEN];
        (quarter[0], quarter[1], quarter[2]) = (0b0000_0001, 0b1010_0000, 0b0100_0000);
        quarter[LEN - 1] = 0b0000_0001;
        assert_eq!(Distance(bytes).quarter(), Distance(quarter));
        assert_eq!(Distance::MAX.quarter().bucket(), Some(253));
        assert_eq!(Distance::ZERO.quarter(), Distance::ZERO);
    }

    #[test]
    fn a_key_drawn_for_a_bucket_falls_into_it() {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        for bucket in 0..=u8::MAX {
            let own = key(bucket, bucket.reverse_bits());
            let drawn = own.in_bucket(bucket, &mut rng);
            assert_eq!(own.distance(&drawn).bucket(), Some(bucket));
        }
    }

    #[test]
    fn a_key_is_the_digest_of_the_bytes_of_the_id() {
        let peer: PeerId = "12D3KooWGzxzKZYveHXtpG6AsrUJBcWxHBFS2HsEoGTxrMLvKXtf".parse().unwrap();
        let digest: [u8; LEN] = Sha256::digest(peer.to_bytes()).into();
        assert_eq!(Key::of(&peer).as_bytes(), &digest);
    }
}
