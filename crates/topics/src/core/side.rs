//! What is known of one neighbour in one stream.

use std::time::Duration;

use machine::Instant;

use crate::messages::SLICE;

/// What a neighbour has to take within the time for a stall: half a slice, since a batch of more
/// than that may not fit beside another.
const QUANTUM: u64 = SLICE / 2;

/// One neighbour in one stream.
#[derive(Debug)]
pub(super) struct Side {
    /// How far it has come, as it says.
    pub(super) theirs: Option<u64>,
    /// Where what it can give begins.
    pub(super) their_oldest: u64,
    /// What it needs nothing of: what was everywhere before it came.
    from: u64,
    /// It will not follow.
    pub(super) declined: bool,
    /// How far it knows that we have come.
    pub(super) told: u64,
    pub(super) told_at: Option<Instant>,
    /// Since when there is something that it has to be told.
    pub(super) news_since: Option<Instant>,
    /// How often in a row it was asked, and sent nothing.
    pub(super) failures: u32,
    /// What it asked us to send.
    pub(super) child: Option<Child>,
    /// The highest number of its requests.
    pub(super) attempt: u64,
    stall: Option<Stall>,
}

/// A neighbour that we feed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Child {
    /// Where to go on.
    pub(super) cursor: u64,
    /// Where its credit ends.
    pub(super) until: u64,
}

/// A neighbour for which something is kept.
#[derive(Clone, Copy, Debug)]
struct Stall {
    since: Instant,
    /// Where it has to come in time.
    mark: u64,
}

impl Side {
    /// A neighbour of which nothing is known, when what we keep begins at `from`.
    pub(super) fn new(from: u64) -> Self {
        Self {
            theirs: None,
            their_oldest: 0,
            from,
            declined: false,
            told: 0,
            told_at: None,
            news_since: None,
            failures: 0,
            child: None,
            attempt: 0,
            stall: None,
        }
    }

    /// Where what it needs begins.
    pub(super) fn needs_from(&self) -> u64 {
        self.theirs.map_or(self.from, |theirs| theirs.max(self.from))
    }

    pub(super) fn has(&mut self, position: u64) {
        self.theirs = Some(self.theirs.map_or(position, |theirs| theirs.max(position)));
    }

    /// Whether something is kept for it, given how far we have come.
    pub(super) fn is_owed(&self, have: u64) -> bool {
        !self.declined && self.needs_from() < have
    }

    /// Sees whether it takes what is kept for it; false when it is too slow.
    pub(super) fn keeps_up(&mut self, have: u64, now: Instant, timeout: Duration) -> bool {
        if !self.is_owed(have) {
            self.stall = None;
            return true;
        }
        let at = self.needs_from();
        match self.stall {
            Some(stall) if at < stall.mark => now.since(stall.since) < timeout,
            _ => {
                self.stall = Some(Stall { since: now, mark: have.min(at.saturating_add(QUANTUM)) });
                true
            }
        }
    }

    /// When it counts as too slow, if it does not move.
    pub(super) fn patience_ends(&self, timeout: Duration) -> Option<Instant> {
        self.stall.map(|stall| stall.since.after(timeout))
    }

    /// Whether it has to be told how far we have come: what it has as well, so that it need not keep
    /// it for us; and what it has not, unless it sees so by being fed. Who declined is asked again
    /// after `patience`.
    pub(super) fn is_untold(&self, have: u64, now: Instant, patience: Duration) -> bool {
        let both = self.theirs.unwrap_or_default().min(have);
        let rested = self.told_at.is_none_or(|told| now >= told.after(patience));
        let offered = if self.declined { rested } else { self.is_owed(have) };
        self.told < both || (self.told < have && self.child.is_none() && offered)
    }
}
