//! Messages that are kept for others, what is remembered of those that came, and own messages.
//!
//! What is known of a message and the message itself are rows of two tables, so that a start reads
//! the first and not the second.

use bytes::Bytes;
use dht::{
    Arrival, Change as MessageChange, Destination, Entry, MessageId, SeenRow, Sent, Snapshot,
};
use futures::future::{BoxFuture, FutureExt, ready, try_join4};
use machine::UnixTime;
use redb::ReadTransaction;

use super::parts::collect;
use super::sent::{self, Letter};
use crate::error::StoreError;
use crate::row::{self, BadRow, Change, Loaded, Row};
use crate::schema::Table;
use crate::storage::Storage;

/// Keeps messages for others over restarts, what is remembered of those that came, and own messages.
///
/// No row says who brought a message. What an own message says is there until it has its end.
///
/// # Bounds
/// A message has at most 67,769 bytes. How many there are is up to the mailboxes, which remove those
/// that they drop. Of what is remembered and has expired, one change forgets at most 16,384.
#[derive(Clone, Debug)]
pub struct MessageTable(pub(crate) Storage);

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct StoredEntry {
    #[prost(bytes = "bytes", tag = "1")]
    id: Bytes,
    #[prost(bytes = "bytes", tag = "2")]
    recipient: Bytes,
    #[prost(bool, tag = "3")]
    urgent: bool,
    /// Milliseconds since 1970.
    #[prost(uint64, tag = "4")]
    expires: u64,
    #[prost(uint32, tag = "5")]
    len: u32,
}

fn arrival_of(key: &[u8]) -> Result<Arrival, BadRow> {
    let number = key.try_into().map_err(|_| BadRow::Field { field: "key" })?;
    Ok(Arrival(u64::from_be_bytes(number)))
}

fn key_of(arrival: Arrival) -> Vec<u8> {
    arrival.0.to_be_bytes().to_vec()
}

impl Row for Entry {
    const TABLE: Table = Table::Messages;
    const WHAT: &'static str = "what is known of a message";
    const LEN_MAX: usize = 1 + (2 + 32) + (2 + 32) + 2 + 11 + 4;

    type Message = StoredEntry;

    fn key(&self) -> Vec<u8> {
        key_of(self.arrival)
    }

    fn to_message(&self) -> Result<StoredEntry, StoreError> {
        let (given, max) = (self.len, dht::ENVELOPE_MAX);
        let long = StoreError::TooLong { what: "a message", given, max };
        Ok(StoredEntry {
            id: Bytes::copy_from_slice(&self.id.0),
            recipient: Bytes::copy_from_slice(self.recipient.as_bytes()),
            urgent: self.urgent,
            expires: self.expires.as_millis(),
            len: u32::try_from(given).ok().filter(|_| given <= max).ok_or(long)?,
        })
    }

    fn from_message(key: &[u8], message: StoredEntry) -> Result<Self, BadRow> {
        let StoredEntry { id, recipient, urgent, expires, len } = message;
        let field = |field| BadRow::Field { field };
        let id = id.as_ref().try_into().map_err(|_| field("id"))?;
        let recipient = recipient.as_ref().try_into().map_err(|_| field("recipient"))?;
        let len = usize::try_from(len).ok().filter(|len| *len <= dht::ENVELOPE_MAX);
        Ok(Self {
            arrival: arrival_of(key)?,
            id: MessageId(id),
            recipient: Destination::from_bytes(recipient).ok_or(field("recipient"))?,
            urgent,
            expires: UnixTime::from_millis(expires),
            len: len.ok_or(field("len"))?,
        })
    }
}

/// A message.
#[derive(Debug, PartialEq)]
pub(super) struct Envelope {
    arrival: Arrival,
    bytes: Bytes,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct StoredEnvelope {
    #[prost(bytes = "bytes", tag = "1")]
    envelope: Bytes,
}

impl Row for Envelope {
    const TABLE: Table = Table::Envelopes;
    const WHAT: &'static str = "a message";
    const LEN_MAX: usize = 1 + (4 + dht::ENVELOPE_MAX);

    type Message = StoredEnvelope;

