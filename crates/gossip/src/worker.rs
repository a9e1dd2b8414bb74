//! Does the slow work of gossip: dials through the gate, signatures on the pool, writes to the
//! store.

use std::sync::Arc;

use futures::future::{BoxFuture, FutureExt};
use handshake::{Dialer, SessionKind};
use machine::JobError;
use transport::pool::Pool;
use transport::records::{Checked, check};
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
}

/// The same, each to be kept in one place.
fn shared(checked: Checked) -> Vec<Result<Arc<SignedRecord>, BadRecord>> {
    checked.into_iter().map(|record| record.map(Arc::new)).collect()
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
            Job::Verify { records } => check(&self.pool, records, self.allow_private)
                .map(|checked| Ok(Done::Verified(shared(checked?))))
                .boxed(),
            Job::Save { changes } => {
                self.store.save(changes).map(|stored| Ok(Done::Saved(stored))).boxed()
            }
        }
    }
}
