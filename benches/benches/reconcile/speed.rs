//! Time to make cells, to decode them, and to serve them.

use std::hint::black_box;
use std::time::Duration;

use do_riblt::Decoder as TheirDecoder;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use reconcile::{
    CheckWidth, Decoder, Digest, Encoder, Estimator, Key, Limits, Sketch, Status, packed,
};
use tokio::time::Instant;

use crate::peers::{self, Number};
use crate::{COMMON, Failure, report};

const DIFFERENCES: usize = 1_000;
/// Cells that are made for so many differences.
const CELLS: usize = 1_900;

pub(crate) fn run(quick: bool) -> Result<(), Failure> {
    let times = if quick { 3 } else { 9 };
    build(times);
    decode(times)?;
    serve(times);
    upkeep(times);
    Ok(())
}

/// The shortest of several times.
fn best<T>(times: usize, mut work: impl FnMut() -> T) -> Duration {
    let timed = || {
        let start = Instant::now();
        black_box(work());
        start.elapsed()
    };
    std::iter::repeat_with(timed).take(times).min().unwrap_or_default()
}

fn compare(name: &str, ours: Duration, peer: &str, theirs: Duration) {
    let details = format!("ours {ours:.1?}, {peer} {theirs:.1?}");
    report(&format!("{name}/{peer}"), ours.as_secs_f64(), theirs.as_secs_f64(), &details);
}

fn random_set(seed: u64, len: usize) -> Vec<u64> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    (0..len).map(|_| rng.random()).collect()
}

fn numbers(set: &[u64]) -> Vec<Number> {
    set.iter().copied().map(Number).collect()
}

/// The cells of 100,000 symbols.
fn build(times: usize) {
    let set = random_set(1, COMMON);
    let key = Key::from_bytes([1; 16]);
    let ours = best(times, || Sketch::from_symbols(key, CELLS, set.iter().copied()));
    let theirs = numbers(&set);
    let riblt = best(3, || peers::riblt_cells(theirs.clone(), CELLS));
    compare("build", ours, "riblt", riblt);
    let rapid = best(1, || {
        let mut encoder = do_riblt::Encoder::<8>::new(theirs.iter().copied());
        encoder.by_ref().take(CELLS).count()
    });
    compare("build", ours, "do-riblt", rapid);
    let block = best(times, || Encoder::new(key, set.iter().copied()).block(CELLS));
    compare("build_encoder", block, "riblt", riblt);
}

/// 1,000 differences, from cells that are there.
fn decode(times: usize) -> Result<(), Failure> {
    let set = random_set(2, DIFFERENCES);
    let (remote, local) = set.split_at(DIFFERENCES / 2);
    let key = Key::from_bytes([2; 16]);
    let [theirs, ours] = [remote, local].map(|side| Encoder::new(key, side.to_vec()).block(CELLS));
    let limits = Limits { cells_max: CELLS, recovered_max: DIFFERENCES };
    let mut outcome = Ok(Status::NeedMore);
    let mine = best(times, || {
        outcome = Decoder::new(key, CheckWidth::Full, limits).extend(&theirs, &ours);
    });
    if outcome? != Status::Complete {
        return Err("ours does not decode".into());
    }

    let [theirs, ours] = [remote, local].map(|side| peers::riblt_cells(numbers(side), CELLS));
    let mut found = None;
    let riblt = best(3, || found = peers::riblt_peel(&theirs, &ours));
    if found != Some(DIFFERENCES) {
        return Err("riblt does not decode".into());
    }
    compare("decode", mine, "riblt", riblt);

    let cells: Vec<_> =
        do_riblt::Encoder::<8>::new(numbers(remote).into_iter()).take(CELLS).collect();
    let mut done = false;
    let rapid = best(1, || {
        let mut decoder = TheirDecoder::<8, Number>::new(numbers(local).into_iter());
        done = cells.iter().any(|cell| decoder.next_symbol(cell.clone()).0);
    });
    if !done {
        return Err("do-riblt does not decode".into());
    }
    compare("decode", mine, "do-riblt", rapid);
    Ok(())
}

/// A block from a maintained sketch: frozen, copied, packed; and the same with a hundred times as
/// many items.
fn serve(times: usize) {
    let key = Key::from_bytes([3; 16]);
    let [few, many] = [10_000, 1_000_000].map(|len| {
        let sketch = Sketch::from_symbols(key, 1 << 14, random_set(3, len));
        best(20 * times, || {
            let frozen = sketch.freeze();
            packed::pack(&frozen.cells(0..1_500), 0, frozen.len())
        })
    });
    compare("serve_1m", many, "10k", few);

    // Insertions go on beside: each session's snapshot makes some of them copy blocks.
    let mut sketch = Sketch::from_symbols(key, 1 << 14, random_set(3, 100_000));
    let mut fresh = random_set(4, 2_000).into_iter().cycle();
    let mut insert = |frozen: bool| {
        best(20 * times, || {
            let held = frozen.then(|| sketch.freeze());
            fresh.by_ref().take(10).for_each(|symbol| sketch.insert(symbol));
            held
        })
    };
    let (alone, beside) = (insert(false), insert(true));
    compare("insert_10_after_freeze", beside, "insert_10", alone);
}

/// What each item costs that comes or goes.
fn upkeep(times: usize) {
    let mut rng = ChaCha8Rng::seed_from_u64(5);
    let ids: Vec<[u8; 32]> = (0..10_000).map(|_| rng.random()).collect();
    let digest = best(times, || ids.iter().collect::<Digest>());
    let mut estimator = Estimator::new();
    let estimate = best(times, || ids.iter().for_each(|id| estimator.insert(id)));
    let key = Key::from_bytes([5; 16]);
    let mut sketch = Sketch::new(key, 1 << 14);
    let cells = best(times, || ids.iter().for_each(|id| sketch.insert(key.short_id(id))));
    compare("upkeep_10k_sketch", cells, "digest", digest);
    compare("upkeep_10k_estimator", estimate, "digest", digest);
}
