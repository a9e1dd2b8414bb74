//! Slow work that a core asks for.

use std::fmt;

/// Names one job of one core.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct JobId(u64);

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "job {}", self.0)
    }
}

/// Hands out the [`JobId`]s of one core, each once.
#[derive(Clone, Debug, Default)]
pub struct JobIds {
    next: u64,
}

impl JobIds {
    /// An id that was not handed out before.
    pub fn issue(&mut self) -> JobId {
        let id = JobId(self.next);
        self.next = self.next.wrapping_add(1);
        id
    }
}

/// Why a job has no outcome of its own.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, thiserror::Error)]
pub enum JobError {
    /// As many jobs as the runner allows are under way already. Later is better.
    #[error("too many jobs under way")]
    Refused,
    /// The deadline passed. The work may still happen; its outcome is not told.
    #[error("deadline passed")]
    TimedOut,
    /// The work was dropped before it ended: whoever did it stopped or panicked.
    #[error("work was lost")]
    Lost,
}
