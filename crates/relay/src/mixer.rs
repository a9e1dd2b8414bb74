//! The mixer: packets leave in another order than they came, each after a delay drawn for it.
//!
//! Whoever watches a node sees packets come and packets go. Delays that he cannot foretell keep him
//! from telling which of these is which of those by their order.
//!
//! The life of a packet: [`Mixer::insert`] draws its delay, evenly from [`Config::delay_min`] up to
//! and without `delay_min + delay_range`, in nanoseconds; at [`Mixer::next_deadline`] the runner
//! calls [`Mixer::pop`] until it gives no more. Packets that are due at one moment leave as they
//! came. Nothing is dropped: over its bounds the mixer gives out at once what would be due first, so
//! that a flood costs mixing, not memory and not packets.
//!
//! ```
//! use machine::Instant;
//! use meshwork_relay::mixer::{Config, Mixer};
//! use std::time::Duration;
//!
//! let mut mixer = Mixer::new(&Config::default().check()?, [7; 32]);
//! assert!(mixer.insert("a packet", 1_024, Instant::START).is_empty(), "there is room");
//! let due = mixer.next_deadline().expect("it waits");
//! assert!(due.elapsed() < Duration::from_millis(200));
//! assert_eq!(mixer.pop(due), Some("a packet"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fmt;
use std::time::Duration;

use machine::Instant;
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha20Rng;
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// What the operator sets, not yet checked.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// The shortest delay. Default 0; at most [`Config::DELAY_MAX`].
    #[serde(with = "humantime_serde")]
    pub delay_min: Duration,
    /// By how much the longest is longer. Default 200 ms; at most [`Config::DELAY_MAX`]. With 0
    /// nothing is mixed.
    #[serde(with = "humantime_serde")]
    pub delay_range: Duration,
    /// Most packets that wait. Default 20,000; 1 to 10,000,000.
    pub items_max: usize,
    /// Most bytes that wait. Default 67,108,864; 65,536 to 2³⁴.
    pub bytes_max: u64,
}

impl Config {
    /// Longest of [`delay_min`](Self::delay_min) and [`delay_range`](Self::delay_range): 10 s.
    pub const DELAY_MAX: Duration = Duration::from_secs(10);

    /// Checks it.
    ///
    /// # Errors
    /// [`ConfigError`] names the first field that is out of its bounds.
    pub fn check(&self) -> Result<Params, ConfigError> {
        for (key, given) in [("delay_min", self.delay_min), ("delay_range", self.delay_range)] {
            if given > Self::DELAY_MAX {
                return Err(ConfigError::Delay { key, given });
            }
        }
        let items = u64::try_from(self.items_max).unwrap_or(u64::MAX);
        for (key, given, min, max) in
            [("items_max", items, 1, 10_000_000), ("bytes_max", self.bytes_max, 65_536, 1 << 34)]
        {
            if !(min..=max).contains(&given) {
                return Err(ConfigError::Number { key, given, min, max });
            }
        }
        Ok(Params(self.clone()))
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            delay_min: Duration::ZERO,
            delay_range: Duration::from_millis(200),
            items_max: 20_000,
            bytes_max: 64 << 20,
        }
    }
}

/// A setting that the operator has to change.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
pub enum ConfigError {
    /// A delay is too long.
    #[error("{key} is {given:?}, must be at most 10s")]
    Delay {
        /// Which.
        key: &'static str,
        /// The value found.
        given: Duration,
    },
    /// A number is out of bounds.
    #[error("{key} is {given}, must be {min} to {max}")]
    Number {
        /// Which.
        key: &'static str,
        /// The value found.
        given: u64,
        /// The least.
        min: u64,
        /// The most.
        max: u64,
    },
}

/// Settings that were checked.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Params(Config);

/// Packets that wait for the end of their delay.
///
/// A packet moves in memory as others come and go: `T` is best something that points to it. In a
/// mixer that holds n, to insert and to pop take log n steps each.
pub struct Mixer<T> {
    delay_min: Duration,
    delay_range: Duration,
    items_max: usize,
    bytes_max: u64,
    waiting: BinaryHeap<Reverse<Waiting<T>>>,
    bytes: u64,
    /// How many came before.
    arrivals: u64,
    hurried: u64,
    /// The latest time heard of.
    now: Instant,
    rng: ChaCha20Rng,
}

