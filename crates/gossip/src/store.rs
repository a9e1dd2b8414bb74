//! What of the book survives a restart, and who keeps it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use futures::future::{BoxFuture, FutureExt, ready};
use libp2p_identity::PeerId;
use machine::UnixTime;
use thiserror::Error;

/// One entry of the book, as it is kept.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Stored {
    /// The signed record, as it came.
    pub record: Bytes,
    /// Who told of it; `None` for the operator.
    pub source: Option<PeerId>,
    /// Network group that the source spoke from, hashed with the book's key.
    pub source_group: u64,
    /// Whether it stood among those that were reached.
    pub tried: bool,
    /// Failures in a row.
    pub failures: u16,
    /// When it was last reached.
    pub last_success: Option<UnixTime>,
    /// When it was last tried.
    pub last_attempt: Option<UnixTime>,
}

/// One change of what is kept.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Change {
    /// Keep an entry, in place of an earlier one of the same peer.
    Put {
        /// Whose.
        peer: PeerId,
        /// What.
        entry: Stored,
    },
    /// Forget an entry.
    Remove {
        /// Whose.
        peer: PeerId,
    },
    /// These are the links to try first after a restart.
    Anchors {
        /// At most 8.
        peers: Vec<PeerId>,
    },
}

/// All that is kept.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Snapshot {
    /// The secret that decides who competes with whom for room in the book; `None` before the
    /// first start.
    pub key: Option<[u8; 32]>,
    /// The entries.
    pub entries: Vec<(PeerId, Stored)>,
    /// The links to try first.
    pub anchors: Vec<PeerId>,
    /// Entries that could not be read.
    pub unreadable: usize,
}

/// The disk failed to keep or to return the book.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
#[error("book store: {message}")]
pub struct StoreError {
    /// What the store says.
    pub message: String,
}

/// Keeps the book over restarts. A future that ends well means that the change is durable.
pub trait BookStore: Send + Sync + 'static {
    /// All that is kept.
    fn load(&self) -> BoxFuture<'static, Result<Snapshot, StoreError>>;
    /// Keeps the secret of the book.
    fn put_key(&self, key: [u8; 32]) -> BoxFuture<'static, Result<(), StoreError>>;
    /// Makes all of `changes`, or none.
    fn save(&self, changes: Vec<Change>) -> BoxFuture<'static, Result<(), StoreError>>;
}

/// Keeps the book until the process ends.
#[derive(Clone, Debug, Default)]
pub struct MemoryBook {
    kept: Arc<Mutex<Kept>>,
}

#[derive(Debug, Default)]
struct Kept {
    key: Option<[u8; 32]>,
    entries: BTreeMap<PeerId, Stored>,
    anchors: Vec<PeerId>,
}

impl BookStore for MemoryBook {
    fn load(&self) -> BoxFuture<'static, Result<Snapshot, StoreError>> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let entries = kept.entries.iter().map(|(peer, entry)| (*peer, entry.clone())).collect();
        let snapshot =
            Snapshot { key: kept.key, entries, anchors: kept.anchors.clone(), unreadable: 0 };
        ready(Ok(snapshot)).boxed()
    }

    fn put_key(&self, key: [u8; 32]) -> BoxFuture<'static, Result<(), StoreError>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).key = Some(key);
        ready(Ok(())).boxed()
    }

    fn save(&self, changes: Vec<Change>) -> BoxFuture<'static, Result<(), StoreError>> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        for change in changes {
            match change {
                Change::Put { peer, entry } => {
                    kept.entries.insert(peer, entry);
                }
                Change::Remove { peer } => {
                    kept.entries.remove(&peer);
                }
                Change::Anchors { peers } => kept.anchors = peers,
            }
        }
        ready(Ok(())).boxed()
    }
}
