//! The bounded pool for work that keeps a processor busy: signatures, packet opening.
//!
//! A job is a plain function. It runs on one of a fixed number of threads of the pool's own, so
//! neither the swarm task nor the runtime's blocking threads wait for it. Every job that was
//! accepted is run, except those that nobody waits for any more.

use std::collections::VecDeque;
use std::fmt;
use std::future::Future;
use std::io;
use std::mem;
use std::num::NonZeroUsize;
use std::panic::{self, AssertUnwindSafe};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use futures::channel::oneshot;
use futures_timer::Delay;
use machine::JobError;

/// How long to wait for a place at first, and at most, before asking again.
const PAUSE_MIN: Duration = Duration::from_millis(1);
const PAUSE_MAX: Duration = Duration::from_millis(20);

/// Why a job has no result.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PoolError {
    /// All threads are busy and the queue is full. The job has not run; try again later.
    #[error("all {threads} threads are busy and {queue_max} jobs wait")]
    Full {
        /// Threads of the pool.
        threads: usize,
        /// Places in its queue.
        queue_max: usize,
    },
    /// The job panicked. The pool goes on.
    #[error("the job panicked")]
    Panicked,
}

impl From<PoolError> for JobError {
    fn from(error: PoolError) -> Self {
        match error {
            PoolError::Full { .. } => Self::Refused,
            PoolError::Panicked => Self::Lost,
        }
    }
}

/// A fixed number of threads behind a bounded queue. Clones share both.
///
/// When the last clone is dropped, the jobs already accepted are still run, and the threads then
/// end by themselves; the drop waits for neither.
#[derive(Clone)]
pub struct Pool {
    shared: Arc<Shared>,
    /// Dropped with the last clone, which closes the queue.
    _open: Arc<Open>,
}

/// What the clones and the threads share.
struct Shared {
    state: Mutex<State>,
    work: Condvar,
    threads: usize,
    queue_max: usize,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Box<dyn Job>>,
    running: usize,
    closed: bool,
}

/// Closes the queue when dropped.
struct Open(Arc<Shared>);

/// A thread at work. Dropped, it counts as free again.
struct Busy<'a>(&'a Shared);

/// A function and the place where its result is waited for.
struct Task<F, T> {
    work: F,
    result: oneshot::Sender<T>,
}

trait Job: Send {
    fn is_abandoned(&self) -> bool;
    fn run(self: Box<Self>, busy: Busy<'_>);
}

impl<F: FnOnce() -> T + Send, T: Send> Job for Task<F, T> {
    fn is_abandoned(&self) -> bool {
        self.result.is_canceled()
    }

    fn run(self: Box<Self>, busy: Busy<'_>) {
        let Self { work, result } = *self;
        if result.is_canceled() {
            return;
        }
        // Bound last, so that also a panic frees the thread first and ends the waiting second:
        // whoever has a result can count on a free place.
        let busy = busy;
        let value = work();
        drop(busy);
        // A result that nobody waits for any more is dropped here, on this thread.
        drop(result.send(value));
    }
}

impl Pool {
    /// A pool of `threads` threads, for which at most `queue_max` jobs wait. With a `queue_max` of
    /// 0 a job is accepted only when a thread is free.
    ///
    /// # Errors
    /// When the system gives no more threads.
    pub fn new(threads: NonZeroUsize, queue_max: usize) -> io::Result<Self> {
        let shared = Arc::new(Shared {
            state: Mutex::default(),
            work: Condvar::new(),
            threads: threads.get(),
            queue_max,
        });
        // Built first, so that on an error the threads already started are told to end.
        let pool = Self { _open: Arc::new(Open(Arc::clone(&shared))), shared };
        for number in 0..threads.get() {
            let shared = Arc::clone(&pool.shared);
            thread::Builder::new()
                .name(format!("meshwork-pool-{number}"))
                .spawn(move || shared.serve())?;
        }
        Ok(pool)
    }

