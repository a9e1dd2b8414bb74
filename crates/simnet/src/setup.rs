//! What the network is like.

use std::time::Duration;

use machine::{Instant, UnixTime};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;

/// How links treat messages.
#[derive(Clone, Copy, Debug)]
pub struct Weather {
    /// Shortest one-way delay.
    pub delay_min: Duration,
    /// Longest one-way delay. If it is less than the shortest, the shortest holds.
    pub delay_max: Duration,
    /// Messages lost without a word to anyone, per thousand. A substream loses none; this stands
    /// for layers that do.
    pub loss_permille: u16,
    /// Whether messages of one link and direction arrive in the order in which they were sent.
    pub ordered: bool,
}

impl Default for Weather {
    fn default() -> Self {
        Self {
            delay_min: Duration::from_millis(10),
            delay_max: Duration::from_millis(50),
            loss_permille: 0,
            ordered: true,
        }
    }
}

impl Weather {
    /// When something sent at `now` arrives.
    pub(crate) fn arrival(&self, now: Instant, rng: &mut ChaCha8Rng) -> Instant {
        let longest = self.delay_max.max(self.delay_min);
        now.after(rng.random_range(self.delay_min..=longest))
    }

    /// Whether the next message is lost.
    pub(crate) fn loses(&self, rng: &mut ChaCha8Rng) -> bool {
        rng.random_range(0..1000) < self.loss_permille
    }
}

/// How wall-clock time reaches the cores: once when a node starts, then again and again.
#[derive(Clone, Debug)]
pub struct Wall {
    /// The time when the network starts.
    pub start: UnixTime,
    /// How often each node is told; at least every millisecond.
    pub every: Duration,
}

/// What of a run is written down.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Record {
    /// Nothing, at no cost.
    #[default]
    Nothing,
    /// Only [`Net::digest`](crate::Net::digest): enough to compare long runs.
    Digest,
    /// The digest, and this many of the latest lines.
    Lines(usize),
}

/// What the network is like, apart from who is in it.
#[derive(Clone, Debug)]
pub struct Setup {
    /// How links treat messages.
    pub weather: Weather,
    /// Messages in flight per link and direction; a send beyond it comes back as
    /// [`OutboxFull`](machine::Undelivered::OutboxFull).
    pub outbox_max: usize,
    /// Jobs under way per node; one beyond it is [`Refused`](machine::JobError::Refused).
    pub jobs_max: usize,
    /// When a job is answered with [`TimedOut`](machine::JobError::TimedOut), if its model is
    /// slower.
    pub job_deadline: Duration,
    /// Whether cores are told the wall-clock time.
    pub wall: Option<Wall>,
    /// What of the run is written down.
    pub record: Record,
    /// Reports kept, and events kept per node; the oldest go first.
    pub log_max: usize,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            weather: Weather::default(),
            outbox_max: 1024,
            jobs_max: 64,
            job_deadline: Duration::from_secs(30),
            wall: None,
            record: Record::Nothing,
            log_max: 4096,
        }
    }
}
