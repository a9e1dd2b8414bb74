//! Which of many equations between points do not hold.

use k256::ProjectivePoint;
use k256::elliptic_curve::Group as _;

/// Fewest equations that are added up: of fewer, each alone is as fast.
const TOGETHER_MIN: usize = 16;

/// The places of those of `equations` that do not hold, in order. `sum` is what their left sides are
/// in excess of the right ones, each with a weight that nobody can choose, as a
/// [`Transcript`](crate::Transcript) gives it; `holds` looks at one alone.
///
/// If all hold, the sum is nothing. If it is not, neither is that of one of its halves, and the search
/// goes on there.
///
/// # Bounds
/// Each is in three sums on average at most, and is looked at alone at most once.
///
/// # Security
/// Nothing is secret here: the time tells which do not hold.
pub fn search<T>(
    equations: &[T],
    sum: impl Fn(&[T]) -> ProjectivePoint,
    holds: impl Fn(&T) -> bool,
) -> Vec<usize> {
    let budget = equations.len().saturating_mul(2);
    let mut search = Search { sum, holds, budget, bad: Vec::new() };
    if equations.len() < TOGETHER_MIN {
        search.one_by_one(equations, 0);
    } else {
        let whole = (search.sum)(equations);
        search.among(equations, 0, whole);
    }
    search.bad
}

struct Search<S, H> {
    sum: S,
    holds: H,
    /// How many may still be added up.
    budget: usize,
    bad: Vec<usize>,
}

impl<S, H> Search<S, H> {
    /// Looks among `equations`, of which the first has the place `first`, and whose sum is `whole`.
    fn among<T>(&mut self, equations: &[T], first: usize, whole: ProjectivePoint)
    where
        S: Fn(&[T]) -> ProjectivePoint,
        H: Fn(&T) -> bool,
    {
        if bool::from(whole.is_identity()) {
            return;
        }
        let (left, right) = equations.split_at(equations.len() / 2);
        let Some(budget) = self.budget.checked_sub(left.len()) else {
            return self.one_by_one(equations, first);
        };
        if left.len() < TOGETHER_MIN {
            return self.one_by_one(equations, first);
        }
        self.budget = budget;
        let half = (self.sum)(left);
        self.among(left, first, half);
        #[expect(clippy::arithmetic_side_effects, reason = "points are elements of a group")]
        self.among(right, first.saturating_add(left.len()), whole - half);
    }

    fn one_by_one<T>(&mut self, equations: &[T], first: usize)
    where
        H: Fn(&T) -> bool,
    {
        let wrong = equations.iter().zip(first..).filter(|(equation, _)| !(self.holds)(equation));
        self.bad.extend(wrong.map(|(_, place)| place));
    }
}

#[cfg(test)]
#[expect(clippy::arithmetic_side_effects, reason = "a test")]
mod tests {
    use std::cell::Cell;

    use k256::Scalar;

    use super::*;

    /// Looks among so many of which these are bad; how many were added up, and how many looked at.
    fn cost(count: usize, bad: &[usize]) -> (usize, usize) {
        let mut equations = vec![ProjectivePoint::IDENTITY; count];
        for place in bad {
            equations[*place] = ProjectivePoint::GENERATOR * Scalar::from(1_u128 << place);
        }
        let (added, looked_at) = (Cell::new(0), Cell::new(0));
        let sum = |part: &[ProjectivePoint]| {
            added.set(added.get() + part.len());
            part.iter().sum()
        };
        let holds = |equation: &ProjectivePoint| {
            looked_at.set(looked_at.get() + 1);
            bool::from(equation.is_identity())
        };
        assert_eq!(search(&equations, sum, holds), bad);
        (added.get(), looked_at.get())
    }

    #[test]
    fn no_more_is_added_up_than_it_takes() {
        assert_eq!(cost(0, &[]), (0, 0));
        assert_eq!(cost(15, &[3]), (0, 15));
        assert_eq!(cost(64, &[]), (64, 0));
        // The first half, and its first half; the others are what is left of the sums.
        assert_eq!(cost(64, &[2]), (64 + 32 + 16, 16));
        assert_eq!(cost(64, &[2, 60]), (64 + 32 + 16 + 16, 32));
    }

    #[test]
    fn however_many_are_bad_it_ends_soon() {
        let all: Vec<_> = (0..100).collect();
        for step in [1, 2, 3, 7, 16, 33] {
            let bad: Vec<_> = all.iter().copied().step_by(step).collect();
            let (added, looked_at) = cost(100, &bad);
            assert!(added <= 300 && looked_at <= 100, "{step}: {added} {looked_at}");
        }
    }
}
