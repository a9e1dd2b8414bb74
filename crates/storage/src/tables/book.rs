//! The address book: its entries by peer id, its anchors by their place, and its key.

use bytes::Bytes;
use futures::future::{BoxFuture, FutureExt, ready};
use gossip::{BookStore, Change as BookChange, Snapshot, Stored};
use libp2p_identity::PeerId;
use machine::UnixTime;
use redb::ReadTransaction;

use crate::error::StoreError;
use crate::row::{self, BadRow, Change, Loaded, Row};
use crate::schema::Table;
use crate::storage::Storage;

/// Keeps the address book over restarts.
///
/// # Bounds
/// At most 131,072 changes at once, records of at most 2,048 bytes, 64 anchors; 65,536 entries at a
/// load. How many entries there are is up to the book, which removes those that it drops.
#[derive(Clone, Debug)]
pub struct BookTable(pub(crate) Storage);

/// Longest signed record in bytes; the messages of the handshake and of gossip carry none longer.
const RECORD_MAX: usize = 2_048;

/// Longest peer id in bytes.
const PEER_MAX: usize = 128;

/// Most anchors. A node comes back to a handful; who has fifty holds on to its whole neighbourhood.
const ANCHORS_MAX: u16 = 64;

/// Where [`Table::Meta`] has the secret of the book.
const SECRET_KEY: &[u8] = b"book key";

/// An entry and whose it is.
#[derive(Debug, Eq, PartialEq)]
pub(super) struct Entry {
    peer: PeerId,
    stored: Stored,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct StoredEntry {
    #[prost(bytes = "bytes", tag = "1")]
    record: Bytes,
    /// Empty for the operator.
    #[prost(bytes = "bytes", tag = "2")]
    source: Bytes,
    #[prost(fixed64, tag = "3")]
    source_group: u64,
    #[prost(bool, tag = "4")]
    tried: bool,
    #[prost(uint32, tag = "5")]
    failures: u32,
    /// Milliseconds since 1970.
    #[prost(uint64, optional, tag = "6")]
    last_success: Option<u64>,
    /// Milliseconds since 1970.
    #[prost(uint64, optional, tag = "7")]
    last_attempt: Option<u64>,
}

impl Row for Entry {
    const TABLE: Table = Table::Book;
    const WHAT: &'static str = "an entry of the book";
    const LEN_MAX: usize = 1 + (3 + RECORD_MAX) + (3 + PEER_MAX) + 9 + 2 + 4 + 11 + 11;

    type Message = StoredEntry;

    fn key(&self) -> Vec<u8> {
        self.peer.to_bytes()
    }

    fn to_message(&self) -> Result<StoredEntry, StoreError> {
        let stored = self.stored.clone();
        let (given, max) = (stored.record.len(), RECORD_MAX);
        if given > max {
            return Err(StoreError::TooLong { what: "a signed record", given, max });
        }
        Ok(StoredEntry {
            record: stored.record,
            source: stored.source.map(|peer| peer.to_bytes().into()).unwrap_or_default(),
            source_group: stored.source_group,
            tried: stored.tried,
            failures: stored.failures.into(),
            last_success: stored.last_success.map(UnixTime::as_millis),
            last_attempt: stored.last_attempt.map(UnixTime::as_millis),
        })
    }

    fn from_message(key: &[u8], message: StoredEntry) -> Result<Self, BadRow> {
        let StoredEntry { record, source, source_group, tried, .. } = message;
        if record.len() > RECORD_MAX {
            return Err(BadRow::Field { field: "record" });
        }
        let source = if source.is_empty() { None } else { Some(peer_of("source", &source)?) };
        let failures = u16::try_from(message.failures);
        let stored = Stored {
            record,
            source,
            source_group,
            tried,
            failures: failures.map_err(|_| BadRow::Field { field: "failures" })?,
            last_success: message.last_success.map(UnixTime::from_millis),
            last_attempt: message.last_attempt.map(UnixTime::from_millis),
        };
        Ok(Self { peer: peer_of("key", key)?, stored })
    }
}

fn peer_of(field: &'static str, bytes: &[u8]) -> Result<PeerId, BadRow> {
    PeerId::from_bytes(bytes).map_err(|_| BadRow::Field { field })
}

/// An anchor and its place, from 0.
#[derive(Debug, Eq, PartialEq)]
pub(super) struct Anchor {
    place: u16,
    peer: PeerId,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct StoredAnchor {
    #[prost(bytes = "bytes", tag = "1")]
    peer: Bytes,
}

impl Row for Anchor {
    const TABLE: Table = Table::Anchors;
    const WHAT: &'static str = "an anchor";
    const LEN_MAX: usize = 1 + (3 + PEER_MAX);

    type Message = StoredAnchor;

    /// Its place, so that the table is in their order.
    fn key(&self) -> Vec<u8> {
        self.place.to_be_bytes().to_vec()
    }

