//! A store that lasts as long as the process.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use futures::future::{BoxFuture, FutureExt, ready};

use super::{Change, Key, Loader, Row, Store, StoreError};

/// Keeps rows until the process ends. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct MemoryStore {
    rows: Arc<Mutex<BTreeMap<Key, Row>>>,
}

/// Rows handed over at once.
const PART: usize = 500;

impl MemoryStore {
    /// All that is kept, by key.
    pub fn rows(&self) -> Vec<Row> {
        self.rows.lock().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }
}

impl Store for MemoryStore {
    fn load(&self, mut each: Loader) -> BoxFuture<'static, Result<usize, StoreError>> {
        let mut rows = self.rows().into_iter().peekable();
        while rows.peek().is_some() {
            each(rows.by_ref().take(PART).collect());
        }
        ready(Ok(0)).boxed()
    }

    fn apply(&self, changes: Vec<Change>) -> BoxFuture<'static, Result<(), StoreError>> {
        let mut rows = self.rows.lock().unwrap_or_else(PoisonError::into_inner);
        for change in changes {
            match change {
                Change::Put(row) => drop(rows.insert(row.key(), row)),
                Change::Remove(key) => drop(rows.remove(&key)),
            }
        }
        ready(Ok(())).boxed()
    }
}
