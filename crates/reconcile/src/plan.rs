//! How many cells to ask for, so that two blocks are enough and few cells are wasted.
#![expect(
    clippy::float_arithmetic,
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "estimates: sizes fit a double, and a cast back saturates"
)]

use crate::{Decoder, Symbol};

/// Cells of the first block for each difference estimated, less one for the root of their number.
/// More makes one block enough more often, and costs it whenever the estimate is too high.
const FIRST_EACH: f64 = 1.55;
/// Cells that decoding takes for each difference, and one more for the root of their number.
const NEEDED_EACH: f64 = 1.35;
/// What an estimate from 64 counters is worth: the inverse of its relative variance.
const ESTIMATE_WEIGHT: f64 = 32.0;
/// Cells whose counts are worth one such unit.
const CELLS_PER_WEIGHT: f64 = 2.3;
/// How much smaller what is left looks than it is, for each part that was peeled, if it is on both
/// sides alike: cells with one symbol are gone, and in those with several some cancel.
const BOTH_SIDES_BIAS: f64 = 0.5;
/// How much more it looks if it is all on one side, where none cancel.
const ONE_SIDE_BIAS: f64 = 1.2;
/// Standard deviations that are added once the first block was not enough.
const MARGIN: f64 = 1.3;
/// Below this size more are added, one for each [`SMALL_STEP`] and [`SMALL_MARGIN`] at most: a few
/// cells, which save a third block in a tenth of the runs. From 100 on each costs too much: 22 bytes
/// for a difference are what a reconciliation may take.
const SMALL: f64 = 95.0;
const SMALL_STEP: f64 = 30.0;
const SMALL_MARGIN: f64 = 1.2;
/// Cells of a later block at least.
const NEXT_MIN: usize = 8;
/// A later block has at least this part of the cells before.
const NEXT_PART: usize = 16;

/// How many cells to ask for.
///
/// To decode *d* differences takes about 1.35 *d* + √*d* cells, with a standard deviation of √*d*.
/// The first block is a little more than that for the estimate ([`Estimator`](crate::Estimator)). If
/// it is not enough, the counts that are left in its cells tell the size of the difference more
/// precisely, to about 1.3/√*d* of it. The next block is sized for what both tell together and 1.3
/// standard deviations more; below 95 differences up to 2.5.
///
/// Measured with the example `plan` of this crate (seeded, 2,000 runs each, 100,000 common items; the
/// bytes are those of the [packed](crate::packed) cells):
///
/// | differences | on | bytes each | in one block | in two |
/// |---|---|---|---|---|
/// | 1 | both sides | 434.0 | 100 % | 100 % |
/// | 10 | both sides | 43.7 | 99 % | 99.8 % |
/// | 20 | both sides | 27.4 | 61 % | 98.8 % |
/// | 30 | both sides | 27.0 | 30 % | 97.5 % |
/// | 60 | both sides | 24.2 | 44 % | 98.6 % |
/// | 100 | both sides | 21.9 | 53 % | 94.7 % |
/// | 1,000 | both sides | 20.8 | 67 % | 99.2 % |
/// | 10,000 | both sides | 20.8 | 74 % | 100 % |
/// | 30 | one side | 27.5 | 39 % | 99.1 % |
/// | 100 | one side | 22.0 | 71 % | 99.4 % |
/// | 1,000 | one side | 21.3 | 100 % | 100 % |
/// | 10,000 | one side | 21.5 | 100 % | 100 % |
///
/// With 128 counters one block would be enough in a tenth more of the runs, for 96 bytes more in
/// every request; most requests are about sets that are nearly equal.
///
/// # Security
/// Who grinds ids, or sends hostile cells, can have too few or too many cells asked for. That costs
/// bytes, within the bounds of the caller: of the first block by what he serves, of the others by
/// [`Limits::cells_max`](crate::Limits::cells_max).
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    estimate: f64,
}

impl Plan {
    /// Cells of a first block at least: enough for twelve differences in most cases.
    pub const FIRST_MIN: usize = 32;

    /// A plan for a difference of about this size; give the difference of the two counts if that is
    /// more than was estimated.
    pub fn new(estimate: u64) -> Self {
        Self { estimate: estimate as f64 }
    }

    /// The plan behind a first block of this size, for who does not know the estimate.
    pub fn of_first(cells: usize) -> Self {
        let root = (0.5 + (0.25 + FIRST_EACH * cells as f64).sqrt()) / FIRST_EACH;
        Self { estimate: root * root }
    }

    /// Cells of the first block.
    pub fn first(&self) -> usize {
        let cells = FIRST_EACH * self.estimate - self.estimate.sqrt();
        (cells.round() as usize).max(Self::FIRST_MIN)
    }

