//! The only file that reads a clock.
#![expect(clippy::disallowed_types, reason = "this is where time enters")]

use machine::{Instant, UnixTime};

/// Reads the monotonic clock as time since the clock was started, and the wall clock.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    start: std::time::Instant,
}

impl Clock {
    /// A clock that reads [`Instant::START`] now.
    #[must_use]
    pub fn start() -> Self {
        Self { start: std::time::Instant::now() }
    }

    /// Time since the start; never goes back.
    pub fn now(&self) -> Instant {
        Instant::at(self.start.elapsed())
    }

    /// The wall clock, which may jump; 1970 if it is set to before that.
    pub fn wall() -> UnixTime {
        let since_1970 = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
        UnixTime::from_millis(u64::try_from(since_1970.as_millis()).unwrap_or(u64::MAX))
    }
}
