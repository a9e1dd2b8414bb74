//! The first cells of a set that changes, kept up to date, and frozen for a session at no cost.

use std::iter::repeat_n;
use std::ops::Range;
use std::sync::Arc;

use crate::{Cell, Key, Mapping, Symbol};

/// Cells that are copied together when a frozen sketch still reads them.
const BLOCK: usize = 64;

type Block<S> = [Cell<S>; BLOCK];

/// The cells of a set below some index, under one key.
///
/// An insertion or removal touches about 2 ln(m/2) + 1 of m cells. The set itself is not kept: the
/// caller inserts only what is not in it, and removes only what is.
#[derive(Clone, Debug)]
pub struct Sketch<S> {
    frozen: Frozen<S>,
}

/// A [`Sketch`] as it was at one moment.
///
/// It shares the cells with the sketch; what changes there afterwards is copied first, in blocks of
/// 64 cells, and with the first of them the list of blocks.
#[derive(Clone, Debug)]
pub struct Frozen<S> {
    key: Key,
    blocks: Arc<Vec<Arc<Block<S>>>>,
    width: usize,
    len: u64,
}

impl<S: Symbol> Sketch<S> {
    /// The sketch of the empty set: its first `width` cells.
    ///
    /// # Bounds
    /// Takes `S::WIDTH` + 16 bytes for each cell, in blocks of 64 cells.
    pub fn new(key: Key, width: usize) -> Self {
        let blocks = repeat_n(Arc::new([Cell::default(); BLOCK]), width.div_ceil(BLOCK)).collect();
        Self { frozen: Frozen { key, blocks: Arc::new(blocks), width, len: 0 } }
    }

    /// The sketch of a whole set; much faster than one insertion after the other.
    pub fn from_symbols(key: Key, width: usize, symbols: impl IntoIterator<Item = S>) -> Self {
        let mut cells = vec![Cell::default(); width.next_multiple_of(BLOCK)];
        let mut len = 0_u64;
        for symbol in symbols {
            let check = key.check(symbol);
            Mapping::new(check).scatter(&mut cells, 0, symbol, check, 1);
            len = len.saturating_add(1);
        }
        let (blocks, _) = cells.as_chunks::<BLOCK>();
        let blocks = Arc::new(blocks.iter().copied().map(Arc::new).collect());
        Self { frozen: Frozen { key, blocks, width, len } }
    }

    /// Adds a symbol that is not in the set.
    pub fn insert(&mut self, symbol: S) {
        self.frozen.len = self.frozen.len.saturating_add(1);
        self.apply(symbol, 1);
    }

    /// Takes out a symbol that is in the set.
    pub fn remove(&mut self, symbol: S) {
        self.frozen.len = self.frozen.len.saturating_sub(1);
        self.apply(symbol, -1);
    }

    fn apply(&mut self, symbol: S, by: i64) {
        let check = self.frozen.key.check(symbol);
        let blocks = Arc::make_mut(&mut self.frozen.blocks);
        let mut walk = Mapping::new(check);
        while let Some(block) = blocks.get_mut(walk.position() / BLOCK) {
            let block = Arc::make_mut(block);
            if let Some(cell) = block.get_mut(walk.position() % BLOCK) {
                cell.add(symbol, check, by);
            }
            walk.advance();
        }
    }

    /// The sketch as it is now, in time that does not depend on the size of the set or of the
    /// sketch.
    pub fn freeze(&self) -> Frozen<S> {
        self.frozen.clone()
    }

    /// The key.
    pub fn key(&self) -> Key {
        self.frozen.key
    }

    /// How many cells there are.
    pub fn width(&self) -> usize {
        self.frozen.width
    }

    /// How many symbols are in the set, as [`packed::pack`](crate::packed::pack) wants to know it.
    pub fn len(&self) -> u64 {
        self.frozen.len
    }

    /// Whether the set is empty.
    pub fn is_empty(&self) -> bool {
        self.frozen.is_empty()
    }

    /// A copy of some cells; what is beyond the width is left out.
    pub fn cells(&self, range: Range<usize>) -> Vec<Cell<S>> {
        self.frozen.cells(range)
    }
}

impl<S: Symbol> Frozen<S> {
    /// The key.
    pub fn key(&self) -> Key {
        self.key
    }

    /// How many cells there are.
    pub fn width(&self) -> usize {
        self.width
    }

    /// How many symbols were in the set, as [`packed::pack`](crate::packed::pack) wants to know it.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether the set was empty.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// A copy of some cells; what is beyond the width is left out.
    pub fn cells(&self, range: Range<usize>) -> Vec<Cell<S>> {
        let end = range.end.min(self.width);
        let start = range.start.min(end);
        let mut cells = Vec::with_capacity(end.saturating_sub(start));
        let mut at = start;
        while let Some(block) = self.blocks.get(at / BLOCK).filter(|_| at < end) {
            let from = at % BLOCK;
            let next = at.saturating_sub(from).saturating_add(BLOCK).min(end);
            let to = from.saturating_add(next.saturating_sub(at));
            cells.extend_from_slice(block.get(from..to).unwrap_or_default());
            at = next;
        }
        cells
    }
}
