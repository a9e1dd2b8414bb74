//! What a message costs those who send, take and carry it, beside the primitives that it cannot do
//! without.
//!
//! Both sides of a row take turns in one run, on one thread; each time is the shortest of its turns.
//! The pipelines are the layers that a node has, on the spot instead of on a pool, without a store
//! behind them. `pipeline`: whole pipelines, and what of them are stages and not cryptography.
//! `duplicate`: what came before. `overhead`: bytes. `flood`: a link at line rate beside others, in a
//! real run.
//!
//! `cargo bench -p meshwork-benches --bench dht [-- --quick]`

mod flood;
mod layers;
mod overhead;
mod pipeline;
mod primitives;
mod town;

use std::error::Error;
use std::time::Duration;

use tokio::time::Instant;

type Failure = Box<dyn Error + Send + Sync>;

fn main() -> Result<(), Failure> {
    let quick = std::env::args().any(|argument| argument == "--quick");
    let turns = if quick { 20 } else { 200 };
    for payload in [64, 1_024, dht::PAYLOAD_MAX] {
        pipeline::run(payload, turns)?;
        layers::run(payload, turns)?;
    }
    overhead::run()?;
    flood::run(quick)
}

/// The shortest time of `work`.
#[derive(Clone, Copy)]
struct Best(Duration);

impl Best {
    const NONE: Self = Self(Duration::MAX);

    fn time<T>(&mut self, work: impl FnOnce() -> T) -> T {
        let start = Instant::now();
        let result = work();
        self.0 = self.0.min(start.elapsed());
        result
    }

    fn plus(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }

    fn minus(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}

/// One line of the result: a ratio of our time to another, and both for one of `count`.
fn report(name: &str, count: u32, ours: Best, (other, theirs): (&str, Best)) {
    let ratio = ours.0.as_secs_f64() / theirs.0.as_secs_f64();
    let (ours, theirs) = (ours.0 / count, theirs.0 / count);
    report_ratio(name, ratio, &format!("ours {ours:.1?}, {other} {theirs:.1?}"));
}

/// The same with other words.
#[expect(clippy::print_stdout, reason = "the report is the result of the program")]
fn report_ratio(name: &str, ratio: f64, details: &str) {
    println!("ratio dht/{name} {ratio:.3} ({details})");
}
