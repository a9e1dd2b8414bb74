//! A process that is killed at random moments loses nothing that it has reported.
//!
//! Run without the harness of the tests, because it starts itself: called with a path, it is the
//! process that is killed.
#![expect(clippy::unwrap_used, clippy::arithmetic_side_effects, reason = "a test")]

use std::env;
use std::io::{BufRead, BufReader, Write, stdout};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use futures::executor::block_on;
use futures::future::{join, join_all};
use gossip::{BookStore, Change, Stored};
use libp2p_identity::{Keypair, PeerId};
use machine::UnixTime;
use meshwork_storage::{Refusal, Storage};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tickets::aggregation::{Change as TicketChange, Held, Mark, Row, Stats, Store};
use tickets::{ChannelId, Response, Ticket, TicketIndex};

const VICTIM: &str = "--victim";

/// Times that the process is killed.
const ROUNDS: usize = 32;

/// Change sets that the process asks for at once.
const AT_ONCE: u64 = 3;

/// Entries in each change set, of the book and of tickets; all have its number.
const ENTRIES: u8 = 8;

const CHANNEL: ChannelId = ChannelId([7; 32]);

fn main() {
    let arguments: Vec<String> = env::args().skip(1).collect();
    match arguments.as_slice() {
        [first, path] if first == VICTIM => write_until_killed(Path::new(path)),
        // Whoever runs single tests by their name means others.
        others if others.iter().any(|name| is_for_others(name)) => {}
        _ => kill_and_look(),
    }
}

fn is_for_others(argument: &str) -> bool {
    argument == "--list" || !argument.starts_with('-') && !"kill".contains(argument)
}

fn peer(n: u8) -> PeerId {
    Keypair::ed25519_from_bytes([n; 32]).unwrap().public().to_peer_id()
}

fn set(number: u64) -> Vec<Change> {
    let entry = |n| Stored {
        record: Bytes::from(vec![n; 1_000]),
        source: None,
        source_group: 0,
        tried: false,
        failures: 0,
        last_success: None,
        last_attempt: Some(UnixTime::from_millis(number)),
    };
    (0..ENTRIES).map(|n| Change::Put { peer: peer(n), entry: entry(n) }).collect()
}

/// Tickets of this number in place of those of the one before, and the number as their sum.
fn trade(number: u64) -> Vec<TicketChange> {
    let (old, new) = (number.saturating_sub(1), number);
    let removed = (0..ENTRIES).map(|n| TicketChange::Remove(held(old, n).key()));
    let put = (0..ENTRIES).map(|n| TicketChange::Put(held(new, n)));
    let sums = Row::Stats(Stats { aggregated: number, ..Stats::new(CHANNEL) });
    removed.chain(put).chain([TicketChange::Put(sums)]).collect()
}

fn held(number: u64, n: u8) -> Row {
    let mut bytes = [0; Ticket::LEN];
    bytes[..32].copy_from_slice(&CHANNEL.0);
    let index = TicketIndex::new(number * u64::from(ENTRIES) + u64::from(n)).unwrap();
    bytes[44..50].copy_from_slice(&index.to_bytes());
    bytes[53] = 1;
    let ticket = Ticket::from_bytes(&bytes).unwrap();
    let response = Response::from_bytes(&[1; 32]).unwrap();
    Row::Held(Held { ticket, response, mark: Mark::Untouched })
}

/// The number of the last trade, which is there as a whole.
fn traded(storage: &Storage) -> u64 {
    let rows = Arc::new(Mutex::new(Vec::new()));
    let into = Arc::clone(&rows);
    let each = Box::new(move |part| into.lock().unwrap().extend(part));
    assert_eq!(block_on(storage.tickets().load(each)), Ok(0));
    let mut rows = std::mem::take(&mut *rows.lock().unwrap());
    let number = match rows.pop() {
        Some(Row::Stats(sums)) => sums.aggregated,
        other => {
            assert_eq!((other, rows), (None, vec![]), "half of the first trade");
            return 0;
        }
    };
    assert!(rows.into_iter().eq((0..ENTRIES).map(|n| held(number, n))), "half of trade {number}");
    number
}

