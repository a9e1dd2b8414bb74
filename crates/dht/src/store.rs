//! What survives a restart, and who keeps it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use futures::future::{BoxFuture, FutureExt as _, ready};
use machine::UnixTime;
use thiserror::Error;

use crate::letter::LetterId;
use crate::mailbox::{Arrival, Entry};
use crate::seen::SeenRow;
use crate::sent::Sent;

/// One change of what is kept.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Change {
    /// Keep a message for its recipient.
    Keep {
        /// What is known of it.
        entry: Entry,
        /// The message.
        envelope: Bytes,
    },
    /// Forget a message.
    Drop(Arrival),
    /// Remember a message that came, until it expires.
    Seen(SeenRow),
    /// Forget the messages that came and have [expired](SeenRow::expires) by then.
    Expired(UnixTime),
    /// Keep an own message until it has its end.
    Send {
        /// What is known of it.
        sent: Sent,
        /// What it says.
        payload: Bytes,
    },
    /// What is known of an own message by now. Once it has its [end](Sent::end), what it says is
    /// forgotten.
    Sent(Sent),
    /// Forget an own message.
    Unsent {
        /// When it was taken on.
        at: UnixTime,
        /// Which.
        letter: LetterId,
    },
}

/// All that is kept, but for the envelopes themselves.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Snapshot {
    /// Messages kept for others.
    pub entries: Vec<Entry>,
    /// Messages that came; some may have [expired](SeenRow::expires).
    pub seen: Vec<SeenRow>,
    /// Own messages, the oldest first.
    pub sent: Vec<Sent>,
    /// What those of them say that have no end.
    pub letters: BTreeMap<LetterId, Bytes>,
    /// Rows that could not be read.
    pub unreadable: usize,
}

/// The disk failed to keep or to return something.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
#[error("message store: {message}")]
pub struct StoreError {
    /// What the store says.
    pub message: String,
}

/// Keeps messages over restarts. A future that ends well means that the change is durable; one that
/// ends in an error, that it is not made and will not be.
///
/// # Security
/// No row says who brought a message. Those of own messages say whom they are for and what they
/// say, as long as they have no end: whoever reads the disk of a sender reads them.
pub trait Store: Send + Sync + 'static {
    /// All that is kept.
    fn load(&self) -> BoxFuture<'static, Result<Snapshot, StoreError>>;
    /// Makes all of `changes` in their order, or none.
    fn save(&self, changes: Vec<Change>) -> BoxFuture<'static, Result<(), StoreError>>;
    /// The envelopes that arrived as these, in the same order; `None` for one that is not there.
    fn read(
        &self,
        arrivals: Vec<Arrival>,
    ) -> BoxFuture<'static, Result<Vec<Option<Bytes>>, StoreError>>;
}

/// Keeps messages until the process ends.
#[derive(Clone, Debug, Default)]
pub struct MemoryStore {
    kept: Arc<Mutex<Kept>>,
}

#[derive(Debug, Default)]
struct Kept {
    mail: BTreeMap<Arrival, (Entry, Bytes)>,
    /// The first to expire first.
    seen: BTreeMap<(UnixTime, [u8; 16]), SeenRow>,
    sent: BTreeMap<(UnixTime, LetterId), Sent>,
    letters: BTreeMap<LetterId, Bytes>,
}

impl MemoryStore {
    /// Makes `changes`, at once.
    pub fn apply(&self, changes: Vec<Change>) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        for change in changes {
            match change {
                Change::Keep { entry, envelope } => {
                    // A copy, or one small message pins the whole frame that it came in.
                    kept.mail.insert(entry.arrival, (entry, Bytes::copy_from_slice(&envelope)));
                }
                Change::Drop(arrival) => {
                    kept.mail.remove(&arrival);
                }
                Change::Seen(row) => {
                    kept.seen.insert((row.expires(), row.key), row);
                }
                Change::Expired(wall) => {
                    kept.seen = kept.seen.split_off(&(wall, [u8::MAX; 16]));
                }
                Change::Send { sent, payload } => {
                    kept.letters.insert(sent.letter, payload);
                    kept.sent.insert((sent.at, sent.letter), sent);
                }
                Change::Sent(sent) => {
                    if sent.end().is_some() {
                        kept.letters.remove(&sent.letter);
                    }
                    kept.sent.insert((sent.at, sent.letter), sent);
                }
                Change::Unsent { at, letter } => {
                    kept.letters.remove(&letter);
                    kept.sent.remove(&(at, letter));
                }
            }
        }
    }

    /// What is kept, at once.
    pub fn snapshot(&self) -> Snapshot {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let entries = kept.mail.values().map(|(entry, _)| *entry).collect();
        Snapshot {
            entries,
            seen: kept.seen.values().copied().collect(),
            sent: kept.sent.values().cloned().collect(),
            letters: kept.letters.clone(),
            unreadable: 0,
        }
    }

    /// Envelopes, at once.
    pub fn envelopes(&self, arrivals: &[Arrival]) -> Vec<Option<Bytes>> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let envelope = |arrival| kept.mail.get(arrival).map(|(_, envelope)| envelope.clone());
        arrivals.iter().map(envelope).collect()
    }
}

impl Store for MemoryStore {
    fn load(&self) -> BoxFuture<'static, Result<Snapshot, StoreError>> {
        ready(Ok(self.snapshot())).boxed()
    }

    fn save(&self, changes: Vec<Change>) -> BoxFuture<'static, Result<(), StoreError>> {
        self.apply(changes);
        ready(Ok(())).boxed()
    }

    fn read(
        &self,
        arrivals: Vec<Arrival>,
    ) -> BoxFuture<'static, Result<Vec<Option<Bytes>>, StoreError>> {
        ready(Ok(self.envelopes(&arrivals))).boxed()
    }
}
