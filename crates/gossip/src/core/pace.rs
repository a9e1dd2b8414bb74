//! A pace that somebody may be ahead of for a while.

use std::time::Duration;

use machine::Instant;

/// When what somebody did so far would be due if it had kept the pace.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Pace(Instant);

impl Pace {
    /// Moves on by one; false, and nothing is counted, if that is more than `ahead` gaps too early.
    pub(super) fn take(&mut self, gap: Duration, ahead: u32, now: Instant) -> bool {
        let in_time = self.wait(gap, ahead, now).is_zero();
        if in_time {
            self.0 = self.0.max(now).after(gap);
        }
        in_time
    }

    /// How long until one more is in time.
    pub(super) fn wait(&self, gap: Duration, ahead: u32, now: Instant) -> Duration {
        self.0.since(now).saturating_sub(gap.saturating_mul(ahead))
    }

    /// When nothing is counted any more.
    pub(super) const fn settled(&self) -> Instant {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn at(seconds: u64) -> Instant {
        Instant::at(Duration::from_secs(seconds))
    }

    #[test]
    fn a_few_may_come_early_and_the_next_must_wait() {
        let mut pace = Pace::default();
        assert!((0..5).all(|_| pace.take(SECOND, 4, at(0))));
        assert!(!pace.take(SECOND, 4, at(0)));
        assert_eq!(pace.wait(SECOND, 4, at(0)), SECOND);
        assert!((1..1000).all(|second| pace.take(SECOND, 4, at(second))), "a steady pace");
    }
}
