//! A process that is killed at random moments loses nothing that it has reported.
//!
//! Run without the harness of the tests, because it starts itself: called with a path, it is the
//! process that is killed.
#![expect(clippy::unwrap_used, clippy::arithmetic_side_effects, reason = "a test")]

use std::env;
use std::io::{BufRead, BufReader, Write, stdout};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use futures::executor::block_on;
use futures::future::join_all;
use gossip::{BookStore, Change, Stored};
use libp2p_identity::{Keypair, PeerId};
use machine::UnixTime;
use meshwork_storage::{Refusal, Storage};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

const VICTIM: &str = "--victim";

/// Times that the process is killed.
const ROUNDS: usize = 32;

/// Change sets that the process asks for at once.
const AT_ONCE: u64 = 3;

/// Entries in each change set; all have its number.
const ENTRIES: u8 = 8;

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
    let mut next = number(&storage) + 1;
    loop {
        let sets = (next..next + AT_ONCE).map(|number| storage.book().save(set(number)));
        for outcome in block_on(join_all(sets.collect::<Vec<_>>())) {
            outcome.unwrap();
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
    let (mut kept, mut sets) = (0, 0);
    let mut place = tempfile::tempdir().unwrap();
    for round in 0..ROUNDS {
        // Now and then the process is killed while it makes the file.
        let young = round % 8 == 7;
        if young {
            (place, kept) = (tempfile::tempdir().unwrap(), 0);
        }
        let path = place.path().join("meshwork.redb");
        let lines = if young { 0 } else { rng.random_range(0..20) };
        let pause = Duration::from_micros(rng.random_range(0..if young { 20_000 } else { 4_000 }));
        let told = told_until_killed(&path, lines, pause).max(kept);

        let storage = Storage::open(&path).unwrap();
        let found = number(&storage);
        assert!(
            (told..=told + AT_ONCE).contains(&found),
            "seed {seed}, round {round}: {told} was reported, {found} is there"
        );
        block_on(storage.close()).unwrap();
        sets += found - kept;
        kept = found;
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
