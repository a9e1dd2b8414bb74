//! The guard itself: shards, and the count that turns their generations.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use siphasher::sip128::SipHasher24;
use thiserror::Error;

use super::Params;
use super::place::Place;
use super::shard::Shard;

/// The tag was seen before; in fewer than four cases of a million, one like it.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[error("replayed packet")]
pub struct Replayed;

/// What a guard did since it was made.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Counts {
    /// Tags that were new.
    pub admitted: u64,
    /// Tags that were not.
    pub replayed: u64,
    /// Of the new ones those that no journal will have, because too many were waiting for it.
    pub unrecorded: u64,
}

/// Remembers packet tags, and tells those that come again. Its module says how.
///
/// # Security
/// An attacker cannot tell where a tag goes without the secret. He can have tags forgotten, by
/// making [`capacity`](super::Config::capacity) to twice as many packets that get as far as this
/// check; each costs him what it costs to make a packet, and us what it costs to open its header.
pub struct Guard {
    secret: SipHasher24,
    params: Params,
    shards: Box<[Slot]>,
    /// The position of the next tag. Tags `n · capacity` to `(n + 1) · capacity` are generation n.
    position: AtomicU64,
    /// Where this guard began to count.
    start: u64,
    recorded: bool,
    replayed: AtomicU64,
    unrecorded: AtomicU64,
}

/// A shard on cache lines of its own, so that locks do not share one.
#[repr(align(128))]
struct Slot(Mutex<Shard>);

impl Slot {
    fn lock(&self) -> MutexGuard<'_, Shard> {
        // Nothing under the lock panics, and a shard is never left half written.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Guard {
    /// A guard that remembers until the process ends. The `secret` is drawn at random.
    pub fn new(params: &Params, secret: [u8; 16]) -> Self {
        Self::at(params, secret, 0, false)
    }

    /// A guard whose next tag has this position in a journal.
    pub(super) fn at(params: &Params, secret: [u8; 16], start: u64, recorded: bool) -> Self {
        let params = params.clone();
        let generation = generation(start, params.capacity);
        let slot = || Slot(Mutex::new(Shard::new(params.pairs, generation)));
        Self {
            secret: SipHasher24::new_with_key(&secret),
            shards: std::iter::repeat_with(slot).take(params.shards).collect(),
            params,
            position: AtomicU64::new(start),
            start,
            recorded,
            replayed: AtomicU64::new(0),
            unrecorded: AtomicU64::new(0),
        }
    }

    /// Remembers `tag`. Of several calls with one tag, also at the same time, one at most is `Ok`.
    ///
    /// It reads two cache lines beside the shard's own, and writes one. Once in a generation it
    /// finds that a shard has to forget, which takes as long as to write the shard over.
    ///
    /// # Errors
    /// [`Replayed`] if the tag, or one that looks like it, is remembered.
    pub fn admit(&self, tag: &[u8; 16]) -> Result<(), Replayed> {
        let place = self.place(tag);
        let mut shard = self.slot(&place).lock();
        // Read under the lock: whoever had it before read nothing newer.
        shard.turn_to(self.generation());
        if shard.contains(&place) {
            self.replayed.fetch_add(1, Ordering::Relaxed);
            return Err(Replayed);
        }
        shard.insert(&place);
        let position = self.position.fetch_add(1, Ordering::Relaxed);
        if self.recorded {
            if shard.unflushed.len() < self.params.unflushed_max {
                shard.unflushed.push((position, *tag));
            } else {
                self.unrecorded.fetch_add(1, Ordering::Relaxed);
            }
        }
        Ok(())
    }

    /// Whether [`admit`](Self::admit) would refuse `tag`; it is not remembered by that.
    pub fn contains(&self, tag: &[u8; 16]) -> bool {
        let place = self.place(tag);
        let mut shard = self.slot(&place).lock();
        shard.turn_to(self.generation());
        shard.contains(&place)
    }

    /// What it did since it was made.
    pub fn counts(&self) -> Counts {
        Counts {
            admitted: self.position.load(Ordering::Relaxed).saturating_sub(self.start),
            replayed: self.replayed.load(Ordering::Relaxed),
            unrecorded: self.unrecorded.load(Ordering::Relaxed),
        }
    }

    /// Remembers a tag that a journal has at `position`, if it is not too old for that.
    pub(super) fn restore(&self, position: u64, tag: &[u8; 16]) {
        let place = self.place(tag);
        let generation = generation(position, self.params.capacity);
        self.slot(&place).lock().insert_in(generation, &place);
    }

    /// Takes the tags that wait for the journal, oldest first. Of those that come meanwhile some are
    /// taken and some are not.
    pub(super) fn take_unflushed(&self) -> Vec<[u8; 16]> {
        let mut tags = Vec::new();
        for slot in &self.shards {
            tags.append(&mut slot.lock().unflushed);
        }
        tags.sort_unstable();
        tags.into_iter().map(|(_, tag)| tag).collect()
    }