/// The number of the last set, which is there as a whole.
fn number(storage: &Storage) -> u64 {
    let book = block_on(storage.book().load()).unwrap();
    assert_eq!(book.unreadable, 0);
    let numbers = book.entries.iter().map(|(_, entry)| entry.last_attempt.unwrap().as_millis());
    let mut numbers: Vec<u64> = numbers.collect();
    assert!(numbers.is_empty() || numbers.len() == usize::from(ENTRIES), "{numbers:?}");
    numbers.dedup();
    assert!(numbers.len() <= 1, "half of a set: {numbers:?}");
    numbers.first().copied().unwrap_or(0)
}

/// Reports each number once its set is durable.
fn write_until_killed(path: &Path) {
    let storage = Storage::open(path).unwrap();
    // The set of this number may be there already, and is written again.
    let mut next = traded(&storage) + 1;
    loop {
        let asked = (next..next + AT_ONCE).map(|number| {
            (storage.book().save(set(number)), storage.tickets().apply(trade(number)))
        });
        let asked: Vec<_> = asked.map(|(set, trade)| join(set, trade)).collect();
        for (set, trade) in block_on(join_all(asked)) {
            set.unwrap();
            trade.unwrap();
            report(next);
            next += 1;
        }
    }
}

/// In one write, so that whoever reads a line reads all of it.
fn report(number: u64) {
    stdout().write_all(format!("{number}\n").as_bytes()).unwrap();
    stdout().flush().unwrap();
}

fn kill_and_look() {
    let seed = 5;
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let (mut kept, mut kept_trade, mut sets) = (0, 0, 0);
    let mut place = tempfile::tempdir().unwrap();
    for round in 0..ROUNDS {
        // Now and then the process is killed while it makes the file.
        let young = round % 8 == 7;
        if young {
            (place, kept, kept_trade) = (tempfile::tempdir().unwrap(), 0, 0);
        }
        let path = place.path().join("meshwork.redb");
        let lines = if young { 0 } else { rng.random_range(0..20) };
        let pause = Duration::from_micros(rng.random_range(0..if young { 20_000 } else { 4_000 }));
        let reported = told_until_killed(&path, lines, pause);
        let told = reported.max(kept);

        let storage = Storage::open(&path).unwrap();
        let found = number(&storage);
        assert!(
            (told..=told + AT_ONCE).contains(&found),
            "seed {seed}, round {round}: {told} was reported, {found} is there"
        );
        // Each was asked for right after the set of its number.
        let (told, traded) = (reported.max(kept_trade), traded(&storage));
        assert!(
            traded >= told && (traded..=traded + 1).contains(&found),
            "seed {seed}, round {round}: {told} was reported, {found} and trade {traded} are there"
        );
        block_on(storage.close()).unwrap();
        sets += found - kept;
        (kept, kept_trade) = (found, traded);
    }
    assert!(sets > 100, "it was killed at work: {sets} sets");
}

/// Starts the process, kills it a `pause` after it has reported `lines` numbers, and returns the
/// last one that it reported.
fn told_until_killed(path: &Path, lines: usize, pause: Duration) -> u64 {
    let mut victim = Command::new(env::current_exe().unwrap())
        .args([VICTIM.as_ref(), path.as_os_str()])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut told = BufReader::new(victim.stdout.take().unwrap()).lines();
    let mut last = 0;
    for line in told.by_ref().take(lines) {
        last = line.unwrap().parse().unwrap();
    }
    if lines > 0 {
        let opened = Storage::open(path).map_err(|error| error.refusal);
        assert!(matches!(opened, Err(Refusal::InUse)), "{opened:?}");
    }
    thread::sleep(pause);
    kill(&mut victim);
    // What it wrote before it died is in the pipe.
    told.map(|line| line.unwrap().parse().unwrap()).last().unwrap_or(last)
}

fn kill(victim: &mut Child) {
    victim.kill().unwrap();
    let status = victim.wait().unwrap();
    assert!(!status.success() && status.code().is_none(), "it lived until it was killed: {status}");
}
