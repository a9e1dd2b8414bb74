//! Points in time before and after the book was made, in four bytes.

use std::num::NonZeroU32;
use std::time::Duration;

use machine::{Instant, UnixTime};

/// One reading of both clocks: it says which time of day an [`Instant`] is.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Wall {
    /// On the core's clock.
    pub now: Instant,
    /// The same moment on the wall clock.
    pub unix: UnixTime,
}

/// Whole seconds on the core's clock, also before its start; 68 years both ways.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) struct Moment(NonZeroU32);

/// What [`Instant::START`] is as a [`Moment`].
const START: u32 = 1 << 31;

impl Moment {
    pub(super) fn of(now: Instant) -> Self {
        let seconds = u32::try_from(now.elapsed().as_secs()).unwrap_or(u32::MAX);
        Self::new(START.saturating_add(seconds))
    }

    /// How long before `now` it was; zero if it has not happened yet.
    pub(super) fn age(self, now: Instant) -> Duration {
        Duration::from_secs(Self::of(now).0.get().saturating_sub(self.0.get()).into())
    }

    /// As time of day.
    pub(super) fn to_unix(self, wall: Wall) -> UnixTime {
        let age = u64::try_from(self.age(wall.now).as_millis()).unwrap_or(u64::MAX);
        UnixTime::from_millis(wall.unix.as_millis().saturating_sub(age))
    }

    /// From a time of day; `None` for one that has not come yet, of which nothing follows.
    pub(super) fn from_unix(unix: UnixTime, wall: Wall) -> Option<Self> {
        let age = wall.unix.as_millis().checked_sub(unix.as_millis())?;
        let age = u32::try_from(Duration::from_millis(age).as_secs()).unwrap_or(u32::MAX);
        Some(Self::new(Self::of(wall.now).0.get().saturating_sub(age)))
    }

    fn new(seconds: u32) -> Self {
        Self(NonZeroU32::new(seconds).unwrap_or(NonZeroU32::MIN))
    }
}

/// How long this node has been online, as far as its owner told.
#[derive(Clone, Copy, Debug)]
pub(super) struct Online {
    is: bool,
    since: Instant,
    before: Duration,
}

impl Online {
    pub(super) fn new(now: Instant) -> Self {
        Self { is: true, since: now, before: Duration::ZERO }
    }

    pub(super) fn set(&mut self, online: bool, now: Instant) {
        if self.is != online {
            self.before = self.total(now);
            self.is = online;
            self.since = now;
        }
    }

    /// Whether it has been online without a break since `then`.
    pub(super) fn ever_since(&self, then: Instant) -> bool {
        self.is && then >= self.since
    }

    /// How long ago the network came or went.
    pub(super) fn changed(&self, now: Instant) -> Duration {
        now.since(self.since)
    }

    /// Time online in all.
    pub(super) fn total(&self, now: Instant) -> Duration {
        let lately = if self.is { now.since(self.since) } else { Duration::ZERO };
        self.before.saturating_add(lately)
    }

    /// The same in whole seconds.
    pub(super) fn seconds(&self, now: Instant) -> u32 {
        u32::try_from(self.total(now).as_secs()).unwrap_or(u32::MAX)
    }
}
