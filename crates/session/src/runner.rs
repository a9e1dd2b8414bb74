//! One protocol on one channel, from start to end.

use std::any::Any;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use handshake::SessionInfo;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;
use transport::session::Substream;

use crate::jobs::message_of;
use crate::{Channel, JobPanic, Jobs, Protocol, Stop};

/// How a protocol ended on a connection.
#[derive(Debug)]
pub enum Outcome {
    /// It was done.
    Finished,
    /// It gave up.
    Stopped(Stop),
    /// It panicked. The connection is closed.
    Panicked {
        /// What it panicked with.
        message: String,
    },
    /// One of its jobs panicked.
    JobPanicked(JobPanic),
    /// The connection closed or the node stopped, and it did not end by itself in time.
    Cut,
}

impl Outcome {
    /// Whether the connection is closed for it.
    #[must_use]
    pub const fn closes_connection(&self) -> bool {
        match self {
            Self::Stopped(stop) => stop.closes_connection(),
            Self::Panicked { .. } => true,
            Self::Finished | Self::JobPanicked(_) | Self::Cut => false,
        }
    }

    fn panicked(panic: &(dyn Any + Send)) -> Self {
        Self::Panicked { message: message_of(panic) }
    }
}

impl From<Result<(), Stop>> for Outcome {
    fn from(ended: Result<(), Stop>) -> Self {
        match ended {
            Ok(()) => Self::Finished,
            Err(stop) => Self::Stopped(stop),
        }
    }
}

/// What a protocol is started with.
#[derive(Debug)]
pub(crate) struct Start {
    pub(crate) stream: Substream,
    pub(crate) session: Arc<SessionInfo>,
    /// When the connection was open on this side.
    pub(crate) since: Instant,
    /// Cancelled when the connection closes or the node stops.
    pub(crate) stopping: CancellationToken,
    pub(crate) jobs_max: usize,
    pub(crate) grace: Duration,
}

/// Runs what `make` makes. When the future is done, nothing of the protocol is left; when it is
/// dropped before, its jobs are dropped soon after.
pub(crate) fn run<P: Protocol>(
    make: Arc<impl Fn() -> P + Send + Sync + 'static>,
    start: Start,
) -> BoxFuture<'static, Outcome> {
    let life = async move {
        let Start { stream, session, since, stopping, jobs_max, grace } = start;
        let channel = Channel::new(stream, session, since, stopping.clone());
        let sender = channel.sender();
        let jobs = Jobs::within(&stopping, jobs_max, grace);
        let protocol = {
            let jobs = jobs.clone();
            async move { make().run(channel, jobs).await }
        };
        let outcome = supervise(protocol, &jobs, &stopping, grace).await;
        if !outcome.closes_connection() {
            // A remote that does not read what is left finds the substream reset.
            drop(timeout(grace, sender.close()).await);
        }
        outcome
    };
    // The protocol is caught by `supervise`, except what it panics with while it is dropped.
    AssertUnwindSafe(life)
        .catch_unwind()
        .map(|ended| ended.unwrap_or_else(|panic| Outcome::panicked(&*panic)))
        .boxed()
}

/// Runs `protocol` until it ends or has to, then ends its jobs.
async fn supervise(
    protocol: impl Future<Output = Result<(), Stop>> + Send,
    jobs: &Jobs,
    stopping: &CancellationToken,
    grace: Duration,
) -> Outcome {
    let _abort = jobs.abort_on_drop();
    let mut protocol = AssertUnwindSafe(protocol).catch_unwind().boxed();
    let ended = tokio::select! {
        biased;
        () = jobs.panicked() => None,
        ended = &mut protocol => Some(ended),
        () = stopping.cancelled() => {
            let (ended, ()) = futures::join!(timeout(grace, &mut protocol), jobs.stop());
            ended.ok()
        }
    };
    drop(protocol);
    jobs.stop().await;
    let outcome = match ended {
        Some(Ok(ended)) => ended.into(),
        Some(Err(panic)) => Outcome::panicked(&*panic),
        None => Outcome::Cut,
    };
    match jobs.first_panic() {
        Some(panic) if !outcome.closes_connection() => Outcome::JobPanicked(panic),
        Some(_) | None => outcome,
    }
}

#[cfg(test)]
mod tests;
