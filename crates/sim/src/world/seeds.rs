//! Seeds: they know who has visited them and can be dialled, and tell every visitor of some.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use gossip::Command;
use rand::seq::{IndexedRandom, IteratorRandom};

use super::{Errand, World};
use crate::population::{Camp, Member};

/// Most records in one answer.
const ANSWER_MAX: usize = 64;

/// Seeds that one node visits in one round.
const FAN_OUT: usize = 3;

/// Ways there and back of one visit: handshake, question, answer.
const VISIT_LEGS: usize = 8;

/// How long a seed wants to rest between two visits of one node.
const REST: Duration = Duration::from_secs(1);

/// One seed.
#[derive(Debug)]
pub(super) struct Seed {
    who: usize,
    /// Whether it tells of attackers only.
    poisoned: bool,
    known: BTreeSet<usize>,
}

impl World {
    /// Adds seeds, the last of which are poisoned.
    pub(crate) fn add_seeds(&mut self, count: usize, poisoned: usize) {
        let added = self.add(Camp::Seed, count, 1);
        for (nth, who) in added.into_iter().enumerate() {
            let poisoned = nth + poisoned >= count;
            self.seeds.push(Seed { who, poisoned, known: BTreeSet::new() });
        }
    }

    /// A core wants to hear of somebody. Without seeds nobody answers, ever.
    pub(super) fn on_seeds_wanted(&mut self, who: usize) {
        self.log.seeds_wanted += 1;
        if !self.seeds.is_empty() {
            let (after, starts) = (self.delays(VISIT_LEGS), self.lives[who].starts);
            self.set_out(after, Errand::Seek { who, starts });
        }
    }

    pub(super) fn on_seek(&mut self, who: usize, starts: u64) {
        if !self.lives[who].runs || self.lives[who].starts != starts {
            return;
        }
        let me = self.people.get(who).peer;
        let mut taught = 0;
        for seed in (0..self.seeds.len()).sample(&mut self.rng, FAN_OUT) {
            if self.divided(who, self.seeds[seed].who) {
                continue;
            }
            let Member { peer: source, address, .. } = self.people.get(self.seeds[seed].who);
            let (source, address) = (*source, Some(address.clone()));
            let records = self.tell(seed, who);
            taught += records.len();
            if !records.is_empty() {
                self.net.command(me, Command::Learned { source, address, records });
            }
            let after = self.delays(VISIT_LEGS);
            self.set_out(after, Errand::Probe { seed, who });
        }
        let outcome = if taught > 0 { Ok(taught) } else { Err(REST) };
        self.net.command(me, Command::Sought { outcome });
    }

    /// What a seed answers.
    fn tell(&mut self, seed: usize, visitor: usize) -> Vec<Arc<wire::signed::SignedRecord>> {
        let Seed { poisoned, known, .. } = &self.seeds[seed];
        if *poisoned {
            let friends = self.circle.friends.sample(&mut self.rng, ANSWER_MAX);
            return friends.map(Arc::clone).collect();
        }
        let others = known.iter().filter(|it| **it != visitor);
        let mut chosen = others.copied().sample(&mut self.rng, ANSWER_MAX);
        chosen.sort_unstable();
        chosen.into_iter().map(|it| Arc::clone(&self.people.get(it).record)).collect()
    }

    pub(super) fn on_probe(&mut self, seed: usize, who: usize) {
        if self.lives[who].runs && self.people.get(who).reachable {
            self.seeds[seed].known.insert(who);
        }
    }
}
