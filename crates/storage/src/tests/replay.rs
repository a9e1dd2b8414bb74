//! The replay journal: beside the one in memory, and on a disk that fails.

use std::ops::Range;
use std::sync::Arc;

use futures::executor::block_on;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use redb::ReadableTableMetadata;
use relay::replay::{Config, Journal, JournalError, Keeper, MemoryJournal, Params};

use super::disk::{Disk, Fault, Unsynced};
use super::queue::storage;
use crate::row::Change;
use crate::schema::Table;
use crate::writer::Place;
use crate::{Storage, file};

fn tag(number: u64) -> [u8; 16] {
    (u128::from(number) + 1).to_be_bytes()
}

fn tags(numbers: Range<u64>) -> Arc<[[u8; 16]]> {
    numbers.map(tag).collect()
}

/// All that is kept, however it is handed out.
fn content(journal: &impl Journal) -> Result<(Range<u64>, Vec<[u8; 16]>), JournalError> {
    block_on(async {
        let extent = journal.extent().await?;
        let (mut all, mut at) = (Vec::new(), extent.start);
        while at < extent.end {
            let part = journal.read(at, 100_000).await?;
            assert!(!part.is_empty(), "nothing at {at} of {extent:?}");
            at += part.len() as u64;
            all.extend(part);
        }
        Ok((extent, all))
    })
}

/// Rows that the table has, and rows that what it keeps needs.
fn blocks(storage: &Storage) -> (u64, u64) {
    let rows = storage
        .queue()
        .read(Place::Needed, |tx| Ok(tx.open_table(Table::ReplayTags.definition())?.len()?));
    let extent = block_on(storage.replay().extent()).unwrap();
    (block_on(rows).unwrap(), extent.end.div_ceil(250) - extent.start / 250)
}

#[test]
fn it_keeps_what_the_journal_in_memory_keeps() {
    for seed in 0..4 {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let (storage, memory) = (storage(), MemoryJournal::default());
        let table = storage.replay();
        for _ in 0..150 {
            let extent = block_on(memory.extent()).unwrap();
            // Mostly at the end, now and then over what is there, or where it must not be.
            let position = match rng.random_range(0..8) {
                0 => rng.random_range(0..extent.end + 2),
                1 => extent.start,
                _ => extent.end,
            };
            let outcomes = if rng.random_ratio(1, 5) {
                [memory.forget(position), table.forget(position)].map(block_on)
            } else {
                let first: u64 = rng.random_range(0..1_000_000);
                let tags = tags(first..first + rng.random_range(0..700));
                let same = Arc::clone(&tags);
                [memory.append(position, same), table.append(position, tags)].map(block_on)
            };
            assert_eq!(outcomes[0].is_ok(), outcomes[1].is_ok(), "{position} of {extent:?}");
            assert_eq!(content(&table).unwrap(), content(&memory).unwrap(), "seed {seed}");
            let count = rng.random_range(0..600);
            let parts = [memory.read(position, count), table.read(position, count)];
            let [expected, part] = parts.map(|part| block_on(part).map_err(|_| ()));
            assert_eq!(part, expected, "{count} at {position} of {extent:?}");
            let (rows, needed) = blocks(&storage);
            assert_eq!(rows, needed, "{position} of {extent:?}");
        }
        assert_eq!(storage.stats().skipped, 0);
    }
}

#[test]
fn what_is_long_is_read_and_forgotten_in_parts() {
    let storage = storage();
    let table = storage.replay();
    block_on(table.append(0, tags(0..600_000))).unwrap();
    assert_eq!(block_on(table.read(1, usize::MAX)).unwrap(), *tags(1..64_001));
    let before = storage.stats().writes;
    block_on(table.forget(599_999)).unwrap();
    assert_eq!(storage.stats().writes - before, 3, "1,024 blocks of 250 at a time");
    assert_eq!(content(&table).unwrap(), (599_999..600_000, vec![tag(599_999)]));
    block_on(table.forget(599_999)).unwrap();
    assert_eq!(storage.stats().writes - before, 3, "nothing is left to forget");
}

