//! How many cells it takes to decode.

use std::collections::BTreeSet;

use meshwork_reconcile::{CheckWidth, Decoder, Estimator, Plan, Sketch, Status};
use rand::RngExt;

use crate::{WIDE, decode, random_key, rng};

/// Mean of cells for each of `d` differences, over so many pairs of sets.
fn overhead(d: usize, trials: usize) -> f64 {
    let mut rng = rng(d as u64);
    let mut cells = 0;
    for _ in 0..trials {
        let [remote, local] =
            [d.div_ceil(2), d / 2].map(|n| (0..n).map(|_| rng.random()).collect::<BTreeSet<u64>>());
        cells += decode(random_key(&mut rng), &remote, &local).1;
    }
    cells as f64 / (d * trials) as f64
}

#[test]
fn overheads_are_those_known() {
    for (d, trials, known, tolerance) in [
        (1, 100, 1.000, 0.001),
        (4, 2_000, 1.760, 0.12),
        (10, 1_000, 1.716, 0.08),
        (50, 200, 1.514, 0.06),
        (200, 50, 1.417, 0.05),
        (1_000, 10, 1.376, 0.04),
    ] {
        let mean = overhead(d, trials);
        assert!((mean - known).abs() < tolerance, "{d}: {mean} instead of {known}");
    }
}

/// Blocks that a difference takes when they are planned from an estimate, and cells.
fn planned(seed: u64, d: usize) -> (usize, usize) {
    let mut rng = rng(seed);
    let key = random_key(&mut rng);
    let mut sides = [(); 2].map(|()| (Sketch::<u64>::new(key, 4 * d + 200), Estimator::new()));
    for number in 0..d {
        let id: [u8; 32] = rng.random();
        let (sketch, estimator) = &mut sides[number % 2];
        sketch.insert(key.short_id(&id));
        estimator.insert(&id);
    }
    let [(remote, theirs), (local, ours)] = sides;
    let first = Plan::new(theirs.difference(&ours.to_bytes())).first();
    let (mut blocks, mut size) = (1, first);
    let mut decoder = Decoder::new(key, CheckWidth::Low32, WIDE);
    loop {
        let range = decoder.cells()..decoder.cells() + size;
        let status = decoder.extend(&remote.cells(range.clone()), &local.cells(range)).unwrap();
        if status == Status::Complete {
            return (blocks, decoder.cells());
        }
        blocks += 1;
        size = Plan::of_first(first).next(&decoder);
    }
}

#[test]
fn two_blocks_are_enough_and_few_cells_wasted() {
    for (d, cells_each) in [(1, 32.0), (10, 3.3), (100, 1.75), (1_000, 1.7)] {
        let runs: Vec<_> = (0..100).map(|seed| planned(seed, d)).collect();
        let quick = runs.iter().filter(|(blocks, _)| *blocks <= 2).count();
        let mean = runs.iter().map(|(_, cells)| cells).sum::<usize>() as f64 / (100 * d) as f64;
        assert!(quick >= 88, "{d}: {quick} of 100 in two blocks");
        assert!(mean <= cells_each, "{d}: {mean} cells each");
    }
}

#[test]
fn a_small_difference_seldom_takes_a_third_block() {
    for d in [20, 40, 60, 80] {
        let quick = (0..500).filter(|seed| planned(*seed, d).0 <= 2).count();
        assert!(quick >= 480, "{d}: {quick} of 500 in two blocks");
    }
}
