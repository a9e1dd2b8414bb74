//! What a store should hold, kept in maps; and histories to compare the two by.

use std::collections::BTreeMap;
use std::mem;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use dht::{
    Arrival, Change as MessageChange, Destination, Entry, Flags, LetterId, MessageId, Outcome,
    SeenRow, Sent, Store as MessageStore,
};
use futures::executor::block_on;
use futures::future::{BoxFuture, FutureExt};
use gossip::{BookStore, Change, Stored};
use handshake::seed::{SeedMemory, SeedStore};
use handshake::{Ban, BanStore, Banned};
use libp2p_identity::{Keypair, PeerId};
use machine::UnixTime;
use ordersync::{Change as ItemChange, ItemId, Kept, Store};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tickets::aggregation::{
    Batch, BatchDigest, Change as TicketChange, Held, Issued, Key, Mark, Row, Stats,
    Store as TicketStore,
};
use tickets::{ChannelId, Epoch, Response, Ticket, TicketIndex};

use crate::Storage;

/// One change set.
#[derive(Clone, Debug)]
pub(super) enum Step {
    Ban(Ban),
    Unban(Vec<Banned>),
    Seed(SeedMemory),
    Book(Vec<Change>),
    Key([u8; 32]),
    Orders(Vec<ItemChange>),
    Tickets(Vec<TicketChange>),
    Messages(Vec<MessageChange>),
}

/// What a store holds.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Content {
    bans: BTreeMap<Banned, Ban>,
    seeds: BTreeMap<PeerId, (Option<UnixTime>, u32)>,
    book: BTreeMap<PeerId, Stored>,
    anchors: Vec<PeerId>,
    key: Option<[u8; 32]>,
    orders: BTreeMap<ItemId, Kept>,
    tickets: BTreeMap<Key, Row>,
    messages: BTreeMap<Arrival, (Entry, Bytes)>,
    seen: BTreeMap<(UnixTime, [u8; 16]), SeenRow>,
    sent: BTreeMap<(UnixTime, LetterId), Sent>,
    letters: BTreeMap<LetterId, Bytes>,
}

pub(super) fn peer(n: u8) -> PeerId {
    Keypair::ed25519_from_bytes([n; 32]).unwrap().public().to_peer_id()
}

/// `length` change sets. Each is large enough that half of it would show.
pub(super) fn history(length: usize, seed: u64) -> Vec<Step> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    (0..length).map(|_| step(&mut rng)).collect()
}

fn step(rng: &mut ChaCha8Rng) -> Step {
    let millis = |rng: &mut ChaCha8Rng| UnixTime::from_millis(rng.random());
    let banned = |rng: &mut ChaCha8Rng| match rng.random_range(1..=6) {
        n if n <= 3 => Banned::Peer(peer(n)),
        n => Banned::Address([192, 0, 2, n].into()),
    };
    match rng.random_range(0..12) {
        0 | 1 => {
            Step::Ban(Ban { banned: banned(rng), reason: "spam".to_owned(), until: millis(rng) })
        }
        2 => Step::Unban((0..3).map(|_| banned(rng)).collect()),
        3 => Step::Seed(SeedMemory {
            seed: peer(rng.random_range(1..4)),
            last_success: rng.random::<bool>().then(|| millis(rng)),
            failures: rng.random(),
        }),
        4 | 5 => Step::Book((0..5).map(|_| book_change(rng)).collect()),
        6 => Step::Key(rng.random()),
        7 => Step::Tickets(ticket_changes(rng)),
        8 | 9 => Step::Messages((0..5).map(|_| message_change(rng)).collect()),
        _ => Step::Orders((0..5).map(|_| order_change(rng)).collect()),
    }
}

