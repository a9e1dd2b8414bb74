//! What a packet costs a relay, beside the primitives it cannot do without and beside other crates.
//!
//! Both sides of a row take turns in one run; each time is the shortest of its turns. `nodes`: whole
//! relays in one process, over links of the loopback.
//!
//! `cargo bench -p meshwork-benches --bench relay [-- --quick]`

mod forward;
mod nodes;
mod packets;
mod peers;
mod replay;

use std::error::Error;
use std::time::Duration;

use tokio::time::Instant;

type Failure = Box<dyn Error + Send + Sync>;

fn main() -> Result<(), Failure> {
    let quick = std::env::args().any(|argument| argument == "--quick");
    let turns = if quick { 20 } else { 200 };
    packets::run(turns)?;
    forward::run(turns)?;
    replay::run(if quick { 1_000_000 } else { 10_000_000 })?;
    nodes::run(if quick { 300 } else { 10_000 })
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
    println!("ratio relay/{name} {ratio:.3} ({details})");
}
