//! Messages for this node, by the numbers under which they came.

use std::mem;
use std::ops::Bound;

use bytes::Bytes;
use dht::{LetterId, PAYLOAD_MAX};
use futures::future::{BoxFuture, FutureExt, ready, try_join};
use libp2p_identity::PeerId;
use machine::UnixTime;
use redb::ReadTransaction;

use super::parts::collect;
use super::sent::PEER;
use crate::error::StoreError;
use crate::row::{self, BadRow, Change, Loaded, Row};
use crate::schema::Table;
use crate::storage::Storage;

/// Where [`Table::Meta`] has the highest number that had been given when something was forgotten:
/// eight bytes, the highest first.
const LAST_KEY: &[u8] = b"inbox last";

/// Payloads that are read at once, in bytes, but at least one of them: what more are read in is the
/// time for which others wait.
const READ_BYTES_MAX: usize = 1 << 20;

/// A message for this node.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Received {
    /// In the order in which they came. The first is 1.
    pub number: u64,
    /// Who wrote it, which its signature has proven.
    pub sender: PeerId,
    /// What the sender knows it by.
    pub letter: LetterId,
    /// When it came.
    pub at: UnixTime,
    /// What it says: at most 65,536 bytes.
    pub payload: Bytes,
}

/// What an inbox has without the payloads.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct InboxIndex {
    /// Messages without their payloads, and how many bytes those have. The first that came first.
    pub rows: Vec<(Received, usize)>,
    /// The highest number that had been given when something was forgotten: of what is no longer
    /// there, none was higher.
    pub last: u64,
    /// Messages that cannot be read.
    pub unreadable: usize,
}

/// Keeps messages for this node over restarts.
///
/// # Bounds
/// How many there are is up to whoever puts them; one change forgets at most 16,384.
#[derive(Clone, Debug)]
pub struct InboxTable(pub(crate) Storage);

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct StoredReceived {
    #[prost(bytes = "bytes", tag = "1")]
    sender: Bytes,
    #[prost(bytes = "bytes", tag = "2")]
    letter: Bytes,
    /// Milliseconds since 1970.
    #[prost(uint64, tag = "3")]
    at: u64,
    #[prost(bytes = "bytes", tag = "4")]
    payload: Bytes,
}

impl Row for Received {
    const TABLE: Table = Table::Inbox;
    const WHAT: &'static str = "a message for this node";
    const LEN_MAX: usize = 1 + PEER + (2 + 16) + 11 + (4 + PAYLOAD_MAX);

    type Message = StoredReceived;

    fn key(&self) -> Vec<u8> {
        self.number.to_be_bytes().to_vec()
    }

    fn to_message(&self) -> Result<StoredReceived, StoreError> {
        Ok(StoredReceived {
            sender: self.sender.to_bytes().into(),
            letter: Bytes::copy_from_slice(&self.letter.0),
            at: self.at.as_millis(),
            payload: self.payload.clone(),
        })
    }

    fn from_message(key: &[u8], message: StoredReceived) -> Result<Self, BadRow> {
        let StoredReceived { sender, letter, at, payload } = message;
        let field = |field| BadRow::Field { field };
        let number = key.try_into().map_err(|_| field("key"))?;
        let letter = letter.as_ref().try_into().map_err(|_| field("letter"))?;
        Ok(Self {
            number: u64::from_be_bytes(number),
            sender: PeerId::from_bytes(&sender).map_err(|_| field("sender"))?,
            letter: LetterId(letter),
            at: UnixTime::from_millis(at),
            payload,
        })
    }
}

