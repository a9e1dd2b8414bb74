//! Does the seed protocol's slow work: dials through the gate, signatures on the pool, memory in the
//! store.

use std::fmt;
use std::sync::Arc;

use futures::future::{BoxFuture, FutureExt};
use libp2p_core::Multiaddr;
use libp2p_identity::PeerId;
use machine::JobError;
use transport::pool::Pool;
use transport::records::check;

use super::{Core, Done, Job, SeedMemory, SeedStore};
use crate::{DialError, Dialer, SessionKind};

/// Does the slow work of a [`Core`].
#[derive(Clone)]
pub struct Worker {
    dialer: Dialer,
    pool: Pool,
    store: Arc<dyn SeedStore>,
    allow_private: bool,
}

impl Worker {
    /// Dials through `dialer`, verifies on `pool` and remembers in `store`. Unless `allow_private`,
    /// records without a public address are of no use.
    pub fn new(dialer: Dialer, pool: Pool, store: impl SeedStore, allow_private: bool) -> Self {
        Self { dialer, pool, store: Arc::new(store), allow_private }
    }

    fn remember(&self, memory: SeedMemory) -> BoxFuture<'static, Result<Done, JobError>> {
        let kept = self.store.put(memory);
        kept.map(move |kept| {
            if let Err(error) = &kept {
                tracing::warn!(seed = %memory.seed, %error, "what a visit showed is not kept");
            }
            Ok(Done::Remembered(kept))
        })
        .boxed()
    }

    fn dial(
        &self,
        peer: PeerId,
        addresses: Vec<Multiaddr>,
        kind: SessionKind,
    ) -> BoxFuture<'static, Result<(), DialError>> {
        let dialer = self.dialer.clone();
        async move { dialer.dial(peer, addresses, kind).await.map(drop) }.boxed()
    }
}

impl transport::Worker<Core> for Worker {
    fn start(&mut self, job: Job) -> BoxFuture<'static, Result<Done, JobError>> {
        match job {
            Job::Dial { peer, addresses } => self
                .dial(peer, addresses, SessionKind::Seed)
                .map(|dialled| Ok(Done::Dialled(dialled)))
                .boxed(),
            Job::Probe { record } => self
                .dial(record.peer(), record.addresses().to_vec(), SessionKind::Refine)
                .map(|probed| Ok(Done::Probed(probed)))
                .boxed(),
            Job::Verify { records } => check(&self.pool, records, self.allow_private)
                .map(|checked| checked.map(Done::Verified))
                .boxed(),
            Job::Remember { memory } => self.remember(memory),
        }
    }
}

impl fmt::Debug for Worker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Worker").field("pool", &self.pool).finish_non_exhaustive()
    }
}
