//! Receipts: which were sent lately, which are to be sent soon, and how many may be kept.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use bytes::Bytes;
use libp2p_identity::PeerId;
use machine::{Instant, JobError};
use rand::RngExt as _;

use super::Core;
use super::agenda::Due;
use super::desk::Errand;
use crate::event::{Done, Job};
use crate::letter::{Kind, LetterId};

/// Receipts that are sealed at once.
const SEALING_MAX: usize = 16;
/// How long one waits that found no place among the jobs.
const AGAIN: Duration = Duration::from_secs(1);
/// Receipts that others may be asked to keep: so many at once, and then one after each such time. A
/// sender of many letters, whose keys lie close to one recipient, spends no more of what others
/// keep for this node.
const KEPT_BURST: u32 = 256;
const KEPT_EVERY: Duration = Duration::from_secs(20);

/// Receipts sent lately, each of which is not sent again for a while, and those to be sent.
#[derive(Debug, Default)]
pub(super) struct Receipts {
    noted: BTreeMap<(PeerId, LetterId), Instant>,
    order: VecDeque<(Instant, (PeerId, LetterId))>,
    /// When each of these leaves.
    waiting: BTreeSet<(Instant, PeerId, LetterId)>,
    /// How many of what others may be asked to keep are spent, and when that was counted.
    spent: (u32, Instant),
    /// Those being sealed that spent some of it.
    kept: BTreeSet<(PeerId, LetterId)>,
}

impl Receipts {
    /// Notes one unless it was sent lately.
    fn note(&mut self, to: PeerId, letter: LetterId, until: Instant, max: usize) -> bool {
        if self.noted.contains_key(&(to, letter)) || self.waiting.len() >= max {
            return false;
        }
        while self.order.len() >= max {
            let Some((_, oldest)) = self.order.pop_front() else { break };
            self.noted.remove(&oldest);
        }
        self.noted.insert((to, letter), until);
        self.order.push_back((until, (to, letter)));
        true
    }

    /// Forgets those whose time is over.
    fn expire(&mut self, now: Instant) {
        while let Some((until, receipt)) = self.order.front().copied()
            && until <= now
        {
            self.order.pop_front();
            self.noted.remove(&receipt);
        }
    }

    fn next_due(&self) -> Option<Instant> {
        let forgotten = self.order.front().map(|(until, _)| *until);
        let leaves = self.waiting.first().map(|(at, ..)| *at);
        forgotten.into_iter().chain(leaves).min()
    }

    /// Whether others may be asked to keep another; counts it.
    fn may_be_kept(&mut self, now: Instant) -> bool {
        let (spent, since) = self.spent;
        let periods = now.since(since).as_secs().checked_div(KEPT_EVERY.as_secs());
        let back = u32::try_from(periods.unwrap_or(0)).unwrap_or(u32::MAX);
        let (spent, since) = match spent.checked_sub(back) {
            None | Some(0) => (0, now),
            Some(spent) => (spent, since.after(KEPT_EVERY.saturating_mul(back))),
        };
        self.spent = (spent.saturating_add(1).min(KEPT_BURST), since);
        spent < KEPT_BURST
    }

    pub(super) fn len(&self) -> usize {
        self.noted.len().saturating_add(self.waiting.len())
    }
}

impl Core {
    /// Tells a sender that its letter is delivered: not at once, so that what comes in and what
    /// goes out are less easily seen to belong together.
    pub(super) fn receipt(&mut self, to: PeerId, letter: LetterId, now: Instant) {
        let delivery = self.params.delivery();
        let (until, max) = (now.after(delivery.receipt_gap), delivery.messages_max);
        if !delivery.receipts || !self.receipts.note(to, letter, until, max) {
            return;
        }
        let delay = self.rng.random_range(Duration::ZERO..=delivery.receipt_delay);
        self.receipts.waiting.insert((now.after(delay), to, letter));
        self.receipts_planned();
    }

    /// Sends those whose time has come, and forgets those that were sent long ago.
    pub(super) fn receipts_due(&mut self, now: Instant) {
        self.receipts.expire(now);
        let mut sealing = self.desk.count(|errand| matches!(errand, Errand::Receipt { .. }));
        while sealing < SEALING_MAX
            && let Some((at, to, letter)) = self.receipts.waiting.first().copied()
            && at <= now
        {
            self.receipts.waiting.pop_first();
            // Over a link it needs nobody's mailbox.
            let keep = !self.links.contains_key(&to) && self.receipts.may_be_kept(now);
            let payload = Bytes::copy_from_slice(&letter.0);
            let addressed = self.address(to, Kind::Receipt, keep, payload, now);
            if let Some(addressed) = addressed {
                if keep {
                    self.receipts.kept.insert((to, letter));
                }
                let job = Job::Seal(Box::new(addressed));
                self.desk.start(Errand::Receipt { to, letter }, job);
                sealing = sealing.saturating_add(1);
            }
        }
        // Each that is sealed makes room for the next.
        if sealing < SEALING_MAX {
            self.receipts_planned();
        }
    }

    /// A receipt is sealed, or found no place among the jobs.
    pub(super) fn on_receipt_sealed(
        &mut self,
        (to, letter): (PeerId, LetterId),
        outcome: Result<Done, JobError>,
        now: Instant,
    ) {
        let room = self.receipts.waiting.len() < self.params.delivery().messages_max;
        let kept = self.receipts.kept.remove(&(to, letter));
        if matches!(outcome, Err(JobError::Refused)) && room {
            if kept {
                self.receipts.spent.0 = self.receipts.spent.0.saturating_sub(1);
            }
            self.receipts.waiting.insert((now.after(AGAIN), to, letter));
        } else {
            self.on_aside(outcome, now);
        }
        self.receipts_planned();
    }

    fn receipts_planned(&mut self) {
        if let Some(at) = self.receipts.next_due() {
            self.agenda.set(Due::Receipts, at);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_may_be_kept_at_once_and_then_one_after_the_other() {
        let mut receipts = Receipts::default();
        let at = |secs| Instant::at(Duration::from_secs(secs));
        let mut kept = |secs, of| (0..of).filter(|_| receipts.may_be_kept(at(secs))).count();
        assert_eq!(kept(0, 1_000), 256);
        assert_eq!(kept(19, 10), 0);
        assert_eq!((kept(20, 10), kept(39, 10), kept(70, 10)), (1, 0, 2));
        assert_eq!(kept(70 + 300 * 20, 1_000), 256, "never more than at first");
    }
}
