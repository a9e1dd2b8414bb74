//! What is kept over restarts: rows as bytes, and indices that nobody gets twice.

use std::collections::BTreeSet;
use std::sync::Arc;

use futures::executor::block_on;
use futures::future::{BoxFuture, FutureExt as _, ready};
use meshwork_tickets::aggregation::{
    BadRow, Batch, BatchDigest, Change, Issued, Kept, Key, LoadError, Loader, Mark, MemoryStore,
    OutgoingIndex, Owner, Row, Stats, Store, StoreError,
};
use meshwork_tickets::issuing::{Indices, ReserveError};
use meshwork_tickets::{Address, ChannelId, DomainSeparator, TicketIndex};
use proptest::prelude::*;

use crate::common::{epoch, interval};
use crate::town::Pair;

fn index(number: u64) -> TicketIndex {
    TicketIndex::new(number).unwrap()
}

const CHANNEL: ChannelId = ChannelId([4; 32]);

const OWNER: Owner = Owner { account: Address([5; 20]), separator: DomainSeparator([6; 32]) };

fn rows() -> Vec<Row> {
    let pair = Pair::with(1_000_000, |owed| {
        vec![
            owed.held(interval(1, 1), Mark::Untouched),
            owed.held(interval(2, 7), Mark::Doubtful),
            owed.held(interval(9, 1), Mark::BeingRedeemed),
        ]
    });
    let held = pair.redeemer.held();
    let issued = Issued { digest: BatchDigest([5; 32]), ticket: held[1].ticket };
    let indices = vec![index(1), index(2), TicketIndex::MAX];
    let others = [
        Row::Batch(Batch { channel: CHANNEL, epoch: epoch(3), indices }),
        Row::Issued(issued),
        Row::Index(OutgoingIndex { channel: CHANNEL, epoch: epoch(2), reserved: index(77) }),
        Row::Stats(Stats {
            won: 1,
            aggregated: 2,
            redeemed: 3,
            neglected: u128::MAX,
            channel: CHANNEL,
        }),
        Row::Owner(OWNER),
    ];
    held.into_iter().map(Row::Held).chain(others).collect()
}

#[test]
fn rows_come_back_from_their_bytes() {
    let mut keys = BTreeSet::new();
    for row in rows() {
        let bytes = row.to_bytes();
        assert!(bytes.len() <= 3100);
        assert_eq!(Row::from_bytes(&bytes), Ok(row.clone()));
        assert!(keys.insert(row.key().to_bytes()), "two rows of one key");
        assert!(Row::from_bytes(&bytes[..bytes.len() - 1]).is_err());
        assert!(Row::from_bytes(&[bytes, vec![0]].concat()).is_err());
    }
}

#[test]
fn what_is_no_row_is_named() {
    assert_eq!(Row::from_bytes(&[]), Err(BadRow::Kind));
    assert_eq!(Row::from_bytes(&[9]), Err(BadRow::Kind));
    let mut held = rows()[0].to_bytes();
    *held.last_mut().unwrap() = 3;
    assert_eq!(Row::from_bytes(&held), Err(BadRow::Mark(3)));
    let indices = vec![index(2), index(2)];
    let unordered = Row::Batch(Batch { channel: CHANNEL, epoch: epoch(0), indices });
    assert_eq!(Row::from_bytes(&unordered.to_bytes()), Err(BadRow::Batch { count: 2 }));
    let indices = (0..501).map(index).collect();
    let many = Row::Batch(Batch { channel: CHANNEL, epoch: epoch(0), indices });
    assert_eq!(Row::from_bytes(&many.to_bytes()), Err(BadRow::Batch { count: 501 }));
}

proptest! {
    #[test]
    fn no_bytes_make_a_row_panic(kind in 0..8_u8, rest in proptest::collection::vec(any::<u8>(), 0..250)) {
        let bytes = [vec![kind], rest].concat();
        if let Ok(row) = Row::from_bytes(&bytes) {
            prop_assert_eq!(row.to_bytes(), bytes);
        }
    }
}

#[test]
fn keys_sort_by_channel_epoch_and_index() {
    let key =
        |at: u32, number| Key::Held { channel: CHANNEL, epoch: epoch(at), index: index(number) };
    let keys = [key(0, 256), key(1, 3), key(1, 255), key(1, 256), key(2, 0)];
    assert!(keys.map(|key| key.to_bytes()).is_sorted());
    assert!(keys.is_sorted());
}

/// A store of which a row is lost.
struct Torn(MemoryStore);

