//! Files that earlier versions have written. They are never made anew: each is from the last
//! version with its schema.

use std::fs;

use bytes::Bytes;
use futures::executor::block_on;
use gossip::{BookStore, Snapshot, Stored};
use handshake::seed::{SeedMemory, SeedStore};
use handshake::{Ban, BanStore, Banned};
use libp2p_identity::{Keypair, PeerId};
use machine::UnixTime;
use meshwork_storage::{Refusal, Storage};
use ordersync::{Change, ItemId, Kept, Store};
use relay::replay::Journal;
use tickets::ChannelId;
use tickets::aggregation::{Change as TicketChange, Row, Stats, Store as TicketStore};

use crate::refusals::place_with;
use crate::restart::{loaded, loaded_tickets};

/// One of each: a ban, a seed, an entry of the book that is also the anchor, and the key.
const SCHEMA_1: &[u8] = include_bytes!("schema-1.redb");

/// The same, and an order.
const SCHEMA_2: &[u8] = include_bytes!("schema-2.redb");

/// The same, a row of tickets, and the tag of a packet.
const SCHEMA_3: &[u8] = include_bytes!("schema-3.redb");

fn peer(n: u8) -> PeerId {
    Keypair::ed25519_from_bytes([n; 32]).unwrap().public().to_peer_id()
}

const fn at(millis: u64) -> UnixTime {
    UnixTime::from_millis(millis)
}

/// All of it is still there.
fn check(storage: &Storage) {
    let (reason, until) = ("spam".to_owned(), at(u64::MAX));
    let ban = Ban { banned: Banned::Peer(peer(1)), reason, until };
    assert_eq!(block_on(storage.bans().load()).unwrap(), [ban]);
    let seed = SeedMemory { seed: peer(2), last_success: Some(at(7)), failures: 3 };
    assert_eq!(block_on(storage.seeds().load()).unwrap(), [seed]);
    let entry = Stored {
        record: Bytes::from(vec![4; 300]),
        source: None,
        source_group: 5,
        tried: true,
        failures: 6,
        last_success: None,
        last_attempt: Some(at(8)),
    };
    let book = Snapshot {
        key: Some([7; 32]),
        entries: vec![(peer(3), entry)],
        anchors: vec![peer(3)],
        unreadable: 0,
    };
    assert_eq!(block_on(storage.book().load()).unwrap(), book);
    assert_eq!(storage.stats().skipped, 0);
}

fn order() -> Kept {
    Kept { id: ItemId([1; 32]), bytes: Bytes::from("order"), received: at(9), pinned: true }
}

fn sums() -> Row {
    Row::Stats(Stats { won: 3, ..Stats::new(ChannelId([1; 32])) })
}

#[test]
fn a_file_without_orders_is_brought_up_and_keeps_them() {
    let mut place = place_with(SCHEMA_1);
    let storage = place.restart();
    check(&storage);
    assert_eq!(loaded(&storage.orders()), []);
    block_on(storage.orders().apply(vec![Change::Put(order())])).unwrap();
    let storage = place.restart();
    check(&storage);
    assert_eq!(loaded(&storage.orders()), [order()]);
}

#[test]
fn a_file_without_tickets_is_brought_up_and_keeps_them() {
    for (file, orders) in [(SCHEMA_1, vec![]), (SCHEMA_2, vec![order()])] {
        let mut place = place_with(file);
        let storage = place.restart();
        check(&storage);
        assert_eq!(loaded(&storage.orders()), orders);
        assert_eq!(loaded_tickets(&storage.tickets()), []);
        assert_eq!(block_on(storage.replay().extent()).unwrap(), 0..0);
        block_on(storage.tickets().apply(vec![TicketChange::Put(sums())])).unwrap();
        block_on(storage.replay().append(0, [[1; 16]].into())).unwrap();
        let storage = place.restart();
        check(&storage);
        assert_eq!(loaded(&storage.orders()), orders);
        assert_eq!(loaded_tickets(&storage.tickets()), [sums()]);
        assert_eq!(block_on(storage.replay().read(0, 9)).unwrap(), [[1; 16]]);
    }
}

#[test]
fn a_file_without_messages_is_brought_up_and_keeps_them() {
    let entry = dht::Entry {
        arrival: dht::Arrival(1),
        id: dht::MessageId([1; 32]),
        recipient: dht::Destination::from_bytes([2; 32]).unwrap(),
        urgent: true,
        expires: at(9),
        len: 5,
    };
    let files = [(SCHEMA_1, vec![], vec![]), (SCHEMA_2, vec![order()], vec![])];
    for (file, orders, tickets) in
        files.into_iter().chain([(SCHEMA_3, vec![order()], vec![sums()])])
    {
        let mut place = place_with(file);
        let storage = place.restart();
        check(&storage);
        assert_eq!(loaded(&storage.orders()), orders);
        assert_eq!(loaded_tickets(&storage.tickets()), tickets);
        let none = dht::Snapshot::default();
        assert_eq!(block_on(dht::Store::load(&storage.messages())).unwrap(), none);
        let envelope = Bytes::from("hello");
        let keep = dht::Change::Keep { entry, envelope: envelope.clone() };
        block_on(dht::Store::save(&storage.messages(), vec![keep])).unwrap();
        let storage = place.restart();
        check(&storage);
        assert_eq!(loaded_tickets(&storage.tickets()), tickets);
        let kept = block_on(dht::Store::load(&storage.messages())).unwrap();
        assert_eq!(kept.entries, [entry]);
        let read = block_on(dht::Store::read(&storage.messages(), vec![entry.arrival])).unwrap();
        assert_eq!(read, [Some(envelope)]);
    }
}

/// Its checksums are verified before it is changed.
#[test]
fn a_damaged_old_file_is_refused_and_left_as_it_is() {
    let mut bytes = SCHEMA_1.to_vec();
    let key = bytes.windows(32).position(|window| window == [7; 32]).unwrap();
    bytes[key] ^= 1;
    let place = place_with(&bytes);
    let refused = Storage::open(&place.path()).expect_err("it is damaged").refusal;
    assert!(matches!(refused, Refusal::Corrupt { .. }), "{refused:?}");
    assert_eq!(fs::read(place.path()).unwrap(), bytes);
}
