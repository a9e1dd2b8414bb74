//! Replays the fuzzers' corpora, so that what was found once stays found on a stable compiler.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test"
)]

#[path = "../../../fuzz/bodies.rs"]
mod bodies;

use std::fs;
use std::path::Path;

/// Runs one target over its corpus, and over every prefix of each entry.
fn replay(name: &str, target: fn(&[u8])) -> usize {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(name);
    let entries =
        fs::read_dir(&corpus).unwrap_or_else(|error| panic!("{}: {error}", corpus.display()));
    let mut count = 0;
    for entry in entries {
        let data = fs::read(entry.unwrap().path()).unwrap();
        for len in 0..=data.len() {
            target(&data[..len]);
        }
        count += 1;
    }
    count
}

#[test]
fn the_corpus_of_every_target_is_replayed() {
    for (name, target) in bodies::ALL {
        assert!(replay(name, *target) > 0, "{name} has no corpus");
    }
}

#[test]
fn every_target_of_the_corpus_has_a_body() {
    let targets = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/fuzz_targets");
    let mut files: Vec<_> = fs::read_dir(targets)
        .unwrap()
        .map(|entry| entry.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned())
        .collect();
    files.sort();
    let mut bodies: Vec<_> = bodies::ALL.iter().map(|(name, _)| (*name).to_owned()).collect();
    bodies.sort();
    assert_eq!(files, bodies);
}
