//! What the operator sets of the intake.

use std::time::Duration;

/// What the operator sets, not yet checked.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Config {
    /// Batches under way; others wait. 1 to 64.
    pub batches_max: usize,
    /// Most items of one batch, and about as many of one transaction. 1 to 4,096.
    pub batch: usize,
    /// Items that are verified by one job of the pool. 1 to `batch`.
    pub job: usize,
    /// Jobs of one batch that are at the pool. 1 to 64. Fewer than its threads leave some idle.
    pub jobs_max: usize,
    /// How long a job waits for a place in the queue of the pool. At most 5 min.
    pub patience: Duration,
}

/// What the intake is made with. Only [`Config::check`] makes it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Params {
    pub(super) batches_max: usize,
    pub(super) batch: usize,
    pub(super) job: usize,
    pub(super) jobs_max: usize,
    pub(super) patience: Duration,
}

/// What is wrong with a [`Config`].
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum ConfigError {
    /// Nothing would ever be taken in, or too much would be held at once.
    #[error("batches_max is {given}, must be 1 to {BATCHES_MAX}")]
    BatchesMax {
        /// As configured.
        given: usize,
    },
    /// No batch at all, or more than a transaction should have.
    #[error("batch is {given}, must be 1 to {BATCH_MAX}")]
    Batch {
        /// As configured.
        given: usize,
    },
    /// No job at all, or one larger than a batch.
    #[error("job is {given}, must be 1 to batch, which is {batch}")]
    Job {
        /// As configured.
        given: usize,
        /// Items of a batch.
        batch: usize,
    },
    /// No job at all, or more than a queue should have of one batch.
    #[error("jobs_max is {given}, must be 1 to {JOBS_MAX}")]
    JobsMax {
        /// As configured.
        given: usize,
    },
    /// So long that a batch seems lost.
    #[error("patience is {given:?}, must be at most 5 min")]
    Patience {
        /// As configured.
        given: Duration,
    },
}

const BATCHES_MAX: usize = 64;
const BATCH_MAX: usize = 4096;
const JOBS_MAX: usize = 64;

impl Config {
    /// Checks all values.
    ///
    /// # Errors
    /// The first [`ConfigError`] found.
    pub fn check(self) -> Result<Params, ConfigError> {
        let Self { batches_max, batch, job, jobs_max, patience } = self;
        if !(1..=BATCHES_MAX).contains(&batches_max) {
            return Err(ConfigError::BatchesMax { given: batches_max });
        }
        if !(1..=BATCH_MAX).contains(&batch) {
            return Err(ConfigError::Batch { given: batch });
        }
        if !(1..=batch).contains(&job) {
            return Err(ConfigError::Job { given: job, batch });
        }
        if !(1..=JOBS_MAX).contains(&jobs_max) {
            return Err(ConfigError::JobsMax { given: jobs_max });
        }
        if patience > Duration::from_mins(5) {
            return Err(ConfigError::Patience { given: patience });
        }
        Ok(Params { batches_max, batch, job, jobs_max, patience })
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            batches_max: 8,
            batch: 500,
            job: 250,
            jobs_max: 8,
            patience: Duration::from_secs(30),
        }
    }
}