    /// Hands `work` to the pool and returns the future of its result. Never blocks.
    ///
    /// The job is queued, or refused, by this call and not by the first poll.
    ///
    /// # Errors
    /// The future yields [`PoolError::Full`] when the job was refused and [`PoolError::Panicked`]
    /// when it panicked.
    ///
    /// # Cancel safety
    /// When the future is dropped, a job that has not started is skipped and its place in the
    /// queue is free; one that runs is finished and its result dropped.
    pub fn run<F, T>(
        &self,
        work: F,
    ) -> impl Future<Output = Result<T, PoolError>> + Send + use<F, T>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        let (result, outcome) = oneshot::channel();
        let accepted = self.shared.submit(Box::new(Task { work, result }));
        async move {
            accepted?;
            // The sender is dropped without a result only while a panic unwinds.
            outcome.await.map_err(|oneshot::Canceled| PoolError::Panicked)
        }
    }

    /// Hands `work` to the pool as [`run`](Self::run) does, and while there is no place for it asks
    /// again, for about as long as `patience`.
    ///
    /// # Errors
    /// [`PoolError::Full`] when there was no place for that long, [`PoolError::Panicked`].
    ///
    /// # Cancel safety
    /// That of [`run`](Self::run).
    pub async fn run_patiently<F, T>(&self, patience: Duration, work: F) -> Result<T, PoolError>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        // A job that is refused is dropped, and the work must not be.
        let work = Arc::new(Mutex::new(Some(work)));
        let (mut pause, mut waited) = (PAUSE_MIN, Duration::ZERO);
        loop {
            let taken = Arc::clone(&work);
            let job = move || {
                let work = taken.lock().unwrap_or_else(PoisonError::into_inner).take();
                work.map(|work| work())
            };
            match self.run(job).await {
                Err(PoolError::Full { .. }) if waited < patience => {}
                // It is taken once, by the one job that was accepted.
                outcome => return outcome.and_then(|value| value.ok_or(PoolError::Panicked)),
            }
            Delay::new(pause).await;
            waited = waited.saturating_add(pause);
            pause = pause.saturating_mul(2).min(PAUSE_MAX);
        }
    }

    /// Jobs that wait for a thread, abandoned ones included.
    pub fn waiting(&self) -> usize {
        self.shared.lock().waiting.len()
    }
}

impl Shared {
    /// Queues `job` unless `threads` + `queue_max` jobs are there already.
    fn submit(&self, job: Box<dyn Job>) -> Result<(), PoolError> {
        let mut abandoned = VecDeque::new();
        let mut state = self.lock();
        if self.is_full(&state) {
            (abandoned, state.waiting) =
                mem::take(&mut state.waiting).into_iter().partition(|job| job.is_abandoned());
        }
        let accepted = if self.is_full(&state) {
            abandoned.push_back(job);
            Err(PoolError::Full { threads: self.threads, queue_max: self.queue_max })
        } else {
            state.waiting.push_back(job);
            self.work.notify_one();
            Ok(())
        };
        // What a job holds may run any code when dropped, also code that uses this pool.
        drop(state);
        drop(abandoned);
        accepted
    }

    fn is_full(&self, state: &State) -> bool {
        state.running + state.waiting.len() >= self.threads.saturating_add(self.queue_max)
    }

    /// The life of one thread.
    fn serve(&self) {
        while let Some((job, busy)) = self.next() {
            // The job owns all that it touches, so nothing half-changed is seen afterwards.
            if panic::catch_unwind(AssertUnwindSafe(|| job.run(busy))).is_err() {
                tracing::error!("a job of the pool panicked");
            }
        }
    }

    /// Waits for a job; `None` when the pool is closed and all are taken.
    fn next(&self) -> Option<(Box<dyn Job>, Busy<'_>)> {
        let mut state = self.lock();
        loop {
            if let Some(job) = state.waiting.pop_front() {
                state.running += 1;
                return Some((job, Busy(self)));
            }
            if state.closed {
                return None;
            }
            state = self.work.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// No foreign code runs while the state is locked, so it is whole even after a panic.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        self.0.lock().running -= 1;
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.lock().closed = true;
        self.0.work.notify_all();
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool")
            .field("threads", &self.shared.threads)
            .field("queue_max", &self.shared.queue_max)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
