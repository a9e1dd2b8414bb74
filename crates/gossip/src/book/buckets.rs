//! A table of buckets, each with a few entries, those that may be dialled in front.

use rand::RngExt as _;
use rand::seq::IndexedRandom as _;
use rand_chacha::ChaCha8Rng;

/// Draws before all that is left is looked at. With half of the ready entries refused by the
/// caller, one look in 65,536 has to.
const DRAWS: usize = 16;

/// Entries by bucket. It knows them by number only; each is in one bucket at most.
#[derive(Debug)]
pub(super) struct Buckets {
    width: usize,
    /// `width` places for each bucket: the ready ones, the others, unused ones.
    places: Vec<u16>,
    fill: Vec<Fill>,
    /// Buckets with a ready entry, in no order.
    lively: Vec<u16>,
    len: usize,
}

#[derive(Clone, Copy, Debug, Default)]
struct Fill {
    held: u8,
    ready: u8,
    /// Where in `lively` the bucket is, while it is.
    rank: u16,
}

impl Buckets {
    /// `count` buckets, at most 65,536, of `width` places, at most 255.
    pub(super) fn new(count: usize, width: usize) -> Self {
        Self {
            width,
            places: vec![0; count.saturating_mul(width)],
            fill: vec![Fill::default(); count],
            lively: Vec::new(),
            len: 0,
        }
    }

    /// How many buckets.
    pub(super) fn count(&self) -> usize {
        self.fill.len()
    }

    /// Entries held.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn bucket(&self, bucket: u16) -> &[u16] {
        self.part(bucket, |fill| fill.held)
    }

    pub(super) fn is_full(&self, bucket: u16) -> bool {
        self.bucket(bucket).len() >= self.width
    }

    /// All entries, bucket by bucket.
    pub(super) fn iter(&self) -> impl Iterator<Item = u16> {
        let filled = self.places.chunks(self.width.max(1)).zip(&self.fill);
        filled.flat_map(|(places, fill)| places.iter().take(fill.held.into())).copied()
    }

    /// Adds an entry that is not ready. False when the bucket is full.
    pub(super) fn insert(&mut self, bucket: u16, id: u16) -> bool {
        if self.is_full(bucket) {
            return false;
        }
        let held = self.bucket(bucket).len();
        if let Some(place) = self.places_mut(bucket).get_mut(held) {
            *place = id;
            self.len = self.len.saturating_add(1);
        }
        if let Some(fill) = self.fill.get_mut(usize::from(bucket)) {
            fill.held = fill.held.saturating_add(1);
        }
        true
    }

    pub(super) fn remove(&mut self, bucket: u16, id: u16) {
        self.set_ready(bucket, id, false);
        let held = self.bucket(bucket).len();
        let Some(place) = self.bucket(bucket).iter().position(|held| *held == id) else { return };
        self.places_mut(bucket).swap(place, held.saturating_sub(1));
        if let Some(fill) = self.fill.get_mut(usize::from(bucket)) {
            fill.held = fill.held.saturating_sub(1);
        }
        self.len = self.len.saturating_sub(1);
    }

    /// Says whether an entry may be drawn.
    pub(super) fn set_ready(&mut self, bucket: u16, id: u16, ready: bool) {
        let Some(place) = self.bucket(bucket).iter().position(|held| *held == id) else { return };
        let line = self.ready(bucket).len();
        if (place < line) == ready {
            return;
        }
        // The entry at the line changes places with it, and the line moves over it.
        let border = if ready { line } else { line.saturating_sub(1) };
        self.places_mut(bucket).swap(place, border);
        let Some(fill) = self.fill.get_mut(usize::from(bucket)) else { return };
        if ready {
            fill.ready = fill.ready.saturating_add(1);
            if fill.ready == 1 {
                fill.rank = u16::try_from(self.lively.len()).unwrap_or(u16::MAX);
                self.lively.push(bucket);
            }
        } else {
            fill.ready = fill.ready.saturating_sub(1);
            if fill.ready == 0 {
                let rank = fill.rank;
                self.silence(rank);
            }
        }
    }

    /// Takes a bucket from the lively ones; the last takes its place.
    fn silence(&mut self, rank: u16) {
        self.lively.swap_remove(rank.into());
        if let Some(moved) = self.lively.get(usize::from(rank))
            && let Some(fill) = self.fill.get_mut(usize::from(*moved))
        {
            fill.rank = rank;
        }
    }

    /// A ready entry that `fits`: a random bucket, then a random entry in it. If there is one, it
    /// is found.
    pub(super) fn draw(
        &self,
        rng: &mut ChaCha8Rng,
        mut fits: impl FnMut(u16) -> bool,
    ) -> Option<u16> {
        for _ in 0..DRAWS {
            let bucket = *self.lively.choose(rng)?;
            let id = *self.ready(bucket).choose(rng)?;
            if fits(id) {
                return Some(id);
            }
        }
        let start = rng.random_range(0..self.lively.len());
        let (before, from) = self.lively.split_at_checked(start)?;
        let rest = from.iter().chain(before).flat_map(|bucket| self.ready(*bucket));
        rest.copied().find(|id| fits(*id))
    }

    pub(super) fn ready(&self, bucket: u16) -> &[u16] {
        self.part(bucket, |fill| fill.ready)
    }

    fn part(&self, bucket: u16, len: impl FnOnce(&Fill) -> u8) -> &[u16] {
        let start = usize::from(bucket).saturating_mul(self.width);
        let len = self.fill.get(usize::from(bucket)).map_or(0, len);
        self.places.get(start..).and_then(|places| places.get(..len.into())).unwrap_or_default()
    }

    fn places_mut(&mut self, bucket: u16) -> &mut [u16] {
        let start = usize::from(bucket).saturating_mul(self.width);
        let width = self.width;
        self.places.get_mut(start..).and_then(|it| it.get_mut(..width)).unwrap_or_default()
    }
}

#[cfg(test)]
impl Buckets {
    /// The lively buckets are those with a ready entry, each once.
    pub(super) fn assert_lively(&self) {
        for (bucket, fill) in (0_u16..).zip(&self.fill) {
            let times = self.lively.iter().filter(|lively| **lively == bucket).count();
            assert_eq!(times, usize::from(fill.ready > 0));
            let rank = self.lively.get(usize::from(fill.rank));
            assert!(fill.ready == 0 || rank == Some(&bucket));
        }
    }
}
