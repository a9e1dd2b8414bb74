//! Which cells a symbol maps to: a walk whose gaps grow, drawn from its check.
#![expect(
    clippy::float_arithmetic,
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "gaps are defined in IEEE doubles: +, -, *, / and square root, each rounded correctly \
              on every platform"
)]

use crate::{Cell, Symbol};

/// Multiplier of the generator.
const MULTIPLIER: u64 = 0xda94_2042_e4dd_58b5;
/// 2³², as a double.
const TWO_POW_32: f64 = 4_294_967_296.0;

/// The indices of one symbol, in order: always 0, then index *i* with probability 1 / (1 + i/2).
///
/// A symbol has about 2 ln(m/2) + 1 indices below *m*.
///
/// # Bounds
/// Indices grow by one at least and stop at `u64::MAX`.
///
/// # Source
/// Yang, Gilad, Alizadeh: Practical Rateless Set Reconciliation (SIGCOMM 2024), §4.2. With *s* the
/// next state of a multiplicative generator that starts at the check, the gap after *i* is
/// ⌈(i + 1.5) · (2³² / √(s + 1) − 1)⌉.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Mapping {
    state: u64,
    index: u64,
}

impl Mapping {
    /// The walk of the symbol with this check.
    #[inline]
    pub fn new(check: u64) -> Self {
        Self { state: check, index: 0 }
    }

    /// The index where the walk is.
    #[inline]
    pub fn index(&self) -> u64 {
        self.index
    }

    /// Goes on to the next index.
    #[inline]
    pub fn advance(&mut self) {
        self.state = self.state.wrapping_mul(MULTIPLIER);
        let stretch = TWO_POW_32 / (self.state as f64 + 1.0).sqrt() - 1.0;
        let gap = (self.index as f64 + 1.5) * stretch;
        // Rounded up, without a call of `ceil`, which the oldest x86-64 has no instruction for.
        // Above 2⁵³ doubles are whole, and the cast saturates.
        let whole = gap as i64;
        let whole = whole.saturating_add(i64::from((whole as f64) < gap));
        self.index = self.index.saturating_add(whole.max(1) as u64);
    }

    /// The index as a position in memory; past every slice if it is too large for one.
    #[inline]
    pub(crate) fn position(&self) -> usize {
        usize::try_from(self.index).unwrap_or(usize::MAX)
    }

    /// Adds a symbol to the cells of a prefix that it maps to, and walks to its first index beyond.
    ///
    /// `base` is the index of the first cell given; the walk must have reached it.
    #[inline]
    pub(crate) fn scatter<S: Symbol>(
        &mut self,
        cells: &mut [Cell<S>],
        base: usize,
        symbol: S,
        check: u64,
        by: i64,
    ) {
        while let Some(cell) = cells.get_mut(self.position().wrapping_sub(base)) {
            cell.add(symbol, check, by);
            self.advance();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn indices(mut walk: Mapping) -> impl Iterator<Item = u64> {
        std::iter::repeat_with(move || {
            let index = walk.index();
            walk.advance();
            index
        })
    }

    #[track_caller]
    fn check(state: u64, expected: [u64; 12]) {
        let walk: Vec<u64> = indices(Mapping::new(state)).take(12).collect();
        assert_eq!(walk, expected, "{state:#018x}");
    }

    #[test]
    fn walks_of_known_states() {
        check(0x0000_0000_0000_0001, [0, 1, 2, 3, 6, 11, 19, 44, 116, 122, 341, 972]);
        check(0x0000_0000_0000_0002, [0, 1, 2, 4, 5, 7, 9, 15, 29, 33, 66, 135]);
        check(0x0000_0000_075b_cd15, [0, 1, 2, 6, 8, 13, 30, 39, 43, 58, 133, 208]);
        check(0x0000_0000_dead_beef, [0, 1, 2, 3, 5, 213, 537, 844, 1099, 1757, 1901, 3544]);
        check(0xffff_ffff_ffff_ffff, [0, 3, 29, 59, 80, 101, 128, 145, 158, 520, 558, 597]);
        check(0x0123_4567_89ab_cdef, [0, 1, 2, 4, 6, 8, 20, 24, 34, 36, 126, 153]);
    }

    #[test]
    fn walks_always_go_on_and_end_at_the_last_index() {
        // The state whose successor is all ones, where the gap rounds to nothing.
        let inverse = (0..6).fold(1_u64, |inverse, _| {
            inverse.wrapping_mul(2_u64.wrapping_sub(MULTIPLIER.wrapping_mul(inverse)))
        });
        let mut walk = Mapping::new(u64::MAX.wrapping_mul(inverse));
        walk.advance();
        assert_eq!((walk.state, walk.index), (u64::MAX, 1));

        let ends: Vec<u64> = indices(Mapping::new(0)).take(6).collect();
        assert!(ends.is_sorted() && ends.ends_with(&[u64::MAX, u64::MAX]), "{ends:?}");
    }

    #[test]
    fn an_index_is_hit_as_often_as_it_should_be() {
        let mut hits = [0_u32; 64];
        let mut state = 1_u64;
        for _ in 0..20_000 {
            state = state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
            let walk = Mapping::new(state ^ (state >> 29));
            for index in indices(walk).take_while(|index| *index < 64) {
                hits[usize::try_from(index).unwrap()] += 1;
            }
        }
        for (index, hits) in (0_u32..).zip(hits).skip(8) {
            let expected = 40_000 / (index + 2);
            assert!(hits.abs_diff(expected) < expected / 5, "{index}: {hits} for {expected}");
        }
    }
}
