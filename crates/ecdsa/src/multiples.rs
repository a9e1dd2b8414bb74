//! Sums of many multiples of points, of public numbers only: the time that they take tells them.
#![expect(
    clippy::arithmetic_side_effects,
    reason = "points and scalars are elements of groups, which no operation leaves"
)]

use k256::elliptic_curve::scalar::IsHigh as _;
use k256::{ProjectivePoint, Scalar};
use ruint::Uint;
use ruint::aliases::U256;

/// Bits of a short factor.
const BITS: u32 = 128;

/// A sum of multiples of points of secp256k1, which are computed together by the bucket method of
/// Pippenger: for some hundred points each addend costs a tenth of what it would alone.
#[derive(Debug)]
pub struct Multiples {
    addends: Vec<(ProjectivePoint, u128)>,
}

impl Multiples {
    /// A sum of nothing, with room for `count` short addends; a long one takes two places.
    pub fn with_capacity(count: usize) -> Self {
        Self { addends: Vec::with_capacity(count) }
    }

    /// Adds `factor` times `point`. Half the cost of [`Self::push`].
    pub fn push_short(&mut self, point: ProjectivePoint, factor: u128) {
        self.addends.push((point, factor));
    }

    /// Adds `factor` times `point`.
    pub fn push(&mut self, point: ProjectivePoint, factor: &Scalar) {
        let [first, second] = halves(factor);
        for (point, (is_negative, factor)) in [(point, first), (point.endomorphism(), second)] {
            self.push_short(if is_negative { -point } else { point }, factor);
        }
    }

    /// The sum.
    pub fn sum(&self) -> ProjectivePoint {
        let digits = Digits::for_addends(self.addends.len());
        let mut buckets: Vec<_> = (0..digits.half()).map(|_| ProjectivePoint::IDENTITY).collect();
        let mut sum = ProjectivePoint::IDENTITY;
        for place in (0..=digits.last()).rev() {
            (0..digits.width).for_each(|_| sum = sum.double());
            buckets.fill(ProjectivePoint::IDENTITY);
            for (point, factor) in &self.addends {
                let (is_negative, digit) = digits.at(place, *factor);
                let index = digit.checked_sub(1).and_then(|index| usize::try_from(index).ok());
                if let Some(bucket) = index.and_then(|index| buckets.get_mut(index)) {
                    if is_negative { *bucket -= point } else { *bucket += point }
                }
            }
            // Bucket n counts n times: it is in each of the last n partial sums.
            let mut partial = ProjectivePoint::IDENTITY;
            for bucket in buckets.iter().rev() {
                partial += bucket;
                sum += partial;
            }
        }
        sum
    }
}

/// Digits of so many bits, the last of which are from zero on, and all others from minus one half of
/// their base on: negative points cost nothing, and there are half as many buckets.
#[derive(Clone, Copy)]
struct Digits {
    width: u32,
    /// One half of its base at the place of each digit but the last: what makes them all positive.
    bias: u128,
}

impl Digits {
    /// Those with which so many addends take the fewest additions.
    fn for_addends(count: usize) -> Self {
        let additions = |width: &u32| {
            let windows = usize::try_from(BITS / width + 1).unwrap_or(usize::MAX);
            windows.saturating_mul(count.saturating_add(1 << width))
        };
        Self::of((2..=12).min_by_key(additions).unwrap_or(2))
    }

    fn of(width: u32) -> Self {
        let halves = (0..BITS / width).map(|place| 1 << (place * width + width - 1));
        Self { width, bias: halves.sum() }
    }

    /// One half of the base, which no digit exceeds.
    const fn half(self) -> u128 {
        1 << (self.width - 1)
    }

    /// The place of the last digit.
    const fn last(self) -> u32 {
        BITS / self.width
    }

    /// Whether the digit of `factor` at this place is negative, and how far it is from zero.
    fn at(self, place: u32, factor: u128) -> (bool, u128) {
        let (positive, carry) = factor.overflowing_add(self.bias);
        let rest = positive.checked_shr(place * self.width).unwrap_or(0);
        if place == self.last() {
            return (false, rest + (u128::from(carry) << (BITS % self.width)));
        }
        let digit = rest & (2 * self.half() - 1);
        (digit < self.half(), digit.abs_diff(self.half()))
    }
}

/// The short vectors `(A, -B)` and `(A + B, A)` span all `(x, y)` for which `x + λy` is zero, λ being
/// the factor of [`ProjectivePoint::endomorphism`].
const A: u128 = 0x3086_d221_a7d4_6bcd_e86c_90e4_9284_eb15;
/// See [`A`].
const B: u128 = 0xe443_7ed6_010e_8828_6f54_7fa9_0abf_e4c3;

/// 2³⁸⁴ `A` / n, rounded, with n the order of the curve.
const A_SHARE: U256 = U256::from_limbs([
    0xe893_209a_45db_b031,
    0x3daa_8a14_71e8_ca7f,
    0xe86c_90e4_9284_eb15,
    0x3086_d221_a7d4_6bcd,
]);
/// 2³⁸⁴ `B` / n, rounded.
const B_SHARE: U256 = U256::from_limbs([
    0x1571_b4ae_8ac4_7f71,
    0x2212_08ac_9df5_06c6,
    0x6f54_7fa9_0abf_e4c4,
    0xe443_7ed6_010e_8828,
]);