    fn to_message(&self) -> Result<StoredAnchor, StoreError> {
        Ok(StoredAnchor { peer: self.peer.to_bytes().into() })
    }

    fn from_message(key: &[u8], message: StoredAnchor) -> Result<Self, BadRow> {
        let place = key.try_into().map(u16::from_be_bytes);
        let place = place.map_err(|_| BadRow::Field { field: "key" })?;
        Ok(Self { place, peer: peer_of("peer", &message.peer)? })
    }
}

/// What a change of the book does to the tables.
fn rows_of(change: BookChange, rows: &mut Vec<Change>) -> Result<(), StoreError> {
    match change {
        BookChange::Put { peer, entry } => rows.push(Change::put(&Entry { peer, stored: entry })?),
        BookChange::Remove { peer } => {
            rows.push(Change::Remove { table: Table::Book, key: peer.to_bytes() });
        }
        BookChange::Anchors { peers } => {
            let (given, max) = (peers.len(), usize::from(ANCHORS_MAX));
            if given > max {
                return Err(StoreError::TooMany { what: "anchors", given, max });
            }
            rows.push(Change::Clear { table: Table::Anchors });
            for (place, peer) in (0..ANCHORS_MAX).zip(peers) {
                rows.push(Change::put(&Anchor { place, peer })?);
            }
        }
    }
    Ok(())
}

fn snapshot(tx: &ReadTransaction) -> Result<Loaded<Snapshot>, redb::Error> {
    let meta = tx.open_table(Table::Meta.definition())?;
    let key = meta.get(SECRET_KEY)?.and_then(|key| key.value().try_into().ok());
    let entries = row::load::<Entry>(tx)?;
    let anchors = row::load::<Anchor>(tx)?;
    let skipped = entries.skipped.saturating_add(anchors.skipped);
    let all = Snapshot {
        key,
        entries: entries.all.into_iter().map(|entry| (entry.peer, entry.stored)).collect(),
        anchors: anchors.all.into_iter().map(|anchor| anchor.peer).collect(),
        unreadable: skipped,
    };
    Ok(Loaded { all, skipped })
}

impl From<StoreError> for gossip::StoreError {
    fn from(error: StoreError) -> Self {
        Self { message: error.to_string() }
    }
}

impl BookStore for BookTable {
    fn load(&self) -> BoxFuture<'static, Result<Snapshot, gossip::StoreError>> {
        let loaded = self.0.queue().load(snapshot);
        loaded.map(|loaded| Ok(loaded?.all)).boxed()
    }

    fn put_key(&self, key: [u8; 32]) -> BoxFuture<'static, Result<(), gossip::StoreError>> {
        let (name, value) = (SECRET_KEY.to_vec(), key.to_vec());
        self.write(vec![Change::Put { table: Table::Meta, key: name, value }])
    }

    fn save(&self, changes: Vec<BookChange>) -> BoxFuture<'static, Result<(), gossip::StoreError>> {
        let mut rows = Vec::with_capacity(changes.len());
        match changes.into_iter().try_for_each(|change| rows_of(change, &mut rows)) {
            Ok(()) => self.write(rows),
            Err(error) => ready(Err(error.into())).boxed(),
        }
    }
}

impl BookTable {
    fn write(&self, rows: Vec<Change>) -> BoxFuture<'static, Result<(), gossip::StoreError>> {
        self.0.queue().write(rows).map(|kept| kept.map_err(Into::into)).boxed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::row::tests::check_round_trip;

    fn entry(record: usize, source: Option<PeerId>) -> Entry {
        let stored = Stored {
            record: Bytes::from(vec![1; record]),
            source,
            source_group: u64::MAX,
            tried: true,
            failures: u16::MAX,
            last_success: Some(UnixTime::from_millis(u64::MAX)),
            last_attempt: Some(UnixTime::from_millis(u64::MAX)),
        };
        Entry { peer: PeerId::random(), stored }
    }

    #[test]
    fn an_entry_survives_from_the_least_to_the_longest() {
        check_round_trip(&entry(RECORD_MAX, Some(PeerId::random())));
        let mut least = entry(0, None);
        least.stored.failures = 0;
        least.stored.last_success = None;
        least.stored.last_attempt = Some(UnixTime::from_millis(0));
        check_round_trip(&least);
    }

    #[test]
    fn an_anchor_survives() {
        for place in [0, ANCHORS_MAX - 1] {
            check_round_trip(&Anchor { place, peer: PeerId::random() });
        }
    }

    #[test]
    fn what_is_too_long_or_too_many_is_refused_by_name() {
        let Entry { peer, stored } = entry(RECORD_MAX + 1, None);
        for (change, message) in [
            (
                BookChange::Put { peer, entry: stored },
                "a signed record has 2049 bytes, must have at most 2048",
            ),
            (BookChange::Anchors { peers: vec![peer; 65] }, "65 anchors, must be at most 64"),
        ] {
            let error = rows_of(change, &mut Vec::new()).expect_err("too much");
            assert_eq!(error.to_string(), message);
        }
    }
}
