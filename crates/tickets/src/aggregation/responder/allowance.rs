//! How much each peer may have computed.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::time::Duration;

use machine::{Instant, PeerId};

use crate::aggregation::TICKETS_MAX;

/// A bucket of tickets for each peer. It is kept as the time at which the bucket is full again.
#[derive(Debug)]
pub(super) struct Allowance {
    per_second: NonZeroU32,
    /// How long a bucket takes to fill.
    depth: Duration,
    /// Of the peers whose bucket is not full: those that took tickets within `depth`.
    full_at: BTreeMap<PeerId, Instant>,
}

impl Allowance {
    /// Full buckets, of `burst` tickets or what one request may have.
    pub(super) fn new(per_second: NonZeroU32, burst: NonZeroU32) -> Self {
        let burst = usize::try_from(burst.get()).unwrap_or(usize::MAX).max(TICKETS_MAX);
        Self { per_second, depth: time_for(burst, per_second), full_at: BTreeMap::new() }
    }

    /// Takes so many tickets from the bucket of `peer`; or none, and says when there are enough.
    pub(super) fn take(
        &mut self,
        peer: PeerId,
        tickets: usize,
        now: Instant,
    ) -> Result<(), Duration> {
        self.full_at.retain(|_, full_at| *full_at > now);
        let full_at = self.full_at.get(&peer).copied().unwrap_or(now);
        let full_at = full_at.after(time_for(tickets, self.per_second));
        match full_at.since(now).checked_sub(self.depth) {
            None | Some(Duration::ZERO) => {
                self.full_at.insert(peer, full_at);
                Ok(())
            }
            Some(delay) => Err(delay),
        }
    }
}

/// In what time so many tickets flow into a bucket.
fn time_for(tickets: usize, per_second: NonZeroU32) -> Duration {
    let seconds = Duration::from_secs(u64::try_from(tickets).unwrap_or(u64::MAX));
    seconds.checked_div(per_second.get()).unwrap_or(Duration::MAX)
}