    /// Cells of the block after those that the decoder has; none if it may take no more.
    pub fn next<S: Symbol>(&self, decoder: &Decoder<S>) -> usize {
        let cells = decoder.cells();
        let told = cells as f64 / CELLS_PER_WEIGHT;
        let weight = told + ESTIMATE_WEIGHT;
        let by_cells = by_cells(decoder);
        let size = (by_cells * told + self.estimate * ESTIMATE_WEIGHT) / weight;
        let variance = size + (NEEDED_EACH * size).powi(2) / weight;
        let margin = MARGIN + ((SMALL - size) / SMALL_STEP).clamp(0.0, SMALL_MARGIN);
        let enough = NEEDED_EACH * size + size.sqrt() + margin * variance.sqrt();
        let least = NEXT_MIN.max(cells / NEXT_PART);
        (enough.ceil() as usize).saturating_sub(cells).max(least).min(decoder.room())
    }
}

/// How large the difference is, as far as the cells of a decoder tell.
///
/// A cell that each of *r* symbols is in with probability ρ counts ρ times what the first cell does
/// on average, with a variance of *r* ρ (1 − ρ), whatever the signs are; ρ is 2 / (index + 2).
fn by_cells<S: Symbol>(decoder: &Decoder<S>) -> f64 {
    let found = decoder.remote_only().len().saturating_add(decoder.local_only().len()) as f64;
    let mut counts = decoder.counts().map(|count| count as f64);
    let net = counts.next().unwrap_or_default();
    let (sum, cells) = counts.fold((0.0, 0.0), |(sum, cells), count| {
        let index = cells + 1.0;
        let apart = count * (index + 2.0) - 2.0 * net;
        (sum + apart * apart / (2.0 * index), index)
    });
    let left = sum / f64::max(cells, 1.0);
    let peeled = found / f64::max(found + left, 1.0);
    let one_sided = f64::min(net.abs() / f64::max(left, 1.0), 1.0);
    let bias = peeled * (ONE_SIDE_BIAS * one_sided.powi(2) - BOTH_SIDES_BIAS);
    found + f64::max(left / (1.0 + bias), net.abs())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{CheckWidth, Key, Limits, Sketch, Status};

    #[test]
    fn the_first_block_tells_the_estimate() {
        for estimate in [30, 100, 1_000, 10_000, 1_000_000] {
            let plan = Plan::new(estimate);
            let inferred = Plan::of_first(plan.first());
            assert!((inferred.estimate - estimate as f64).abs() < 1.0, "{inferred:?}");
        }
        assert_eq!(Plan::new(0).first(), Plan::FIRST_MIN);
        assert_eq!(Plan::new(u64::MAX).first(), usize::MAX);
    }

    /// A decoder of `width` cells of sets without anything in common.
    fn decoder(width: usize, only: [u64; 2], cells_max: usize) -> Decoder<u64> {
        let key = Key::from_bytes([7; 16]);
        let [remote, local] = [0..only[0], 5_000..5_000_u64.saturating_add(only[1])]
            .map(|set| Sketch::from_symbols(key, width, set).cells(0..width));
        let mut decoder =
            Decoder::new(key, CheckWidth::Full, Limits { cells_max, recovered_max: 10_000 });
        assert_eq!(decoder.extend(&remote, &local), Ok(Status::NeedMore));
        decoder
    }

    #[test]
    fn cells_tell_the_size_whatever_the_sides_are() {
        for only in [[500, 500], [1_000, 0], [0, 1_000], [900, 100]] {
            for width in [600, 1_000, 1_250] {
                let size = by_cells(&decoder(width, only, 2_000));
                assert!((800.0..1_200.0).contains(&size), "{only:?} at {width}: {size}");
            }
        }
    }

    #[test]
    fn the_next_block_keeps_within_the_limit() {
        let plan = Plan::new(1_000);
        let next = plan.next(&decoder(1_000, [500, 500], 10_000));
        assert!((350..650).contains(&next), "{next}");
        assert_eq!(plan.next(&decoder(1_000, [500, 500], 1_100)), 100);
        assert_eq!(plan.next(&decoder(1_000, [500, 500], 1_000)), 0);
    }

    #[test]
    fn hostile_counts_ask_for_no_more_than_the_limit() {
        let limits = Limits { cells_max: 1_000, recovered_max: 10 };
        let mut decoder = Decoder::<u64>::new(Key::from_bytes([7; 16]), CheckWidth::Full, limits);
        let remote =
            [i64::MAX, i64::MIN, 0, -1].map(|count| crate::Cell { sum: 1, check: 2, count });
        assert_eq!(decoder.extend(&remote, &[crate::Cell::default(); 4]), Ok(Status::NeedMore));
        assert_eq!(Plan::new(1).next(&decoder), 996);
    }
}
