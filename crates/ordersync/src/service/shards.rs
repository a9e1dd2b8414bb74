//! Ranges of the ids that several sessions page together.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};

use crate::Range;

/// How many parts the ids are cut into. A session takes a few at a time, so a fast provider serves
/// more of them than a slow one.
const PARTS: u16 = 16;

/// The ranges that are not through yet. Clones share them.
#[derive(Clone, Debug)]
pub(super) struct Shards {
    state: Arc<Mutex<State>>,
}

#[derive(Debug)]
struct State {
    left: VecDeque<Range>,
    /// Taken, and neither through nor given back.
    out: usize,
    waiting: Vec<Waker>,
}

/// What one session has taken. Given back when dropped.
#[derive(Debug)]
pub(super) struct Hand {
    shards: Shards,
    taken: Vec<Range>,
}

impl Shards {
    pub(super) fn new() -> Self {
        let state = State { left: Range::shards(PARTS).into(), out: 0, waiting: Vec::new() };
        Self { state: Arc::new(Mutex::new(state)) }
    }

    /// An empty hand.
    pub(super) fn hand(&self) -> Hand {
        Hand { shards: self.clone(), taken: Vec::new() }
    }

    /// Takes a range. While others have some that may be given back, waits; `None` once all are
    /// through. A range that was taken is to be put into a [`Hand`].
    pub(super) async fn take(self) -> Option<Range> {
        poll_fn(|cx| {
            let mut state = self.lock();
            if let Some(range) = state.left.pop_front() {
                state.out = state.out.saturating_add(1);
                return Poll::Ready(Some(range));
            }
            if state.out == 0 {
                return Poll::Ready(None);
            }
            state.waiting.push(cx.waker().clone());
            Poll::Pending
        })
        .await
    }

    fn settle(&self, given_back: Option<Range>) {
        let waiting = {
            let mut state = self.lock();
            state.out = state.out.saturating_sub(1);
            state.left.extend(given_back);
            std::mem::take(&mut state.waiting)
        };
        waiting.into_iter().for_each(Waker::wake);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Hand {
    /// A range that [`Shards::take`] gave.
    pub(super) fn hold(&mut self, range: Range) {
        self.taken.push(range);
    }

    /// These are through, and what came of them is stored.
    pub(super) fn through(&mut self, ranges: Vec<Range>) {
        for range in ranges {
            if self.drop_from(&range) {
                self.shards.settle(None);
            }
        }
    }

    /// What is left of one of them, for somebody else.
    pub(super) fn give_back(&mut self, left: Range) {
        if self.drop_from(&left) {
            self.shards.settle(Some(left));
        }
    }

    /// A range keeps its end while it is worked through.
    fn drop_from(&mut self, range: &Range) -> bool {
        let at = self.taken.iter().position(|taken| taken.until == range.until);
        at.map(|at| self.taken.swap_remove(at)).is_some()
    }
}

impl Drop for Hand {
    fn drop(&mut self) {
        for range in std::mem::take(&mut self.taken) {
            self.shards.settle(Some(range));
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;
    use futures::executor::block_on;

    use super::*;

    #[test]
    fn what_a_session_leaves_behind_is_done_by_another() {
        let shards = Shards::new();
        let (mut one, mut other) = (shards.hand(), shards.hand());
        for _ in 0..PARTS {
            one.hold(block_on(shards.clone().take()).expect("one is left"));
        }
        let mut waits = Box::pin(shards.clone().take());
        assert!(waits.as_mut().now_or_never().is_none(), "it may come back");
        let last = *one.taken.last().expect("taken");
        let ranges = one.taken.iter().filter(|range| **range != last).copied().collect();
        one.through(ranges);
        assert!(waits.as_mut().now_or_never().is_none());
        drop(one);
        let given_back = block_on(waits).expect("given back");
        assert_eq!(given_back, last);
        other.hold(given_back);
        other.through(vec![given_back]);
        assert_eq!(block_on(shards.take()), None, "all are through");
    }
}
