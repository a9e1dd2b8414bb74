//! A bounded queue in which no peer waits for another's flood.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;

use libp2p_identity::PeerId;

/// What a [`FairQueue`] may hold.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Bounds {
    /// Most items of one peer.
    pub items_per_peer: usize,
    /// Most bytes of one peer.
    pub bytes_per_peer: usize,
    /// Most bytes of all together.
    pub bytes_total: usize,
}

/// Why something is not taken in, or is given up again.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Overflow {
    /// Its peer has as many items waiting as one may.
    Items,
    /// Its peer has as many bytes waiting as one may.
    Bytes,
    /// All together have as many bytes waiting as they may, and nobody has more than its peer.
    Total,
}

/// What became of what peers sent, since the start.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Counts {
    /// Items taken in.
    pub accepted: u64,
    /// Refused by [`Overflow::Items`].
    pub over_items: u64,
    /// Refused by [`Overflow::Bytes`].
    pub over_bytes: u64,
    /// Refused by [`Overflow::Total`], or given up for a peer that had less waiting.
    pub over_total: u64,
}

impl Counts {
    fn refuse(&mut self, overflow: Overflow) {
        let count = match overflow {
            Overflow::Items => &mut self.over_items,
            Overflow::Bytes => &mut self.over_bytes,
            Overflow::Total => &mut self.over_total,
        };
        *count = count.saturating_add(1);
    }
}

/// A queue with a lane for each peer, emptied in turns of one item.
///
/// Whoever has something waiting is served once before anybody is served twice. When there is no
/// room for all, the newest of the peer that has most waiting gives way, so that who sends little
/// loses nothing to who sends much.
///
/// ```
/// use meshwork_relay::fair::{Bounds, FairQueue};
/// use machine::PeerId;
///
/// let bounds = Bounds { items_per_peer: 2, bytes_per_peer: 100, bytes_total: 1_000 };
/// let mut queue = FairQueue::new(bounds);
/// let (flood, calm) = (PeerId::random(), PeerId::random());
/// for item in 0..5 {
///     let _refused_from_the_third_on = queue.push(flood, item, 10).is_err();
/// }
/// queue.push(calm, 9, 10).expect("there is room");
/// assert_eq!(queue.counts().over_items, 3);
/// assert_eq!(queue.pop(), Some((flood, 0)));
/// assert_eq!(queue.pop(), Some((calm, 9)));
/// ```
pub struct FairQueue<T> {
    bounds: Bounds,
    /// Those with something waiting.
    lanes: BTreeMap<PeerId, Lane<T>>,
    /// The same peers, next first.
    turns: VecDeque<PeerId>,
    items: usize,
    bytes: usize,
    counts: Counts,
}

struct Lane<T> {
    waiting: VecDeque<(T, usize)>,
    bytes: usize,
}

impl<T> Default for Lane<T> {
    fn default() -> Self {
        Self { waiting: VecDeque::new(), bytes: 0 }
    }
}

impl<T> FairQueue<T> {
    /// An empty queue.
    pub fn new(bounds: Bounds) -> Self {
        Self {
            bounds,
            lanes: BTreeMap::new(),
            turns: VecDeque::new(),
            items: 0,
            bytes: 0,
            counts: Counts::default(),
        }
    }

    /// Takes in an item of so many bytes.
    ///
    /// # Errors
    /// The [`Overflow`], and the item is dropped; it is counted.
    pub fn push(&mut self, peer: PeerId, item: T, bytes: usize) -> Result<(), Overflow> {
        if let Err(overflow) = self.make_room(&peer, bytes) {
            self.counts.refuse(overflow);
            return Err(overflow);
        }
        let lane = self.lanes.entry(peer).or_default();
        if lane.waiting.is_empty() {
            self.turns.push_back(peer);
        }
        lane.waiting.push_back((item, bytes));
        lane.bytes = lane.bytes.saturating_add(bytes);
        self.items = self.items.saturating_add(1);
        self.bytes = self.bytes.saturating_add(bytes);
        self.counts.accepted = self.counts.accepted.saturating_add(1);
        Ok(())
    }

    /// The next item in turn.
    pub fn pop(&mut self) -> Option<(PeerId, T)> {
        let peer = self.turns.pop_front()?;
        let lane = self.lanes.get_mut(&peer)?;
        let (item, bytes) = lane.waiting.pop_front()?;
        lane.bytes = lane.bytes.saturating_sub(bytes);
        if lane.waiting.is_empty() {
            self.lanes.remove(&peer);
        } else {
            self.turns.push_back(peer);
        }
        self.items = self.items.saturating_sub(1);
        self.bytes = self.bytes.saturating_sub(bytes);
        Some((peer, item))
    }

    /// The next items in turn, at most `max`.
    pub fn pop_many(&mut self, max: usize) -> Vec<(PeerId, T)> {
        std::iter::from_fn(|| self.pop()).take(max).collect()
    }

    /// Items that wait.
    pub fn len(&self) -> usize {
        self.items
    }

    /// Items of one peer that wait.
    pub fn waiting(&self, peer: &PeerId) -> usize {
        self.lanes.get(peer).map_or(0, |lane| lane.waiting.len())
    }

    /// Whether none waits.
    pub fn is_empty(&self) -> bool {
        self.items == 0
    }

    /// Bytes that wait.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// What became of what came.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    fn make_room(&mut self, peer: &PeerId, bytes: usize) -> Result<(), Overflow> {
        let Bounds { items_per_peer, bytes_per_peer, bytes_total } = self.bounds;
        let (items, own) =
            self.lanes.get(peer).map_or((0, 0), |lane| (lane.waiting.len(), lane.bytes));
        if items >= items_per_peer {
            return Err(Overflow::Items);
        }
        if own.saturating_add(bytes) > bytes_per_peer {
            return Err(Overflow::Bytes);
        }
        while self.bytes.saturating_add(bytes) > bytes_total {
            let longest = self.lanes.iter().max_by_key(|(_, lane)| lane.bytes);
            let Some((longest, lane)) = longest else { return Err(Overflow::Total) };
            // Who would have most with this item is the one to wait.
            if lane.bytes <= own.saturating_add(bytes) {
                return Err(Overflow::Total);
            }
            self.give_up_newest(*longest);
        }
        Ok(())
    }

    fn give_up_newest(&mut self, peer: PeerId) {
        let Some(lane) = self.lanes.get_mut(&peer) else { return };
        let Some((_, bytes)) = lane.waiting.pop_back() else { return };
        lane.bytes = lane.bytes.saturating_sub(bytes);
        if lane.waiting.is_empty() {
            self.lanes.remove(&peer);
            self.turns.retain(|turn| *turn != peer);
        }
        self.items = self.items.saturating_sub(1);
        self.bytes = self.bytes.saturating_sub(bytes);
        self.counts.refuse(Overflow::Total);
    }
}

impl<T> fmt::Debug for FairQueue<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FairQueue")
            .field("peers", &self.lanes.len())
            .field("items", &self.items)
            .field("bytes", &self.bytes)
            .field("counts", &self.counts)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