    fn key(&self) -> Vec<u8> {
        key_of(self.arrival)
    }

    fn to_message(&self) -> Result<StoredEnvelope, StoreError> {
        Ok(StoredEnvelope { envelope: self.bytes.clone() })
    }

    fn from_message(key: &[u8], message: StoredEnvelope) -> Result<Self, BadRow> {
        Ok(Self { arrival: arrival_of(key)?, bytes: message.envelope })
    }
}

/// What is remembered, under its expiry and then its key: the first expire first.
#[derive(Debug, PartialEq)]
pub(super) struct Seen(SeenRow);

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct StoredSeen {
    #[prost(fixed64, tag = "1")]
    value: u64,
}

impl Row for Seen {
    const TABLE: Table = Table::Seen;
    const WHAT: &'static str = "what is remembered of a message";
    const LEN_MAX: usize = 1 + 9;

    type Message = StoredSeen;

    fn key(&self) -> Vec<u8> {
        let Self(row) = self;
        [row.expires().as_millis().to_be_bytes().as_slice(), &row.key].concat()
    }

    fn to_message(&self) -> Result<StoredSeen, StoreError> {
        Ok(StoredSeen { value: u64::from_be_bytes(self.0.value) })
    }

    fn from_message(key: &[u8], message: StoredSeen) -> Result<Self, BadRow> {
        let bad = || BadRow::Field { field: "key" };
        let (_, name) = key.split_first_chunk::<8>().ok_or_else(bad)?;
        let name = name.try_into().map_err(|_| bad())?;
        let row = Self(SeenRow { key: name, value: message.value.to_be_bytes() });
        if row.key() == key { Ok(row) } else { Err(bad()) }
    }
}

fn rows_of(changes: Vec<MessageChange>) -> Result<Vec<Change>, StoreError> {
    let mut rows = Vec::new();
    for change in changes {
        match change {
            MessageChange::Keep { entry, envelope } => {
                rows.push(Change::put(&entry)?);
                rows.push(Change::put(&Envelope { arrival: entry.arrival, bytes: envelope })?);
            }
            MessageChange::Drop(arrival) => {
                rows.push(Change::Remove { table: Table::Messages, key: key_of(arrival) });
                rows.push(Change::Remove { table: Table::Envelopes, key: key_of(arrival) });
            }
            MessageChange::Seen(row) => rows.push(Change::put(&Seen(row))?),
            MessageChange::Expired(wall) => {
                let key = wall.as_millis().saturating_add(1).to_be_bytes().to_vec();
                rows.push(Change::RemoveBelow { table: Table::Seen, key });
            }
            MessageChange::Send { sent, payload } => {
                rows.push(Change::put(&sent)?);
                rows.push(Change::put(&Letter { id: sent.letter, payload })?);
            }
            MessageChange::Sent(sent) => {
                rows.push(Change::put(&sent)?);
                rows.extend(sent.end().map(|_| sent::forget_letter(sent.letter)));
            }
            MessageChange::Unsent { at, letter } => {
                rows.push(Change::Remove { table: Table::Sent, key: sent::key_of(at, letter) });
                rows.push(sent::forget_letter(letter));
            }
        }
    }
    // Each table is opened once; those of a table stay in their order.
    rows.sort_by_key(Change::table);
    Ok(rows)
}

fn read(
    tx: &ReadTransaction,
    arrivals: &[Arrival],
) -> Result<Loaded<Vec<Option<Bytes>>>, redb::Error> {
    let table = tx.open_table(Table::Envelopes.definition())?;
    let mut loaded = Loaded { all: Vec::with_capacity(arrivals.len()), skipped: 0 };
    for arrival in arrivals {
        let key = key_of(*arrival);
        let row = table.get(key.as_slice())?;
        let envelope = match row.map(|row| row::decode::<Envelope>(&key, row.value())) {
            None => None,
            Some(Ok(envelope)) => Some(envelope.bytes),
            Some(Err(error)) => {
                tracing::warn!(arrival = arrival.0, %error, "a message cannot be read");
                loaded.skipped = loaded.skipped.saturating_add(1);
                None
            }
        };
        loaded.all.push(envelope);
    }
    Ok(loaded)
}

impl From<StoreError> for dht::StoreError {
    fn from(error: StoreError) -> Self {
        Self { message: error.to_string() }
    }
}

impl dht::Store for MessageTable {
    fn load(&self) -> BoxFuture<'static, Result<Snapshot, dht::StoreError>> {
        let queue = self.0.queue();
        let entries = collect(queue, |entry: Entry| entry);
        let seen = collect(queue, |Seen(row)| row);
        let sent = collect(queue, |sent: Sent| sent);
        let letters = collect(queue, |Letter { id, payload }| (id, payload));
        let loaded = try_join4(entries, seen, sent, letters).map(|loaded| {
            let (entries, seen, sent, letters) = loaded?;
            let skipped = [entries.skipped, seen.skipped, sent.skipped, letters.skipped];
            Ok(Snapshot {
                entries: entries.all,
                seen: seen.all,
                sent: sent.all,
                letters: letters.all.into_iter().collect(),
                unreadable: skipped.into_iter().fold(0, usize::saturating_add),
            })
        });
        loaded.boxed()
    }

