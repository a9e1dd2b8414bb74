//! What the handshake costs in round trips: from the dialer's established connection until each
//! gate is open, and until the dialer has an answer from behind the other one. Without a handshake
//! the answer takes one.
//!
//! The link lies in this process and holds back everything by 100 ms each way. What a busy machine
//! adds only makes the count larger, so the least of a few runs is the result.
//!
//! `cargo bench -p meshwork-benches --bench handshake [-- --quick]`

#[path = "../../crates/scenarios/tests/it/round_trips.rs"]
mod round_trips;

use std::time::Duration;

use tokio::time::timeout;

/// A run that takes longer than this is a fault, not a result.
const DEADLINE: Duration = Duration::from_mins(1);

#[expect(clippy::print_stdout, reason = "the report is the result of the program")]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    let quick = std::env::args().any(|argument| argument == "--quick");
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let mut least = [f64::INFINITY; 3];
    for _ in 0..if quick { 3 } else { 15 } {
        let run = async { timeout(DEADLINE, round_trips::trips()).await };
        let trips = runtime.block_on(run)?;
        let counted = [trips.dialer_open, trips.listener_open, trips.first_answer];
        for (least, counted) in least.iter_mut().zip(counted) {
            *least = least.min(counted);
        }
    }
    let [dialer, listener, answer] = least;
    println!("ratio handshake/dialer_open_round_trips {dialer:.2}");
    println!("ratio handshake/listener_open_round_trips {listener:.2}");
    println!("ratio handshake/first_answer_round_trips {answer:.2} (1.00 without a handshake)");
    Ok(())
}
