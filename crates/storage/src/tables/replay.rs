//! The tags of packets that passed, by their position, in blocks that each fill a page.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use futures::future::{BoxFuture, FutureExt};
use redb::ReadTransaction;
use relay::replay::{Journal, JournalError};

use crate::error::StoreError;
use crate::row::{self, BadRow, Change, Loaded, Row};
use crate::schema::Table;
use crate::storage::Storage;
use crate::writer::{Place, Queue};

/// Keeps what a replay guard remembers over restarts, for one [`Keeper`](relay::replay::Keeper).
///
/// What a crash loses is what was not appended before it: a change that was told is there, one that
/// was not is there as a whole or not at all, and forgetting ends where it came to.
///
/// Tags that cannot be read are read as zeros, which no packet has, and are
/// [counted](crate::Stats::skipped); they are gone once they would have been forgotten.
///
/// # Bounds
/// Tags take 16.4 bytes each. A guard has at most two generations of them kept, 330 MB if they have
/// 10,000,000 each, beside one that is being forgotten, and the file keeps the room for what comes
/// later. One read returns at most 64,000, and at most 1,024 blocks are forgotten at a time.
#[derive(Clone, Debug)]
pub struct ReplayTable(pub(crate) Storage);

/// A packet's tag.
type Tag = [u8; 16];

/// Tags of one block: with its key and what redb notes of it, it fills a page of 4,096 bytes. The
/// last block is written over with every append, so a larger one would write more and a smaller one
/// leave a part of each page empty.
const BLOCK: usize = 250;

/// The same, as positions are counted.
const BLOCK_TAGS: u64 = 250;

/// Most tags that one read returns: the thread does nothing else meanwhile, for about 1 ms.
const READ_MAX: usize = 256 * BLOCK;

/// Most blocks that are forgotten in one transaction.
const FORGET_MAX: u64 = 1_024;

/// Where [`Table::Meta`] has the [`Extent`].
const EXTENT_KEY: &[u8] = b"replay journal";

/// Tags from position `number` · 250 on.
#[derive(Debug, Eq, PartialEq)]
pub(super) struct Block {
    number: u64,
    tags: Vec<Tag>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct StoredBlock {
    #[prost(bytes = "bytes", tag = "1")]
    tags: Bytes,
}

impl Row for Block {
    const TABLE: Table = Table::ReplayTags;
    const WHAT: &'static str = "a block of replay tags";
    const LEN_MAX: usize = 1 + (3 + BLOCK * size_of::<Tag>());

    type Message = StoredBlock;

    fn key(&self) -> Vec<u8> {
        self.number.to_be_bytes().to_vec()
    }

    fn to_message(&self) -> Result<StoredBlock, StoreError> {
        Ok(StoredBlock { tags: Bytes::copy_from_slice(self.tags.as_flattened()) })
    }

    fn from_message(key: &[u8], message: StoredBlock) -> Result<Self, BadRow> {
        let number = key.try_into().map(u64::from_be_bytes);
        let number = number.map_err(|_| BadRow::Field { field: "key" })?;
        match message.tags.as_chunks() {
            (tags, []) if (1..=BLOCK).contains(&tags.len()) => {
                Ok(Self { number, tags: tags.to_vec() })
            }
            _ => Err(BadRow::Field { field: "tags" }),
        }
    }
}

/// The positions that are kept.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Extent {
    first: u64,
    end: u64,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct StoredExtent {
    #[prost(uint64, tag = "1")]
    first: u64,
    #[prost(uint64, tag = "2")]
    end: u64,
}

impl Row for Extent {
    const TABLE: Table = Table::Meta;
    const WHAT: &'static str = "the extent of the replay journal";
    const LEN_MAX: usize = 1 + 11 + 11;

    type Message = StoredExtent;

    fn key(&self) -> Vec<u8> {
        EXTENT_KEY.to_vec()
    }

    fn to_message(&self) -> Result<StoredExtent, StoreError> {
        Ok(StoredExtent { first: self.first, end: self.end })
    }

