//! How long a sealed letter looks.
//!
//! Lengths are rounded as the Padmé scheme does (Nikitin et al., "Reducing Metadata Leakage from
//! Encrypted Files and Communication with PURBs", 2019, §4): a length keeps only as many of its
//! leading binary digits as its own size takes to write. What is seen of a length of at most L
//! bytes is O(log log L) bits of it, for at most 12 % more bytes.

/// The shortest that a sealed letter looks, in bytes: those up to it cannot be told apart.
pub const PADDED_MIN: usize = 256;

/// The length that `len` bytes are padded to: at least `len` and [`PADDED_MIN`], at most 12 % over
/// the longer of the two.
///
/// Padding what is padded adds nothing. Lengths next to the end of what `usize` holds stay as they
/// are.
#[must_use]
pub const fn padded(len: usize) -> usize {
    if len <= PADDED_MIN {
        return PADDED_MIN;
    }
    // At least 8 here, so that its own logarithm exists.
    let exponent = len.ilog2();
    let kept = exponent.ilog2().saturating_add(1);
    let low = 1_usize.unbounded_shl(exponent.saturating_sub(kept)).saturating_sub(1);
    match len.checked_add(low) {
        Some(sum) => sum & !low,
        None => len,
    }
}

/// Whether some length is padded to this one.
#[must_use]
pub const fn is_padded(len: usize) -> bool {
    padded(len) == len
}

#[cfg(test)]
mod tests {
    #![expect(clippy::arithmetic_side_effects, reason = "a test")]

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn lengths_are_those_of_the_specification() {
        let expect = [
            (0, 256),
            (256, 256),
            (257, 272),
            (272, 272),
            (273, 288),
            (512, 512),
            (513, 544),
            (1_000, 1_024),
            (1_141, 1_152),
            (10_000, 10_240),
            (65_536, 65_536),
            (65_653, 67_584),
        ];
        assert_eq!(expect.map(|(len, _)| (len, padded(len))), expect);
    }

    proptest! {
        #[test]
        fn padding_costs_an_eighth_at_most_and_is_done_once(len in 0_usize..1 << 24) {
            let to = padded(len);
            prop_assert!(to >= len.max(PADDED_MIN));
            // 12 % of the longer of the two.
            prop_assert!((to - len.max(PADDED_MIN)) * 100 <= 12 * len.max(PADDED_MIN));
            prop_assert!(is_padded(to));
            prop_assert!(padded(len + 1) >= to, "what is longer never looks shorter");
        }
    }

    #[test]
    fn few_lengths_are_seen() {
        let most = crate::letter::PAYLOAD_MAX + 1_024;
        let seen = (0..=most).filter(|len| is_padded(*len)).count();
        // One for all up to the floor, 16 for each of the two octaves above it, 16 or 32 further up.
        assert!(seen < 260, "{seen}");
    }

    #[test]
    fn the_longest_length_is_no_overflow() {
        assert_eq!(padded(usize::MAX), usize::MAX);
    }
}
