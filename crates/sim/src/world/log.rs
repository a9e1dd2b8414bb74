//! What is counted over a whole run.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use gossip::{DisconnectReason, Fault, Swap, SwapRefusal};
use machine::{Blame as _, Instant, Verdict};
use serde::Serialize;

/// Counters of a run.
#[derive(Debug, Default)]
pub(crate) struct Log {
    pub(crate) dials: u64,
    pub(crate) dials_good: u64,
    pub(crate) saves: u64,
    pub(crate) store_failures: u64,
    pub(crate) seeds_wanted: u64,
    pub(crate) too_few: u64,
    pub(crate) too_many: u64,
    pub(crate) adverts: u64,
    pub(crate) records_kept: u64,
    pub(crate) bans: u64,
    /// Links given away that were not to be given, by what they were.
    pub(crate) protected_lost: BTreeMap<&'static str, u64>,
    pub(crate) swaps: Swaps,
    /// Hang-ups by reason.
    pub(crate) disconnects: BTreeMap<&'static str, u64>,
    /// Blame by fault, on the honest and on the others.
    pub(crate) faults: BTreeMap<String, [u64; 2]>,
    /// Faults that cost an honest peer points.
    pub(crate) honest_charged: u64,
    /// Lifetimes of connections that ended, by the upper end of their class.
    pub(crate) lifetimes: [u64; LIFETIMES.len()],
    /// How long those ran who run no more.
    pub(crate) node_time: Duration,
    pub(crate) half_life: Option<Duration>,
}

/// Upper ends of the classes of lifetimes, in seconds.
pub(crate) const LIFETIMES: [u64; 10] = [1, 10, 60, 300, 900, 1800, 3600, 7200, 14_400, u64::MAX];

/// Exchanges of links, told by those who proposed them.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Swaps {
    /// Exchanges that took place, told by the proposer.
    pub(crate) done: u64,
    /// Exchanges that did not, told by the proposer, by reason.
    pub(crate) refused: BTreeMap<&'static str, u64>,
    /// Exchanges of which one side let go, and did not hear that the other had.
    pub(crate) unconfirmed: u64,
    /// Exchanges between honest nodes that only one of them made.
    pub(crate) half_done: u64,
    /// Parts made whose counterpart has not been told of yet.
    #[serde(skip)]
    open: VecDeque<Part>,
}

/// One side's word that it has made its part of an exchange.
#[derive(Clone, Copy, Debug)]
struct Part {
    parties: (usize, usize),
    proposed: bool,
    at: Instant,
}

/// Longest time between the two ends of one exchange.
const APART_MAX: Duration = Duration::from_mins(2);

impl Swaps {
    /// One side of an exchange tells how it ended.
    pub(super) fn note(
        &mut self,
        parties: (usize, usize),
        proposed: bool,
        both_honest: bool,
        outcome: Result<Swap, SwapRefusal>,
        now: Instant,
    ) {
        self.settle(now);
        match outcome {
            Ok(swap) => {
                self.done += u64::from(proposed);
                self.unconfirmed += u64::from(!swap.confirmed);
                if both_honest && swap.confirmed {
                    self.pair(Part { parties, proposed, at: now });
                }
            }
            Err(refusal) if proposed => {
                *self.refused.entry(refusal.name()).or_default() += 1;
            }
            Err(_) => {}
        }
    }

    fn pair(&mut self, part: Part) {
        let other = |it: &Part| it.parties == part.parties && it.proposed != part.proposed;
        match self.open.iter().position(other) {
            Some(at) => {
                self.open.remove(at);
            }
            None => self.open.push_back(part),
        }
    }

    /// Counts as half done what waits too long for its other half.
    pub(crate) fn settle(&mut self, now: Instant) {
        while self.open.front().is_some_and(|first| now.since(first.at) > APART_MAX) {
            self.open.pop_front();
            self.half_done += 1;
        }
    }
}

impl Log {
    /// Links given away that were not to be given.
    pub(crate) fn all_protected_lost(&self) -> u64 {
        self.protected_lost.values().sum()
    }

    pub(super) fn disconnected(&mut self, reason: DisconnectReason) {
        *self.disconnects.entry(reason.name()).or_default() += 1;
    }

    pub(super) fn blamed(&mut self, fault: Fault, honest: bool) {
        // Its name is that of the variant, whatever it carries.
        let name = format!("{fault:?}");
        let name = name.split(|it: char| !it.is_alphanumeric()).next().unwrap_or_default();
        self.faults.entry(name.to_owned()).or_default()[usize::from(!honest)] += 1;
        self.honest_charged += u64::from(honest && fault.verdict() != Verdict::Note);
    }

    pub(super) fn lasted(&mut self, span: Duration) {
        let class = LIFETIMES.iter().position(|end| span.as_secs() < *end);
        self.lifetimes[class.unwrap_or(LIFETIMES.len() - 1)] += 1;
    }
}

#[cfg(test)]
mod tests {
    use gossip::Swap;
    use simnet::peer;

    use super::*;

    fn part(swaps: &mut Swaps, parties: (usize, usize), proposed: bool, confirmed: bool, at: u64) {
        let outcome = Ok(Swap { gave: peer(1), got: peer(2), confirmed });
        swaps.note(parties, proposed, true, outcome, Instant::at(Duration::from_secs(at)));
    }

    #[test]
    fn a_part_without_its_other_half_is_half_done() {
        let mut swaps = Swaps::default();
        part(&mut swaps, (1, 2), false, true, 0);
        part(&mut swaps, (1, 2), true, true, 1);
        part(&mut swaps, (2, 1), true, true, 2);
        swaps.settle(Instant::at(Duration::from_mins(1)));
        assert_eq!((swaps.done, swaps.half_done), (2, 0), "the other half may still come");
        swaps.settle(Instant::at(Duration::from_mins(5)));
        assert_eq!(swaps.half_done, 1, "the roles are not the same");
        part(&mut swaps, (1, 2), true, false, 600);
        swaps.settle(Instant::at(Duration::from_hours(1)));
        assert_eq!((swaps.half_done, swaps.unconfirmed), (1, 1), "it kept both links");
    }
}