/// One packet, ordered by when it leaves.
struct Waiting<T> {
    due: Instant,
    /// Who came first goes first of those that are due together.
    arrival: u64,
    bytes: u64,
    item: T,
}

impl<T> Waiting<T> {
    const fn rank(&self) -> (Instant, u64) {
        (self.due, self.arrival)
    }
}

impl<T> Ord for Waiting<T> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.rank().cmp(&other.rank())
    }
}

impl<T> PartialOrd for Waiting<T> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl<T> Eq for Waiting<T> {}

impl<T> PartialEq for Waiting<T> {
    fn eq(&self, other: &Self) -> bool {
        self.rank() == other.rank()
    }
}

impl<T> Mixer<T> {
    /// An empty mixer. The `seed` is drawn at random and decides all delays.
    pub fn new(params: &Params, seed: [u8; 32]) -> Self {
        let Params(Config { delay_min, delay_range, items_max, bytes_max }) = *params;
        Self {
            delay_min,
            delay_range,
            items_max,
            bytes_max,
            waiting: BinaryHeap::new(),
            bytes: 0,
            arrivals: 0,
            hurried: 0,
            now: Instant::START,
            rng: ChaCha20Rng::from_seed(seed),
        }
    }

    /// Takes in a packet of so many bytes. Returns what had to leave early to make room, the one
    /// that was due first first: one packet at most if all have one size, and `item` itself if it is
    /// due before all others or if it is over the bound alone.
    #[must_use = "what is returned is not kept"]
    pub fn insert(&mut self, item: T, bytes: u64, now: Instant) -> Vec<T> {
        self.now = self.now.max(now);
        let due = self.now.after(self.delay());
        self.waiting.push(Reverse(Waiting { due, arrival: self.arrivals, bytes, item }));
        self.arrivals = self.arrivals.saturating_add(1);
        self.bytes = self.bytes.saturating_add(bytes);
        let mut early = Vec::new();
        while self.waiting.len() > self.items_max || self.bytes > self.bytes_max {
            let Some(first) = self.take() else { break };
            if first.due > self.now {
                self.hurried = self.hurried.saturating_add(1);
            }
            early.push(first.item);
        }
        early
    }

    /// The next packet whose delay is over.
    pub fn pop(&mut self, now: Instant) -> Option<T> {
        self.now = self.now.max(now);
        (self.next_deadline()? <= self.now).then(|| self.take().map(|first| first.item))?
    }

    /// When the next delay is over.
    pub fn next_deadline(&self) -> Option<Instant> {
        self.waiting.peek().map(|Reverse(first)| first.due)
    }

    /// Packets that wait.
    pub fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Whether none waits.
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Bytes that wait.
    pub const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Packets that left before their time, for lack of room.
    pub const fn hurried(&self) -> u64 {
        self.hurried
    }

    fn take(&mut self) -> Option<Waiting<T>> {
        let Reverse(first) = self.waiting.pop()?;
        self.bytes = self.bytes.saturating_sub(first.bytes);
        Some(first)
    }

    /// Nanoseconds, not milliseconds: of 5,000 packets a second many would share one, and leave in
    /// the order in which they came.
    fn delay(&mut self) -> Duration {
        // Of 10 s at most there are 10¹⁰.
        let range = u64::try_from(self.delay_range.as_nanos()).unwrap_or(u64::MAX);
        let drawn = if range == 0 { 0 } else { self.rng.random_range(0..range) };
        self.delay_min.saturating_add(Duration::from_nanos(drawn))
    }
}

impl<T> fmt::Debug for Mixer<T> {
    /// Leaves out the packets, and from what the delays are drawn.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mixer")
            .field("items", &self.len())
            .field("bytes", &self.bytes)
            .field("hurried", &self.hurried)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
