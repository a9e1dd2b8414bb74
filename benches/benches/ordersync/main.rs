//! Order synchronisation: bytes, round trips and processor time, beside their aims and floors.
//!
//! Both sides are the cores of the node, and every message goes through its envelope: what is
//! counted are the bytes that a substream would carry, length prefixes included. Two sides hold
//! 100,000 signed orders together: of 200 makers and 20 tokens, half of them with salts of time and
//! half with random ones. Each lacks half of the differences, chosen at random for each run, and the
//! key is another one each time. A round trip is one of a link on which only distance takes time, so
//! a request that has to wait for its place in the window counts as one that waits for an answer.
//!
//! * `apart_N`: a sync of two sides that differ in N orders, as a share of the aim: 32 bytes for each
//!   difference, without the encoded orders. With its parts, the round trips, and what 0x-Mesh's
//!   paging takes for the same pair.
//! * `equal`: the same for sides that do not differ; 400 bytes.
//! * `encoded`: bytes of an encoded order as a share of the aim, of the lines of `ORDERS_FILE`,
//!   else of the built-in sample, and of both kinds of salt.
//! * `cold`: processor time of a requester that starts with nothing, against recovering every signer
//!   and hashing every order, on as many threads. What the provider sends was recorded before, so
//!   its share is not in it. Round trips, bytes, and the most pages held at once.
//! * `sessions`: random pairs, envelopes, windows and cuts, after each of which the two sets are
//!   compared.
//!
//! `cargo xtask bench ordersync [--quick]`, or some of it by name:
//! `cargo bench -p meshwork-benches --bench ordersync -- [--quick] [apart] [cold] …`

mod apart;
mod cold;
mod encoded;
mod processor;
mod sample;
mod session;
mod sessions;
mod side;
mod traffic;

use std::error::Error;

type Failure = Box<dyn Error + Send + Sync>;

fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let quick = arguments.iter().any(|argument| argument == "--quick");
    let mut named = arguments.iter().filter(|argument| !argument.starts_with('-')).peekable();
    let every = named.peek().is_none();
    let named: Vec<&String> = named.collect();
    let chosen = |part: &str| every || named.iter().any(|name| *name == part);

    let orders = sample::orders(if quick { 10_000 } else { 100_000 });
    if chosen("encoded") {
        encoded::run(&orders)?;
    }
    if chosen("apart") {
        apart::run(&orders, quick)?;
    }
    if chosen("cold") {
        cold::run(&orders, quick)?;
    }
    if chosen("sessions") {
        sessions::run(&orders, if quick { 1_000 } else { 100_000 })?;
    }
    Ok(())
}

/// One line of the result: a share of what it is compared with, and what it is made of.
#[expect(clippy::print_stdout, reason = "the report is the result of the program")]
fn report(name: &str, ours: f64, theirs: f64, details: &str) {
    println!("ratio ordersync/{name} {:.4} ({details})", ours / theirs);
}

/// A count as a number to calculate with.
fn number(count: usize) -> f64 {
    u32::try_from(count).map_or(f64::NAN, f64::from)
}

/// `part` for each of `count`.
fn each(part: usize, count: usize) -> f64 {
    number(part) / number(count)
}