impl InboxTable {
    /// What is there, without the payloads.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn index(&self) -> BoxFuture<'static, Result<InboxIndex, StoreError>> {
        let last = self.0.queue().load(last);
        let rows = collect(self.0.queue(), |mut row: Received| {
            let len = mem::take(&mut row.payload).len();
            (row, len)
        });
        let index = try_join(last, rows).map(|loaded| {
            let (last, Loaded { all: rows, skipped: unreadable }) = loaded?;
            Ok(InboxIndex { rows, last: last.all, unreadable })
        });
        index.boxed()
    }

    /// Keeps a message in place of the one with its number. Queued by this call: of two calls, the
    /// first is durable first.
    ///
    /// # Errors
    /// [`StoreError`].
    ///
    /// # Cancel safety
    /// It is kept even when the future is dropped.
    pub fn put(&self, message: &Received) -> BoxFuture<'static, Result<(), StoreError>> {
        match Change::put(message) {
            Ok(change) => self.0.queue().write(vec![change]),
            Err(error) => ready(Err(error)).boxed(),
        }
    }

    /// Messages with numbers above `after`, the first that came first: at most `max`, and of those
    /// what reaches 1 MiB.
    ///
    /// # Errors
    /// [`StoreError`]. What cannot be read is left out.
    pub fn read(
        &self,
        after: u64,
        max: usize,
    ) -> BoxFuture<'static, Result<Vec<Received>, StoreError>> {
        let loaded = self.0.queue().load(move |tx| read(tx, after, max));
        loaded.map(|loaded| Ok(loaded?.all)).boxed()
    }

    /// Forgets the messages with numbers up to `through`, at most 16,384 of them, and remembers that
    /// `last` is the highest number that was given. Queued by this call: of two calls, what the second
    /// has told is remembered.
    ///
    /// # Errors
    /// [`StoreError`].
    ///
    /// # Cancel safety
    /// They are forgotten even when the future is dropped.
    pub fn forget(&self, through: u64, last: u64) -> BoxFuture<'static, Result<(), StoreError>> {
        let key = through.saturating_add(1).to_be_bytes().to_vec();
        let below = Change::RemoveBelow { table: Table::Inbox, key };
        let (key, value) = (LAST_KEY.to_vec(), last.to_be_bytes().to_vec());
        self.0.queue().write(vec![below, Change::Put { table: Table::Meta, key, value }])
    }
}

fn last(tx: &ReadTransaction) -> Result<Loaded<u64>, redb::Error> {
    let meta = tx.open_table(Table::Meta.definition())?;
    let number = meta.get(LAST_KEY)?.and_then(|number| number.value().try_into().ok());
    Ok(Loaded { all: number.map_or(0, u64::from_be_bytes), skipped: 0 })
}

fn read(
    tx: &ReadTransaction,
    after: u64,
    max: usize,
) -> Result<Loaded<Vec<Received>>, redb::Error> {
    let table = tx.open_table(Table::Inbox.definition())?;
    let mut loaded = Loaded { all: Vec::new(), skipped: 0 };
    let (after, mut bytes) = (after.to_be_bytes(), 0_usize);
    let start = Bound::Excluded(after.as_slice());
    for row in table.range::<&[u8]>((start, Bound::Unbounded))? {
        if loaded.all.len() >= max || bytes >= READ_BYTES_MAX {
            break;
        }
        let (key, value) = row?;
        bytes = bytes.saturating_add(value.value().len());
        loaded.take(row::decode::<Received>(key.value(), value.value()));
    }
    Ok(loaded)
}

#[cfg(test)]
mod tests {
    use futures::executor::block_on;

    use super::*;
    use crate::row::tests::check_round_trip;

    fn message(number: u64, len: usize) -> Received {
        Received {
            number,
            sender: PeerId::random(),
            letter: LetterId([7; 16]),
            at: UnixTime::from_millis(number),
            payload: vec![1; len].into(),
        }
    }

    #[test]
    fn a_message_for_this_node_survives() {
        check_round_trip(&message(0, 0));
        check_round_trip(&message(u64::MAX, 300));
        let longest = message(5, PAYLOAD_MAX);
        let Ok(Change::Put { key, value, .. }) = Change::put(&longest) else { unreachable!() };
        assert_eq!(row::decode::<Received>(&key, &value).unwrap(), longest);
        assert!(Change::put(&message(5, PAYLOAD_MAX + PEER)).is_err());
    }

    #[test]
    fn what_is_kept_is_read_from_a_number_on_until_it_is_forgotten() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("store");
        let storage = Storage::open(&path).unwrap();
        let all: Vec<_> = [3, 1, 2, 9].into_iter().map(|number| message(number, 40_000)).collect();
        for message in &all {
            block_on(storage.inbox().put(message)).unwrap();
        }
        block_on(storage.close()).unwrap();

        let storage = Storage::open(&path).unwrap();
        let inbox = storage.inbox();
        let index = block_on(inbox.index()).unwrap();
        let rows: Vec<_> = index.rows.iter().map(|(row, len)| (row.number, *len)).collect();
        assert_eq!(rows, [1, 2, 3, 9].map(|number| (number, 40_000)));
        assert_eq!(block_on(inbox.read(2, 10)).unwrap(), [all[0].clone(), all[3].clone()]);
        assert_eq!(block_on(inbox.read(0, 2)).unwrap(), [all[1].clone(), all[2].clone()]);
        block_on(inbox.forget(2, 9)).unwrap();
        assert_eq!(block_on(inbox.read(0, 1)).unwrap(), [all[0].clone()]);
        assert_eq!((index.last, block_on(inbox.index()).unwrap().last), (0, 9));
        for number in 10..50 {
            block_on(inbox.put(&message(number, 40_000))).unwrap();
        }
        let some = block_on(inbox.read(0, 100)).unwrap().len();
        assert!((20..35).contains(&some), "{some} fill an answer");
    }
}
