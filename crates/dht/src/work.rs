//! The slow work that the core asks for: cryptography, what survives a restart, dials.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures::future::{BoxFuture, FutureExt as _, ready};
use libp2p_core::Multiaddr;
use libp2p_identity::{Keypair, PeerId};
use machine::{JobError, UnixTime};
use transport::pool::Pool;
use transport::records;

use crate::clock::{Clock, Randomness};
use crate::core::Core;
use crate::envelope::{MessageId, Sealer};
use crate::event::{DialError, Done, Job};
use crate::messages::Stored;
use crate::outbound::{Addressed, Dispatch, seal};
use crate::seen::Seen;
use crate::store::Store;

/// How long a job waits for a place on the pool. The core gives up most of them after 30 s.
const PATIENCE: Duration = Duration::from_secs(5);

/// Opens links: answers with success when there is one, or soon will be.
pub type Dialler =
    Arc<dyn Fn(PeerId, Vec<Multiaddr>) -> BoxFuture<'static, Result<(), DialError>> + Send + Sync>;

/// Does what a [`Core`] asks for, wherever that runs.
pub struct Worker {
    pub(crate) keys: Keypair,
    pub(crate) sealer: Arc<Sealer>,
    pub(crate) randomness: Randomness,
    pub(crate) seen: Seen,
    pub(crate) clock: Clock,
    pub(crate) pool: Option<Pool>,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) dialler: Dialler,
    /// Whether records without a public address are of use.
    pub(crate) allow_private: bool,
}

type Ending = BoxFuture<'static, Result<Done, JobError>>;

impl Worker {
    fn seal(&self, addressed: Addressed) -> Ending {
        let (sealer, randomness) = (Arc::clone(&self.sealer), self.randomness.clone());
        let (seen, clock) = (self.seen.clone(), self.clock.clone());
        self.on_pool(move || {
            let sealed = seal(&sealer, addressed, &mut randomness.fork());
            Done::Sealed(sealed.map(|dispatch| {
                remember(&seen, &clock, &dispatch);
                Box::new(dispatch)
            }))
        })
    }

    fn sign(&self, kept: Vec<(MessageId, UnixTime)>) -> Ending {
        let keys = self.keys.clone();
        let work = move || {
            let sign = |(id, until): &_| Stored::sign(&keys, id, *until).map(|it| it.signature);
            kept.iter().map(sign).collect::<Option<_>>().map(Done::Signed)
        };
        // A key that signs nothing is noticed when the DHT is built.
        self.on_pool(work)
            .map(|signed| signed.and_then(|signed| signed.ok_or(JobError::Lost)))
            .boxed()
    }

    /// Does `work` on the pool, or when the future is polled if there is none.
    fn on_pool<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> BoxFuture<'static, Result<T, JobError>> {
        match self.pool.clone() {
            Some(pool) => {
                async move { pool.run_patiently(PATIENCE, work).await.map_err(JobError::from) }
                    .boxed()
            }
            None => async move { Ok(work()) }.boxed(),
        }
    }
}

/// An own message that others bring is not new.
pub(crate) fn remember(seen: &Seen, clock: &Clock, dispatch: &Dispatch) {
    seen.sent(&dispatch.identified, dispatch.envelope.expires(), clock.read());
}

impl transport::Worker<Core> for Worker {
    fn start(&mut self, job: Job) -> Ending {
        match job {
            Job::Dial { peer, addresses } => {
                (self.dialler)(peer, addresses).map(|dialled| Ok(Done::Dialled(dialled))).boxed()
            }
            Job::Verify { records } => {
                let allow_private = self.allow_private;
                self.on_pool(move || {
                    let open = |bytes| records::open(bytes, allow_private);
                    Done::Verified(records.iter().map(|bytes| open(bytes)).collect())
                })
            }
            Job::Seal(addressed) => self.seal(*addressed),
            Job::CheckStored { id, stored } => {
                self.on_pool(move || Done::Checked(stored.verify(&id).is_ok()))
            }
            Job::Keep(changes) => self.store.save(changes).map(|kept| Ok(Done::Kept(kept))).boxed(),
            Job::Read(arrivals) => {
                self.store.read(arrivals).map(|read| Ok(Done::Read(read))).boxed()
            }
            Job::Sign(kept) => self.sign(kept),
        }
    }
}

impl fmt::Debug for Worker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Worker").field("pool", &self.pool).finish_non_exhaustive()
    }
}

/// A dialler that reaches nobody: links are opened by others alone.
pub(crate) fn nobody() -> Dialler {
    Arc::new(|_, _| ready(Err(DialError::Unreachable)).boxed())
}
