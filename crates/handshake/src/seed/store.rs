//! What a node remembers of its seeds from one run to the next.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use futures::future::{BoxFuture, FutureExt, ready};
use libp2p_identity::PeerId;
use machine::UnixTime;
use thiserror::Error;

/// What is remembered of one seed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct SeedMemory {
    /// Which.
    pub seed: PeerId,
    /// When it last answered well; never if absent.
    pub last_success: Option<UnixTime>,
    /// Visits that have failed since.
    pub failures: u32,
}

/// The disk failed to keep or to return what is remembered of seeds.
#[derive(Clone, Debug, Error)]
#[error("seed store: {message}")]
pub struct SeedStoreError {
    /// What the store says.
    pub message: String,
}

/// Remembers seeds over restarts. A future that ends well means that the change is durable.
///
/// What is asked for takes effect in the order of the calls, whichever future is polled first.
pub trait SeedStore: Send + Sync + 'static {
    /// All that is remembered.
    fn load(&self) -> BoxFuture<'static, Result<Vec<SeedMemory>, SeedStoreError>>;
    /// Keeps `memory` in place of what was remembered of the same seed.
    fn put(&self, memory: SeedMemory) -> BoxFuture<'static, Result<(), SeedStoreError>>;
}

/// Remembers seeds until the process ends.
#[derive(Clone, Debug, Default)]
pub struct MemorySeeds {
    by_seed: Arc<Mutex<BTreeMap<PeerId, SeedMemory>>>,
}

impl SeedStore for MemorySeeds {
    fn load(&self) -> BoxFuture<'static, Result<Vec<SeedMemory>, SeedStoreError>> {
        let by_seed = self.by_seed.lock().unwrap_or_else(PoisonError::into_inner);
        ready(Ok(by_seed.values().copied().collect())).boxed()
    }

    fn put(&self, memory: SeedMemory) -> BoxFuture<'static, Result<(), SeedStoreError>> {
        self.by_seed.lock().unwrap_or_else(PoisonError::into_inner).insert(memory.seed, memory);
        ready(Ok(())).boxed()
    }
}
