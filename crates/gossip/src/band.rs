//! How many links there should be: the thresholds at which something is done, and the targets at
//! which it stops.

use crate::config::ConfigError;

/// Most links that may be asked for.
const LINKS_MAX: usize = 500;

/// Outbound links that are enough whatever the target: an attacker who holds all inbound links of a
/// node still has to be dialled by it, eight times, to cut it off.
const OUTBOUND_ENOUGH: usize = 8;

/// The numbers derived from `min`, `expected` and `max`.
///
/// Below [`min_threshold`](Self::min_threshold) peers are dialled until there are
/// [`min_target`](Self::min_target); above [`max_threshold`](Self::max_threshold) links are closed
/// until there are [`max_target`](Self::max_target). Between the thresholds nothing is done, so that
/// a node on the edge does not dial and hang up in turns.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Band {
    /// Fewest links.
    pub min: usize,
    /// Links wished for.
    pub expected: usize,
    /// Most links.
    pub max: usize,
    /// With fewer links than this peers are dialled.
    pub min_threshold: usize,
    /// Dialling stops at this.
    pub min_target: usize,
    /// Closing stops at this.
    pub max_target: usize,
    /// With more links than this some are closed.
    pub max_threshold: usize,
    /// Outbound links that are held in any case: half of the target, and eight at most.
    pub outbound_min: usize,
}

impl Band {
    /// Derives the thresholds and targets.
    ///
    /// # Errors
    ///
    /// [`ConfigError::Number`] unless `min` ≤ `expected` ≤ `max` ≤ 500.
    pub fn new(min: usize, expected: usize, max: usize) -> Result<Self, ConfigError> {
        let number = |key, given, min, max| ConfigError::Number { key, given, min, max };
        if expected > LINKS_MAX {
            return Err(number("expected", expected, 0, LINKS_MAX));
        }
        if min > expected {
            return Err(number("min", min, 0, expected));
        }
        if max < expected || max > LINKS_MAX {
            return Err(number("max", max, expected, LINKS_MAX));
        }
        let step_min = expected.saturating_sub(min) / 3;
        let step_max = max.saturating_sub(expected) / 3;
        Ok(Self {
            min,
            expected,
            max,
            min_threshold: min.saturating_add(step_min),
            min_target: min.saturating_add(step_min.saturating_mul(2)),
            max_target: max.saturating_sub(step_max.saturating_mul(2)),
            max_threshold: max.saturating_sub(step_max),
            outbound_min: expected.div_ceil(2).min(OUTBOUND_ENOUGH),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use proptest::prelude::*;

    #[test]
    fn the_thresholds_of_the_fact_sheet_come_out() {
        let Band { min_threshold, min_target, max_target, max_threshold, outbound_min, .. } =
            Band::new(10, 50, 100).expect("in order");
        assert_eq!((min_threshold, min_target, max_target, max_threshold), (23, 36, 68, 84));
        assert_eq!(outbound_min, 8);
        assert_eq!(Band::new(3, 6, 9).expect("in order").outbound_min, 3);
    }

    proptest! {
        #[test]
        fn a_pass_always_ends_inside_the_thresholds(
            min in 0..=500usize, expected in 0..=500usize, max in 0..=500usize,
        ) {
            let ordered = min <= expected && expected <= max;
            let band = Band::new(min, expected, max);
            prop_assert_eq!(band.is_ok(), ordered);
            if let Ok(band) = band {
                let climb = [band.min, band.min_threshold, band.min_target, band.expected];
                prop_assert!(climb.is_sorted(), "{:?}", band);
                let fall = [band.expected, band.max_target, band.max_threshold, band.max];
                prop_assert!(fall.is_sorted(), "{:?}", band);
                prop_assert!(band.outbound_min <= band.expected);
            }
        }
    }
}
