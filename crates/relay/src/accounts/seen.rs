//! Which indices came: runs of them, with gaps between.

use std::collections::BTreeMap;

use tickets::{Interval, TicketIndex};

/// Most runs that are kept apart. Tickets that come out of order leave gaps for a moment, lost ones
/// for as long as nothing is settled. Over it the lowest gap is closed: what was missing there is as
/// good as seen.
const RUNS_MAX: usize = 1_024;

/// Indices that came, as runs: the first of each, and the first after it. No two touch.
#[derive(Debug, Default)]
pub(super) struct Seen(BTreeMap<TicketIndex, TicketIndex>);

impl Seen {
    /// Whether `index` came, or a gap was closed over it.
    pub(super) fn contains(&self, index: TicketIndex) -> bool {
        self.run_below(index).is_some_and(|(_, end)| index < end)
    }

    /// The first after all that came.
    pub(super) fn end(&self) -> TicketIndex {
        self.0.last_key_value().map(|(_, end)| *end).unwrap_or_default()
    }

    /// The first index from this on that did not come.
    pub(super) fn run_from(&self, index: TicketIndex) -> TicketIndex {
        self.run_below(index).map_or(index, |(_, end)| end.max(index))
    }

    /// Adds the index of a plain ticket that did not come before.
    pub(super) fn insert(&mut self, one: Interval) {
        let (index, next) = (one.first(), one.end());
        let end = self.0.remove(&next).unwrap_or(next);
        match self.run_below(index) {
            Some((first, before)) if before == index => self.0.insert(first, end),
            Some(_) | None => self.0.insert(index, end),
        };
        if self.0.len() > RUNS_MAX {
            self.close_gap();
        }
    }

    /// Forgets what nobody will ask about.
    pub(super) fn forget_below(&mut self, floor: TicketIndex) {
        let end = self.run_below(floor).map(|(_, end)| end).filter(|end| *end > floor);
        self.0 = self.0.split_off(&floor);
        if let Some(end) = end {
            self.0.insert(floor, end);
        }
    }

    fn close_gap(&mut self) {
        let (Some((first, _)), Some(second)) = (self.0.pop_first(), self.0.first_entry()) else {
            return;
        };
        let end = second.remove();
        self.0.insert(first, end);
    }

    /// The run that begins at or before `index`.
    fn run_below(&self, index: TicketIndex) -> Option<(TicketIndex, TicketIndex)> {
        self.0.range(..=index).next_back().map(|(first, end)| (*first, *end))
    }
}

#[cfg(test)]
#[expect(clippy::arithmetic_side_effects, reason = "a test")]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn index(number: u64) -> TicketIndex {
        TicketIndex::new(number).unwrap()
    }

    fn one(number: u64) -> Interval {
        Interval::of_one(index(number)).unwrap()
    }

    #[test]
    fn gaps_are_bounded_and_the_lowest_is_closed() {
        let mut seen = Seen::default();
        let runs = u64::try_from(RUNS_MAX).unwrap();
        (0..runs).for_each(|number| seen.insert(one(2 * number)));
        assert!(!seen.contains(index(1)));
        seen.insert(one(2 * runs));
        assert_eq!(seen.0.len(), RUNS_MAX);
        assert!(seen.contains(index(1)) && !seen.contains(index(3)));
        // The largest index that a ticket has.
        let last = TicketIndex::MAX.get() - 1;
        seen.insert(one(last));
        assert_eq!(seen.end(), TicketIndex::MAX);
    }

    proptest! {
        #[test]
        fn runs_say_what_a_set_says(
            steps in proptest::collection::vec((0_u64..40, proptest::bool::weighted(0.1)), 1..120)
        ) {
            let (mut seen, mut model, mut floor) = (Seen::default(), BTreeSet::new(), 0);
            for (number, raises) in steps {
                if raises {
                    floor = floor.max(number);
                    seen.forget_below(index(floor));
                    model.retain(|it| *it >= floor);
                } else if number >= floor && model.insert(number) {
                    seen.insert(one(number));
                }
                for number in floor..41 {
                    prop_assert_eq!(seen.contains(index(number)), model.contains(&number));
                    let missing = (number..=41).find(|it| !model.contains(it)).unwrap();
                    prop_assert_eq!(seen.run_from(index(number)), index(missing));
                }
                let end = model.last().map_or(0, |last| last + 1);
                prop_assert_eq!(seen.end(), index(end));
                let runs = model.iter().filter(|it| !model.contains(&it.wrapping_sub(1))).count();
                prop_assert_eq!(seen.0.len(), runs);
            }
        }
    }
}