/// Signs and amounts of `x` and `y` below 2¹²⁸ for which `x + λy` is `factor`: what is left of
/// `(factor, 0)` without the nearest sum of the short vectors.
fn halves(factor: &Scalar) -> [(bool, u128); 2] {
    let wide = U256::from_be_bytes::<32>(factor.to_bytes().into());
    let (first, second) = (Scalar::from(share(wide, A_SHARE)), Scalar::from(share(wide, B_SHARE)));
    let (a, b) = (Scalar::from(A), Scalar::from(B));
    let x = *factor - (first + second) * a - second * b;
    let y = first * b - second * a;
    [x, y].map(amount)
}

/// `factor` times `share` / 2³⁸⁴, rounded.
fn share(factor: U256, share: U256) -> u128 {
    let product: Uint<512, 8> = factor.widening_mul(share);
    let [.., below, low, high] = product.into_limbs();
    let quotient = (u128::from(high) << 64) | u128::from(low);
    // Of factors below n the quotient is below 2¹²⁸ - 1.
    quotient + u128::from(below >> 63)
}

/// Whether it is negative, and how far it is from zero.
fn amount(scalar: Scalar) -> (bool, u128) {
    let is_negative = bool::from(scalar.is_high());
    let amount = if is_negative { -scalar } else { scalar };
    let bytes: [u8; 32] = amount.to_bytes().into();
    let [high, low] = [bytes.first_chunk(), bytes.last_chunk()]
        .map(|half| half.copied().map_or(0, u128::from_be_bytes));
    debug_assert_eq!(high, 0, "the short vectors are dense enough");
    (is_negative, low)
}

#[cfg(test)]
mod tests {
    use k256::elliptic_curve::Group as _;
    use proptest::prelude::*;

    use super::*;

    fn scalar(limbs: [u64; 4]) -> Scalar {
        let [a, b, c, d] = limbs.map(Scalar::from);
        let shift = Scalar::from(1_u128 << 64);
        ((a * shift + b) * shift + c) * shift + d
    }

    /// Also those at which a half is at its end, or nothing.
    fn some_scalar() -> impl Strategy<Value = Scalar> {
        let edges = [0, 1, 2, A, B, A - 1, B + 1, A / 2, B / 2, u128::MAX].map(Scalar::from);
        let edge = (prop::sample::select(edges.to_vec()), any::<bool>())
            .prop_map(|(edge, negate)| if negate { -edge } else { edge });
        prop_oneof![edge, any::<[u64; 4]>().prop_map(scalar)]
    }

    proptest! {
        #[test]
        fn a_sum_is_what_its_addends_are_one_by_one(
            long in prop::collection::vec((0..6_u64, some_scalar()), 0..5),
            short in prop::collection::vec((0..6_u64, any::<u128>()), 0..70),
        ) {
            // Few points, so that equal and opposite ones and the neutral one meet in a bucket.
            let point = |number: u64| {
                let point = ProjectivePoint::GENERATOR * Scalar::from(number / 2);
                if number.is_multiple_of(2) { point } else { -point }
            };
            let (mut sum, mut expected) = (Multiples::with_capacity(0), ProjectivePoint::IDENTITY);
            for (number, factor) in long {
                sum.push(point(number), &factor);
                expected += point(number) * factor;
            }
            for (number, factor) in short {
                sum.push_short(point(number), factor);
                expected += point(number) * Scalar::from(factor);
            }
            prop_assert_eq!(sum.sum(), expected);
        }

        #[test]
        fn the_halves_of_a_factor_are_short_and_do_what_it_does(factor in some_scalar()) {
            let point = ProjectivePoint::GENERATOR;
            let [first, second] = halves(&factor).map(|(is_negative, amount)| {
                if is_negative { -Scalar::from(amount) } else { Scalar::from(amount) }
            });
            let sum = point * first + point.endomorphism() * second;
            prop_assert_eq!(sum, point * factor);
        }
    }

    /// Carries go through all places, and out of the last.
    #[test]
    fn digits_of_each_width_make_up_the_factor() {
        let factors = [0, 1, A, B, u128::MAX / 2, u128::MAX / 2 + 1, u128::MAX - 1, u128::MAX];
        for (width, factor) in (2..=12).flat_map(|it| factors.map(|factor| (it, factor))) {
            let digits = Digits::of(width);
            let base = Scalar::from(2 * digits.half());
            let value = (0..=digits.last()).rev().fold(Scalar::ZERO, |value, place| {
                let (is_negative, digit) = digits.at(place, factor);
                assert!(digit <= digits.half(), "{width} {factor:x}");
                let digit = Scalar::from(digit);
                value * base + if is_negative { -digit } else { digit }
            });
            assert_eq!(value, Scalar::from(factor), "{width} {factor:x}");
        }
    }

    #[test]
    fn nothing_adds_up_to_nothing() {
        assert!(bool::from(Multiples::with_capacity(0).sum().is_identity()));
    }
}
