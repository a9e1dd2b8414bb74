//! Does the slow work of topic broadcast: signatures, on the pool.

use bytes::Bytes;
use futures::future::{BoxFuture, FutureExt};
use libp2p_identity::Keypair;
use machine::JobError;
use transport::pool::Pool;

use crate::{Core, Done, Job, signing};

/// Does the slow work of a [`Core`].
#[derive(Clone, Debug)]
pub struct Worker {
    key: Keypair,
    pool: Pool,
}

impl Worker {
    /// Signs with `key`, which is that of the core's node and of the kind Ed25519, on `pool`.
    pub fn new(key: Keypair, pool: Pool) -> Self {
        Self { key, pool }
    }
}

impl transport::Worker<Core> for Worker {
    fn start(&mut self, job: Job) -> BoxFuture<'static, Result<Done, JobError>> {
        let key = self.key.clone();
        let work = move || match job {
            Job::Sign { topic, epoch, start, entries } => {
                let signature = signing::sign(&key, &topic, epoch, start, &entries);
                signature.map(|signature| Done::Signed(Bytes::from(signature)))
            }
            Job::Check { batches } => {
                Some(Done::Checked(batches.iter().map(signing::holds).collect()))
            }
        };
        let done = self.pool.run(work);
        done.map(|done| done?.ok_or(JobError::Lost)).boxed()
    }
}
