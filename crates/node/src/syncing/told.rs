//! Which orders were passed on lately, so that none of them keeps the network busy twice.

use std::collections::BTreeSet;

use machine::Instant;
use ordersync::ItemId;

use super::spreading::FRESH;

/// Most orders remembered of one half of the time.
const TOLD_MAX: usize = 65_536;

/// The orders that were passed on within [`FRESH`], and up to twice as long.
#[derive(Debug, Default)]
pub(super) struct Told {
    now: BTreeSet<ItemId>,
    before: BTreeSet<ItemId>,
    since: Instant,
}

impl Told {
    /// Whether an order was passed on lately.
    pub(super) fn has(&mut self, id: &ItemId, now: Instant) -> bool {
        self.forget(now);
        self.now.contains(id) || self.before.contains(id)
    }

    /// Remembers that an order is passed on.
    pub(super) fn add(&mut self, id: ItemId, now: Instant) {
        self.forget(now);
        if self.now.len() >= TOLD_MAX {
            self.turn(now);
        }
        self.now.insert(id);
    }

    fn forget(&mut self, now: Instant) {
        if now.since(self.since) > FRESH * 2 {
            self.now.clear();
        }
        if now.since(self.since) > FRESH {
            self.turn(now);
        }
    }

    fn turn(&mut self, now: Instant) {
        self.before = std::mem::take(&mut self.now);
        self.since = now;
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn an_order_is_remembered_for_a_time() {
        let mut told = Told::default();
        let id = ItemId([1; 32]);
        assert!(!told.has(&id, Instant::START));
        told.add(id, Instant::START);
        for later in [Duration::ZERO, FRESH, FRESH + FRESH / 2] {
            assert!(told.has(&id, Instant::at(later)), "after {later:?}");
        }
        assert!(!told.has(&id, Instant::at(FRESH * 4)));
    }

    #[test]
    fn any_number_of_orders_takes_bounded_room() {
        let mut told = Told::default();
        for number in 0..200_000_u64 {
            let mut id = [0; 32];
            id[..8].copy_from_slice(&number.to_be_bytes());
            told.add(ItemId(id), Instant::START);
        }
        assert!(told.now.len() + told.before.len() <= 2 * TOLD_MAX);
    }
}
