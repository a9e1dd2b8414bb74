//! Bytes for each difference.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use reconcile::{CheckWidth, Decoder, Estimator, Key, Limits, Plan, Sketch, Status, packed};

use crate::peers::{self, Number};
use crate::{COMMON, Failure, number, report};

/// Bytes beside the cells: the estimator and the key.
const BESIDE: usize = Estimator::LEN + 16;
/// Runs that share a key, and with it what is common.
const RUNS_PER_KEY: usize = 100;
const LIMITS: Limits = Limits { cells_max: 1 << 17, recovered_max: 1 << 17 };

/// What is measured for one size of the difference.
#[derive(Clone, Copy)]
struct Case {
    differences: usize,
    runs: usize,
    riblt_runs: usize,
    negentropy_runs: usize,
}

impl Case {
    const fn new(differences: usize, runs: [usize; 3]) -> Self {
        let [runs, riblt_runs, negentropy_runs] = runs;
        Self { differences, runs, riblt_runs, negentropy_runs }
    }
}

const CASES: [Case; 5] = [
    Case::new(1, [500, 10, 3]),
    Case::new(10, [500, 10, 3]),
    Case::new(100, [2_000, 10, 3]),
    Case::new(1_000, [1_000, 3, 3]),
    // riblt looks for each symbol from the first cell on: a run at this size takes half a minute.
    Case::new(10_000, [200, 0, 2]),
];

pub(crate) fn run(quick: bool) -> Result<(), Failure> {
    let mut rng = ChaCha8Rng::seed_from_u64(4);
    let ids: Vec<[u8; 32]> = (0..COMMON).map(|_| rng.random()).collect();
    let common = peers::riblt_cells(symbols(Key::from_bytes([4; 16]), &ids), 2_500);
    for case in CASES {
        let fewer = |runs: usize| if quick { runs.div_ceil(10) } else { runs };
        let d = case.differences;
        let (cells, quickly) = ours(&mut rng, &ids, d, fewer(case.runs))?;
        let all = cells + number(BESIDE) / number(d);
        let details = format!(
            "B for each of {d}: ours {all:.1}, of them cells {cells:.1}, {quickly:.1} % in two blocks"
        );
        if case.riblt_runs > 0 {
            let counts: Vec<i64> = common.iter().map(|cell| cell.count).collect();
            let riblt = riblt(&mut rng, &counts, d, fewer(case.riblt_runs))?;
            report(
                &format!("bytes_{d}/riblt"),
                all,
                riblt,
                &format!("{details}; riblt {riblt:.1}"),
            );
        }
        for (name, newest) in [("newest", true), ("anywhere", false)] {
            let theirs = negentropy(&mut rng, &ids, d, fewer(case.negentropy_runs), newest)?;
            let name = format!("bytes_{d}/negentropy_{name}");
            report(&name, all, theirs, &format!("{details}; negentropy {theirs:.1}"));
        }
    }
    Ok(())
}

fn symbols(key: Key, ids: &[[u8; 32]]) -> Vec<Number> {
    ids.iter().map(|id| Number(key.short_id(id))).collect()
}

/// Bytes of cells for each difference, and the share of runs that took two blocks at most.
fn ours(
    rng: &mut ChaCha8Rng,
    ids: &[[u8; 32]],
    differences: usize,
    runs: usize,
) -> Result<(f64, f64), Failure> {
    let mut common = Sketch::new(Key::from_bytes([0; 16]), 0);
    let (mut bytes, mut quick) = (0, 0);
    for run in 0..runs {
        if run % RUNS_PER_KEY == 0 {
            let key = Key::from_bytes(rng.random());
            let short = ids.iter().map(|id| key.short_id(id));
            common = Sketch::from_symbols(key, 3 * differences + 400, short);
        }
        let (blocks, took) = reconcile(rng, &common, differences)?;
        bytes += took;
        quick += usize::from(blocks <= 2);
    }
    Ok((number(bytes / runs) / number(differences), 100.0 * number(quick) / number(runs)))
}