    /// The first position of the generation before that of `position`.
    pub(super) const fn first_remembered(&self, position: u64) -> u64 {
        let capacity = self.params.capacity;
        generation(position, capacity).saturating_sub(1).saturating_mul(capacity)
    }

    fn place(&self, tag: &[u8; 16]) -> Place {
        Place::of(tag, &self.secret, self.shards.len(), self.params.pairs)
    }

    #[expect(clippy::indexing_slicing, reason = "a shard is picked below their number")]
    fn slot(&self, place: &Place) -> &Slot {
        &self.shards[place.shard]
    }

    fn generation(&self) -> u64 {
        generation(self.position.load(Ordering::Relaxed), self.params.capacity)
    }
}

/// The generation of the tag at `position`.
const fn generation(position: u64, capacity: u64) -> u64 {
    match position.checked_div(capacity) {
        Some(generation) => generation,
        // A capacity of zero does not pass the check.
        None => 0,
    }
}

impl fmt::Debug for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guard").field("counts", &self.counts()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;

    use super::*;
    use crate::replay::Config;

    fn guard(capacity: u64, shards: u16) -> Guard {
        let config = Config { capacity, shards, ..Config::default() };
        Guard::new(&config.check().expect("valid"), *b"a secret of ours")
    }

    fn tag(number: u64) -> [u8; 16] {
        u128::from(number).to_le_bytes()
    }

    #[test]
    fn a_tag_passes_once() {
        let guard = guard(1_000, 8);
        assert!(!guard.contains(&tag(1)));
        assert_eq!(guard.admit(&tag(1)), Ok(()));
        assert!(guard.contains(&tag(1)));
        assert_eq!(guard.admit(&tag(1)), Err(Replayed));
        assert_eq!(guard.admit(&tag(2)), Ok(()));
        assert_eq!(guard.counts(), Counts { admitted: 2, replayed: 1, unrecorded: 0 });
        assert_eq!(format!("{guard:?}").find("ours"), None);
    }

    /// None of the last `capacity` is forgotten, at no moment; all are that are twice as old.
    #[test]
    fn no_tag_is_forgotten_before_as_many_others_came_as_a_generation_holds() {
        let guard = guard(1_000, 4);
        for number in 0..5_500 {
            assert_eq!(guard.admit(&tag(number)), Ok(()), "{number}");
            let oldest = number.saturating_sub(999);
            assert!(guard.contains(&tag(oldest)), "{oldest} after {number}");
        }
        assert!((4_000..5_500).all(|number| guard.contains(&tag(number))));
        assert_eq!((0..4_000).filter(|number| guard.contains(&tag(*number))).count(), 0);
    }

    /// With both generations full, at the moment before one is forgotten.
    #[test]
    fn one_of_a_hundred_thousand_fresh_tags_at_most_is_refused() {
        let guard = guard(50_000, 16);
        // Tags that are refused by mistake do not count as admitted.
        let mut number = 0;
        while guard.counts().admitted < 99_999 {
            let _refused_in_error = guard.admit(&tag(number)).is_err();
            number += 1;
        }
        let fresh = 1_000_000..2_000_000;
        let refused = fresh.filter(|number| guard.contains(&tag(*number))).count();
        // By the arithmetic 3.7 of these.
        assert!((1..=10).contains(&refused), "{refused} of 1,000,000");
    }

    /// The sum that the module documents, and the bound with both generations full.
    #[test]
    fn the_arithmetic_holds() {
        let mut poisson = (-14_f64).exp();
        let mut chance = 0.0;
        for tags in 1_i32..200 {
            poisson *= 14.0 / f64::from(tags);
            chance += poisson * (1.0 - (31_f64 / 32.0).powi(tags)).powi(16);
        }
        assert!((1.85e-6..1.87e-6).contains(&chance), "{chance}");
        assert!(2.0 * chance < 1e-5);
    }

    #[test]
    fn of_copies_that_come_at_once_one_passes() {
        let guard = guard(2_000, 2);
        let barrier = Barrier::new(4);
        let passed: usize = std::thread::scope(|scope| {
            let admit_all = || {
                barrier.wait();
                (0..1_900).filter(|number| guard.admit(&tag(*number)).is_ok()).count()
            };
            let threads = [(); 4].map(|()| scope.spawn(admit_all));
            threads.into_iter().map(|thread| thread.join().expect("no panic")).sum()
        });
        assert_eq!(passed, 1_900);
    }

    #[test]
    fn a_guard_without_a_journal_keeps_nothing_for_one() {
        let guard = guard(10, 1);
        assert_eq!(guard.admit(&tag(1)), Ok(()));
        assert!(guard.take_unflushed().is_empty());
    }
}
