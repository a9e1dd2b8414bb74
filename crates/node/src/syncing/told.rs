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
    /// Remembers an order; whether it was not remembered.
    pub(super) fn is_first(&mut self, id: ItemId, now: Instant) -> bool {
        if now.since(self.since) > FRESH || self.now.len() >= TOLD_MAX {
            self.before = std::mem::take(&mut self.now);
            self.since = now;
        }
        !self.before.contains(&id) && self.now.insert(id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_is_told_once_and_forgotten_in_time() {
        let mut told = Told::default();
        let id = ItemId([1; 32]);
        assert!(told.is_first(id, Instant::START));
        assert!(!told.is_first(id, Instant::at(FRESH)));
        assert!(!told.is_first(id, Instant::at(FRESH + FRESH / 2)), "not yet");
        assert!(told.is_first(ItemId([2; 32]), Instant::at(FRESH * 3)));
        assert!(told.is_first(id, Instant::at(FRESH * 5)));
    }

    #[test]
    fn any_number_of_orders_takes_bounded_room() {
        let mut told = Told::default();
        for number in 0..200_000_u64 {
            let mut id = [0; 32];
            id[..8].copy_from_slice(&number.to_be_bytes());
            assert!(told.is_first(ItemId(id), Instant::START));
        }
        assert!(told.now.len() + told.before.len() <= 2 * TOLD_MAX);
    }
}
