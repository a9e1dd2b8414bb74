//! From the cells of two sets to what is in only one of them.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use thiserror::Error;

use crate::{Cell, Key, Mapping, Symbol};

/// Steps of all walks for each cell. Honest symbols are fewer than cells, and are walked twice in 2
/// ln(m/2) + 2 steps: 44 for each of a million cells.
const STEPS_EACH: usize = 64;
/// Steps beyond that, so that a few symbols may be far from the average.
const STEPS_FREE: usize = 1_024;

/// How many bits of a check the remote sends.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum CheckWidth {
    /// The low 32, as [`packed`](crate::packed) does.
    Low32,
    /// All 64.
    Full,
}

impl CheckWidth {
    fn mask(self) -> u64 {
        match self {
            Self::Low32 => u64::from(u32::MAX),
            Self::Full => u64::MAX,
        }
    }
}

/// What one decoding may take.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Limits {
    /// Most cells.
    pub cells_max: usize,
    /// Most symbols recovered, on both sides together.
    pub recovered_max: usize,
}

/// How far a decoding has come.
#[must_use]
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Status {
    /// Every cell is resolved: the difference is known, unless somebody forged it.
    Complete,
    /// More cells are needed.
    NeedMore,
}

/// Why a decoding ended without a result. It can be tried again under another key.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
pub enum DecodeError {
    /// The two sides were given different numbers of cells.
    #[error("{remote} cells of the remote beside {local} of our own")]
    Uneven {
        /// Cells of the remote.
        remote: usize,
        /// Cells of our own.
        local: usize,
    },
    /// More cells than agreed.
    #[error("{cells} cells, at most {max} were expected")]
    TooManyCells {
        /// How many it would have been.
        cells: usize,
        /// [`Limits::cells_max`].
        max: usize,
    },
    /// The difference is larger than expected.
    #[error("more than {max} differences")]
    TooManyRecovered {
        /// [`Limits::recovered_max`].
        max: usize,
    },
    /// A cell that no two sets can have.
    ///
    /// It was resolved, and a symbol that maps to it was found later: it was not in there, or is
    /// found twice. Honest cells do so only if one looked pure and was not, with a chance of 2⁻³²
    /// (2⁻⁶⁴ with full checks) for each symbol that is in it.
    #[error("cell {index} contradicts the others")]
    Impossible {
        /// Which.
        index: u64,
    },
    /// Symbols chosen so that their walks are endless.
    #[error("{cells} cells took more than {max} steps")]
    TooManySteps {
        /// Cells that came until then.
        cells: usize,
        /// Steps that they are entitled to.
        max: usize,
    },
}

/// A symbol that was recovered, and where its walk has left the received cells.
#[derive(Clone, Debug)]
struct Found<S> {
    symbol: S,
    check: u64,
    /// What takes it out of a cell: −1 if only the remote has it.
    by: i64,
    walk: Mapping,
}

/// Peels the difference of two sets out of their cells.
///
/// # Bounds
/// A symbol is recovered from a cell that is resolved by that and must stay so: there are at most
/// as many recoveries as cells. Each costs two walks over the received cells; all walks together
/// take at most 64 steps for each cell and 1,024 beyond, whatever the cells hold.
#[derive(Clone, Debug)]
pub struct Decoder<S> {
    key: Key,
    mask: u64,
    limits: Limits,
    /// What is left of each cell of the difference.
    cells: Vec<Cell<S>>,
    /// Cells that are not empty.
    unresolved: usize,
    found: Vec<Found<S>>,
    /// Where each symbol found goes on, beyond the received cells.
    due: BinaryHeap<Reverse<(u64, usize)>>,
    /// Cells that became pure and wait to be peeled.
    pure: Vec<usize>,
    remote_only: Vec<S>,
    local_only: Vec<S>,
    steps: usize,
    failed: Option<DecodeError>,
}

impl<S: Symbol> Decoder<S> {
    /// A decoder that has no cell yet.
    pub fn new(key: Key, width: CheckWidth, limits: Limits) -> Self {
        Self {
            key,
            mask: width.mask(),
            limits,
            cells: Vec::new(),
            unresolved: 0,
            found: Vec::new(),
            due: BinaryHeap::new(),
            pure: Vec::new(),
            remote_only: Vec::new(),
            local_only: Vec::new(),
            steps: 0,
            failed: None,
        }
    }

