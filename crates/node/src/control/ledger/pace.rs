//! How many requests there may be in a second.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use transport::clock::Clock;

/// Requests at a steady rate, and some more at once after a pause.
#[derive(Debug)]
pub(super) struct Pace {
    clock: Clock,
    /// Time that one request takes.
    every: Duration,
    /// Time that those take together that may come at once.
    burst: Duration,
    /// When all that came is worked off, in time since the clock was started.
    done: Mutex<Duration>,
}

impl Pace {
    /// One request in `every`, and `burst` of them at once.
    pub(super) fn new(every: Duration, burst: u32) -> Self {
        let burst = every.saturating_mul(burst);
        Self { clock: Clock::start(), every, burst, done: Mutex::default() }
    }

    /// Takes a place for one request: how long it has to wait; nothing if that is longer than
    /// `patience`, and no place is taken.
    pub(super) fn place(&self, patience: Duration) -> Option<Duration> {
        self.place_at(self.clock.now().elapsed(), patience)
    }

    fn place_at(&self, now: Duration, patience: Duration) -> Option<Duration> {
        let mut done = self.done.lock().unwrap_or_else(PoisonError::into_inner);
        let next = done.max(now).saturating_add(self.every);
        let wait = next.saturating_sub(now).saturating_sub(self.burst);
        if wait > patience {
            return None;
        }
        *done = next;
        Some(wait)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn some_come_at_once_and_the_others_in_turn() {
        let millis = Duration::from_millis;
        let pace = Pace::new(millis(10), 3);
        let at = |now, patience| pace.place_at(millis(now), millis(patience));
        assert_eq!([(); 3].map(|()| at(1_000, 0)), [Some(millis(0)); 3]);
        assert_eq!(at(1_000, 9), None, "and takes no place");
        assert_eq!(at(1_000, 15), Some(millis(10)));
        assert_eq!(at(1_000, 20), Some(millis(20)));
        assert_eq!(at(1_010, 15), None);
        assert_eq!([(); 3].map(|()| at(2_000, 0)), [Some(millis(0)); 3], "after a pause");
    }
}
