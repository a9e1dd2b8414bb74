//! Work on a period: with jitter, a policy for missed ticks, and an orderly end.

use std::future::Future;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde::{Deserialize, Serialize};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

/// Shortest period. Below it the timer's own resolution of 1 ms shows.
pub const PERIOD_MIN: Duration = Duration::from_millis(1);

/// Longest period: a year. What is rarer is no timer's business.
pub const PERIOD_MAX: Duration = Duration::from_hours(366 * 24);

/// Most ticks that [`MissedTicks::Burst`] makes up for.
pub const BURST_MAX: u32 = 1_024;

/// What happens to the ticks that fall due while the work still runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MissedTicks {
    /// They are left out; the next tick is the next multiple of the period.
    #[default]
    Skip,
    /// At most `max` of them are made up for, one right after the other; older ones are left out.
    Burst {
        /// Ticks. 1 to [`BURST_MAX`].
        max: u32,
    },
    /// The schedule moves: the next tick is one period after the end of the work.
    Delay,
}

/// When work is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Time from tick to tick. [`PERIOD_MIN`] to [`PERIOD_MAX`].
    #[serde(with = "humantime_serde")]
    pub period: Duration,
    /// Each tick is put off by a random time from zero to this, so that nodes started together do
    /// not act together. Less than `period`. The delays do not add up.
    #[serde(with = "humantime_serde")]
    pub jitter: Duration,
    /// What happens to missed ticks.
    pub missed: MissedTicks,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            period: Duration::from_secs(1),
            jitter: Duration::ZERO,
            missed: MissedTicks::default(),
        }
    }
}

impl Config {
    /// Checks every value.
    ///
    /// # Errors
    /// The first [`ConfigError`] found.
    pub fn check(self) -> Result<Params, ConfigError> {
        if !(PERIOD_MIN..=PERIOD_MAX).contains(&self.period) {
            return Err(ConfigError::Period { given: self.period });
        }
        if self.jitter >= self.period {
            return Err(ConfigError::Jitter { given: self.jitter, period: self.period });
        }
        match self.missed {
            MissedTicks::Burst { max } if !(1..=BURST_MAX).contains(&max) => {
                Err(ConfigError::Burst { given: max })
            }
            _ => Ok(Params(self)),
        }
    }
}

/// A schedule that cannot be kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The period is out of bounds.
    #[error("period is {given:?}, must be {PERIOD_MIN:?} to {PERIOD_MAX:?}")]
    Period {
        /// What was given.
        given: Duration,
    },
    /// The jitter would change the order of ticks.
    #[error("jitter is {given:?}, must be less than the period of {period:?}")]
    Jitter {
        /// What was given.
        given: Duration,
        /// The period.
        period: Duration,
    },
    /// The burst is out of bounds.
    #[error("missed.burst.max is {given}, must be 1 to {BURST_MAX}")]
    Burst {
        /// What was given.
        given: u32,
    },
}

/// A checked schedule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Params(Config);

/// What has become of the ticks so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ticks {
    /// Ticks whose work was done.
    pub run: u64,
    /// Runs that were still at work when the next tick fell due.
    pub overrun: u64,
    /// Ticks that were left out.
    pub skipped: u64,
}

/// Runs `work` on every tick until `cancel` is cancelled, and says how it went.
///
/// The first tick is due at once, each further one a period after the last; `work` is told what
/// became of the ticks before. Runs never overlap. Equal `seed`s give equal jitter.
///
/// A cancellation ends the wait for a tick at once and lets work that is under way finish.
///
/// # Cancel safety
/// Dropping the future drops the work under way with it; cancel `cancel` to let it finish.
pub async fn execute_on_tick<F, W>(
    params: Params,
    seed: [u8; 32],
    cancel: CancellationToken,
    mut work: F,
) -> Ticks
where
    F: FnMut(Ticks) -> W,
    W: Future<Output = ()>,
{
    let Params(Config { jitter, .. }) = params;
    let mut rng = StdRng::from_seed(seed);
    let mut ticks = Ticks::default();
    let mut due = Instant::now();
    loop {
        let put_off = rng.random_range(Duration::ZERO..=jitter);
        let waited = cancel.run_until_cancelled(sleep_until(due + put_off)).await;
        // A tick that is due at the time of the cancellation does not start either.
        if waited.is_none() || cancel.is_cancelled() {
            return ticks;
        }
        let begun = Instant::now().saturating_duration_since(due);
        work(ticks).await;
        let ended = Instant::now().saturating_duration_since(due);
        let next = params.next(ended);
        ticks.run += 1;
        ticks.skipped += next.skipped;
        if params.missed(ended) > params.missed(begun) {
            ticks.overrun += 1;
            tracing::debug!(?ended, skipped = next.skipped, "work outlasted its period");
        }
        due += next.after;
    }
}

/// The way from one tick to the next.
#[derive(Debug, PartialEq, Eq)]
struct Next {
    /// Time between the two.
    after: Duration,
    /// How many ticks are left out on the way.
    skipped: u64,
}

impl Params {
    /// How many ticks have fallen due since the one that was due `late` ago. A tick that falls due
    /// at this very moment is in time.
    fn missed(self, late: Duration) -> u64 {
        periods(late.saturating_sub(Duration::from_nanos(1)), self.0.period)
    }

    /// What follows on a tick whose work ended `late` after the tick was due.
    fn next(self, late: Duration) -> Next {
        let Self(Config { period, missed: policy, .. }) = self;
        let missed = self.missed(late);
        let skipped = match policy {
            MissedTicks::Skip => missed,
            MissedTicks::Burst { max } => missed.saturating_sub(max.into()),
            MissedTicks::Delay => 0,
        };
        let after = match policy {
            MissedTicks::Delay if missed > 0 => late.saturating_add(period),
            _ => times(period, skipped.saturating_add(1)),
        };
        Next { after, skipped }
    }
}

/// How many whole periods fit into `time`.
fn periods(time: Duration, period: Duration) -> u64 {
    nanoseconds(time).checked_div(nanoseconds(period)).unwrap_or_default()
}

fn times(period: Duration, count: u64) -> Duration {
    Duration::from_nanos(nanoseconds(period).saturating_mul(count))
}

/// Nanoseconds, at most 584 years of them.
fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