    fn from_message(key: &[u8], message: StoredExtent) -> Result<Self, BadRow> {
        let StoredExtent { first, end } = message;
        match () {
            () if key != EXTENT_KEY => Err(BadRow::Field { field: "key" }),
            () if first > end => Err(BadRow::Field { field: "first" }),
            () => Ok(Self { first, end }),
        }
    }
}

impl Extent {
    /// Nothing is kept before anything was written.
    fn read(tx: &ReadTransaction) -> Result<Result<Self, BadRow>, redb::Error> {
        let meta = tx.open_table(Table::Meta.definition())?;
        let value = meta.get(EXTENT_KEY)?;
        Ok(value.map_or(Ok(Self::default()), |value| row::decode(EXTENT_KEY, value.value())))
    }

    fn check(self, position: u64) -> Result<Self, JournalError> {
        if (self.first..=self.end).contains(&position) {
            return Ok(self);
        }
        let Self { first, end } = self;
        let message = format!("position {position} is not kept, only {first} to {end}");
        Err(JournalError { message })
    }
}

/// The block of a position, and how far into it that is.
fn place(position: u64) -> (u64, usize) {
    let within = usize::try_from(position % BLOCK_TAGS).unwrap_or(0);
    (position / BLOCK_TAGS, within)
}

/// The position at which a block begins.
const fn start(block: u64) -> u64 {
    block.saturating_mul(BLOCK_TAGS)
}

/// The first `count` tags of a block.
fn read_block(
    table: &impl redb::ReadableTable<&'static [u8], &'static [u8]>,
    number: u64,
    count: usize,
) -> Result<Loaded<Vec<Tag>>, redb::Error> {
    let key = number.to_be_bytes();
    let row = table.get(key.as_slice())?;
    let block = row.map(|row| row::decode::<Block>(&key, row.value()));
    let (mut tags, skipped) = match block {
        Some(Ok(block)) if block.tags.len() >= count => (block.tags, 0),
        _ => {
            tracing::warn!(number, "a block of replay tags cannot be read");
            (Vec::new(), 1)
        }
    };
    tags.resize(count, Tag::default());
    Ok(Loaded { all: tags, skipped })
}

/// The tags of these positions, which are kept.
fn read_tags(tx: &ReadTransaction, positions: Range<u64>) -> Result<Loaded<Vec<Tag>>, redb::Error> {
    let table = tx.open_table(Table::ReplayTags.definition())?;
    let (mut loaded, mut at) = (Loaded { all: Vec::new(), skipped: 0 }, positions.start);
    while at < positions.end {
        let (block, within) = place(at);
        let next = start(block.saturating_add(1)).min(positions.end);
        let count = usize::try_from(next.saturating_sub(start(block))).unwrap_or(BLOCK);
        let Loaded { all, skipped } = read_block(&table, block, count)?;
        loaded.all.extend(all.iter().skip(within));
        loaded.skipped = loaded.skipped.saturating_add(skipped);
        at = next;
    }
    Ok(loaded)
}

/// What an append finds.
struct Found {
    extent: Result<Extent, BadRow>,
    /// The tags before its position in the block that it begins in.
    before: Vec<Tag>,
}

fn find(tx: &ReadTransaction, position: u64) -> Result<Loaded<Found>, redb::Error> {
    let extent = Extent::read(tx)?;
    let is_kept = matches!(&extent, Ok(extent) if extent.check(position).is_ok());
    let Loaded { all: before, skipped } = match place(position) {
        (block, _) if is_kept => read_tags(tx, start(block)..position)?,
        _ => Loaded { all: Vec::new(), skipped: 0 },
    };
    Ok(Loaded { all: Found { extent, before }, skipped })
}

/// The rows that have `tags` from `position` on, behind those `before` it in its block, in place of
/// what `extent` had there.
fn rows_of(
    extent: Extent,
    position: u64,
    mut before: Vec<Tag>,
    tags: &[Tag],
) -> Result<Vec<Change>, JournalError> {
    let end = u64::try_from(tags.len()).ok().and_then(|count| position.checked_add(count));
    let full = || JournalError { message: format!("no room behind position {position}") };
    let end = end.ok_or_else(full)?;
    before.extend_from_slice(tags);
    let (first_block, _) = place(position);
    let mut rows = Vec::new();
    for (number, tags) in (first_block..).zip(before.chunks(BLOCK)) {
        rows.push(Change::put(&Block { number, tags: tags.to_vec() })?);
    }
    rows.extend((end.div_ceil(BLOCK_TAGS)..extent.end.div_ceil(BLOCK_TAGS)).map(gone));
    rows.push(Change::put(&Extent { first: extent.first, end })?);
    Ok(rows)
}

fn gone(block: u64) -> Change {
    Change::Remove { table: Table::ReplayTags, key: block.to_be_bytes().to_vec() }
}

/// What forgets up to `position`, or a part of that; nothing if all is forgotten.
fn forgotten(extent: Extent, position: u64) -> Result<Option<Vec<Change>>, StoreError> {
    let position = position.min(extent.end);
    if position <= extent.first {
        return Ok(None);
    }
    let ((from, _), (all, _)) = (place(extent.first), place(position));
    let until = all.min(from.saturating_add(FORGET_MAX));
    let first = if until == all { position } else { start(until) };
    let mut rows: Vec<_> = (from..until).map(gone).collect();
    rows.push(Change::put(&Extent { first, end: extent.end })?);
    Ok(Some(rows))
}

impl From<StoreError> for JournalError {
    fn from(error: StoreError) -> Self {
        Self { message: error.to_string() }
    }
}

impl From<BadRow> for JournalError {
    fn from(error: BadRow) -> Self {
        Self { message: format!("its extent cannot be read: {error}") }
    }
}

async fn kept(queue: &Queue) -> Result<Extent, JournalError> {
    Ok(queue.read(Place::Needed, Extent::read).await??)
}

async fn append(queue: Queue, position: u64, tags: Arc<[Tag]>) -> Result<(), JournalError> {
    let found = queue.load(move |tx| find(tx, position)).await?.all;
    let extent = found.extent?.check(position)?;
    Ok(queue.write(rows_of(extent, position, found.before, &tags)?).await?)
}

async fn read(queue: Queue, position: u64, max: usize) -> Result<Vec<Tag>, JournalError> {
    let extent = kept(&queue).await?.check(position)?;
    let count = u64::try_from(max.min(READ_MAX)).unwrap_or(u64::MAX);
    let until = position.saturating_add(count).min(extent.end);
    Ok(queue.load(move |tx| read_tags(tx, position..until)).await?.all)
}

async fn forget(queue: Queue, position: u64) -> Result<(), JournalError> {
    while let Some(rows) = forgotten(kept(&queue).await?, position)? {
        queue.write(rows).await?;
    }
    Ok(())
}

impl Journal for ReplayTable {
    fn extent(&self) -> BoxFuture<'_, Result<Range<u64>, JournalError>> {
        async { kept(self.0.queue()).await.map(|extent| extent.first..extent.end) }.boxed()
    }

