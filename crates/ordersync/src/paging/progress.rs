//! How far a requester has come, and that it comes further.

use crate::outcome::Fault;
use crate::{Entry, ItemId, Range};

/// How far a requester has come in its range of the ids.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Progress {
    after: ItemId,
    until: ItemId,
}

impl Progress {
    /// Nothing yet.
    pub(super) const fn start(range: &Range) -> Self {
        Self { after: range.after, until: range.until }
    }

    /// What is left.
    pub(super) const fn rest(&self) -> Range {
        Range { after: self.after, until: self.until }
    }

    /// Takes the orders of a page, which have to ascend from where the last page ended.
    pub(super) fn take<I>(&mut self, orders: &[Entry<I>]) -> Result<(), Fault> {
        for order in orders {
            self.to(order.id)?;
        }
        Ok(())
    }

    /// Goes on to `id`.
    pub(super) fn to(&mut self, id: ItemId) -> Result<(), Fault> {
        if id <= self.after {
            return Err(Fault::Stuck);
        }
        self.after = id;
        Ok(())
    }

    /// Goes on to `id` if that is further.
    pub(super) fn at_least(&mut self, id: ItemId) {
        self.after = self.after.max(id);
    }

    /// Whether nothing is left.
    pub(super) fn is_done(&self) -> bool {
        self.after >= self.until
    }
}
