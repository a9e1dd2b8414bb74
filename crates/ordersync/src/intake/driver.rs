//! Does what an intake is asked for: the one who sorts, writes and shows.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::fmt;
use std::future::poll_fn;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures::future::{BoxFuture, FutureExt};
use futures::stream::{FuturesUnordered, StreamExt};

use super::Shared;
use super::batch::Verified;
use super::desk::Flush;
use crate::{Item, StoreError};

/// The work of an [`Intake`](super::Intake), for its owner to run.
///
/// Nothing is taken in while it is not polled. When it is dropped, all who wait at the intake hear
/// [`Rejected::Later`](super::Rejected::Later), and so do all who come.
#[must_use = "nothing is taken in while it does not run"]
pub struct Driver<I: Item> {
    pub(super) shared: Arc<Shared<I>>,
    examining: FuturesUnordered<BoxFuture<'static, Option<Verified<I>>>>,
    /// What waits for the disk, the oldest first.
    verified: VecDeque<Verified<I>>,
    writing: Option<Writing>,
    flushing: Vec<Flushing>,
}

/// The transaction under way.
struct Writing {
    batches: usize,
    end: BoxFuture<'static, Result<(), StoreError>>,
}

/// Somebody waits for the end of so many transactions.
struct Flushing {
    turns: usize,
    reply: Flush,
}

impl<I: Item> Driver<I> {
    pub(super) fn new(shared: Arc<Shared<I>>) -> Self {
        Self {
            shared,
            examining: FuturesUnordered::new(),
            verified: VecDeque::new(),
            writing: None,
            flushing: Vec::new(),
        }
    }

    /// Takes in what is offered. Never ends.
    ///
    /// Computes for some milliseconds at a time, and so should be a task of its own.
    ///
    /// # Cancel safety
    /// May be dropped at any time; what was under way goes on when it is run again.
    pub async fn run(&mut self) -> Infallible {
        poll_fn(|cx| self.poll(cx)).await
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Infallible> {
        self.shared.desk.wake_then(cx.waker());
        self.receive_flushes();
        // Each of the three may make room for the one before it.
        while self.begin_batches() | self.poll_batches(cx) | self.begin_writing() {}
        if let Some(writing) = &mut self.writing
            && let Poll::Ready(result) = writing.end.poll_unpin(cx)
        {
            self.writing = None;
            self.conclude(&result);
            // Others of this thread come first.
            cx.waker().wake_by_ref();
        }
        Poll::Pending
    }

    /// Begins with what was offered, while there are places. Says whether anything was.
    fn begin_batches(&mut self) -> bool {
        let before = self.examining.len();
        while self.under_way() < self.shared.params.batches_max
            && let Some(offer) = self.shared.desk.next_offer()
        {
            let examine = Arc::clone(&self.shared).examine(offer);
            // An item that makes its own code panic is lost with its batch, and nothing else is.
            let examine = AssertUnwindSafe(examine).catch_unwind().map(|end| end.ok().flatten());
            self.examining.push(examine.boxed());
        }
        self.examining.len() > before
    }

    /// Says whether any batch was verified, or given up.
    fn poll_batches(&mut self, cx: &mut Context<'_>) -> bool {
        let mut has_ended = false;
        while let Poll::Ready(Some(end)) = self.examining.poll_next_unpin(cx) {
            has_ended = true;
            match end {
                Some(verified) if verified.ready.is_empty() => verified.tell(std::iter::empty()),
                Some(verified) => self.verified.push_back(verified),
                None => {}
            }
        }
        has_ended
    }

    fn under_way(&self) -> usize {
        let writing = self.writing.as_ref().map_or(0, |writing| writing.batches);
        self.examining.len().saturating_add(self.verified.len()).saturating_add(writing)
    }

    /// Begins with the next transaction, if there is none. Says whether any batch waits no longer.
    fn begin_writing(&mut self) -> bool {
        if self.writing.is_some() {
            return false;
        }
        let before = self.verified.len();
        let batches = self.next_batches();
        if !batches.is_empty() || !self.flushing.is_empty() {
            let (count, shared) = (batches.len(), Arc::clone(&self.shared));
            self.writing = Some(Writing { batches: count, end: shared.write(batches).boxed() });
        }
        self.verified.len() < before
    }

    /// The batches that wait the longest, for one transaction.
    fn next_batches(&mut self) -> Vec<Verified<I>> {
        let (mut batches, mut items) = (Vec::new(), 0_usize);
        while let Some(batch) = self.verified.pop_front() {
            if batch.is_abandoned() {
                continue;
            }
            items = items.saturating_add(batch.ready.len());
            if items > self.shared.params.batch && !batches.is_empty() {
                self.verified.push_front(batch);
                break;
            }
            batches.push(batch);
        }
        batches
    }

    fn receive_flushes(&mut self) {
        let flushes = self.shared.desk.take_flushes();
        if flushes.is_empty() {
            return;
        }
        // The one under way may have taken part of what is owed, and fail.
        let turns = self.shared.desk.owed().div_ceil(self.shared.params.batch);
        let turns = turns.saturating_add(usize::from(self.writing.is_some()));
        for reply in flushes {
            self.flushing.push(Flushing { turns, reply });
        }
        self.end_flushes();
    }

    /// After a transaction.
    fn conclude(&mut self, result: &Result<(), StoreError>) {
        match result {
            Ok(()) => {
                for flushing in &mut self.flushing {
                    flushing.turns = flushing.turns.saturating_sub(1);
                }
                self.end_flushes();
            }
            Err(error) => {
                for Flushing { reply, .. } in self.flushing.drain(..) {
                    drop(reply.send(Err(error.clone())));
                }
            }
        }
    }

    fn end_flushes(&mut self) {
        let has_ended = |flushing: &mut Flushing| flushing.turns == 0;
        for Flushing { reply, .. } in self.flushing.extract_if(.., has_ended) {
            drop(reply.send(Ok(())));
        }
    }
}

impl<I: Item> Drop for Driver<I> {
    fn drop(&mut self) {
        self.shared.desk.close();
    }
}

impl<I: Item> fmt::Debug for Driver<I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Driver")
            .field("book", &self.shared.book)
            .field("batches", &self.under_way())
            .finish_non_exhaustive()
    }
}
