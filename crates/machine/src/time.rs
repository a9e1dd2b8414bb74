//! Time as data: neither type can read a clock.

use std::fmt;
use std::time::Duration;

/// A point on a core's own monotonic clock, counted from when that core was built.
///
/// It has no `now`: only a runner or a simulator can make one. It is plain data, so a recorded
/// trace replays in another process.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Instant(Duration);

impl Instant {
    /// The instant at which the core was built.
    pub const START: Self = Self(Duration::ZERO);

    /// The instant `elapsed` after [`START`](Self::START).
    #[must_use]
    pub const fn at(elapsed: Duration) -> Self {
        Self(elapsed)
    }

    /// Time since [`START`](Self::START).
    #[must_use]
    pub const fn elapsed(self) -> Duration {
        self.0
    }

    /// The instant `delay` later; the end of time is not overrun.
    #[must_use]
    pub const fn after(self, delay: Duration) -> Self {
        Self(self.0.saturating_add(delay))
    }

    /// How long ago `earlier` was; zero if it has not happened yet.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }
}

/// A reading of the wall clock, in whole milliseconds since 1970-01-01 00:00 UTC.
///
/// Used only for what expires on the wire or on disk; protocol logic runs on [`Instant`].
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct UnixTime(u64);

impl UnixTime {
    /// The time `millis` milliseconds after 1970-01-01 00:00 UTC.
    #[must_use]
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis)
    }

    /// Milliseconds since 1970-01-01 00:00 UTC.
    #[must_use]
    pub const fn as_millis(self) -> u64 {
        self.0
    }

    /// The time `delay` later; the end of time is not overrun.
    #[must_use]
    pub fn after(self, delay: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(delay.as_millis()).unwrap_or(u64::MAX)))
    }

    /// How long ago `earlier` was; zero if it has not happened yet.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }
}

impl fmt::Display for UnixTime {
    /// Writes seconds with three decimals.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:03}", self.0 / 1000, self.0 % 1000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Duration = Duration::from_hours(24);

    #[test]
    fn an_instant_stops_at_the_end_of_time() {
        let end = Instant::at(Duration::MAX);
        assert_eq!(end.after(DAY), end);
        assert_eq!(Instant::START.since(end), Duration::ZERO);
        assert_eq!(Instant::START.after(DAY).since(Instant::START), DAY);
    }

    #[test]
    fn the_wall_clock_may_jump_back() {
        let (early, late) = (UnixTime::from_millis(1_000), UnixTime::from_millis(1_500));
        assert_eq!(early.since(late), Duration::ZERO);
        assert_eq!(late.since(early), Duration::from_millis(500));
        assert_eq!(UnixTime::from_millis(u64::MAX).after(DAY), UnixTime::from_millis(u64::MAX));
        assert_eq!(late.to_string(), "1.500");
    }
}
