//! Who keeps a ledger over restarts.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use futures::future::{BoxFuture, FutureExt as _, ready};

use super::row::{Key, Row};

/// A store did not keep or return a ledger.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum StoreError {
    /// Too much waits. Nothing of the change is or will be kept; later is better.
    #[error("ledger store is busy: {message}")]
    Busy {
        /// What the store says.
        message: String,
    },
    /// It failed. The change may be found when it is opened anew, or not.
    #[error("ledger store failed: {message}")]
    Failed {
        /// What the store says.
        message: String,
    },
}

/// Keeps a ledger over restarts. A future that ends well means that the change is durable.
///
/// The work begins with the call and not with the first poll, and goes on when the future is dropped.
pub trait Store: Send + Sync + 'static {
    /// All rows that are kept, in any order. A row that cannot be read is an error: without it the
    /// others are no ledger.
    fn load(&self) -> BoxFuture<'static, Result<Vec<Row>, StoreError>>;

    /// Makes rows durable, each in place of an earlier one of its key: all of them or none.
    fn commit(&self, rows: Vec<Row>) -> BoxFuture<'static, Result<(), StoreError>>;
}

/// Keeps a ledger until the process ends. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct MemoryStore {
    rows: Arc<Mutex<BTreeMap<Key, Row>>>,
}

impl Store for MemoryStore {
    fn load(&self) -> BoxFuture<'static, Result<Vec<Row>, StoreError>> {
        let rows = self.rows.lock().unwrap_or_else(PoisonError::into_inner);
        ready(Ok(rows.values().cloned().collect())).boxed()
    }

    fn commit(&self, rows: Vec<Row>) -> BoxFuture<'static, Result<(), StoreError>> {
        let mut kept = self.rows.lock().unwrap_or_else(PoisonError::into_inner);
        kept.extend(rows.into_iter().map(|row| (row.key(), row)));
        ready(Ok(())).boxed()
    }
}
