//! Ranges of the ids that several sessions page together.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use crate::Range;

/// How many parts the ids are cut into. A session takes a few at a time, so a fast provider serves
/// more of them than a slow one.
const PARTS: u16 = 16;

/// The ranges that nobody has taken yet. Clones share them.
#[derive(Clone, Debug)]
pub(super) struct Shards {
    left: Arc<Mutex<VecDeque<Range>>>,
}

impl Shards {
    pub(super) fn new() -> Self {
        Self { left: Arc::new(Mutex::new(Range::shards(PARTS).into())) }
    }

    pub(super) fn take(&self) -> Option<Range> {
        self.left.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
    }

    /// For somebody else: a session broke before it was through.
    pub(super) fn give_back(&self, range: Range) {
        self.left.lock().unwrap_or_else(PoisonError::into_inner).push_back(range);
    }
}
