//! Topic broadcast beside libp2p-gossipsub: the same topology, the same burst, one run.
//!
//! Twenty nodes on two threads, each over TCP on loopback with Noise and Yamux, each linked to
//! about six others. One node, or four, publish 1 KiB messages as fast as publishing accepts them;
//! then all publish, 500 messages a second together.
//!
//! `cargo bench -p meshwork-benches --bench topics [-- --quick]`

mod gossipsub;
mod measure;
mod ours;

use std::error::Error;
use std::time::Duration;

use self::measure::{Burst, Outcome};

type Failure = Box<dyn Error + Send + Sync>;

fn main() -> Result<(), Failure> {
    let quick = std::env::args().any(|argument| argument == "--quick");
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let many = if quick { 2_000 } else { 20_000 };
    let ms = Duration::from_millis;
    for (name, publishers, messages, pace) in [
        ("one_publisher", 1, many, None),
        ("four_publishers", 4, many, None),
        ("500_per_second", 20, many / 8, Some(ms(40))),
    ] {
        let burst = Burst { nodes: 20, links: 3, publishers, messages, bytes: 1024, pace, seed: 7 };
        let theirs = runtime.block_on(gossipsub::run(burst))?;
        report(name, "gossipsub", &theirs);
        let ours = runtime.block_on(ours::run(burst))?;
        report(name, "ours", &ours);
        compare(name, &ours, &theirs);
    }
    Ok(())
}

#[expect(clippy::print_stdout, reason = "the report is the result of the program")]
fn report(name: &str, who: &str, outcome: &Outcome) {
    println!("topics/{name}/{who}: {outcome}");
}

#[expect(clippy::print_stdout, reason = "the report is the result of the program")]
fn compare(name: &str, ours: &Outcome, theirs: &Outcome) {
    let speed = ours.per_second / theirs.per_second;
    let copies = ours.copies / theirs.copies;
    let late = ours.p99.as_secs_f64() / theirs.p99.as_secs_f64();
    println!(
        "ratio topics/{name}/deliveries {speed:.1} (ours {:.0}/s, gossipsub {:.0}/s)",
        ours.per_second, theirs.per_second
    );
    println!(
        "ratio topics/{name}/delivered {:.2} (ours {:.3} %, gossipsub {:.3} % of what was accepted)",
        ours.delivered / theirs.delivered,
        ours.delivered * 100.0,
        theirs.delivered * 100.0
    );
    println!(
        "ratio topics/{name}/p99 {late:.3} (ours {:.0?}, gossipsub {:.0?})",
        ours.p99, theirs.p99
    );
    println!(
        "ratio topics/{name}/copies {copies:.2} (ours {:.2}, gossipsub {:.2})",
        ours.copies, theirs.copies
    );
}
