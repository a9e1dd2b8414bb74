//! What is there after a restart; the stores in memory keep the same contract within a run.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use futures::executor::block_on;
use gossip::{BookStore, Change, MemoryBook, Snapshot, Stored};
use handshake::seed::{MemorySeeds, SeedMemory, SeedStore};
use handshake::{Ban, BanStore, Banned, MemoryBans};
use libp2p_identity::PeerId;
use machine::UnixTime;
use meshwork_storage::{Refusal, Storage};
use ordersync::{Change as ItemChange, ItemId, Kept, MemoryStore, Store};
use tempfile::TempDir;
use tickets::aggregation::{
    Batch, BatchDigest, Change as TicketChange, Held, Issued, Key, Mark,
    MemoryStore as MemoryTickets, OutgoingIndex, Row, Stats, Store as TicketStore,
};
use tickets::{ChannelId, Epoch, Response, Ticket, TicketIndex};

/// A file that is opened anew whenever it is asked for.
pub(crate) struct Place {
    pub(crate) dir: TempDir,
    open: Option<Storage>,
}

impl Place {
    pub(crate) fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap(), open: None }
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.dir.path().join("meshwork.redb")
    }

    pub(crate) fn restart(&mut self) -> Storage {
        self.stop();
        let storage = Storage::open(&self.path()).unwrap();
        self.open.insert(storage).clone()
    }

    pub(crate) fn stop(&mut self) {
        if let Some(storage) = self.open.take() {
            block_on(storage.close()).unwrap();
        }
    }
}

const fn at(millis: u64) -> UnixTime {
    UnixTime::from_millis(millis)
}

/// A store, and the same after a restart.
type Runs<'a, S> = &'a mut dyn FnMut() -> S;

fn keeps_bans<S: BanStore>(next: Runs<'_, S>) {
    let peers = [1, 2, 3].map(|_| Banned::Peer(PeerId::random()));
    let ban = |banned, until| Ban { banned, reason: "spam".to_owned(), until: at(until) };
    let sorted = |mut bans: Vec<Ban>| {
        bans.sort_by_key(|ban| ban.banned);
        bans
    };
    let store = next();
    assert_eq!(block_on(store.load()).unwrap(), []);
    for banned in peers {
        block_on(store.put(ban(banned, u64::MAX))).unwrap();
    }
    let address = Banned::Address("2001:db8::".parse().unwrap());
    block_on(store.put(ban(address, u64::MAX))).unwrap();
    let store = next();
    block_on(store.put(ban(peers[0], u64::MAX - 1))).unwrap();
    block_on(store.remove(peers[1])).unwrap();
    block_on(store.remove(peers[1])).unwrap();
    let kept = [ban(peers[0], u64::MAX - 1), ban(peers[2], u64::MAX), ban(address, u64::MAX)];
    let store = next();
    assert_eq!(sorted(block_on(store.load()).unwrap()), sorted(kept.to_vec()));
    block_on(store.remove_all(vec![peers[0], peers[2], peers[1]])).unwrap();
    let store = next();
    assert_eq!(block_on(store.load()).unwrap(), [ban(address, u64::MAX)]);
}

fn keeps_seeds<S: SeedStore>(next: Runs<'_, S>) {
    let (good, bad) = (PeerId::random(), PeerId::random());
    let memory = |seed, last_success, failures| SeedMemory { seed, last_success, failures };
    let store = next();
    assert_eq!(block_on(store.load()).unwrap(), []);
    for memory in [memory(good, None, 2), memory(bad, None, 1), memory(good, Some(at(7)), 0)] {
        block_on(store.put(memory)).unwrap();
    }
    let store = next();
    let mut kept = block_on(store.load()).unwrap();
    kept.sort_by_key(|memory| memory.failures);
    assert_eq!(kept, [memory(good, Some(at(7)), 0), memory(bad, None, 1)]);
}

#[test]
fn bans_survive() {
    let mut place = Place::new();
    keeps_bans(&mut || place.restart().bans());
    let memory = MemoryBans::default();
    keeps_bans(&mut || memory.clone());
}

#[test]
fn what_is_remembered_of_seeds_survives() {
    let mut place = Place::new();
    keeps_seeds(&mut || place.restart().seeds());
    let memory = MemorySeeds::default();
    keeps_seeds(&mut || memory.clone());
}