impl Store for Torn {
    fn load(&self, each: Loader) -> BoxFuture<'static, Result<usize, StoreError>> {
        self.0.load(each).map(|_| Ok(1)).boxed()
    }

    fn apply(&self, _: Vec<Change>) -> BoxFuture<'static, Result<(), StoreError>> {
        ready(Err(StoreError { message: "a test".to_owned() })).boxed()
    }
}

#[test]
fn a_row_that_is_lost_is_not_passed_over() {
    let loaded = block_on(Kept::load(&Torn(MemoryStore::default()), OWNER));
    assert_eq!(loaded.unwrap_err(), LoadError::Unreadable { count: 1 });
}

/// The operator has changed the key or the network, and not the directory.
#[test]
fn what_is_kept_is_kept_for_one_account_on_one_ledger() {
    let store = MemoryStore::default();
    assert!(block_on(Kept::load(&store, OWNER)).is_ok());
    assert_eq!(store.rows(), [Row::Owner(OWNER)]);
    assert!(block_on(Kept::load(&store, OWNER)).is_ok());
    let another_account = Owner { account: Address([6; 20]), ..OWNER };
    let another_ledger = Owner { separator: DomainSeparator([7; 32]), ..OWNER };
    for expected in [another_account, another_ledger] {
        let error = block_on(Kept::load(&store, expected)).unwrap_err();
        assert_eq!(error, LoadError::AnotherOwner { found: OWNER, expected });
    }
}

#[test]
fn nobody_gets_an_index_that_is_not_durable() {
    let indices = Indices::new(Arc::new(Torn(MemoryStore::default())), &Kept::default());
    let reserved = block_on(indices.reserve(&CHANNEL, epoch(0)));
    assert!(matches!(reserved, Err(ReserveError::Store(_))));
    assert!(indices.take(&CHANNEL, epoch(0)).is_err());
}

#[test]
fn no_index_is_given_twice_whenever_the_node_stops() {
    let store = Arc::new(MemoryStore::default());
    let mut given = BTreeSet::new();
    for stops_after in [0, 1, 499, 501, 1000, 1700] {
        let kept = block_on(Kept::load(&*store, OWNER)).unwrap();
        let indices = Indices::new(Arc::clone(&store) as _, &kept);
        assert!(indices.take(&CHANNEL, epoch(0)).is_err(), "nothing is reserved yet");
        for _ in 0..stops_after {
            block_on(indices.reserve(&CHANNEL, epoch(0))).unwrap();
            assert!(given.insert(indices.take(&CHANNEL, epoch(0)).unwrap()));
        }
    }
}

#[test]
fn an_aggregate_moves_the_indices_behind_it() {
    let store: Arc<MemoryStore> = Arc::default();
    let indices = Indices::new(Arc::clone(&store) as _, &Kept::default());
    block_on(indices.reserve(&CHANNEL, epoch(1))).unwrap();
    indices.raise(&CHANNEL, epoch(1), index(40));
    indices.raise(&CHANNEL, epoch(1), index(30));
    indices.raise(&CHANNEL, epoch(0), index(90));
    assert_eq!(indices.take(&CHANNEL, epoch(1)), Ok(index(40)));
    // One that is all that is left of its channel, too.
    let Row::Issued(issued) = &rows()[4] else { panic!() };
    let kept = Kept { issued: vec![*issued], ..Kept::default() };
    let indices = Indices::new(store, &kept);
    let channel = issued.ticket.body.channel;
    block_on(indices.reserve(&channel, epoch(0))).unwrap();
    assert_eq!(indices.take(&channel, epoch(0)), Ok(index(9)));
}

#[test]
fn a_new_epoch_begins_at_nothing_and_the_old_one_is_over() {
    let indices = Indices::new(Arc::new(MemoryStore::default()), &Kept::default());
    block_on(indices.reserve(&CHANNEL, epoch(0))).unwrap();
    assert_eq!(indices.low(), []);
    indices.take(&CHANNEL, epoch(0)).unwrap();
    block_on(indices.reserve(&CHANNEL, epoch(1))).unwrap();
    assert_eq!(indices.take(&CHANNEL, epoch(1)), Ok(TicketIndex::ZERO));
    assert!(indices.take(&CHANNEL, epoch(0)).is_err());
    let over = block_on(indices.reserve(&CHANNEL, epoch(0)));
    assert_eq!(over, Err(ReserveError::PastEpoch { found: epoch(1) }));
    indices.raise(&CHANNEL, epoch(1), index(600));
    assert_eq!(indices.low(), [(CHANNEL, epoch(1))]);
}
