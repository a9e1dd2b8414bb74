//! Wakes those who wait for a change.

use std::collections::BTreeMap;
use std::future::Future;
use std::mem;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

/// The number of the last change, and who waits for the next one.
#[derive(Debug, Default)]
pub(super) struct Notice {
    waiting: Mutex<Waiting>,
}

#[derive(Debug, Default)]
struct Waiting {
    version: u64,
    ticket: u64,
    /// At most one for each [`Changed`] that is alive.
    wakers: BTreeMap<u64, Waker>,
}

impl Notice {
    pub(super) fn tell(&self, version: u64) {
        let mut waiting = self.lock();
        // Two changes may be told in the wrong order.
        if version <= waiting.version {
            return;
        }
        waiting.version = version;
        let wakers = mem::take(&mut waiting.wakers);
        drop(waiting);
        wakers.into_values().for_each(Waker::wake);
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Waits for a change of a book. See [`Book::changed`](super::Book::changed).
#[derive(Debug)]
#[must_use = "futures do nothing unless polled"]
pub struct Changed {
    notice: Arc<Notice>,
    since: u64,
    ticket: Option<u64>,
}

impl Changed {
    pub(super) fn new(notice: Arc<Notice>, since: u64) -> Self {
        Self { notice, since, ticket: None }
    }
}

impl Future for Changed {
    type Output = u64;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<u64> {
        let this = self.get_mut();
        let mut waiting = this.notice.lock();
        if waiting.version > this.since {
            return Poll::Ready(waiting.version);
        }
        let ticket = this.ticket.unwrap_or_else(|| {
            waiting.ticket = waiting.ticket.wrapping_add(1);
            waiting.ticket
        });
        this.ticket = Some(ticket);
        waiting.wakers.insert(ticket, cx.waker().clone());
        Poll::Pending
    }
}

impl Drop for Changed {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket {
            let waker = self.notice.lock().wakers.remove(&ticket);
            drop(waker);
        }
    }
}
