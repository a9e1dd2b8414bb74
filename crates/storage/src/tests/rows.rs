//! Rows that cannot be read.

use futures::executor::block_on;
use gossip::BookStore;
use handshake::seed::{SeedMemory, SeedStore};
use handshake::{Ban, BanStore, Banned};
use machine::UnixTime;
use tickets::aggregation::{
    Change as TicketChange, Kept, LoadError, Owner, Row as TicketRow, Stats, Store,
};
use tickets::{Address, ChannelId, DomainSeparator};

use super::model::peer;
use super::queue::storage;
use crate::row::Change;
use crate::schema::Table;

/// Each is left out and counted, those beside it are read, and it stays for whoever looks into it.
#[test]
fn what_cannot_be_read_is_left_out_and_counted() {
    let storage = storage();
    let (reason, until) = ("spam".to_owned(), UnixTime::from_millis(u64::MAX));
    let ban = Ban { banned: Banned::Peer(peer(1)), reason, until };
    block_on(storage.bans().put(ban.clone())).unwrap();
    let memory = SeedMemory { seed: peer(1), last_success: None, failures: 1 };
    block_on(storage.seeds().put(memory)).unwrap();
    let bad = [
        (Table::Bans, b"?".to_vec(), vec![1]),
        (Table::Bans, b"4\xc0\0\x02\x01".to_vec(), vec![1, 0xff]),
        (Table::Bans, b"4\xc0\0\x02\x02".to_vec(), vec![9]),
        (Table::Seeds, peer(2).to_bytes(), vec![1; 1_000]),
        (Table::Book, peer(2).to_bytes(), Vec::new()),
        (Table::Anchors, vec![0, 1], vec![1]),
    ];
    let put = |(table, key, value)| Change::Put { table, key, value };
    block_on(storage.queue().write(bad.map(put).into())).unwrap();
    for round in 1..=2 {
        assert_eq!(block_on(storage.bans().load()).unwrap(), std::slice::from_ref(&ban));
        assert_eq!(block_on(storage.seeds().load()).unwrap(), [memory]);
        assert_eq!(block_on(storage.book().load()).unwrap().unreadable, 2);
        assert_eq!(storage.stats().skipped, 6 * round);
    }
}

/// More rows than a load takes are left, and so is everything else as it was.
#[test]
fn a_load_is_bounded() {
    let storage = storage();
    let ban = |n: u32| {
        let banned = Banned::Address(std::net::Ipv4Addr::from(n).into());
        let (reason, until) = (String::new(), UnixTime::from_millis(1));
        Change::put(&Ban { banned, reason, until }).unwrap()
    };
    for start in (0..65_540).step_by(16_384) {
        let set = (start..(start + 16_384).min(65_540)).map(ban).collect();
        block_on(storage.queue().write(set)).unwrap();
    }
    let bans = block_on(storage.bans().load()).unwrap();
    assert_eq!((bans.len(), storage.stats().skipped), (65_536, 4));
    let ended = bans.iter().take(10_000).map(|ban| ban.banned);
    block_on(storage.bans().remove_all(ended.collect())).expect("as many as there are at once");
    assert_eq!(block_on(storage.bans().load()).unwrap().len(), 55_540);
}

/// A secret of another length is none, so that the book draws a new one.
#[test]
fn a_secret_that_cannot_be_read_is_none() {
    let storage = storage();
    let (key, value) = (b"book key".to_vec(), vec![1; 31]);
    block_on(storage.queue().write(vec![Change::Put { table: Table::Meta, key, value }])).unwrap();
    assert_eq!(block_on(storage.book().load()).unwrap().key, None);
}

/// Whoever loads tickets is told how many are missing, since he must not go on without them.
#[test]
fn tickets_that_cannot_be_read_are_counted() {
    let storage = storage();
    let owner = Owner { account: Address([1; 20]), separator: DomainSeparator([2; 32]) };
    let sums = |n| TicketRow::Stats(Stats::new(ChannelId([n; 32])));
    let put = (0..3).map(|n| TicketChange::Put(sums(n)));
    block_on(storage.tickets().apply(put.collect())).unwrap();
    let spoil = |value| Change::Put { table: Table::Tickets, key: sums(1).key().to_bytes(), value };
    // A row of another version, no row, and the row of another key.
    let Ok(Change::Put { value: other, .. }) = Change::put(&sums(2)) else { unreachable!() };
    for (value, times) in [(vec![9], 1), (vec![1, 0x0a, 1, 9], 2), (other, 3)] {
        block_on(storage.queue().write(vec![spoil(value)])).unwrap();
        let error = block_on(Kept::load(&storage.tickets(), owner)).expect_err("one is missing");
        assert_eq!(error, LoadError::Unreadable { count: 1 });
        assert_eq!(storage.stats().skipped, times);
    }
    let again = TicketChange::Put(sums(1));
    block_on(storage.tickets().apply(vec![again])).unwrap();
    assert_eq!(block_on(Kept::load(&storage.tickets(), owner)).unwrap().stats.len(), 3);
}
