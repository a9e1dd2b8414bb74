//! Fixtures of the book's tests, and what always holds of a book.
#![expect(
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::wildcard_enum_match_arm,
    reason = "tests"
)]

mod attacks;
mod dialling;
mod inserting;
mod laws;
mod parts;
mod persisting;
mod sharing;

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use libp2p_core::Multiaddr;
use libp2p_identity::{Keypair, PeerId};
use machine::Instant;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use transport::address::NetworkGroup;
use wire::signed::SignedRecord;

use super::keyed::SHARE;
use super::{Book, Outcome, Setup, Source, State, Table};

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_hours(1);

fn keypair(number: u32) -> Keypair {
    let mut secret = [7; 32];
    secret[..4].copy_from_slice(&number.to_be_bytes());
    Keypair::ed25519_from_bytes(secret).unwrap()
}

fn peer(number: u32) -> PeerId {
    thread_local! {
        static KNOWN: RefCell<BTreeMap<u32, PeerId>> = RefCell::default();
    }
    let make = || keypair(number).public().to_peer_id();
    KNOWN.with_borrow_mut(|known| *known.entry(number).or_insert_with(make))
}

/// Host `host` in network `network`, of which there are 16,384 and each is a group.
fn address(network: u32, host: u32) -> Multiaddr {
    let [.., a, b] = network.to_be_bytes();
    let [.., c, d] = host.to_be_bytes();
    format!("/ip4/{}.{b}.{c}.{d}/tcp/4001", 40 + a % 64).parse().unwrap()
}

fn group(network: u32) -> Option<NetworkGroup> {
    NetworkGroup::of(&address(network, 1))
}

fn sealed(number: u32, seq: u64, addresses: Vec<Multiaddr>) -> Arc<SignedRecord> {
    Arc::new(SignedRecord::seal(&keypair(number), seq, addresses).unwrap())
}

/// A record of peer `number`, which lives in the network of that number.
fn record(number: u32, seq: u64) -> Arc<SignedRecord> {
    sealed(number, seq, vec![home(number)])
}

fn home(number: u32) -> Multiaddr {
    address(number, number)
}

/// Peer `number`, speaking from network `network`.
fn source(number: u32, network: u32) -> Source {
    Source { peer: Some(peer(number)), group: group(network) }
}

/// Who tells of peers in most tests.
fn friend() -> Source {
    source(60_000, 60_000)
}

fn local() -> PeerId {
    peer(65_000)
}

fn at(seconds: u64) -> Instant {
    Instant::at(Duration::from_secs(seconds))
}

fn rng() -> ChaCha8Rng {
    ChaCha8Rng::from_seed([5; 32])
}

fn book(entries_max: usize) -> Book {
    Book::new(Setup { entries_max, ..Setup::new(local()) }, [9; 32], Instant::START)
}

/// Puts peers into the book, each by its own word so that they spread over all of it.
fn add(book: &mut Book, numbers: impl IntoIterator<Item = u32>) {
    for number in numbers {
        let outcome = book.insert(record(number, 1), source(number, number), Instant::START);
        assert_eq!(outcome, Ok(Outcome::Added), "{number}");
    }
}

/// The same, and reaches them.
fn add_reached(book: &mut Book, numbers: impl IntoIterator<Item = u32>, now: Instant) {
    for number in numbers {
        add(book, [number]);
        reach(book, number, now);
    }
}

fn reach(book: &mut Book, number: u32, now: Instant) {
    assert!(book.dial(&peer(number), now).is_some(), "{number} is free");
    assert!(book.verified(&peer(number), &home(number), now));
    book.release(&peer(number), now);
}

/// A dial of peer `number` that fails; enough time passes before it to be allowed.
fn fail(book: &mut Book, number: u32, now: Instant, rng: &mut ChaCha8Rng) {
    assert!(book.dial(&peer(number), now).is_some(), "{number} is not in use");
    book.failed(&peer(number), now, rng);
}

fn state(book: &Book, number: u32) -> State {
    book.get(&peer(number), Instant::START).unwrap().state
}

fn table(book: &Book, number: u32) -> Option<Table> {
    book.get(&peer(number), Instant::START).map(|entry| entry.table)
}

fn peers(book: &Book) -> BTreeSet<PeerId> {
    book.iter(Instant::START).map(|entry| entry.peer).collect()
}

/// What always holds.
fn assert_sound(book: &Book) {
    assert_places(book);
    assert_shares(book);
    let mut deadlines = BTreeSet::new();
    for id in book.new.iter().chain(book.tried.iter()) {
        let held = book.slab.get(id).unwrap();
        deadlines.extend(held.state.deadline(book.setup.attempt_max).map(|due| (due, id)));
        assert!(held.table == Table::New || held.verified.is_some(), "tried means reached");
    }
    assert_eq!(book.deadlines, deadlines);
    for (incumbent, newcomer) in book.contests.pairs() {
        assert_eq!(book.slab.get(incumbent).unwrap().table, Table::Tried);
        let newcomer = book.slab.get(newcomer).unwrap();
        assert!(newcomer.table == Table::New && newcomer.verified.is_some());
    }
}

/// Each entry is in one place, and the ready ones in front.
fn assert_places(book: &Book) {
    let mut seen = BTreeSet::new();
    for (table, buckets) in [(Table::New, &book.new), (Table::Tried, &book.tried)] {
        for bucket in 0..u16::try_from(buckets.count()).unwrap() {
            for (place, id) in buckets.bucket(bucket).iter().enumerate() {
                assert!(seen.insert(*id), "in two places");
                let held = book.slab.get(*id).unwrap();
                assert_eq!((held.table, held.bucket), (table, bucket));
                assert_eq!(held.is_ready(), place < buckets.ready(bucket).len());
            }
        }
        buckets.assert_lively();
    }
    assert_eq!(seen.len(), book.slab.len());
    assert_eq!(seen.len(), book.new.len() + book.tried.len());
}

/// No source, nor the sources of one network, hold more than their share.
fn assert_shares(book: &Book) {
    let mut entries: BTreeMap<u16, u32> = BTreeMap::new();
    let mut groups: BTreeMap<u64, (usize, BTreeSet<u16>)> = BTreeMap::new();
    for id in book.new.iter().chain(book.tried.iter()) {
        let held = book.slab.get(id).unwrap();
        *entries.entry(held.source).or_default() += 1;
        let teller = book.sources.get(held.source).unwrap();
        if held.table == Table::New && teller.peer.is_some() {
            let (count, buckets) = groups.entry(teller.group).or_default();
            *count += 1;
            buckets.insert(held.bucket);
        }
    }
    let (width, _, new) = book.setup.shape();
    for (count, buckets) in groups.values() {
        assert!(buckets.len() <= new / SHARE && *count <= new * width / SHARE);
    }
    book.sources.assert_counts(&entries);
}
