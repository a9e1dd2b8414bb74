//! One round of visits to seeds, from gossip's wish to what it brought.

use std::time::Duration;

use handshake::seed::SeekError;

/// How a round of visits goes.
///
/// What seeds tell goes to gossip record by record and comes back as a count; a seed that tells what
/// is known already has taught nothing, so that the round is over only when all counts are in.
#[derive(Debug, Default)]
pub(super) struct Seeking {
    /// Lots that gossip has not answered. Those of refusing peers count as well, which does no harm.
    unanswered: usize,
    /// Records taken since the round began.
    kept: usize,
    /// How the visits ended, once they have.
    ended: Option<Result<usize, SeekError>>,
}

impl Seeking {
    pub(super) fn begin(&mut self) {
        self.kept = 0;
        self.ended = None;
    }

    /// Gossip was told of peers.
    pub(super) fn told(&mut self) {
        self.unanswered += 1;
    }

    /// Gossip has taken so many of them.
    pub(super) fn answered(&mut self, kept: usize) {
        self.unanswered = self.unanswered.saturating_sub(1);
        self.kept += kept;
    }

    pub(super) fn ended(&mut self, outcome: Result<usize, SeekError>) {
        self.ended = Some(outcome);
    }

    /// What to tell gossip of the round, once, when everything is in.
    pub(super) fn outcome(&mut self) -> Option<Result<usize, Duration>> {
        if self.unanswered > 0 {
            return None;
        }
        Some(match self.ended.take()? {
            Ok(_) => Ok(self.kept),
            Err(SeekError::TooSoon { retry_in }) => Err(retry_in),
            // Gossip bounds it by its longest wait.
            Err(SeekError::NoSeeds) => Err(Duration::MAX),
            Err(SeekError::NoAnswer | SeekError::Enough { .. } | SeekError::AlreadySeeking) => {
                Err(Duration::ZERO)
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_round_is_over_when_all_that_was_told_is_counted() {
        let mut seeking = Seeking::default();
        seeking.begin();
        seeking.told();
        seeking.told();
        seeking.answered(3);
        seeking.ended(Ok(70));
        assert_eq!(seeking.outcome(), None);
        seeking.answered(0);
        assert_eq!(seeking.outcome(), Some(Ok(3)), "what was known already is no news");
        assert_eq!(seeking.outcome(), None, "told once");
        seeking.begin();
        seeking.ended(Ok(5));
        assert_eq!(seeking.outcome(), Some(Ok(0)));
    }

    #[test]
    fn seeds_that_rest_are_left_alone_as_long_as_they_say() {
        let mut seeking = Seeking::default();
        let retry_in = Duration::from_secs(7);
        seeking.ended(Err(SeekError::TooSoon { retry_in }));
        assert_eq!(seeking.outcome(), Some(Err(retry_in)));
        seeking.ended(Err(SeekError::NoAnswer));
        assert_eq!(seeking.outcome(), Some(Err(Duration::ZERO)));
    }
}
