//! The cells of sets, and what comes out of them: known answers, random sets, hostile cells.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::cast_precision_loss,
    reason = "a test"
)]

mod attack;
mod bytes;
mod estimate;
mod hostile;
mod overhead;
mod sets;
mod vectors;

use std::collections::BTreeSet;

use meshwork_reconcile::{CheckWidth, Decoder, Key, Limits, Status, Stream, Symbol};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Bounds that never bind here.
const WIDE: Limits = Limits { cells_max: 1 << 20, recovered_max: 1 << 20 };

fn rng(seed: u64) -> ChaCha8Rng {
    ChaCha8Rng::seed_from_u64(seed)
}

fn random_key(rng: &mut ChaCha8Rng) -> Key {
    Key::from_bytes(rng.random())
}

/// Decodes the difference of two sets cell by cell, and says how many it took.
fn decode<S: Symbol>(key: Key, remote: &BTreeSet<S>, local: &BTreeSet<S>) -> (Decoder<S>, usize) {
    let mut decoder = Decoder::new(key, CheckWidth::Full, WIDE);
    let mut cells = Stream::new(key, remote.iter().copied())
        .zip(Stream::new(key, local.iter().copied()))
        .zip(1..);
    let took = cells
        .find(|((theirs, ours), _)| {
            decoder.extend(&[*theirs], &[*ours]).unwrap() == Status::Complete
        })
        .unwrap()
        .1;
    (decoder, took)
}

fn set<S: Copy + Ord>(symbols: &[S]) -> BTreeSet<S> {
    symbols.iter().copied().collect()
}