fn book_change(rng: &mut ChaCha8Rng) -> Change {
    let whose = peer(rng.random_range(1..12));
    match rng.random_range(0..6) {
        0 => Change::Anchors { peers: (0..rng.random_range(0..5)).map(peer).collect() },
        1 => Change::Remove { peer: whose },
        _ => Change::Put {
            peer: whose,
            entry: Stored {
                // Long enough that a few of them take several pages.
                record: Bytes::from(vec![rng.random::<u8>(); 900]),
                source: Some(peer(99)),
                source_group: rng.random(),
                tried: rng.random(),
                failures: rng.random(),
                last_success: None,
                last_attempt: Some(UnixTime::from_millis(rng.random())),
            },
        },
    }
}

fn order_change(rng: &mut ChaCha8Rng) -> ItemChange {
    let id = ItemId([rng.random_range(1..12); 32]);
    match rng.random_range(0..4) {
        0 => ItemChange::Remove(id),
        _ => ItemChange::Put(Kept {
            id,
            // From an order without a signature to one that takes a page of its own.
            bytes: Bytes::from(vec![rng.random::<u8>(); rng.random_range(300..5_000)]),
            received: UnixTime::from_millis(rng.random()),
            pinned: rng.random(),
        }),
    }
}

/// What is remembered of some message, under one of a few keys.
fn seen(rng: &mut ChaCha8Rng) -> SeenRow {
    let value = rng.random_range(5_000_000..5_000_009_u64) << 32 | u64::from(rng.random::<u32>());
    SeenRow { key: [rng.random_range(0..9); 16], value: value.to_be_bytes() }
}

/// One of a few own messages, which has ended or not.
fn sent(rng: &mut ChaCha8Rng) -> Sent {
    let number = rng.random_range(0..5_u8);
    let at = UnixTime::from_millis(number.into());
    let history = match rng.random_range(0..3) {
        0 => vec![],
        1 => vec![(at, Outcome::Sent { via: peer(number) })],
        _ => vec![(at, Outcome::Delivered)],
    };
    Sent {
        at,
        letter: LetterId([number; 16]),
        to: Some(peer(number)),
        fan_out: 1,
        excluded: vec![],
        flags: Flags::MAILBOX,
        created: at,
        expires: at,
        len: rng.random_range(0..9_000),
        history,
        keepers: vec![],
    }
}

fn message_change(rng: &mut ChaCha8Rng) -> MessageChange {
    let arrival = Arrival(rng.random_range(0..9));
    match rng.random_range(0..10) {
        6 | 7 => {
            let sent = Sent { history: vec![], ..sent(rng) };
            let payload = Bytes::from(vec![rng.random::<u8>(); sent.len]);
            MessageChange::Send { sent, payload }
        }
        8 => MessageChange::Sent(sent(rng)),
        9 => {
            let Sent { at, letter, .. } = sent(rng);
            MessageChange::Unsent { at, letter }
        }
        0 => MessageChange::Drop(arrival),
        1 | 2 => MessageChange::Seen(seen(rng)),
        3 => MessageChange::Expired(seen(rng).expires()),
        _ => {
            let envelope = Bytes::from(vec![rng.random::<u8>(); rng.random_range(441..9_000)]);
            let entry = Entry {
                arrival,
                id: MessageId(rng.random()),
                recipient: Destination::from_bytes([7; 32]).unwrap(),
                urgent: rng.random(),
                expires: UnixTime::from_millis(rng.random()),
                len: envelope.len(),
            };
            MessageChange::Keep { entry, envelope }
        }
    }
}

