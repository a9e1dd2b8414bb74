//! How a row is laid out: a byte for the version of its encoding, then a protobuf message.

use std::ops::Bound;

use prost::Message;
use redb::{ReadTransaction, ReadableTable};
use thiserror::Error;

use crate::error::StoreError;
use crate::schema::Table;

/// Version of the encoding of all rows. A new one needs a step of the schema, which rewrites them.
const VERSION: u8 = 1;

/// Most rows that are loaded of one table at once. The tables that are loaded so are bounded by
/// those who write them, far below.
const ROWS_MAX: usize = 65_536;

/// Most rows that one part of a table is made of, and the bytes of their values at which it ends.
/// The thread does nothing else while it reads one, for 1 to 2 ms if orders are of the usual size.
/// At an eighth of this a whole load takes as long, at eight times as much others wait 5 ms.
pub(crate) const PART_ROWS: usize = 512;
const PART_BYTES: usize = 1 << 20;

/// Longest key in bytes.
const KEY_MAX: usize = 128;

/// Something that is kept as one row of a table.
pub(crate) trait Row: Sized {
    /// Where it is kept.
    const TABLE: Table;
    /// What a caller knows it as.
    const WHAT: &'static str;
    /// Longest value in bytes.
    const LEN_MAX: usize;
    /// How it is kept.
    type Message: Message + Default;

    /// What it is found by.
    fn key(&self) -> Vec<u8>;
    fn to_message(&self) -> Result<Self::Message, StoreError>;
    fn from_message(key: &[u8], message: Self::Message) -> Result<Self, BadRow>;
}

