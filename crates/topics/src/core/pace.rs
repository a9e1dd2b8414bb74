//! How fast one stream may be asked for.

use machine::Instant;

/// Bytes that come back with time, up to a burst.
#[derive(Debug)]
pub(super) struct Pace {
    left: u64,
    since: Instant,
}

impl Pace {
    pub(super) fn new(burst: u64, now: Instant) -> Self {
        Self { left: burst, since: now }
    }

    /// Bytes that may be asked for now, at `rate` bytes per second.
    pub(super) fn left(&mut self, rate: u64, burst: u64, now: Instant) -> u64 {
        let millis = u64::try_from(now.since(self.since).as_millis()).unwrap_or(u64::MAX);
        let back = rate.saturating_mul(millis) / 1000;
        if back > 0 {
            self.left = self.left.saturating_add(back).min(burst);
            self.since = now;
        }
        self.left
    }

    pub(super) fn take(&mut self, bytes: u64) {
        self.left = self.left.saturating_sub(bytes);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_burst_is_free_and_then_the_rate_holds() {
        let mut pace = Pace::new(1000, Instant::START);
        let left = |pace: &mut Pace, millis| {
            pace.left(100, 1000, Instant::at(Duration::from_millis(millis)))
        };
        assert_eq!(left(&mut pace, 0), 1000);
        pace.take(1000);
        assert_eq!(left(&mut pace, 5), 0, "half a byte");
        assert_eq!(left(&mut pace, 1000), 100);
        pace.take(60);
        assert_eq!(left(&mut pace, 60_000), 1000, "no more than a burst");
    }
}
