//! What a packet costs a relay, beside the primitives it cannot do without.
//!
//! Both sides of a row take turns in one run; each time is the shortest of its turns.
//!
//! `cargo bench -p meshwork-benches --bench relay [-- --quick]`

mod packets;

use std::error::Error;
use std::time::Duration;

use tokio::time::Instant;

type Failure = Box<dyn Error + Send + Sync>;

fn main() -> Result<(), Failure> {
    let quick = std::env::args().any(|argument| argument == "--quick");
    packets::run(if quick { 20 } else { 200 })
}

/// The shortest time of `work`.
#[derive(Clone, Copy)]
struct Best(Duration);

impl Best {
    fn time<T>(&mut self, work: impl FnOnce() -> T) -> T {
        let start = Instant::now();
        let result = work();
        self.0 = self.0.min(start.elapsed());
        result
    }
}

/// One line of the result: a ratio of our time to another, and both for one of `count`.
#[expect(clippy::print_stdout, reason = "the report is the result of the program")]
fn report(name: &str, count: u32, ours: Best, (other, theirs): (&str, Best)) {
    let ratio = ours.0.as_secs_f64() / theirs.0.as_secs_f64();
    let (ours, theirs) = (ours.0 / count, theirs.0 / count);
    println!("ratio relay/{name} {ratio:.3} (ours {ours:.1?}, {other} {theirs:.1?})");
}
