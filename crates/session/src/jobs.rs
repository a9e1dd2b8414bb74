//! Tasks that end with their channel.

use std::any::Any;
use std::fmt;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::FutureExt;
use tokio::time::timeout;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

/// Starts the side tasks of a protocol, and ends them with its channel. Clones are one.
///
/// Three guarantees:
/// 1. *No job outlives its connection.* When the connection closes, when the node stops and when
///    [`Protocol::run`](crate::Protocol::run) ends, jobs are told ([`Self::stopping`]); whatever is
///    not done after [`Config::grace`](crate::Config::grace) is dropped where it waits, and the end
///    of the channel is reported after that.
/// 2. *After stop, spawn does nothing*, from any task and however it races: the job is dropped unrun
///    and [`SpawnError::Stopping`] returned.
/// 3. *[`Self::stop`] returns after clean-up*: every job has ended and its future has been dropped.
///
/// A job that never waits, a loop that computes, cannot be stopped by anybody. Compute in the
/// [`Pool`](transport::pool::Pool).
#[derive(Clone)]
pub struct Jobs {
    shared: Arc<Shared>,
}

struct Shared {
    /// Held for spawning and for stopping, so that they cannot pass each other.
    state: Mutex<State>,
    tracker: TaskTracker,
    stopping: CancellationToken,
    /// Ends what has not ended by itself.
    abort: CancellationToken,
    panicked: CancellationToken,
    jobs_max: usize,
    grace: Duration,
}

#[derive(Default)]
struct State {
    stopped: bool,
    panic: Option<JobPanic>,
}

/// A job that panicked.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("job {job} panicked: {message}")]
pub struct JobPanic {
    /// The name it was spawned by.
    pub job: &'static str,
    /// What it panicked with.
    pub message: String,
}

/// Why a job was not started.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum SpawnError {
    /// The channel is at its end.
    #[error("stopping")]
    Stopping,
    /// Too many jobs run.
    #[error("{max} jobs run already")]
    TooMany {
        /// [`Config::jobs_max`](crate::Config::jobs_max).
        max: usize,
    },
}

impl Jobs {
    /// A set for up to `jobs_max` jobs at once, to test a protocol without a network. Whoever makes
    /// it [stops](Self::stop) it.
    #[must_use]
    pub fn new(jobs_max: usize, grace: Duration) -> Self {
        Self::within(&CancellationToken::new(), jobs_max, grace)
    }

    /// A set whose jobs are told to stop when `parent` is cancelled.
    pub(crate) fn within(parent: &CancellationToken, jobs_max: usize, grace: Duration) -> Self {
        let shared = Shared {
            state: Mutex::default(),
            tracker: TaskTracker::new(),
            stopping: parent.child_token(),
            abort: CancellationToken::new(),
            panicked: CancellationToken::new(),
            jobs_max,
            grace,
        };
        Self { shared: Arc::new(shared) }
    }

    /// Starts `job` on a task of its own; `name` says which in logs and events. If it panics, the
    /// channel is closed.
    ///
    /// # Errors
    /// [`SpawnError`]; the job is dropped unrun.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn spawn(
        &self,
        name: &'static str,
        job: impl Future<Output = ()> + Send + 'static,
    ) -> Result<(), SpawnError> {
        let state = self.shared.lock();
        if state.stopped || self.shared.stopping.is_cancelled() {
            return Err(SpawnError::Stopping);
        }
        let max = self.shared.jobs_max;
        if self.shared.tracker.len() >= max {
            return Err(SpawnError::TooMany { max });
        }
        let shared = Arc::clone(&self.shared);
        self.shared.tracker.spawn(async move {
            let ended = tokio::select! {
                biased;
                () = shared.abort.cancelled() => return,
                ended = AssertUnwindSafe(job).catch_unwind() => ended,
            };
            if let Err(panic) = ended {
                shared.note(JobPanic { job: name, message: message_of(&*panic) });
            }
        });
        drop(state);
        Ok(())
    }

    /// Resolves when the jobs are to end. One that has something to finish waits for it beside its
    /// work; the others need not care.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn stopping(&self) {
        self.shared.stopping.cancelled().await;
    }

    /// Ends all jobs: returns when none is left. Jobs that do not end by themselves within the grace
    /// are dropped where they wait.
    ///
    /// A job that calls this waits for itself, and is dropped after the grace.
    ///
    /// # Cancel safety
    /// Cancel safe: nothing can be spawned from the first poll on, and it may be called again.
    pub async fn stop(&self) {
        self.shared.lock().stopped = true;
        self.shared.stopping.cancel();
        self.shared.tracker.close();
        if timeout(self.shared.grace, self.shared.tracker.wait()).await.is_err() {
            self.shared.abort.cancel();
            self.shared.tracker.wait().await;
        }
    }

    /// Jobs that run.
    pub fn running(&self) -> usize {
        self.shared.tracker.len()
    }

    /// Resolves when a job has panicked.
    pub(crate) async fn panicked(&self) {
        self.shared.panicked.cancelled().await;
    }

    /// The first panic of a job, if there was one.
    pub(crate) fn first_panic(&self) -> Option<JobPanic> {
        self.shared.lock().panic.clone()
    }

    /// Drops all jobs where they wait, without grace, when the guard is dropped.
    pub(crate) fn abort_on_drop(&self) -> DropGuard {
        self.shared.abort.clone().drop_guard()
    }
}

impl Shared {
    fn note(&self, panic: JobPanic) {
        tracing::error!(job = panic.job, message = panic.message, "a job panicked");
        self.lock().panic.get_or_insert(panic);
        self.panicked.cancel();
    }

    /// Nothing panics while the state is locked, except a spawn outside of a runtime, and that leaves
    /// it whole.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a task panicked with, as far as it is text.
pub(crate) fn message_of(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("something that is not text")
        .to_owned()
}

impl fmt::Debug for Jobs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Jobs").field("running", &self.running()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