/// As an aggregate is committed: it comes in place of tickets of its channel, and of their batch.
fn ticket_changes(rng: &mut ChaCha8Rng) -> Vec<TicketChange> {
    let channel = rng.random_range(0..3);
    let name = ChannelId([channel; 32]);
    let mut indices: Vec<u8> = (0..20).filter(|_| rng.random()).collect();
    indices.push(20);
    let held = |index, mark| {
        let response = Response::from_bytes(&[1; 32]).unwrap();
        TicketChange::Put(Row::Held(Held { ticket: ticket(channel, index), response, mark }))
    };
    if rng.random() {
        let mut changes: Vec<_> =
            indices.iter().map(|index| held(*index, Mark::Untouched)).collect();
        let indices = indices.into_iter().map(|index| TicketIndex::new(index.into()).unwrap());
        let (epoch, indices) = (Epoch::default(), indices.collect());
        changes.push(TicketChange::Put(Row::Batch(Batch { channel: name, epoch, indices })));
        return changes;
    }
    let gone = indices.iter().map(|index| Key::Held {
        channel: name,
        epoch: Epoch::default(),
        index: TicketIndex::new((*index).into()).unwrap(),
    });
    let mut changes: Vec<_> = gone.map(TicketChange::Remove).collect();
    changes.push(TicketChange::Remove(Key::Batch(name)));
    changes.push(held(indices[0], Mark::Doubtful));
    let sums = Stats { aggregated: rng.random(), ..Stats::new(name) };
    changes.push(TicketChange::Put(Row::Stats(sums)));
    let digest = BatchDigest(rng.random());
    let issued = Issued { digest, ticket: ticket(channel, indices[0]) };
    changes.push(TicketChange::Put(Row::Issued(issued)));
    changes
}

fn ticket(channel: u8, index: u8) -> Ticket {
    let mut bytes = [channel; Ticket::LEN];
    bytes[32..64].fill(0);
    (bytes[49], bytes[53]) = (index, 1);
    Ticket::from_bytes(&bytes).unwrap()
}

/// All rows of tickets, in the order in which they are handed over; the store can read them.
pub(super) fn tickets(storage: &Storage) -> Vec<Row> {
    let rows = Arc::new(Mutex::new(Vec::new()));
    let into = Arc::clone(&rows);
    let each = Box::new(move |part| into.lock().unwrap().extend(part));
    assert_eq!(block_on(storage.tickets().load(each)), Ok(0));
    mem::take(&mut *rows.lock().unwrap())
}

/// All orders that the store can read, in the parts in which it hands them over, and how many it
/// cannot.
pub(super) fn orders(storage: &Storage) -> Result<(Vec<Vec<Kept>>, usize), String> {
    let parts = Arc::new(Mutex::new(Vec::new()));
    let into = Arc::clone(&parts);
    let loaded = storage.orders().load(Box::new(move |part| into.lock().unwrap().push(part)));
    let unreadable = block_on(loaded).map_err(|error| error.message)?;
    let parts = mem::take(&mut *parts.lock().unwrap());
    Ok((parts, unreadable))
}

impl Step {
    /// Asks the store for it; whether it is durable.
    pub(super) fn ask(&self, storage: &Storage) -> BoxFuture<'static, Result<(), String>> {
        fn said<E: ToString>(outcome: Result<(), E>) -> Result<(), String> {
            outcome.map_err(|error| error.to_string())
        }
        match self {
            Self::Ban(ban) => storage.bans().put(ban.clone()).map(said).boxed(),
            Self::Unban(banned) => storage.bans().remove_all(banned.clone()).map(said).boxed(),
            Self::Seed(memory) => storage.seeds().put(*memory).map(said).boxed(),
            Self::Book(changes) => storage.book().save(changes.clone()).map(said).boxed(),
            Self::Orders(changes) => storage.orders().apply(changes.clone()).map(said).boxed(),
            Self::Tickets(changes) => storage.tickets().apply(changes.clone()).map(said).boxed(),
            Self::Messages(changes) => storage.messages().save(changes.clone()).map(said).boxed(),
            Self::Key(key) => storage.book().put_key(*key).map(said).boxed(),
        }
    }
}

impl Content {
    /// What there is after each step, from none to all.
    pub(super) fn after_each(history: &[Step]) -> Vec<Self> {
        let mut content = Self::default();
        let mut all = vec![content.clone()];
        for step in history {
            content.apply(step.clone());
            all.push(content.clone());
        }
        all
    }

