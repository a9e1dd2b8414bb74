//! Tests before eviction: who waits for whose failure.

use super::{Book, State, Table};

/// Pairs that wait. A test takes one dial every other feeler, so that at a feeler in 2 min all
/// have been tested within the hour.
const WAITING_MAX: usize = 16;

/// Newcomers to full tried buckets, each with the incumbent that has to fail first.
#[derive(Debug, Default)]
pub(super) struct Contests {
    waiting: Vec<Contest>,
    turn: bool,
}

#[derive(Clone, Copy, Debug)]
struct Contest {
    incumbent: u16,
    newcomer: u16,
}

impl Contests {
    /// Whether it is the turn of a contest, rather than of a random entry, to be tested.
    pub(super) fn take_turn(&mut self) -> bool {
        self.turn = !self.turn;
        self.turn
    }

    pub(super) fn incumbents(&self) -> impl Iterator<Item = u16> {
        self.waiting.iter().map(|contest| contest.incumbent)
    }

    /// Forgets the contests of an entry.
    pub(super) fn drop(&mut self, id: u16) {
        self.waiting.retain(|contest| contest.incumbent != id && contest.newcomer != id);
    }

    fn involves(&self, id: u16) -> bool {
        self.waiting.iter().any(|contest| contest.incumbent == id || contest.newcomer == id)
    }

    /// Ends the contest of an incumbent; says who waited.
    fn end(&mut self, incumbent: u16) -> Option<u16> {
        let at = self.waiting.iter().position(|contest| contest.incumbent == incumbent)?;
        Some(self.waiting.remove(at).newcomer)
    }
}

impl Book {
    /// A reached entry asks for a place in its full tried bucket: the incumbent of which nothing
    /// was heard for longest will be tested. One that cannot be tested goes at once.
    pub(super) fn challenge(&mut self, newcomer: u16) {
        let Some(held) = self.slab.get(newcomer) else { return };
        let Some(verified) = held.verified else { return };
        let bucket = self.tried_bucket(&held.record.peer(), &held.record, verified);
        let incumbents =
            self.tried.bucket(bucket).iter().filter_map(|id| Some((*id, self.slab.get(*id)?)));
        let connected = |state| matches!(state, State::Connected { .. });
        let testable = incumbents.filter(|(id, held)| {
            !held.protected && !connected(held.state) && !self.contests.involves(*id)
        });
        let weakest = testable.min_by_key(|(id, held)| {
            let reachable = !held.banned && held.dialable;
            (reachable, held.failures == 0, held.last_success, *id)
        });
        let Some((incumbent, held)) = weakest else { return };
        if held.banned || !held.dialable {
            if self.demote(incumbent) {
                self.promote(newcomer);
            }
        } else if self.contests.waiting.len() < WAITING_MAX && !self.contests.involves(newcomer) {
            self.contests.waiting.push(Contest { incumbent, newcomer });
        }
    }

    /// An entry failed, or is not where it was reached any more. If it is an incumbent, whoever
    /// waited takes its place; if it waited itself, it has lost its claim.
    pub(super) fn lose(&mut self, incumbent: u16) {
        let newcomer = self.contests.end(incumbent);
        self.contests.drop(incumbent);
        let Some(newcomer) = newcomer else { return };
        let in_place = self.slab.get(incumbent).is_some_and(|held| held.table == Table::Tried);
        if !in_place || self.demote(incumbent) {
            self.promote(newcomer);
        }
    }
}

#[cfg(test)]
impl Contests {
    pub(super) fn pairs(&self) -> impl Iterator<Item = (u16, u16)> {
        self.waiting.iter().map(|contest| (contest.incumbent, contest.newcomer))
    }
}
