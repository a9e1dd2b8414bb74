//! How fast everything happens in a test network.

use std::fmt;
use std::time::Duration;

use serde::Serialize;

use crate::config::Gossip;

/// What differs most from a network that is meant to last.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
pub struct Profile {
    /// Time between two proposals to exchange links.
    #[serde(with = "humantime_serde")]
    pub swap: Duration,
    /// How old a link must be to be given away.
    #[serde(with = "humantime_serde")]
    pub minimum_age: Duration,
    /// Time between two exchanges that a node agrees to.
    #[serde(with = "humantime_serde")]
    pub linger: Duration,
    /// Time between two pings of a silent neighbour.
    #[serde(with = "humantime_serde")]
    pub ping: Duration,
    /// Fewest links.
    pub min: usize,
    /// Links wished for.
    pub expected: usize,
    /// Most links.
    pub max: usize,
}

impl Profile {
    pub(super) const fn of(gossip: &Gossip) -> Self {
        Self {
            swap: gossip.swap_period,
            minimum_age: gossip.swap_age_min,
            linger: gossip.swap_linger,
            ping: gossip.ping_period,
            min: gossip.min,
            expected: gossip.expected,
            max: gossip.max,
        }
    }
}

impl fmt::Display for Profile {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { swap, minimum_age, linger, ping, min, expected, max } = self;
        write!(
            out,
            "swap {swap:?}, minimum age {minimum_age:?}, linger {linger:?}, ping {ping:?}, min \
             {min}, expected {expected}, max {max}, no hourly cap on exchanges"
        )
    }
}
