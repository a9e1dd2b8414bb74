//! Set reconciliation beside riblt, do-riblt and negentropy: bytes, time, and what serving costs.
//!
//! Bytes: 100,000 common items of 32-byte ids, differences split evenly between the two sides. Ours
//! are packed cells in the blocks that are planned from an estimate, and 112 bytes of estimator and
//! key. Those of riblt are 8-byte symbols: sum and hash 8 bytes each, the count as a zigzag varint,
//! and no cell more than is needed, as if each was waited for. Those of negentropy are all messages
//! of both sides, with the differences among the newest items, its best case, or anywhere.
//!
//! Time: best of several; symbols of 8 bytes, the check computed anew.
//!
//! `cargo bench -p meshwork-benches --bench reconcile [-- --quick]`

mod bytes;
mod peers;
mod speed;

use std::error::Error;

type Failure = Box<dyn Error + Send + Sync>;

/// Items that both sides have.
const COMMON: usize = 100_000;

fn main() -> Result<(), Failure> {
    let quick = std::env::args().any(|argument| argument == "--quick");
    bytes::run(quick)?;
    speed::run(quick)
}

/// One line of the result: a ratio of ours to theirs, and what it is made of.
#[expect(clippy::print_stdout, reason = "the report is the result of the program")]
fn report(name: &str, ours: f64, theirs: f64, details: &str) {
    println!("ratio reconcile/{name} {:.4} ({details})", ours / theirs);
}

/// A count as a number to calculate with.
fn number(count: usize) -> f64 {
    u32::try_from(count).map_or(f64::NAN, f64::from)
}