    /// Takes the next cells of the remote's set and the same cells of our own, and peels.
    ///
    /// # Errors
    /// What is over a limit, or cannot be. After an error the decoder is of no more use: it repeats
    /// it.
    pub fn extend(&mut self, remote: &[Cell<S>], local: &[Cell<S>]) -> Result<Status, DecodeError> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        let outcome = self.take(remote, local).and_then(|()| self.peel());
        self.failed = outcome.err();
        outcome.map(|()| self.status())
    }

    /// How far the decoding has come. Complete only if all cells that came are resolved.
    pub fn status(&self) -> Status {
        if self.failed.is_none() && self.unresolved == 0 && !self.cells.is_empty() {
            Status::Complete
        } else {
            Status::NeedMore
        }
    }

    /// How many cells came.
    pub fn cells(&self) -> usize {
        self.cells.len()
    }

    /// What was found only on the remote's side so far; before the end it may be wrong.
    pub fn remote_only(&self) -> &[S] {
        &self.remote_only
    }

    /// What was found only on our side so far; before the end it may be wrong.
    pub fn local_only(&self) -> &[S] {
        &self.local_only
    }

    /// How many more cells may come.
    pub(crate) fn room(&self) -> usize {
        self.limits.cells_max.saturating_sub(self.cells.len())
    }

    /// Counts of what is left in each cell.
    pub(crate) fn counts(&self) -> impl Iterator<Item = i64> {
        self.cells.iter().map(|cell| cell.count)
    }

    fn take(&mut self, remote: &[Cell<S>], local: &[Cell<S>]) -> Result<(), DecodeError> {
        if remote.len() != local.len() {
            return Err(DecodeError::Uneven { remote: remote.len(), local: local.len() });
        }
        let (first, max) = (self.cells.len(), self.limits.cells_max);
        let cells = first.saturating_add(remote.len());
        if cells > max {
            return Err(DecodeError::TooManyCells { cells, max });
        }
        self.cells.extend(remote.iter().zip(local).map(|(remote, local)| {
            let cell = remote.minus(local);
            Cell { check: cell.check & self.mask, ..cell }
        }));
        let came = self.cells.get(first..).unwrap_or_default();
        let filled = came.iter().filter(|cell| !cell.is_empty()).count();
        self.unresolved = self.unresolved.saturating_add(filled);
        self.catch_up()?;
        for at in first..cells {
            self.queue_if_pure(at);
        }
        Ok(())
    }

    /// Takes out of new cells what was recovered before.
    fn catch_up(&mut self) -> Result<(), DecodeError> {
        while let Some(Reverse((index, which))) = self.due.peek().copied()
            && usize::try_from(index).is_ok_and(|index| index < self.cells.len())
            && let Some(found) = self.found.get(which)
        {
            let (mut found, _) = (found.clone(), self.due.pop());
            self.walk(&mut found)?;
            self.due.push(Reverse((found.walk.index(), which)));
            if let Some(slot) = self.found.get_mut(which) {
                slot.walk = found.walk;
            }
        }
        // What is pure now is looked at when all is taken out.
        self.pure.clear();
        Ok(())
    }

    fn peel(&mut self) -> Result<(), DecodeError> {
        while let Some(at) = self.pure.pop() {
            let Some((symbol, check, count)) = self.pure_at(at) else { continue };
            if !self.maps_to(check, at)? {
                continue;
            }
            let max = self.limits.recovered_max;
            if self.found.len() >= max {
                return Err(DecodeError::TooManyRecovered { max });
            }
            let side = if count > 0 { &mut self.remote_only } else { &mut self.local_only };
            side.push(symbol);
            let by = count.wrapping_neg();
            let mut found = Found { symbol, check, by, walk: Mapping::new(check) };
            self.walk(&mut found)?;
            self.due.push(Reverse((found.walk.index(), self.found.len())));
            self.found.push(found);
        }
        Ok(())
    }

    /// Whether the symbol with this check is in cell `at` at all; most that only look pure are not.
    fn maps_to(&mut self, check: u64, at: usize) -> Result<bool, DecodeError> {
        let mut walk = Mapping::new(check);
        while walk.position() < at {
            self.step()?;
            walk.advance();
        }
        Ok(walk.position() == at)
    }

    /// Takes a symbol out of all cells from where its walk is.
    fn walk(&mut self, found: &mut Found<S>) -> Result<(), DecodeError> {
        loop {
            let at = found.walk.position();
            let Some(cell) = self.cells.get_mut(at) else { return Ok(()) };
            if cell.is_empty() {
                return Err(DecodeError::Impossible { index: found.walk.index() });
            }
            cell.add(found.symbol, found.check & self.mask, found.by);
            if cell.is_empty() {
                self.unresolved = self.unresolved.saturating_sub(1);
            } else {
                self.queue_if_pure(at);
            }
            self.step()?;
            found.walk.advance();
        }
    }

    fn step(&mut self) -> Result<(), DecodeError> {
        let cells = self.cells.len();
        let max = cells.saturating_mul(STEPS_EACH).saturating_add(STEPS_FREE);
        if self.steps >= max {
            return Err(DecodeError::TooManySteps { cells, max });
        }
        self.steps = self.steps.saturating_add(1);
        Ok(())
    }

    fn queue_if_pure(&mut self, at: usize) {
        if self.pure_at(at).is_some() {
            self.pure.push(at);
        }
    }

    /// The one symbol in a cell, its check and its sign, if it is one.
    fn pure_at(&self, at: usize) -> Option<(S, u64, i64)> {
        let cell = self.cells.get(at).filter(|cell| matches!(cell.count, 1 | -1))?;
        let check = self.key.check(cell.sum);
        (check & self.mask == cell.check).then_some((cell.sum, check, cell.count))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Encoder;

    #[test]
    fn steps_end_where_they_must() {
        let key = Key::from_bytes([3; 16]);
        let cells = Encoder::new(key, 0..50_u64).block(100);
        let limits = Limits { cells_max: 100, recovered_max: 50 };
        let run = |steps| {
            let mut decoder = Decoder::new(key, CheckWidth::Full, limits);
            decoder.steps = steps;
            (decoder.extend(&cells, &[Cell::default(); 100]), decoder.steps)
        };
        let (outcome, took) = run(0);
        assert_eq!(outcome, Ok(Status::Complete));
        // An honest difference takes far less than it may.
        assert!((400..1_500).contains(&took), "{took} steps");
        let max = 7_424;
        assert_eq!(run(max - took).0, Ok(Status::Complete));
        assert_eq!(run(max - took + 1).0, Err(DecodeError::TooManySteps { cells: 100, max }));
    }
}
