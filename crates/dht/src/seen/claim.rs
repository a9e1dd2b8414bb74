//! A message that is reserved.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use super::lock;
use super::memory::{Held, Memory};
use crate::delivery::Reception;

/// A message, and perhaps the letter in it, of which nobody else may have a copy until it is
/// settled, or the last clone is dropped.
#[derive(Clone)]
pub(crate) struct Claim(Arc<Reserved>);

struct Reserved {
    memory: Arc<Mutex<Memory>>,
    /// `None` once it is settled.
    held: Mutex<Option<Held>>,
    known: Option<Reception>,
}

impl fmt::Debug for Claim {
    /// Not what it holds: that is shared, and names all that is remembered.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Claim")
    }
}

impl Claim {
    pub(super) fn new(memory: Arc<Mutex<Memory>>, held: Held) -> Self {
        let known = held.known();
        Self(Arc::new(Reserved { memory, held: Mutex::new(Some(held)), known }))
    }

    /// What the application made of the letter before, if it came before.
    pub(crate) fn known(&self) -> Option<Reception> {
        self.0.known
    }

    /// Remembers it until it expires, and of a letter that is new what the application made of it.
    pub(crate) fn settle(&self, reception: Reception) {
        if let Some(held) = self.0.take() {
            lock(&self.0.memory).settle(&held, reception);
        }
    }
}

impl Reserved {
    fn take(&self) -> Option<Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl Drop for Reserved {
    fn drop(&mut self) {
        if let Some(held) = self.take() {
            lock(&self.memory).release(&held);
        }
    }
}
