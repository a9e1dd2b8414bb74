//! Bytes of an encoded order, in batches and in pages.

use std::{env, fs};

use orders::generate::Salts;
use orders::sample::SAMPLE_V3;
use ordersync::zeroex::Order;
use ordersync::{Entry, Item};
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use crate::sample::{self, Entries};
use crate::{Failure, each, report};

/// Orders together, and bytes that each may take.
const AIMS: [(usize, f64); 2] = [(100, 150.0), (500, 130.0)];

pub(crate) fn run(mixed: &[Entry<Order>]) -> Result<(), Failure> {
    let (name, lines) = match env::var("ORDERS_FILE") {
        Ok(path) => ("file", fs::read_to_string(path)?),
        Err(_) => ("sample", SAMPLE_V3.to_owned()),
    };
    let mut read = Vec::new();
    for line in lines.lines() {
        read.push(Entry::new(Order::read(line)?));
    }
    compare(name, read);
    compare("mixed_salts", mixed.iter().take(10_000).cloned().collect());
    compare("timed_salts", sample::made(Salts::Timestamp, 5_000));
    compare("random_salts", sample::made(Salts::Random, 5_000));
    Ok(())
}

/// Any batch, and pages in the order of the ids.
fn compare(name: &str, mut orders: Entries) {
    orders.shuffle(&mut ChaCha8Rng::seed_from_u64(1));
    for (together, aim) in AIMS {
        let together = together.min(orders.len());
        let (mut bytes, mut json, mut count) = (0, 0, 0);
        for batch in orders.chunks_exact(together.max(1)) {
            let items: Vec<_> = batch.iter().map(|entry| &*entry.item).collect();
            bytes += Order::encode_batch(&items).len();
            json += items.iter().map(|item| item.to_json().len()).sum::<usize>();
            count += items.len();
        }
        let (encoded, json) = (each(bytes, count), each(json, count));
        let details =
            format!("{encoded:.1} B for each of {together}, aim {aim}; as JSON {json:.1} B");
        report(&format!("encoded/{name}_{together}"), encoded, aim, &details);
    }
}