/// A row that is not used.
#[derive(Debug, Error)]
pub(crate) enum BadRow {
    #[error("{given} bytes, must be 1 to {max}")]
    Length { given: usize, max: usize },
    #[error("version {found} of the encoding, must be {VERSION}")]
    Version { found: u8 },
    #[error("no message: {0}")]
    Protobuf(#[from] prost::DecodeError),
    #[error("{ROWS_MAX} rows are loaded already")]
    Beyond,
    #[error("{field} is out of bounds")]
    Field { field: &'static str },
}

/// A change of one table.
#[derive(Debug)]
pub(crate) enum Change {
    Put {
        table: Table,
        key: Vec<u8>,
        value: Vec<u8>,
    },
    Remove {
        table: Table,
        key: Vec<u8>,
    },
    Clear {
        table: Table,
    },
    /// Removes what has a key below this one, the first of it as far as a bound.
    RemoveBelow {
        table: Table,
        key: Vec<u8>,
    },
}

impl Change {
    /// Keeps `row` in place of the one with its key.
    pub(crate) fn put<R: Row>(row: &R) -> Result<Self, StoreError> {
        let message = row.to_message()?;
        let given = message.encoded_len().saturating_add(1);
        if given > R::LEN_MAX {
            return Err(StoreError::TooLong { what: R::WHAT, given, max: R::LEN_MAX });
        }
        let mut value = Vec::with_capacity(given);
        value.push(VERSION);
        message.encode_raw(&mut value);
        Ok(Self::Put { table: R::TABLE, key: row.key(), value })
    }

    pub(crate) const fn table(&self) -> Table {
        match self {
            Self::Put { table, .. }
            | Self::Remove { table, .. }
            | Self::RemoveBelow { table, .. }
            | Self::Clear { table } => *table,
        }
    }

    /// Bytes it holds while it waits, about.
    pub(crate) fn bytes(&self) -> usize {
        let held = match self {
            Self::Put { key, value, .. } => key.len().saturating_add(value.len()),
            Self::Remove { key, .. } | Self::RemoveBelow { key, .. } => key.len(),
            Self::Clear { .. } => 0,
        };
        held.saturating_add(size_of::<Self>())
    }
}

/// What was read.
#[derive(Debug)]
pub(crate) struct Loaded<T> {
    /// All that could be read.
    pub(crate) all: T,
    /// Rows that could not; they were left where they are.
    pub(crate) skipped: usize,
}

/// All rows of a table that can be read, in the order of their keys.
pub(crate) fn load<R: Row>(tx: &ReadTransaction) -> Result<Loaded<Vec<R>>, redb::Error> {
    let table = tx.open_table(R::TABLE.definition())?;
    let mut loaded = Loaded { all: Vec::new(), skipped: 0 };
    for row in table.iter()? {
        let (key, value) = row?;
        let row = match loaded.all.len() {
            ROWS_MAX.. => Err(BadRow::Beyond),
            _ => decode(key.value(), value.value()),
        };
        loaded.take(row);
    }
    Ok(loaded)
}

/// Some rows of a table, in the order of their keys.
#[derive(Debug)]
pub(crate) struct Part<R> {
    pub(crate) rows: Vec<R>,
    /// The key after which the next part begins, if rows may be left.
    pub(crate) after: Option<Vec<u8>>,
}

/// The rows behind the key `after`, or the first, up to what makes a part.
///
/// Parts are read one at a time, and others may write in between. What is there all the while is in
/// one part; what is not, in one or none.
pub(crate) fn load_part<R: Row>(
    tx: &ReadTransaction,
    after: Option<&[u8]>,
) -> Result<Loaded<Part<R>>, redb::Error> {
    let table = tx.open_table(R::TABLE.definition())?;
    let start = after.map_or(Bound::Unbounded, Bound::Excluded);
    let mut loaded = Loaded { all: Vec::new(), skipped: 0 };
    let (mut rows, mut bytes, mut last) = (0_usize, 0_usize, None);
    for row in table.range::<&[u8]>((start, Bound::Unbounded))? {
        let (key, value) = row?;
        loaded.take(decode(key.value(), value.value()));
        // What cannot be read takes its time as well.
        rows = rows.saturating_add(1);
        bytes = bytes.saturating_add(value.value().len());
        if rows >= PART_ROWS || bytes >= PART_BYTES {
            last = Some(key.value().to_vec());
            break;
        }
    }
    Ok(Loaded { all: Part { rows: loaded.all, after: last }, skipped: loaded.skipped })
}

impl<R: Row> Loaded<Vec<R>> {
    pub(crate) fn take(&mut self, row: Result<R, BadRow>) {
        match row {
            Ok(row) => self.all.push(row),
            Err(error) => {
                // One line tells what is wrong; the count tells how much.
                if self.skipped == 0 {
                    tracing::warn!(table = R::TABLE.name(), %error, "an entry cannot be read");
                }
                self.skipped = self.skipped.saturating_add(1);
            }
        }
    }
}

pub(crate) fn decode<R: Row>(key: &[u8], value: &[u8]) -> Result<R, BadRow> {
    let length = |given, max| BadRow::Length { given, max };
    if !(1..=KEY_MAX).contains(&key.len()) {
        return Err(length(key.len(), KEY_MAX));
    }
    if value.len() > R::LEN_MAX {
        return Err(length(value.len(), R::LEN_MAX));
    }
    match value.split_first() {
        Some((&VERSION, message)) => R::from_message(key, R::Message::decode(message)?),
        Some((&found, _)) => Err(BadRow::Version { found }),
        None => Err(length(0, R::LEN_MAX)),
    }
}

/// Whether what is read from these bytes is read again when it has been written; `None` if they are
/// no such row.
pub(crate) fn survives<R: Row>(key: &[u8], value: &[u8]) -> Option<bool> {
    let write = |row: R| match Change::put(&row) {
        Ok(Change::Put { key: written, value, .. }) if written == key => Some(value),
        _ => None,
    };
    let written = write(decode(key, value).ok()?);
    let again = written.as_deref().and_then(|value| write(decode(key, value).ok()?));
    Some(written.is_some() && written == again)
}

#[cfg(test)]
pub(crate) mod tests {
    use std::fmt::Debug;

    use super::*;

    /// The row comes back as it was, none of its bytes can be missing without a refusal or a
    /// smaller row, and no other bytes panic.
    pub(crate) fn check_round_trip<R: Row + Debug + PartialEq>(row: &R) {
        let Change::Put { table, key, value } = Change::put(row).unwrap() else { unreachable!() };
        assert_eq!(table, R::TABLE);
        assert!(value.len() <= R::LEN_MAX && key.len() <= KEY_MAX);
        assert_eq!(&decode::<R>(&key, &value).unwrap(), row);
        assert_eq!(survives::<R>(&key, &value), Some(true));
        for end in 0..value.len() {
            let _cut = decode::<R>(&key, &value[..end]);
        }
        for at in 0..value.len() {
            let mut flipped = value.clone();
            flipped[at] ^= 0x81;
            let _flipped = decode::<R>(&key, &flipped);
        }
        let other = [[VERSION + 1].as_slice(), &value[1..]].concat();
        assert!(matches!(decode::<R>(&key, &other), Err(BadRow::Version { found: 2 })));
        assert!(matches!(decode::<R>(&key, &[]), Err(BadRow::Length { given: 0, .. })));
        let long = [value.as_slice(), &vec![0; R::LEN_MAX]].concat();
        assert!(matches!(decode::<R>(&key, &long), Err(BadRow::Length { .. })));
        assert!(matches!(decode::<R>(&[], &value), Err(BadRow::Length { .. })));
        assert!(matches!(decode::<R>(&[7; 5], &value), Err(BadRow::Field { .. })));
    }
}
