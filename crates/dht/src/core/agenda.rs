//! What is due when.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use libp2p_identity::PeerId;
use machine::Instant;

use crate::letter::LetterId;

/// Most entries dealt with in one tick, so that what they bring about stays under the limit on
/// effects. The rest follows after [`STEP`].
const AT_ONCE: usize = 64;
/// The shortest delay.
const STEP: Duration = Duration::from_millis(1);

/// Something that will be due.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum Due {
    /// A parcel that waits for a dial, a place or a verdict.
    Parcel(u64),
    /// An own message: another attempt, or its end.
    Own(LetterId),
    /// Rows of own messages: a store that failed may be tried again, or one is forgotten.
    Rows,
    /// A link that asked for a rest may be offered parcels again.
    Rested(PeerId),
    /// A look-up: a question without an answer, or its end.
    LookUp(u64),
    /// The search for a peer ends.
    Search(PeerId),
    /// Ways back that are forgotten.
    Ways,
    /// Receipts: one leaves, or may be sent again.
    Receipts,
    /// A link that was opened for the core, perhaps unused.
    Idle(PeerId),
    /// A peer may be dialled again, or its failures are forgotten.
    Rest(PeerId),
    /// Look-ups of this node's own accord.
    Explore,
    /// The mailbox.
    Mail,
}

/// Everything that is due some time, each once.
#[derive(Debug, Default)]
pub(super) struct Agenda {
    by_time: BTreeSet<(Instant, Due)>,
    by_due: BTreeMap<Due, Instant>,
}

impl Agenda {
    /// Puts it at `at`, wherever it was before.
    pub(super) fn set(&mut self, due: Due, at: Instant) {
        if let Some(before) = self.by_due.insert(due, at) {
            self.by_time.remove(&(before, due));
        }
        self.by_time.insert((at, due));
    }

    /// The same, as soon as may be.
    pub(super) fn soon(&mut self, due: Due, now: Instant) {
        self.set(due, now.after(STEP));
    }

    /// Puts it at `at` unless it comes sooner already.
    pub(super) fn by(&mut self, due: Due, at: Instant) {
        if self.by_due.get(&due).is_none_or(|before| at < *before) {
            self.set(due, at);
        }
    }

    /// Takes it out.
    pub(super) fn clear(&mut self, due: Due) {
        if let Some(at) = self.by_due.remove(&due) {
            self.by_time.remove(&(at, due));
        }
    }

    /// When the first is due.
    pub(super) fn next(&self) -> Option<Instant> {
        self.by_time.first().map(|(at, _)| *at)
    }

    /// Takes out those that are due, up to a bound; the rest is due in a moment.
    pub(super) fn take(&mut self, now: Instant) -> Vec<Due> {
        let mut taken = Vec::new();
        while taken.len() < AT_ONCE && self.next().is_some_and(|at| at <= now) {
            let Some((_, due)) = self.by_time.pop_first() else { break };
            self.by_due.remove(&due);
            taken.push(due);
        }
        taken
    }

    /// Puts what is due still a moment later.
    pub(super) fn defer(&mut self, now: Instant) {
        while let Some((at, due)) = self.by_time.first().copied()
            && at <= now
        {
            self.soon(due, now);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_due_once_and_at_its_last_time() {
        let at = |secs| Instant::at(Duration::from_secs(secs));
        let mut agenda = Agenda::default();
        agenda.set(Due::Ways, at(5));
        agenda.set(Due::Ways, at(3));
        agenda.by(Due::Ways, at(4));
        agenda.set(Due::Mail, at(9));
        assert_eq!(agenda.next(), Some(at(3)));
        assert_eq!(agenda.take(at(4)), [Due::Ways]);
        agenda.clear(Due::Mail);
        assert_eq!(agenda.next(), None);
    }

    #[test]
    fn more_than_may_be_at_once_is_spread() {
        let now = Instant::at(Duration::from_secs(1));
        let mut agenda = Agenda::default();
        (0..100).for_each(|n| agenda.set(Due::Parcel(n), now));
        assert_eq!(agenda.take(now).len(), AT_ONCE);
        agenda.defer(now);
        assert!(agenda.next() > Some(now));
        assert_eq!(agenda.take(now.after(STEP)).len(), 100 - AT_ONCE);
    }
}