/// Tags that are lost read as zeros; what is written over them is whole again.
#[test]
fn a_block_that_cannot_be_read_is_zeros_and_is_counted() {
    let storage = storage();
    let table = storage.replay();
    block_on(table.append(0, tags(0..600))).unwrap();
    let spoil = |block: u64, value| Change::Put {
        table: Table::ReplayTags,
        key: block.to_be_bytes().to_vec(),
        value,
    };
    block_on(storage.queue().write(vec![spoil(1, vec![9]), spoil(2, vec![])])).unwrap();
    let mut expected = tags(0..600).to_vec();
    expected[250..].fill([0; 16]);
    assert_eq!(content(&table).unwrap(), (0..600, expected.clone()));
    assert_eq!(storage.stats().skipped, 2);
    block_on(table.append(600, tags(600..610))).unwrap();
    expected.extend(tags(600..610).iter());
    assert_eq!(content(&table).unwrap().1, expected);

    let (key, value) = (b"replay journal".to_vec(), vec![9]);
    block_on(storage.queue().write(vec![Change::Put { table: Table::Meta, key, value }])).unwrap();
    let error = content(&table).expect_err("nobody knows which");
    assert!(error.message.contains("its extent cannot be read: version 9"), "{error}");
    assert!(block_on(table.append(610, tags(0..1))).is_err());
    assert!(block_on(table.forget(610)).is_err());
}

const CAPACITY: u64 = 300;

fn params() -> Params {
    Config { capacity: CAPACITY, shards: 4, ..Config::default() }.check().unwrap()
}

fn open(table: impl Journal) -> Result<Keeper<impl Journal>, JournalError> {
    block_on(Keeper::open(&params(), *b"drawn once again", table))
}

/// A guard is filled and flushed until the disk fails. How many tags it was told are durable, and
/// how many it had asked for.
fn fill(disk: &Disk) -> (u64, u64) {
    let (mut told, mut asked) = (0, 0);
    let Ok(storage) = Storage::over(disk.clone()) else { return (told, asked) };
    let Ok(mut keeper) = open(storage.replay()) else { return (told, asked) };
    for count in [1, 130, 260, 300] {
        for _ in 0..count {
            // One that looks like another is refused, and so never asked for.
            keeper.guard().admit(&tag(asked)).unwrap();
            asked += 1;
        }
        if block_on(keeper.flush()).is_err() {
            // It may have been kept, as a whole; nothing is after the disk has failed.
            assert!(block_on(keeper.flush()).is_err());
            break;
        }
        told = asked;
    }
    drop(keeper);
    let _closed = block_on(storage.close());
    (told, asked)
}

/// What was told is remembered after a restart, in order, and at most two generations are kept.
fn check(image: Vec<u8>, (told, asked): (u64, u64), about: &str) {
    let storage = Storage::over(Disk::new(image, None));
    let storage = storage.unwrap_or_else(|refusal| panic!("{about}: {refusal}"));
    let (extent, found) = content(&storage.replay()).unwrap();
    assert!((told..=asked).contains(&extent.end), "{about}: {told} to {asked}, found {extent:?}");
    assert_eq!(found, *tags(extent.clone()), "{about}: nothing else in between");
    let keeper = open(storage.replay()).unwrap();
    let newest = extent.end.saturating_sub(CAPACITY)..extent.end;
    assert!(newest.clone().all(|number| keeper.guard().contains(&tag(number))), "{about}");
    assert!(newest.start >= extent.start, "{about}: {extent:?}");
    drop(keeper);
    block_on(storage.close()).unwrap();
}

#[test]
fn a_crash_at_any_write_loses_what_was_not_flushed_and_nothing_else() {
    let empty = Disk::new(Vec::new(), None);
    file::make(empty.clone()).unwrap();
    let image = empty.seen();
    let whole = Disk::new(image.clone(), None);
    assert_eq!(fill(&whole), (691, 691));
    check(whole.seen(), (691, 691), "no fault");
    let extent = content(&Storage::over(Disk::new(whole.seen(), None)).unwrap().replay());
    assert_eq!(extent.unwrap().0, CAPACITY..691, "it forgets");

    let mut rng = ChaCha8Rng::seed_from_u64(3);
    for at in 0..whole.calls() {
        for fault in [Fault::Crash(at), Fault::Error(at)] {
            let disk = Disk::new(image.clone(), Some(fault));
            let told = fill(&disk);
            for unsynced in [Unsynced::Lost, Unsynced::Kept, Unsynced::Torn] {
                let left = disk.after_power_cut(unsynced, &mut rng);
                check(left, told, &format!("{fault:?}, unsynced {unsynced:?}"));
            }
        }
    }
}