    fn read(&self, position: u64, max: usize) -> BoxFuture<'_, Result<Vec<Tag>, JournalError>> {
        read(self.0.queue().clone(), position, max).boxed()
    }

    fn append(&self, position: u64, tags: Arc<[Tag]>) -> BoxFuture<'_, Result<(), JournalError>> {
        append(self.0.queue().clone(), position, tags).boxed()
    }

    fn forget(&self, position: u64) -> BoxFuture<'_, Result<(), JournalError>> {
        forget(self.0.queue().clone(), position).boxed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::row::tests::check_round_trip;

    #[test]
    fn a_block_survives_from_the_least_to_the_longest() {
        check_round_trip(&Block { number: 0, tags: vec![[1; 16]] });
        let longest = Block { number: u64::MAX, tags: vec![[7; 16]; BLOCK] };
        check_round_trip(&longest);
        let Ok(Change::Put { value, .. }) = Change::put(&longest) else { unreachable!() };
        assert_eq!(value.len(), Block::LEN_MAX, "the bound is exact");
    }

    #[test]
    fn the_extent_survives() {
        check_round_trip(&Extent::default());
        check_round_trip(&Extent { first: u64::MAX, end: u64::MAX });
        let message = StoredExtent { first: 2, end: 1 };
        assert!(matches!(
            Extent::from_message(EXTENT_KEY, message),
            Err(BadRow::Field { field: "first" })
        ));
    }
}
