//! Whole numbers as decimal text, in their one spelling.

use std::fmt;

use crate::{Defect, U256};

/// Digits that are read at once: as many as always fit 64 bits.
const STEP: usize = 19;

/// 10³⁸, the largest power of ten of 128 bits.
const E38: U256 = U256::from_limbs([0x098a_2240_0000_0000, 0x4b3b_4ca8_5a86_c47a, 0, 0]);

/// Reads digits without sign, spaces or leading zeros.
///
/// # Errors
///
/// What is not that; and what has more than 256 bits.
pub(crate) fn read(text: &str) -> Result<U256, Defect> {
    let digits = text.as_bytes();
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return Err(Defect::NotDecimal);
    }
    if digits.len() > 1 && digits.first() == Some(&b'0') {
        return Err(Defect::LeadingZero);
    }
    let mut value = U256::ZERO;
    for part in digits.chunks(STEP) {
        let mut small: u64 = 0;
        let mut scale: u64 = 1;
        for digit in part {
            let digit = u64::from(digit.wrapping_sub(b'0'));
            small = small.wrapping_mul(10).wrapping_add(digit);
            scale = scale.wrapping_mul(10);
        }
        let shifted = value.checked_mul(U256::from(scale));
        let sum = shifted.and_then(|shifted| shifted.checked_add(U256::from(small)));
        value = sum.ok_or(Defect::TooLarge { bits: 256 })?;
    }
    Ok(value)
}

/// Writes the digits of `value`.
pub(crate) fn write(value: &U256, out: &mut impl fmt::Write) -> fmt::Result {
    if let Ok(small) = u128::try_from(*value) {
        return write!(out, "{small}");
    }
    let (high, low) = value.div_rem(E38);
    write(&high, out)?;
    write!(out, "{:038}", low.wrapping_to::<u128>())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round(text: &str) -> String {
        let mut out = String::new();
        write(&read(text).unwrap(), &mut out).unwrap();
        out
    }

    #[test]
    fn every_size_keeps_its_digits() {
        for zeros in 0..=77 {
            let text = format!("1{}", "0".repeat(zeros));
            assert_eq!(round(&text), text);
        }
        for bits in 0..256_usize {
            let text = U256::from(1).wrapping_shl(bits).to_string();
            assert_eq!(round(&text), text);
        }
        let max = U256::MAX.to_string();
        assert_eq!(round(&max), max);
        assert_eq!(round("0"), "0");
    }

    #[test]
    fn other_spellings_are_refused() {
        for text in ["", "+1", "-1", " 1", "1 ", "1.0", "1e3", "0x10", "1_000", "٣"] {
            assert_eq!(read(text), Err(Defect::NotDecimal), "{text:?}");
        }
        for text in ["00", "01", "007"] {
            assert_eq!(read(text), Err(Defect::LeadingZero), "{text:?}");
        }
    }

    #[test]
    fn what_has_more_than_256_bits_is_refused() {
        let max = U256::MAX.to_string();
        assert!(max.ends_with("935"), "{max}");
        let over = max.replace("935", "936");
        for text in [over, "9".repeat(78), "1".repeat(79), "9".repeat(10_000)] {
            assert_eq!(read(&text), Err(Defect::TooLarge { bits: 256 }), "{text}");
        }
    }
}