/// Blocks and bytes of one reconciliation.
fn reconcile(
    rng: &mut ChaCha8Rng,
    common: &Sketch<u64>,
    differences: usize,
) -> Result<(usize, usize), Failure> {
    let key = common.key();
    let mut sides = [(); 2].map(|()| (common.clone(), Estimator::new()));
    for (side, id) in (0..differences).map(|number| (number % 2, rng.random())) {
        if let Some((sketch, estimator)) = sides.get_mut(side) {
            sketch.insert(key.short_id(&id));
            estimator.insert(&id);
        }
    }
    let [(remote, theirs), (local, ours)] = sides;
    let first = Plan::new(theirs.difference(&ours.to_bytes())).first();
    let mut decoder = Decoder::new(key, CheckWidth::Low32, LIMITS);
    let (mut blocks, mut bytes, mut size) = (0, 0, first);
    loop {
        let start = decoder.cells();
        let [theirs, ours] = [&remote, &local].map(|side| side.cells(start..start + size));
        let sent = packed::pack(&theirs, u64::try_from(start)?, remote.len());
        let theirs = packed::unpack(&sent, u64::try_from(start)?, size, remote.len())?;
        (blocks, bytes) = (blocks + 1, bytes + sent.len());
        if decoder.extend(&theirs, &ours)? == Status::Complete {
            return Ok((blocks, bytes));
        }
        size = Plan::of_first(first).next(&decoder);
    }
}

/// Bytes for each difference, with as few cells as decode; `counts` are those of what is common.
fn riblt(
    rng: &mut ChaCha8Rng,
    counts: &[i64],
    differences: usize,
    runs: usize,
) -> Result<f64, Failure> {
    let mut bytes = 0;
    for _ in 0..runs {
        let sides = [differences.div_ceil(2), differences / 2];
        let [remote, local] = sides.map(|only| {
            let only = (0..only).map(|_| Number(rng.random())).collect();
            peers::riblt_cells(only, counts.len())
        });
        let decodes = |cells: usize| {
            let [remote, local] = [&remote, &local].map(|side| side.get(..cells));
            let found =
                remote.zip(local).and_then(|(ours, theirs)| peers::riblt_peel(ours, theirs));
            found == Some(differences)
        };
        let all: Vec<usize> = (0..=counts.len()).collect();
        let cells = all.partition_point(|cells| !decodes(*cells));
        if cells > counts.len() {
            return Err("riblt does not decode".into());
        }
        for (count, cell) in counts.iter().zip(&remote).take(cells) {
            let zigzag = (count + cell.count).unsigned_abs() * 2;
            bytes += 16 + usize::try_from((64 - zigzag.leading_zeros()).div_ceil(7).max(1))?;
        }
    }
    Ok(number(bytes) / number(runs * differences))
}

/// Bytes for each difference of all messages of negentropy.
fn negentropy(
    rng: &mut ChaCha8Rng,
    ids: &[[u8; 32]],
    differences: usize,
    runs: usize,
    newest: bool,
) -> Result<f64, Failure> {
    let mut bytes = 0;
    for _ in 0..runs {
        let mut sides = [(); 2].map(|()| {
            let timed = (1..).zip(ids);
            timed.map(|(time, id)| (if newest { time } else { 1 }, *id)).collect::<Vec<_>>()
        });
        for number in 0..differences {
            let time = u64::try_from(if newest { COMMON + number } else { 1 })?;
            if let Some(side) = sides.get_mut(number % 2) {
                side.push((time, rng.random()));
            }
        }
        let [client, server] = &sides;
        let (took, found) = peers::negentropy(client, server)?;
        if found != differences {
            return Err(format!("negentropy found {found} of {differences}").into());
        }
        bytes += took;
    }
    Ok(number(bytes) / number(runs * differences))
}
