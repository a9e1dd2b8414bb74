//! Does the slow work of gossip: dials through the gate, signatures on the pool, writes to the
//! store.

use std::sync::Arc;

use bytes::Bytes;
use futures::future::{BoxFuture, FutureExt};
use handshake::{Dialer, SessionKind};
use machine::JobError;
use transport::address::admissible;
use transport::pool::{Pool, PoolError};
use wire::signed::SignedRecord;

use crate::store::BookStore;
use crate::{BadRecord, Core, Done, Job, Purpose};

/// Does the slow work of a [`Core`].
pub struct Worker {
    dialer: Dialer,
    pool: Pool,
    store: Arc<dyn BookStore>,
    allow_private: bool,
}

impl std::fmt::Debug for Worker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Worker").field("allow_private", &self.allow_private).finish_non_exhaustive()
    }
}

impl Worker {
    /// Dials through `dialer`, verifies on `pool`, writes to `store`. Unless `allow_private`,
    /// records without a public address are of no use.
    pub fn new(dialer: Dialer, pool: Pool, store: Arc<dyn BookStore>, allow_private: bool) -> Self {
        Self { dialer, pool, store, allow_private }
    }

    fn verify(&self, records: Vec<Bytes>) -> BoxFuture<'static, Result<Done, JobError>> {
        let allow_private = self.allow_private;
        let check = move || records.iter().map(|bytes| open(bytes, allow_private)).collect();
        let checked = self.pool.run(check);
        checked
            .map(|checked| match checked {
                Ok(checked) => Ok(Done::Verified(checked)),
                Err(PoolError::Full { .. }) => Err(JobError::Refused),
                Err(PoolError::Panicked) => Err(JobError::Lost),
            })
            .boxed()
    }
}

fn open(bytes: &[u8], allow_private: bool) -> Result<Arc<SignedRecord>, BadRecord> {
    let record = SignedRecord::open(bytes)
        .map_err(|error| BadRecord::Forged { reason: error.to_string() })?;
    let reachable = record.addresses().iter().any(|a| admissible(a, allow_private).is_ok());
    if reachable { Ok(Arc::new(record)) } else { Err(BadRecord::Unreachable) }
}

const fn kind(purpose: Purpose) -> SessionKind {
    match purpose {
        Purpose::Link => SessionKind::Outbound,
        Purpose::Trusted => SessionKind::Manual,
        Purpose::Feeler => SessionKind::Refine,
    }
}

impl transport::Worker<Core> for Worker {
    fn start(&mut self, job: Job) -> BoxFuture<'static, Result<Done, JobError>> {
        match job {
            Job::Dial { peer, addresses, purpose } => {
                let dialer = self.dialer.clone();
                let dial = async move { dialer.dial(peer, addresses, kind(purpose)).await };
                dial.map(|dialled| Ok(Done::Dialled(dialled.map(drop)))).boxed()
            }
            Job::Verify { records } => self.verify(records),
            Job::Save { changes } => {
                self.store.save(changes).map(|stored| Ok(Done::Saved(stored))).boxed()
            }
        }
    }
}
