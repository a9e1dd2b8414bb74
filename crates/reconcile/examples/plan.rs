//! The experiment behind the constants of `Plan`.
use meshwork_reconcile::{
    CheckWidth, Decoder, Estimator, Key, Limits, Plan, Sketch, Status, packed,
};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::collections::BTreeMap;

fn main() {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let n = 100_000;
    let base: Vec<[u8; 32]> = (0..n).map(|_| rng.random()).collect();
    let runs: usize = std::env::args().nth(1).map_or(200, |a| a.parse().unwrap());
    for d in [1, 10, 30, 100, 300, 1_000, 3_000, 10_000] {
        let mut blocks = BTreeMap::new();
        let (mut bytes, mut cells_total) = (0usize, 0usize);
        let runs = if d > 5000 { runs / 4 } else { runs };
        let mut sketch = None;
        for run in 0..runs {
            if run % 50 == 0 {
                let key = Key::from_bytes(rng.random());
                sketch = Some(Sketch::from_symbols(
                    key,
                    3 * d + 400,
                    base.iter().map(|id| key.short_id(id)),
                ));
            }
            let common = sketch.as_ref().unwrap();
            let key = common.key();
            let (mut a, mut b) = (common.clone(), common.clone());
            let (mut ea, mut eb) = (Estimator::new(), Estimator::new());
            for i in 0..d {
                let id: [u8; 32] = rng.random();
                let (s, e) = if i % 2 == 0 { (&mut a, &mut ea) } else { (&mut b, &mut eb) };
                s.insert(key.short_id(&id));
                e.insert(&id);
            }
            let plan = Plan::new(eb.difference(&ea.to_bytes()));
            let mut decoder = Decoder::new(
                key,
                CheckWidth::Low32,
                Limits { cells_max: 1 << 20, recovered_max: 1 << 20 },
            );
            let first = plan.first();
            let mut size = first;
            let mut count = 0;
            loop {
                let range = decoder.cells()..decoder.cells() + size;
                let (ca, cb) = (a.cells(range.clone()), b.cells(range.clone()));
                assert_eq!(ca.len(), size, "{d}");
                count += 1;
                cells_total += size;
                bytes += packed::pack(&ca, range.start as u64, a.len()).len();
                if decoder.extend(&ca, &cb).unwrap() == Status::Complete {
                    break;
                }
                size = Plan::of_first(first).next(&decoder);
            }
            *blocks.entry(count).or_insert(0) += 1;
        }
        let share = |k: usize| {
            100.0 * blocks.iter().filter(|(c, _)| **c <= k).map(|(_, n)| *n).sum::<usize>() as f64
                / runs as f64
        };
        println!(
            "d {d:6}: {:.2} B/diff, {:.3} cells/diff, <=1 {:.1}% <=2 {:.1}% <=3 {:.1}%",
            bytes as f64 / (d * runs) as f64,
            cells_total as f64 / (d * runs) as f64,
            share(1),
            share(2),
            share(3)
        );
    }
}