fn keeps_the_book<S: BookStore>(next: Runs<'_, S>) {
    let sorted = |mut snapshot: Snapshot| {
        snapshot.entries.sort_by_key(|(peer, _)| *peer);
        snapshot
    };
    let entry = |n: u8| Stored {
        record: Bytes::from(vec![n; 300]),
        source: n.is_multiple_of(3).then(PeerId::random),
        source_group: n.into(),
        tried: n.is_multiple_of(2),
        failures: n.into(),
        last_success: None,
        last_attempt: Some(at(n.into())),
    };
    let mut entries: Vec<_> = (0..50).map(|n| (PeerId::random(), entry(n))).collect();
    let anchors: Vec<_> = entries.iter().map(|(peer, _)| *peer).take(9).collect();

    let store = next();
    assert_eq!(block_on(store.load()).unwrap(), Snapshot::default());
    let put = |(peer, entry): &(PeerId, Stored)| Change::Put { peer: *peer, entry: entry.clone() };
    let mut changes: Vec<_> = entries.iter().map(put).collect();
    changes.push(Change::Anchors { peers: anchors.clone() });
    block_on(store.save(changes)).unwrap();
    block_on(store.put_key([7; 32])).unwrap();

    let store = next();
    let kept = Snapshot {
        key: Some([7; 32]),
        entries: entries.clone(),
        anchors: anchors.clone(),
        unreadable: 0,
    };
    assert_eq!(sorted(block_on(store.load()).unwrap()), sorted(kept.clone()));
    let gone = entries.split_off(20);
    let mut changes: Vec<_> = gone.iter().map(|(peer, _)| Change::Remove { peer: *peer }).collect();
    changes.push(Change::Anchors { peers: anchors[3..5].to_vec() });
    block_on(store.save(changes)).unwrap();

    let kept = Snapshot { entries, anchors: anchors[3..5].to_vec(), ..kept };
    assert_eq!(sorted(block_on(next().load()).unwrap()), sorted(kept));
}

#[test]
fn the_book_its_key_and_the_anchors_survive() {
    let mut place = Place::new();
    keeps_the_book(&mut || place.restart().book());
    let memory = MemoryBook::default();
    keeps_the_book(&mut || memory.clone());
}

/// All that is kept, by id; it can be read.
pub(crate) fn loaded(store: &impl Store) -> Vec<Kept> {
    let all = Arc::new(Mutex::new(Vec::new()));
    let into = Arc::clone(&all);
    let load = store.load(Box::new(move |part| into.lock().unwrap().extend(part)));
    assert_eq!(block_on(load), Ok(0));
    std::mem::take(&mut all.lock().unwrap())
}

fn keeps_orders<S: Store>(next: Runs<'_, S>) {
    let order = |n: u8, received| Kept {
        id: ItemId([n; 32]),
        bytes: Bytes::from(vec![n; 20 * usize::from(n)]),
        received: at(received),
        pinned: n.is_multiple_of(2),
    };
    let put = |n, received| ItemChange::Put(order(n, received));
    let store = next();
    assert_eq!(loaded(&store), []);
    block_on(store.apply((0..=255).map(|n| put(n, 1)).collect())).unwrap();
    block_on(store.apply(vec![])).unwrap();
    let store = next();
    assert_eq!(loaded(&store), (0..=255).map(|n| order(n, 1)).collect::<Vec<_>>());
    let mut changes: Vec<_> = (3..=255).map(|n| ItemChange::Remove(ItemId([n; 32]))).collect();
    changes.extend([put(0, 9), put(3, 9), ItemChange::Remove(ItemId([2; 32])), put(2, 8)]);
    block_on(store.apply(changes)).unwrap();
    assert_eq!(loaded(&next()), [order(0, 9), order(1, 1), order(2, 8), order(3, 9)]);
}

#[test]
fn orders_survive() {
    let mut place = Place::new();
    keeps_orders(&mut || place.restart().orders());
    let memory = MemoryStore::default();
    keeps_orders(&mut || memory.clone());
}

/// All rows of tickets that are kept, in the order in which they are handed over; they can be read.
pub(crate) fn loaded_tickets(store: &impl TicketStore) -> Vec<Row> {
    let all = Arc::new(Mutex::new(Vec::new()));
    let into = Arc::clone(&all);
    let load = store.load(Box::new(move |part| into.lock().unwrap().extend(part)));
    assert_eq!(block_on(load), Ok(0));
    std::mem::take(&mut all.lock().unwrap())
}

