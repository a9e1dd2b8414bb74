//! How often a message may be sent, on both sides of a channel.
//!
//! Both sides know the [`Rate`] of a message: it is part of the protocol. The sender keeps it (a
//! token bucket, [`Pace`]), so that it is never found to exceed it. The receiver ([`Meter`]) lets a
//! backlog in faster than it can have been sent honestly, because what stalled on the way arrives
//! squeezed together; it slows down a sender that would use that, and closes on one that has sent
//! more than an honest sender can have, whatever the way did to it.

use std::time::Duration;

use tokio::time::Instant;

/// Bursts beyond the first by which the messages received may exceed what the rate allows for the
/// age of the connection. The rule needs none of it in theory; half would still do, and twice as
/// much would let twice as many useless messages in before the end.
pub(crate) const DEBT_BURSTS: u32 = 4;

/// Longest time from one message to the next.
const PERIOD_MAX: Duration = Duration::from_hours(24);

/// How often one type of message may be sent: `burst` at once, and one more every so often.
///
/// Changing a rate changes the protocol: a peer that goes by a higher one is closed on. Give the
/// protocol a new name.
///
/// # Bounds
/// One message per day to a million per second. Timers tick in milliseconds: let the burst be at
/// least a hundredth of a second's messages, or the sender falls behind the rate.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Rate {
    message: &'static str,
    every: Duration,
    burst: u32,
}

impl Rate {
    /// `messages` per second, and `burst` of them at once. `message` names the type, in errors and
    /// metrics; types of one name share one allowance.
    ///
    /// # Panics
    /// When a number is 0 or `messages` is above a million: make it a `const` to be told by the
    /// compiler.
    #[must_use]
    pub const fn per_second(message: &'static str, messages: u32, burst: u32) -> Self {
        assert!(messages > 0 && messages <= 1_000_000, "1 to 1,000,000 messages per second");
        let period = Duration::from_secs(1).checked_div(messages);
        Self::every(message, period.expect("not a division by zero"), burst)
    }

    /// One message every `period`, and `burst` of them at once.
    ///
    /// # Panics
    /// When `period` is not 1 µs to a day, or `burst` is 0.
    #[must_use]
    pub const fn every(message: &'static str, period: Duration, burst: u32) -> Self {
        assert!(
            period.as_micros() >= 1 && period.as_nanos() <= PERIOD_MAX.as_nanos(),
            "1 us to a day"
        );
        assert!(burst > 0, "a burst of at least one message");
        Self { message, every: period, burst }
    }

    /// What the type of message is called.
    #[must_use]
    pub const fn message(&self) -> &'static str {
        self.message
    }

    /// Messages at once.
    #[must_use]
    pub const fn burst(&self) -> u32 {
        self.burst
    }

    /// Time for one message after the burst.
    #[must_use]
    pub const fn period(&self) -> Duration {
        self.every
    }
}

/// More messages than an honest sender can have sent.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{received} messages {message:?} within {age:?}, must be at most {allowed}")]
pub struct Overrun {
    /// The type of message.
    pub message: &'static str,
    /// How many came, this one included.
    pub received: u64,
    /// How many may have come by now.
    pub allowed: u64,
    /// Age of the connection.
    pub age: Duration,
}

/// A token bucket that refills one token every `every`. Kept as the time at which it is full again.
#[derive(Clone, Copy, Debug)]
struct Bucket {
    full: Instant,
}

impl Bucket {
    fn take(&mut self, every: Duration, now: Instant) {
        self.full = self.full.max(now) + every;
    }

    /// How long until the bucket, that holds `burst`, is not overdrawn by `more` tokens.
    fn wait(&self, every: Duration, burst: u32, more: u32, now: Instant) -> Duration {
        let missing = self.full.saturating_duration_since(now) + every.saturating_mul(more);
        missing.saturating_sub(every.saturating_mul(burst))
    }
}

/// What there is for each type of message. Linear, as protocols have a handful of types.
#[derive(Debug)]
struct PerType<T>(Vec<(&'static str, T)>);

impl<T> PerType<T> {
    fn get(&mut self, message: &'static str, new: impl FnOnce() -> T) -> &mut T {
        let at = self.0.iter().position(|(name, _)| *name == message).unwrap_or_else(|| {
            self.0.push((message, new()));
            self.0.len() - 1
        });
        &mut self.0[at].1
    }
}

/// The sender's side: keeps the rate.
#[derive(Debug)]
pub(crate) struct Pace {
    buckets: PerType<Bucket>,
}

impl Pace {
    pub(crate) const fn new() -> Self {
        Self { buckets: PerType(Vec::new()) }
    }

    /// Takes leave to send one message, or tells when to ask again.
    pub(crate) fn take(&mut self, rate: Rate, now: Instant) -> Result<(), Instant> {
        let bucket = self.buckets.get(rate.message, || Bucket { full: now });
        let wait = bucket.wait(rate.every, rate.burst, 1, now);
        if wait > Duration::ZERO {
            return Err(now + wait);
        }
        bucket.take(rate.every, now);
        Ok(())
    }
}

/// The receiver's side: delays, then closes.
#[derive(Debug)]
pub(crate) struct Meter {
    /// When the connection was open on this side. No message was sent on it before.
    since: Instant,
    counts: PerType<Count>,
}

#[derive(Debug)]
struct Count {
    received: u64,
    /// Refills at twice the rate.
    bucket: Bucket,
}

impl Meter {
    pub(crate) const fn new(since: Instant) -> Self {
        Self { since, counts: PerType(Vec::new()) }
    }

    /// Counts a message, and tells until when not to read on.
    ///
    /// # Errors
    /// [`Overrun`].
    pub(crate) fn count(&mut self, rate: Rate, now: Instant) -> Result<Instant, Overrun> {
        let age = now.saturating_duration_since(self.since);
        let count =
            self.counts.get(rate.message, || Count { received: 0, bucket: Bucket { full: now } });
        count.received += 1;
        let (received, allowed) = (count.received, allowed(rate, age));
        if received > allowed {
            return Err(Overrun { message: rate.message, received, allowed, age });
        }
        let every = rate.every / 2;
        count.bucket.take(every, now);
        Ok(now + count.bucket.wait(every, rate.burst, 0, now))
    }
}

/// Most messages that may have come within `age`: what the sender's pace allows, an eighth more
/// because clocks run apart, and the debt.
fn allowed(rate: Rate, age: Duration) -> u64 {
    let steady = age.as_nanos() / rate.every.as_nanos().max(1);
    let steady = u64::try_from(steady).unwrap_or(u64::MAX);
    steady
        .saturating_add(steady / 8)
        .saturating_add(u64::from(rate.burst) * u64::from(1 + DEBT_BURSTS))
}

#[cfg(test)]
mod tests;
