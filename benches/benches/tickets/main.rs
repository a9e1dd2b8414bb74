//! What tickets cost, as ratios in one run.
//!
//! `verify`: the rate at which tickets are verified, as a share of the rate at which the same library
//! recovers keys from bare signatures. `acknowledge`: a response whose halves were proven before, as a
//! share of one that is shown to be right. `vrf`: the proofs of many tickets together, as a share of
//! one by one. `aggregate`: hundreds of tickets for one, as a multiple of its primitives. `recovery`:
//! how long a node takes that was killed and holds a million tickets.
//!
//! `cargo bench -p meshwork-benches --bench tickets [-- --quick]`

mod aggregate;
mod halves;
mod recovery;
mod signatures;
mod vrf;

use std::error::Error;
use std::time::Duration;

use tokio::time::Instant;

type Failure = Box<dyn Error + Send + Sync>;

fn main() -> Result<(), Failure> {
    if recovery::is_child() {
        return recovery::run_child();
    }
    let quick = std::env::args().any(|argument| argument == "--quick");
    let turns = if quick { 5 } else { 40 };
    signatures::run(turns)?;
    halves::run(turns)?;
    vrf::run(turns)?;
    aggregate::run(turns)?;
    recovery::run(if quick { 100_000 } else { 1_000_000 })
}

/// The shortest time of each, taken in turns: whatever else the machine does adds to it.
fn best<const N: usize>(turns: u32, works: [&dyn Fn(); N]) -> [Duration; N] {
    let mut best = [Duration::MAX; N];
    for _ in 0..turns {
        for (best, work) in best.iter_mut().zip(works) {
            let start = Instant::now();
            work();
            *best = start.elapsed().min(*best);
        }
    }
    best
}

/// One line of the result.
#[expect(clippy::print_stdout, reason = "the report is the result of the program")]
fn report(name: &str, ratio: f64, details: &str) {
    println!("ratio tickets/{name} {ratio:.3} ({details})");
}