/// A ticket of these: a channel, an epoch, an index.
fn ticket(channel: u8, epoch: u8, index: u16) -> Ticket {
    let mut bytes = [7; Ticket::LEN];
    bytes[..32].fill(channel);
    bytes[32..34].fill(0);
    bytes[44..48].fill(0);
    bytes[48..50].copy_from_slice(&index.to_be_bytes());
    bytes[50..57].copy_from_slice(&[0, 0, 0, 1, 0, 0, epoch]);
    Ticket::from_bytes(&bytes).unwrap()
}

fn keeps_tickets<S: TicketStore>(next: Runs<'_, S>) {
    let response = Response::from_bytes(&[1; 32]).unwrap();
    let held = |channel, epoch, index, mark| {
        let ticket = ticket(channel, epoch, index);
        Row::Held(Held { ticket, response: response.clone(), mark })
    };
    let put = |row: &Row| TicketChange::Put(row.clone());
    let channel = ChannelId([2; 32]);
    let index = |number| TicketIndex::new(number).unwrap();
    let others = [
        Row::Batch(Batch {
            channel,
            epoch: Epoch::new(1).unwrap(),
            indices: vec![index(1), index(300)],
        }),
        Row::Issued(Issued { digest: BatchDigest([4; 32]), ticket: ticket(3, 1, 9) }),
        Row::Index(OutgoingIndex { channel, epoch: Epoch::default(), reserved: index(1_000) }),
        Row::Stats(Stats { won: 3, ..Stats::new(channel) }),
    ];
    // As they sort: by channel, epoch, index.
    let mut tickets: Vec<_> = (0..700).map(|index| held(1, 2, index, Mark::Untouched)).collect();
    tickets.push(held(1, 3, 0, Mark::Doubtful));
    tickets.push(held(2, 1, 300, Mark::BeingRedeemed));
    let all: Vec<_> = tickets.iter().chain(&others).cloned().collect();

    let store = next();
    assert_eq!(loaded_tickets(&store), []);
    block_on(store.apply(all.iter().rev().map(put).collect())).unwrap();
    let store = next();
    assert_eq!(loaded_tickets(&store), all);

    // One in place of many, among them the one whose key it has.
    let mut changes: Vec<_> =
        all[100..700].iter().map(|row| TicketChange::Remove(row.key())).collect();
    let aggregate = held(1, 2, 100, Mark::Doubtful);
    changes.push(put(&aggregate));
    changes.extend([Key::Batch(channel), Key::Stats(ChannelId([9; 32]))].map(TicketChange::Remove));
    block_on(store.apply(changes)).unwrap();
    let batch = TicketChange::Remove(others[0].key());
    block_on(store.apply(vec![put(&others[0]), batch])).unwrap();
    let kept = all[..100].iter().chain([&aggregate]).chain(&all[700..702]);
    let kept: Vec<_> = kept.chain(&others[1..]).cloned().collect();
    assert_eq!(loaded_tickets(&next()), kept);
}

#[test]
fn tickets_survive() {
    let mut place = Place::new();
    keeps_tickets(&mut || place.restart().tickets());
    let memory = MemoryTickets::default();
    keeps_tickets(&mut || memory.clone());
}

fn keeps_messages<S: dht::Store>(next: Runs<'_, S>) {
    let arrival = |n: u64| dht::Arrival(n);
    let envelope = |n: u64| Bytes::from(vec![7; 441 + usize::try_from(n).unwrap()]);
    let entry = |n: u64| dht::Entry {
        arrival: arrival(n),
        id: dht::MessageId([8; 32]),
        recipient: dht::Destination::from_bytes([9; 32]).unwrap(),
        urgent: n.is_multiple_of(2),
        expires: at(n),
        len: envelope(n).len(),
    };
    let keep = |n| dht::Change::Keep { entry: entry(n), envelope: envelope(n) };
    let seen = |expires: u64, n: u8| dht::SeenRow {
        key: [n; 16],
        value: (expires << 32 | u64::from(n)).to_be_bytes(),
    };
    let store = next();
    assert_eq!(block_on(store.load()).unwrap(), dht::Snapshot::default());
    // More than one part of a load, and one as large as they may be.
    let mut changes: Vec<_> = (0..600).rev().map(keep).collect();
    changes.push(keep(67_000));
    changes.extend((0..9).map(|n| dht::Change::Seen(seen(5_000_000 + u64::from(n), n))));
    block_on(store.save(changes)).unwrap();

    let store = next();
    let kept = block_on(store.load()).unwrap();
    let all: Vec<_> = (0..600).chain([67_000]).collect();
    assert_eq!(kept.entries, all.iter().map(|n| entry(*n)).collect::<Vec<_>>());
    assert_eq!(kept.seen, (0..9).map(|n| seen(5_000_000 + u64::from(n), n)).collect::<Vec<_>>());
    let read = block_on(store.read(vec![arrival(67_000), arrival(600), arrival(3)])).unwrap();
    assert_eq!(read, [Some(envelope(67_000)), None, Some(envelope(3))]);

    let mut changes: Vec<_> = (1..600).map(|n| dht::Change::Drop(arrival(n))).collect();
    changes.extend([keep(1), dht::Change::Drop(arrival(700))]);
    changes.push(dht::Change::Expired(seen(5_000_006, 0).expires()));
    block_on(store.save(changes)).unwrap();
    let store = next();
    let kept = block_on(store.load()).unwrap();
    assert_eq!(kept.entries, [entry(0), entry(1), entry(67_000)]);
    assert_eq!(kept.seen, [seen(5_000_007, 7), seen(5_000_008, 8)]);
    assert_eq!(block_on(store.read(vec![arrival(2)])).unwrap(), [None]);
}

