//! Who is closest to a key.

use machine::Instant;
use rand::Rng;

use super::bucket::Bucket;
use super::{Contact, Table};
use crate::key::{Distance, Key};

/// Stands for the neighbourhood among the buckets: it is looked up by the own key.
const NEIGHBOURHOOD: Option<u8> = None;

impl Table {
    /// The `n` contacts closest to `key`, best first.
    pub fn closest(&self, key: &Key, n: usize) -> Vec<&Contact> {
        self.nearest(key, n, |bucket| bucket.contacts().iter())
    }

    /// The same, of those only with whom this node had a link since it has their record: what it
    /// may pass on to others.
    pub fn shareable(&self, key: &Key, n: usize) -> Vec<&Contact> {
        self.nearest(key, n, |bucket| bucket.contacts().iter().filter(|c| c.is_verified()))
    }

    /// The same, also of those that are only heard of: whom a look-up may ask.
    ///
    /// # Security
    /// Whoever is only heard of may not exist: messages are not sent over them.
    pub fn known(&self, key: &Key, n: usize) -> Vec<&Contact> {
        self.nearest(key, n, |bucket| bucket.contacts().iter().chain(bucket.waiting()))
    }

    /// The `n` contacts closest to `key` that are strictly closer than this node, best first.
    /// Going only there, a message never comes back.
    pub fn closer(&self, key: &Key, n: usize) -> Vec<&Contact> {
        let own = self.own.distance(key);
        let mut closest = self.closest(key, n);
        closest.truncate(closest.partition_point(|contact| contact.key().distance(key) < own));
        closest
    }

    /// Whether this node is one of the `n` closest to `key` that it knows, itself counted and the
    /// owner of `key` not. Of a small network only the closer half is, though never fewer than
    /// `least`: otherwise every node of it would keep what is for any of them.
    pub fn is_close(&self, key: &Key, n: usize, least: usize) -> bool {
        let bucket = self.own.distance(key).bucket().and_then(|place| self.buckets.get(&place));
        let is_owner = |contact: &Contact| contact.key() == key;
        let owner = bucket.is_some_and(|bucket| bucket.contacts().iter().any(is_owner));
        let known = self.contacts.saturating_add(1).saturating_sub(owner.into());
        let enough = n.min(known.div_ceil(2).max(least));
        let closer = self.closer(key, enough.saturating_add(owner.into()));
        closer.len().saturating_sub(owner.into()) < enough
    }

    /// A key whose look-up is due: nothing was looked up around it for the refresh period. The own
    /// one for the neighbourhood, which is the buckets that hold no more than one bucket's worth of
    /// contacts together; else one drawn in the bucket that has waited longest.
    pub fn refresh_due(&self, now: Instant, rng: &mut impl Rng) -> Option<Key> {
        let (due, place) = self.next_place()?;
        (due <= now).then(|| place.map_or(self.own, |bucket| self.own.in_bucket(bucket, rng)))
    }

    /// When [`refresh_due`](Self::refresh_due) next has a key; `None` while the table is empty.
    pub fn next_refresh(&self) -> Option<Instant> {
        self.next_place().map(|(due, _)| due)
    }

    /// Notes that `key` was looked up.
    pub fn refreshed(&mut self, key: &Key, now: Instant) {
        let edge = self.edge();
        let place = self.own.distance(key).bucket().filter(|bucket| *bucket >= edge);
        self.refreshed.insert(place, now);
    }

    /// What is to be refreshed next, and when.
    fn next_place(&self) -> Option<(Instant, Option<u8>)> {
        if self.contacts == 0 {
            return None;
        }
        let due = |place| {
            let last = self.refreshed.get(&place);
            (last.map_or(Instant::START, |at| at.after(self.refresh_period)), place)
        };
        std::iter::once(NEIGHBOURHOOD).chain((self.edge()..=u8::MAX).map(Some)).map(due).min()
    }

    /// The lowest bucket outside the neighbourhood.
    fn edge(&self) -> u8 {
        let mut inside = 0_usize;
        for (place, bucket) in &self.buckets {
            inside = inside.saturating_add(bucket.contacts().len());
            if inside > self.config.bucket_max {
                return *place;
            }
        }
        u8::MAX
    }

    /// Buckets in the order of their distance from `key`: each key of a later group is farther than
    /// any of an earlier one.
    ///
    /// With `key` in bucket b of this node: who shares bit b with it is in b; who shares all above
    /// b is below; the others differ at the bit of their own bucket.
    fn nearest<'a, C>(
        &'a self,
        key: &Key,
        n: usize,
        of: impl Fn(&'a Bucket) -> C,
    ) -> Vec<&'a Contact>
    where
        C: Iterator<Item = &'a Contact>,
    {
        let mut found: Vec<&Contact> = Vec::with_capacity(n.min(self.contacts));
        let mut group: Vec<(Distance, &Contact)> = Vec::new();
        let place = self.own.distance(key).bucket();
        let (at, below) = match place {
            Some(place) => (self.buckets.range(place..=place), self.buckets.range(..place)),
            None => (self.buckets.range(..0), self.buckets.range(..0)),
        };
        let above = self.buckets.range(place.map_or(0, |place| place.saturating_add(1))..);
        let above = above.filter(|(bucket, _)| Some(**bucket) > place);
        let mut take = |buckets: &mut dyn Iterator<Item = (&'a u8, &'a Bucket)>| {
            group.extend(
                buckets.flat_map(|(_, bucket)| of(bucket)).map(|c| (c.key().distance(key), c)),
            );
            group.sort_unstable_by_key(|(distance, _)| *distance);
            let room = n.saturating_sub(found.len());
            found.extend(group.drain(..).take(room).map(|(_, contact)| contact));
            found.len() >= n
        };
        if take(&mut { at }) || take(&mut { below }) {
            return found;
        }
        for bucket in above {
            if take(&mut std::iter::once(bucket)) {
                break;
            }
        }
        found
    }
}
