//! Who does the slow work that a core asks for.

use std::convert::Infallible;
use std::time::Duration;

use futures::future::BoxFuture;
use machine::{JobError, Machine};

/// Starts the jobs of a core.
///
/// The runner bounds how many are under way and how long each may take, so a worker need not.
pub trait Worker<M: Machine>: Send + 'static {
    /// Begins `job`. The future is polled on the swarm task: it waits for a pool, a store or a
    /// dial, and computes nothing itself.
    fn start(&mut self, job: M::Job) -> BoxFuture<'static, Result<M::Done, JobError>>;
}

/// The worker of a core that has no jobs.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoJobs;

impl<M: Machine<Job = Infallible>> Worker<M> for NoJobs {
    fn start(&mut self, job: Infallible) -> BoxFuture<'static, Result<M::Done, JobError>> {
        match job {}
    }
}

/// How much slow work one core may have under way.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct JobLimits {
    /// Jobs under way at once; one more is answered [`JobError::Refused`]. Default 64.
    pub under_way_max: usize,
    /// Time for one job; then it is answered [`JobError::TimedOut`]. Default 30 s.
    pub deadline: Duration,
}

impl Default for JobLimits {
    fn default() -> Self {
        Self { under_way_max: 64, deadline: Duration::from_secs(30) }
    }
}
