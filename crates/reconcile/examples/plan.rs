//! The experiment behind the constants of `Plan`: bytes and blocks of seeded differences.
//!
//! `cargo run --release -p meshwork-reconcile --example plan [RUNS]`

use meshwork_reconcile::{
    CheckWidth, Decoder, Estimator, Key, Limits, Plan, Sketch, Status, packed,
};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

type Failure = Box<dyn std::error::Error>;

/// Items that both sides have.
const COMMON: usize = 100_000;
/// Runs that share a key, and with it the sketch of what is common.
const RUNS_PER_KEY: usize = 100;
const LIMITS: Limits = Limits { cells_max: 1 << 17, recovered_max: 1 << 17 };

/// What came of all runs with one size of difference.
#[derive(Debug, Default)]
struct Tally {
    runs: u32,
    bytes: usize,
    /// Runs that ended after one block, and after two at most.
    within: [u32; 2],
}

impl Tally {
    fn add(&mut self, (blocks, bytes): (usize, usize)) {
        self.runs += 1;
        self.bytes += bytes;
        for (most, within) in (1..).zip(&mut self.within) {
            *within += u32::from(blocks <= most);
        }
    }
}

#[expect(clippy::print_stdout, reason = "the report is the result of the program")]
fn main() -> Result<(), Failure> {
    let runs: usize = std::env::args().nth(1).map_or(Ok(200), |runs| runs.parse())?;
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let ids: Vec<[u8; 32]> = (0..COMMON).map(|_| rng.random()).collect();
    println!("| differences | on | bytes each | in one block | in two |");
    println!("|---|---|---|---|---|");
    for (name, sides) in [("both sides", 2), ("one side", 1)] {
        for differences in [1, 10, 20, 30, 60, 100, 1_000, 10_000] {
            let mut tally = Tally::default();
            let mut common = Sketch::new(Key::from_bytes([0; 16]), 0);
            for run in 0..runs {
                if run % RUNS_PER_KEY == 0 {
                    let key = Key::from_bytes(rng.random());
                    let symbols = ids.iter().map(|id| key.short_id(id));
                    common = Sketch::from_symbols(key, 4 * differences + 400, symbols);
                }
                tally.add(reconcile(&mut rng, &common, differences, sides)?);
            }
            let [bytes, each] = [tally.bytes / runs, differences].map(u32::try_from);
            let each = f64::from(bytes?) / f64::from(each?);
            let [one, two] = tally.within.map(|n| 100.0 * f64::from(n) / f64::from(tally.runs));
            println!("| {differences} | {name} | {each:.1} | {one:.0} % | {two:.1} % |");
        }
    }
    Ok(())
}

/// Blocks and bytes that one reconciliation takes.
fn reconcile(
    rng: &mut ChaCha8Rng,
    common: &Sketch<u64>,
    differences: usize,
    sides: usize,
) -> Result<(usize, usize), Failure> {
    let key = common.key();
    let [mut theirs, mut ours] = [(); 2].map(|()| (common.clone(), Estimator::new()));
    for number in 0..differences {
        let id = rng.random();
        let (sketch, estimator) = if number % sides == 0 { &mut theirs } else { &mut ours };
        sketch.insert(key.short_id(&id));
        estimator.insert(&id);
    }
    let counts = theirs.0.len().abs_diff(ours.0.len());
    let estimate = theirs.1.difference(&ours.1.to_bytes()).max(counts);
    let first = Plan::new(estimate).first();
    let mut decoder = Decoder::new(key, CheckWidth::Low32, LIMITS);
    let (mut blocks, mut bytes, mut size) = (0, 0, first);
    loop {
        let start = decoder.cells();
        let [remote, local] = [&theirs, &ours].map(|side| side.0.cells(start..start + size));
        let packed = packed::pack(&remote, u64::try_from(start)?, theirs.0.len());
        (blocks, bytes) = (blocks + 1, bytes + packed.len());
        if decoder.extend(&remote, &local)? == Status::Complete {
            return Ok((blocks, bytes));
        }
        size = Plan::of_first(first).next(&decoder);
    }
}
