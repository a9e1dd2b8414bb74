//! What will happen, in order of time.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

use machine::Instant;

/// Nanoseconds in one slot, as a power of two: about a millisecond. With half of it twice as many
/// slots are opened; with double, twice as many entries are sorted in each.
const SLOT_BITS: u32 = 20;

/// Slots in one level, as a power of two: as many as a word has bits.
const LEVEL_BITS: u32 = 6;
const SLOTS: usize = 1 << LEVEL_BITS;

/// Levels that cover all the time there is.
const LEVELS: usize = 8;
const _: () = assert!(SLOT_BITS + LEVEL_BITS * 8 >= u64::BITS, "every time has a slot");

/// The end of time, which does not come.
const NEVER: u64 = u64::MAX;

/// Entries by time, and among those of one time by rank: a hierarchical timer wheel.
///
/// What is far away waits in slots that grow with the distance; a slot is spread over smaller ones
/// when its time comes. The entries of the slot at hand are in a heap, so that the order is exact.
#[derive(Debug)]
pub(crate) struct Wheel<T> {
    /// Everything in or before the slot at hand.
    near: BinaryHeap<Reverse<Entry>>,
    /// The number of the slot at hand.
    slot: u64,
    levels: [Level; LEVELS],
    /// The things that the entries stand for, and the places that are free.
    things: Vec<Option<T>>,
    free: Vec<u32>,
}

/// By time, then rank.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
struct Entry {
    nanos: u64,
    rank: u64,
    thing: u32,
}

#[derive(Debug)]
struct Level {
    /// One bit for each slot that is not empty.
    taken: u64,
    slots: [Vec<Entry>; SLOTS],
}

impl<T> Wheel<T> {
    pub(crate) fn new() -> Self {
        Self {
            near: BinaryHeap::new(),
            slot: 0,
            levels: std::array::from_fn(|_| Level::new()),
            things: Vec::new(),
            free: Vec::new(),
        }
    }

    /// How many things wait.
    pub(crate) fn len(&self) -> usize {
        self.things.len() - self.free.len()
    }

    /// Files a thing. What is due at the end of time is dropped.
    pub(crate) fn push(&mut self, at: Instant, rank: u64, thing: T) {
        let nanos = nanos(at);
        if nanos == NEVER {
            return;
        }
        let thing = if let Some(place) = self.free.pop() {
            self.things[place as usize] = Some(thing);
            place
        } else {
            self.things.push(Some(thing));
            u32::try_from(self.things.len() - 1).expect("memory ends before the numbers do")
        };
        self.file(Entry { nanos, rank, thing });
    }

    /// Takes the first thing that is due at `end` or before.
    pub(crate) fn pop(&mut self, end: Instant) -> Option<(Instant, T)> {
        let end = nanos(end);
        while self.near.is_empty() {
            self.open_next(end >> SLOT_BITS)?;
        }
        if self.near.peek().is_none_or(|Reverse(first)| first.nanos > end) {
            return None;
        }
        let Reverse(entry) = self.near.pop()?;
        let thing = self.things.get_mut(entry.thing as usize).and_then(Option::take)?;
        self.free.push(entry.thing);
        Some((Instant::at(Duration::from_nanos(entry.nanos)), thing))
    }

    /// Puts an entry into the smallest slot that is still closed, or into the open one.
    ///
    /// Its level is that of the highest digit in which its slot differs from the one at hand. So
    /// all slots taken on a level lie after the present digit, and all entries of a level lie
    /// before those of the next.
    fn file(&mut self, entry: Entry) {
        let slot = entry.nanos >> SLOT_BITS;
        if slot <= self.slot {
            return self.near.push(Reverse(entry));
        }
        let level = (slot ^ self.slot).ilog2() / LEVEL_BITS;
        self.levels[level as usize].put(digit(slot, level), entry);
    }

    /// Moves on to the next slot that is taken, unless that is after `end`; `None` if there is
    /// none. Brings at least one entry nearer.
    fn open_next(&mut self, end: u64) -> Option<()> {
        let level = self.levels.iter().position(|level| level.taken != 0)?;
        let first = self.levels[level].taken.trailing_zeros();
        let level = u32::try_from(level).ok()?;
        let low = LEVEL_BITS * level;
        let above = self.slot >> (low + LEVEL_BITS);
        let slot = (above << LEVEL_BITS | u64::from(first)) << low;
        if slot > end {
            return None;
        }
        self.slot = slot;
        let mut entries = self.levels[level as usize].take(first as usize);
        for entry in entries.drain(..) {
            self.file(entry);
        }
        self.levels[level as usize].give_back(first as usize, entries);
        Some(())
    }
}

impl Level {
    fn new() -> Self {
        Self { taken: 0, slots: std::array::from_fn(|_| Vec::new()) }
    }

    fn put(&mut self, slot: usize, entry: Entry) {
        self.taken |= 1 << slot;
        self.slots[slot].push(entry);
    }

    fn take(&mut self, slot: usize) -> Vec<Entry> {
        self.taken &= !(1 << slot);
        std::mem::take(&mut self.slots[slot])
    }

    /// Keeps the memory of an emptied slot for its next turn.
    fn give_back(&mut self, slot: usize, empty: Vec<Entry>) {
        if self.slots[slot].is_empty() {
            self.slots[slot] = empty;
        }
    }
}

fn nanos(at: Instant) -> u64 {
    u64::try_from(at.elapsed().as_nanos()).unwrap_or(NEVER)
}

fn digit(slot: u64, level: u32) -> usize {
    let digit = (slot >> (LEVEL_BITS * level)) % SLOTS as u64;
    usize::try_from(digit).expect("fewer than 64 slots")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::*;

    /// Against an ordered map, over spans from nanoseconds to decades.
    #[test]
    fn it_gives_back_in_order_of_time_and_rank() {
        for seed in 0..20 {
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            let (mut wheel, mut map) = (Wheel::new(), BTreeMap::new());
            let mut now = 0u64;
            for rank in 0..5_000u64 {
                let span = 1u64 << rng.random_range(0..60);
                let at = now + rng.random_range(0..span);
                let place = Instant::at(Duration::from_nanos(at));
                // Timers rank above all that was decided before.
                let rank = if rank % 3 == 0 { rank | 1 << 63 } else { rank };
                wheel.push(place, rank, rank);
                map.insert((place, rank), rank);
                let end = Instant::at(Duration::from_nanos(now + rng.random_range(0..span)));
                for _ in 0..rng.random_range(0..3) {
                    let first = map.first_key_value().map(|((at, _), rank)| (*at, *rank));
                    let due = first.filter(|(at, _)| *at <= end);
                    assert_eq!(wheel.pop(end), due, "seed {seed}");
                    if let Some((at, rank)) = due {
                        map.remove(&(at, rank));
                        now = nanos(at);
                    }
                }
                assert_eq!(wheel.len(), map.len());
            }
            let end = Instant::at(Duration::MAX);
            for ((at, _), rank) in map {
                assert_eq!(wheel.pop(end), Some((at, rank)), "seed {seed}");
            }
            assert_eq!(wheel.pop(end), None);
        }
    }

    #[test]
    fn the_end_of_time_does_not_come() {
        let mut wheel = Wheel::new();
        wheel.push(Instant::at(Duration::MAX), 0, ());
        assert_eq!(wheel.pop(Instant::at(Duration::MAX)), None);
        assert_eq!(wheel.len(), 0);
    }
}