    fn save(&self, changes: Vec<MessageChange>) -> BoxFuture<'static, Result<(), dht::StoreError>> {
        match rows_of(changes) {
            Ok(rows) => self.0.queue().write(rows).map(|kept| kept.map_err(Into::into)).boxed(),
            Err(error) => ready(Err(error.into())).boxed(),
        }
    }

    fn read(
        &self,
        arrivals: Vec<Arrival>,
    ) -> BoxFuture<'static, Result<Vec<Option<Bytes>>, dht::StoreError>> {
        let loaded = self.0.queue().load(move |tx| read(tx, &arrivals));
        loaded.map(|loaded| Ok(loaded?.all)).boxed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::row::tests::check_round_trip;

    fn entry(arrival: u64, len: usize) -> Entry {
        Entry {
            arrival: Arrival(arrival),
            id: MessageId([0xff; 32]),
            recipient: Destination::from_bytes([7; 32]).unwrap(),
            urgent: true,
            expires: UnixTime::from_millis(u64::MAX),
            len,
        }
    }

    #[test]
    fn what_is_known_of_a_message_survives() {
        check_round_trip(&Entry { urgent: false, expires: UnixTime::default(), ..entry(0, 0) });
        let longest = entry(u64::MAX, dht::ENVELOPE_MAX);
        check_round_trip(&longest);
        let Ok(Change::Put { value, .. }) = Change::put(&longest) else { unreachable!() };
        assert_eq!(value.len(), Entry::LEN_MAX, "the bound is exact");
        let error = Change::put(&entry(1, dht::ENVELOPE_MAX + 1)).expect_err("too long");
        assert_eq!(error.to_string(), "a message has 67770 bytes, must have at most 67769");
    }

    #[test]
    fn a_message_survives_from_the_least_to_the_longest() {
        let envelope = |len| Envelope { arrival: Arrival(5), bytes: Bytes::from(vec![1; len]) };
        check_round_trip(&envelope(1));
        check_round_trip(&envelope(600));
        let longest = envelope(dht::ENVELOPE_MAX);
        let Ok(Change::Put { key, value, .. }) = Change::put(&longest) else { unreachable!() };
        assert_eq!(value.len(), Envelope::LEN_MAX, "the bound is exact");
        assert_eq!(row::decode::<Envelope>(&key, &value).unwrap(), longest);
        assert!(Change::put(&envelope(dht::ENVELOPE_MAX + 1)).is_err());
    }

    #[test]
    fn what_is_remembered_survives_under_its_expiry() {
        let row = |value: u64| Seen(SeenRow { key: [9; 16], value: value.to_be_bytes() });
        for value in [0, 1, 7 << 32, u64::MAX] {
            check_round_trip(&row(value));
        }
        assert!(row(7 << 32).key() < row(8 << 32).key());
        let message = row(7 << 32).to_message().unwrap();
        let other = row(8 << 32).key();
        assert!(matches!(Seen::from_message(&other, message), Err(BadRow::Field { .. })));
    }
}
