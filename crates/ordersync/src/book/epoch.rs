//! A key, and what the book looks like under it.

use std::collections::BTreeSet;
use std::fmt;
use std::ops::Range;
use std::sync::{Arc, PoisonError, RwLock};

use reconcile::{Cell, Digest, Estimator, Frozen, Key, Sketch, Summary};

use crate::ItemId;

/// The short names of items under one key. A set, because two items may share one.
type Index = BTreeSet<(u64, ItemId)>;

/// The book at one moment, under the key of its epoch. Clones share everything.
///
/// # Security
/// The key is random, drawn here, and told only to those who ask for cells: who makes items before
/// he knows it cannot have them cancel out. Who learns it within the epoch can, and gains that a sync
/// of that epoch looks complete too early; the [`Digest`] gives the lie to it.
#[derive(Clone)]
pub struct Epoch {
    seen: Arc<Seen>,
    index: Arc<RwLock<Index>>,
}

struct Seen {
    sketch: Frozen<u64>,
    digest: Digest,
    estimator: Estimator,
}

impl Epoch {
    /// The key.
    pub fn key(&self) -> Key {
        self.seen.sketch.key()
    }

    /// Cells that there are.
    pub fn width(&self) -> usize {
        self.seen.sketch.width()
    }

    /// The cells of the items at that moment, those of `range` that there are.
    pub fn cells(&self, range: Range<usize>) -> Vec<Cell<u64>> {
        self.seen.sketch.cells(range)
    }

    /// The digest of the items at that moment.
    pub fn digest(&self) -> &Digest {
        &self.seen.digest
    }

    /// Hash and number of the items at that moment.
    pub fn summary(&self) -> Summary {
        self.seen.digest.finish()
    }

    /// The estimator of the items at that moment.
    pub fn estimator(&self) -> &Estimator {
        &self.seen.estimator
    }

    /// Items at that moment.
    pub fn count(&self) -> u64 {
        self.seen.digest.count()
    }

    /// The item of this short name, while the book holds it; the lowest if there are several.
    ///
    /// The index goes with the book as long as the epoch is the current one: an item that has come
    /// after this moment may be found too, one that has gone is not.
    pub fn find(&self, short: u64) -> Option<ItemId> {
        let index = self.index.read().unwrap_or_else(PoisonError::into_inner);
        let (first, last) = ((short, ItemId::ZERO), (short, ItemId::MAX));
        index.range(first..=last).next().map(|(_, id)| *id)
    }
}

impl fmt::Debug for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Epoch").field("count", &self.count()).finish_non_exhaustive()
    }
}

/// The epoch that goes with the book, change by change.
#[derive(Debug)]
pub(super) struct Live {
    sketch: Sketch<u64>,
    /// Locked after the state of the book, never before it.
    index: Arc<RwLock<Index>>,
}

impl Live {
    pub(super) fn new(key: Key, cells: usize, ids: &[ItemId]) -> Self {
        let names: Vec<_> = ids.iter().map(|id| (key.short_id(id.as_bytes()), *id)).collect();
        let sketch = Sketch::from_symbols(key, cells, names.iter().map(|(short, _)| *short));
        Self { sketch, index: Arc::new(RwLock::new(names.into_iter().collect())) }
    }

    /// Brings one item up to date.
    pub(super) fn set(&mut self, id: ItemId, held: bool) {
        let short = self.sketch.key().short_id(id.as_bytes());
        let mut index = self.index.write().unwrap_or_else(PoisonError::into_inner);
        if held {
            if index.insert((short, id)) {
                self.sketch.insert(short);
            }
        } else if index.remove(&(short, id)) {
            self.sketch.remove(short);
        }
    }

    pub(super) fn freeze(&self, digest: &Digest, estimator: &Estimator) -> Epoch {
        let sketch = self.sketch.freeze();
        let (digest, estimator) = (digest.clone(), estimator.clone());
        Epoch { seen: Arc::new(Seen { sketch, digest, estimator }), index: Arc::clone(&self.index) }
    }
}
