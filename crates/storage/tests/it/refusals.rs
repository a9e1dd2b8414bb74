//! Files that are refused, each for its reason.

use std::fs::{self, OpenOptions, Permissions};
use std::io::Write;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

use bytes::Bytes;
use futures::executor::block_on;
use gossip::{BookStore, Change, Snapshot, Stored};
use handshake::{Ban, BanStore, Banned};
use libp2p_identity::PeerId;
use machine::UnixTime;
use meshwork_storage::{Refusal, Storage};
use proptest::prelude::*;
use redb::TableDefinition;

use crate::restart::Place;

fn refusal(path: &Path) -> Refusal {
    let error = Storage::open(path).expect_err("it is refused");
    assert_eq!(error.path, path);
    error.refusal
}

pub(crate) fn place_with(bytes: &[u8]) -> Place {
    let place = Place::new();
    let mut options = OpenOptions::new();
    let file = options.create_new(true).write(true).mode(0o600).open(place.path());
    file.unwrap().write_all(bytes).unwrap();
    place
}

/// The bytes of a store with a few things in it, and its book.
fn valid() -> (Vec<u8>, Snapshot) {
    let mut place = Place::new();
    let storage = place.restart();
    let entry = |n: u8| Stored {
        record: Bytes::from(vec![n; 900]),
        source: None,
        source_group: 0,
        tried: false,
        failures: 0,
        last_success: None,
        last_attempt: None,
    };
    let put = |n| Change::Put { peer: PeerId::random(), entry: entry(n) };
    block_on(storage.book().save((0..20).map(put).collect())).unwrap();
    let (reason, until) = ("spam".to_owned(), UnixTime::from_millis(u64::MAX));
    let ban = Ban { banned: Banned::Peer(PeerId::random()), reason, until };
    block_on(storage.bans().put(ban)).unwrap();
    let loaded = block_on(storage.book().load()).unwrap();
    place.stop();
    (fs::read(place.path()).unwrap(), loaded)
}

#[test]
fn a_second_handle_is_refused_until_the_first_is_closed() {
    let mut place = Place::new();
    let first = place.restart();
    assert!(matches!(refusal(&place.path()), Refusal::InUse));
    block_on(first.book().put_key([1; 32])).expect("the first is none the worse");
    place.stop();
    Storage::open(&place.path()).expect("it is free");
}

#[test]
fn what_others_may_read_is_refused() {
    let mut place = Place::new();
    place.restart();
    place.stop();
    fs::set_permissions(place.path(), Permissions::from_mode(0o640)).unwrap();
    let refused = refusal(&place.path());
    assert_eq!(refused.to_string(), "it is open to others (mode 0640, must be 0600)");
}

#[test]
fn the_file_of_a_newer_version_is_refused_and_left_as_it_is() {
    let mut place = Place::new();
    place.restart();
    place.stop();
    let meta: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("meta");
    let database = redb::Database::open(place.path()).unwrap();
    let tx = database.begin_write().unwrap();
    tx.open_table(meta).unwrap().insert(b"schema".as_slice(), [0, 0, 0, 9].as_slice()).unwrap();
    tx.commit().unwrap();
    drop(database);
    for _ in 0..2 {
        assert!(matches!(refusal(&place.path()), Refusal::Newer { found: 9, known: 5 }));
    }
}

#[test]
fn what_is_no_store_is_refused() {
    let texts: [&[u8]; 4] = [b"x", b"not a store", &[0; 9], &[0xff; 10_000]];
    for bytes in texts {
        let place = place_with(bytes);
        assert!(matches!(refusal(&place.path()), Refusal::NotOurs { .. }));
        assert_eq!(fs::read(place.path()).unwrap(), bytes, "it is somebody's");
    }
    let place = place_with(b"");
    assert!(matches!(refusal(&place.path()), Refusal::Corrupt { .. }), "it was one");
    let dir = tempfile::tempdir().unwrap();
    assert!(matches!(refusal(dir.path()), Refusal::Io { doing: "open it", .. }));
    assert!(matches!(refusal(&dir.path().join("no/such")), Refusal::Io { doing: "make it", .. }));
}

#[test]
fn a_file_that_is_cut_short_is_refused_wherever_it_is_cut() {
    let (bytes, _) = valid();
    let ends = [1, 8, 9, 100, 319, 320, 4_095, 4_096, 8_192, bytes.len() / 2, bytes.len() - 1];
    for end in ends {
        let place = place_with(&bytes[..end]);
        let refused = refusal(&place.path());
        assert!(
            matches!(refused, Refusal::Corrupt { .. } | Refusal::NotOurs { .. }),
            "{end}: {refused:?}"
        );
    }
}

/// Where bytes of a file are in use: most of it is free pages.
fn used(bytes: &[u8]) -> Vec<usize> {
    let at = bytes.iter().enumerate().filter(|(_, byte)| **byte != 0).map(|(at, _)| at);
    (0..512).chain(at).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Whatever the disk returns instead of what was written: the store is refused, or it holds
    /// what it held.
    #[test]
    fn changed_bytes_are_noticed_at_the_start(
        flips in proptest::collection::vec((any::<prop::sample::Index>(), 1..=255_u8), 1..6),
    ) {
        static VALID: std::sync::LazyLock<(Vec<u8>, Snapshot, Vec<usize>)> =
            std::sync::LazyLock::new(|| {
                let (bytes, loaded) = valid();
                let used = used(&bytes);
                (bytes, loaded, used)
            });
        let (valid, loaded, used) = &*VALID;
        let mut bytes = valid.clone();
        for (at, mask) in flips {
            bytes[*at.get(used)] ^= mask;
        }
        let place = place_with(&bytes);
        match Storage::open(&place.path()) {
            Ok(storage) => {
                prop_assert_eq!(&block_on(storage.book().load()).unwrap(), loaded);
                block_on(storage.book().put_key([1; 32])).unwrap();
                block_on(storage.close()).unwrap();
            }
            Err(error) => prop_assert!(
                matches!(error.refusal, Refusal::Corrupt { .. } | Refusal::NotOurs { .. }),
                "{:?}", error
            ),
        }
    }
}
