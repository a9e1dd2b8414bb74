//! What others are told.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use libp2p_identity::PeerId;
use machine::Instant;
use rand::RngExt as _;
use rand_chacha::ChaCha8Rng;
use wire::signed::SignedRecord;

use super::slab::Held;
use super::{Book, State};

/// How long after it was reached a peer is passed on. Also what a restarted node may tell of at
/// once, by its own wall clock.
const LASTS: Duration = Duration::from_hours(3);

/// Most records of one network in an answer.
const PER_GROUP: usize = 4;

/// An answer holds at most this share of the book, in hundredths: to read it all takes many
/// answers.
///
/// # Source
/// Bitcoin Core: 23 %.
const PERCENT: usize = 23;

/// What an answer may hold however small the book is; and then also of one network.
const FLOOR: usize = 16;

impl Book {
    /// Random peers to tell of: at most `max`, at most 23 % of the book or 16, at most 4 of one
    /// network where the 16 are reached without. Only such as this node reached itself, within the
    /// last 3 h, and that fit.
    pub fn sample(
        &self,
        rng: &mut ChaCha8Rng,
        max: usize,
        exclude: &PeerId,
        now: Instant,
        fits: impl Fn(&SignedRecord) -> bool,
    ) -> Vec<Arc<SignedRecord>> {
        let floor = max.min(FLOOR);
        let share = self.len().saturating_mul(PERCENT) / 100;
        let max = max.min(share.max(floor));
        let mut left: Vec<u16> = self.tried.iter().collect();
        let (mut chosen, mut crowded) = (Vec::new(), Vec::new());
        let mut groups: BTreeMap<_, usize> = BTreeMap::new();
        while chosen.len() < max && !left.is_empty() {
            let id = left.swap_remove(rng.random_range(0..left.len()));
            let Some(held) = self.slab.get(id) else { continue };
            if !passes(held, now) || held.record.peer() == *exclude || !fits(&held.record) {
                continue;
            }
            let seen = groups.entry(held.network()).or_default();
            *seen = seen.saturating_add(1);
            let list = if *seen <= PER_GROUP { &mut chosen } else { &mut crowded };
            list.push(Arc::clone(&held.record));
        }
        let missing = floor.saturating_sub(chosen.len());
        chosen.extend(crowded.into_iter().take(missing));
        chosen
    }

    /// Whether this node may tell others of `peer`.
    pub fn passes_on(&self, peer: &PeerId, now: Instant) -> bool {
        self.find(peer).and_then(|id| self.slab.get(id)).is_some_and(|held| passes(held, now))
    }
}

fn passes(held: &Held, now: Instant) -> bool {
    let there = held.state == State::Connected { dialled: true };
    let lately = held.last_success.is_some_and(|last| last.age(now) <= LASTS);
    held.verified.is_some() && held.failures == 0 && !held.banned && (there || lately)
}