    fn apply(&mut self, step: Step) {
        match step {
            Step::Ban(ban) => drop(self.bans.insert(ban.banned, ban)),
            Step::Unban(banned) => self.bans.retain(|name, _| !banned.contains(name)),
            Step::Seed(SeedMemory { seed, last_success, failures }) => {
                self.seeds.insert(seed, (last_success, failures));
            }
            Step::Book(changes) => {
                for change in changes {
                    match change {
                        Change::Put { peer, entry } => drop(self.book.insert(peer, entry)),
                        Change::Remove { peer } => drop(self.book.remove(&peer)),
                        Change::Anchors { peers } => self.anchors = peers,
                    }
                }
            }
            Step::Key(key) => self.key = Some(key),
            Step::Tickets(changes) => {
                for change in changes {
                    match change {
                        TicketChange::Put(row) => drop(self.tickets.insert(row.key(), row)),
                        TicketChange::Remove(key) => drop(self.tickets.remove(&key)),
                    }
                }
            }
            Step::Messages(changes) => {
                for change in changes {
                    match change {
                        MessageChange::Keep { entry, envelope } => {
                            self.messages.insert(entry.arrival, (entry, envelope));
                        }
                        MessageChange::Drop(arrival) => drop(self.messages.remove(&arrival)),
                        MessageChange::Send { sent, payload } => {
                            self.letters.insert(sent.letter, payload);
                            self.sent.insert((sent.at, sent.letter), sent);
                        }
                        MessageChange::Sent(sent) => {
                            if sent.end().is_some() {
                                self.letters.remove(&sent.letter);
                            }
                            self.sent.insert((sent.at, sent.letter), sent);
                        }
                        MessageChange::Unsent { at, letter } => {
                            self.letters.remove(&letter);
                            self.sent.remove(&(at, letter));
                        }
                        MessageChange::Seen(row) => {
                            self.seen.insert((row.expires(), row.key), row);
                        }
                        MessageChange::Expired(wall) => {
                            self.seen.retain(|_, row| row.expires() > wall);
                        }
                    }
                }
            }
            Step::Orders(changes) => {
                for change in changes {
                    match change {
                        ItemChange::Put(kept) => drop(self.orders.insert(kept.id, kept)),
                        ItemChange::Remove(id) => drop(self.orders.remove(&id)),
                    }
                }
            }
        }
    }

    /// What the store says it holds; it can read all of it.
    pub(super) fn of(storage: &Storage) -> Self {
        let (orders, unreadable) = orders(storage).unwrap();
        assert_eq!(unreadable, 0);
        let tickets = tickets(storage);
        assert!(tickets.is_sorted_by_key(|row| row.key().to_bytes()));
        block_on(async {
            let bans = storage.bans().load().await.unwrap();
            let seeds = storage.seeds().load().await.unwrap();
            let book = storage.book().load().await.unwrap();
            let kept = storage.messages().load().await.unwrap();
            let arrivals: Vec<_> = kept.entries.iter().map(|entry| entry.arrival).collect();
            let envelopes = storage.messages().read(arrivals).await.unwrap();
            let envelopes = envelopes.into_iter().map(|envelope| envelope.expect("it is kept"));
            assert_eq!((book.unreadable, kept.unreadable, storage.stats().skipped), (0, 0, 0));
            Self {
                bans: bans.into_iter().map(|ban| (ban.banned, ban)).collect(),
                seeds: seeds.into_iter().map(|s| (s.seed, (s.last_success, s.failures))).collect(),
                book: book.entries.into_iter().collect(),
                anchors: book.anchors,
                key: book.key,
                orders: orders.into_iter().flatten().map(|kept| (kept.id, kept)).collect(),
                tickets: tickets.into_iter().map(|row| (row.key(), row)).collect(),
                messages: kept
                    .entries
                    .into_iter()
                    .zip(envelopes)
                    .map(|(entry, envelope)| (entry.arrival, (entry, envelope)))
                    .collect(),
                seen: kept.seen.into_iter().map(|row| ((row.expires(), row.key), row)).collect(),
                sent: kept.sent.into_iter().map(|it| ((it.at, it.letter), it)).collect(),
                letters: kept.letters,
            }
        })
    }
}