#[test]
fn messages_survive() {
    let mut place = Place::new();
    keeps_messages(&mut || place.restart().messages());
    let memory = dht::MemoryStore::default();
    keeps_messages(&mut || memory.clone());
}

fn keeps_own_messages<S: dht::Store>(next: &mut dyn FnMut() -> S) {
    let sent = |n: u8, history| dht::Sent {
        at: at(n.into()),
        letter: dht::LetterId([99 - n; 16]),
        to: Some(PeerId::random()),
        fan_out: 1,
        excluded: vec![],
        flags: dht::Flags::MAILBOX,
        created: at(1),
        expires: at(9),
        len: usize::from(n),
        history,
        keepers: vec![],
    };
    let rows: Vec<_> = (0..3).map(|n| sent(n, vec![])).collect();
    let payload = |n: u8| Bytes::from(vec![n; usize::from(n)]);
    let send =
        |n: u8| dht::Change::Send { sent: rows[usize::from(n)].clone(), payload: payload(n) };
    // The oldest first, whatever they are called.
    block_on(next().save(vec![send(2), send(0), send(1)])).unwrap();
    let kept = block_on(next().load()).unwrap();
    assert_eq!(kept.sent, rows);
    let letters = (0..3).map(|n| (rows[usize::from(n)].letter, payload(n))).collect();
    assert_eq!(kept.letters, letters);

    // Of one that has ended it is known what became of it, and not what it says.
    let ended = vec![(at(5), dht::Outcome::Delivered)];
    let ended = dht::Sent { history: ended, ..rows[1].clone() };
    let news = vec![(at(4), dht::Outcome::Sent { via: PeerId::random() })];
    let on_its_way = dht::Sent { history: news, ..rows[2].clone() };
    let forgotten = dht::Change::Unsent { at: rows[0].at, letter: rows[0].letter };
    let changes =
        vec![dht::Change::Sent(ended.clone()), dht::Change::Sent(on_its_way.clone()), forgotten];
    block_on(next().save(changes)).unwrap();
    let kept = block_on(next().load()).unwrap();
    assert_eq!(kept.sent, [ended, on_its_way]);
    assert_eq!(kept.letters, [(rows[2].letter, payload(2))].into());
}

#[test]
fn own_messages_survive() {
    let mut place = Place::new();
    keeps_own_messages(&mut || place.restart().messages());
    let memory = dht::MemoryStore::default();
    keeps_own_messages(&mut || memory.clone());
}

#[test]
fn the_file_is_the_owners_alone_and_nothing_else_is_left() {
    let mut place = Place::new();
    place.restart();
    let mode = fs::metadata(place.path()).unwrap().permissions().mode();
    assert_eq!(mode & 0o7777, 0o600);
    let files: Vec<_> = fs::read_dir(place.dir.path()).unwrap().collect();
    assert_eq!(files.len(), 1, "{files:?}");
}

/// The last handle that is dropped closes the file once all is written.
#[test]
fn a_store_that_is_dropped_has_kept_what_it_accepted() {
    let place = Place::new();
    let storage = Storage::open(&place.path()).unwrap();
    let kept = storage.book().put_key([1; 32]);
    drop(storage);
    block_on(kept).unwrap();
    let storage = loop {
        match Storage::open(&place.path()) {
            Ok(storage) => break storage,
            // The thread has not closed it yet; it does at once.
            Err(error) if matches!(error.refusal, Refusal::InUse) => std::thread::yield_now(),
            Err(error) => panic!("{error}"),
        }
    };
    assert_eq!(block_on(storage.book().load()).unwrap().key, Some([1; 32]));
}
