//! Cells of a set that stands still: in blocks, or one at a time.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::{Cell, Key, Mapping, Symbol};

/// A symbol and how far its walk has come.
#[derive(Clone, Debug)]
struct Walker<S> {
    symbol: S,
    check: u64,
    walk: Mapping,
}

impl<S: Symbol> Walker<S> {
    fn new(key: Key, symbol: S) -> Self {
        let check = key.check(symbol);
        Self { symbol, check, walk: Mapping::new(check) }
    }
}

/// Hands out the cells of a set in consecutive blocks, of any sizes.
///
/// # Bounds
/// Takes `S::WIDTH` + 24 bytes for each symbol. A block of *n* cells costs a look at every symbol,
/// and a step for each that is summed.
#[derive(Clone, Debug)]
pub struct Encoder<S> {
    walkers: Vec<Walker<S>>,
    next: usize,
}

impl<S: Symbol> Encoder<S> {
    /// An encoder of a set without duplicates, before its first cell.
    pub fn new(key: Key, symbols: impl IntoIterator<Item = S>) -> Self {
        let walkers = symbols.into_iter().map(|symbol| Walker::new(key, symbol)).collect();
        Self { walkers, next: 0 }
    }

    /// The next `cells` cells.
    pub fn block(&mut self, cells: usize) -> Vec<Cell<S>> {
        let mut block = vec![Cell::default(); cells];
        for Walker { symbol, check, walk } in &mut self.walkers {
            walk.scatter(&mut block, self.next, *symbol, *check, 1);
        }
        self.next = self.next.saturating_add(cells);
        block
    }

    /// How many cells were handed out, which is the index of the next.
    pub fn position(&self) -> usize {
        self.next
    }
}

/// Hands out the cells of a set one at a time, without end.
///
/// A cell costs only the symbols that are in it, each with a step in a heap: for many cells of a
/// large set [`Encoder`] is ten times as fast.
#[derive(Clone, Debug)]
pub struct Stream<S> {
    walkers: Vec<Walker<S>>,
    /// The next index of each walker.
    due: BinaryHeap<Reverse<(u64, usize)>>,
    next: u64,
}

impl<S: Symbol> Stream<S> {
    /// A stream of the cells of a set without duplicates.
    pub fn new(key: Key, symbols: impl IntoIterator<Item = S>) -> Self {
        let walkers: Vec<_> = symbols.into_iter().map(|symbol| Walker::new(key, symbol)).collect();
        let due = (0..walkers.len()).map(|walker| Reverse((0, walker))).collect();
        Self { walkers, due, next: 0 }
    }
}

impl<S: Symbol> Iterator for Stream<S> {
    type Item = Cell<S>;

    fn next(&mut self) -> Option<Cell<S>> {
        let mut cell = Cell::default();
        while let Some(mut due) = self.due.peek_mut()
            && due.0.0 <= self.next
            && let Some(Walker { symbol, check, walk }) = self.walkers.get_mut(due.0.1)
        {
            cell.add(*symbol, *check, 1);
            walk.advance();
            due.0.0 = walk.index();
        }
        self.next = self.next.saturating_add(1);
        Some(cell)
    }
}
