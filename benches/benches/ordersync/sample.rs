//! The orders that both sides hold.

use std::thread;

use orders::generate::{Config, Generator, Salts};
use ordersync::Entry;
use ordersync::zeroex::Order;

/// Orders, entered under their ids.
pub(crate) type Entries = Vec<Entry<Order>>;

/// `count` orders of the same makers: with salts of time, and with random ones, in turns.
pub(crate) fn orders(count: usize) -> Entries {
    let made = [Salts::Timestamp, Salts::Random].map(|salts| move || made(salts, count / 2));
    thread::scope(|scope| {
        let halves = made.map(|made| scope.spawn(made));
        let [timed, random] = halves.map(|half| half.join().unwrap_or_default());
        timed.into_iter().zip(random).flat_map(|(timed, random)| [timed, random]).collect()
    })
}

/// Orders with salts of one kind.
pub(crate) fn made(salts: Salts, count: usize) -> Entries {
    let config = Config { salts, ..Config::default() };
    Generator::new([4; 32], config).take(count).map(|made| Entry::new(made.into())).collect()
}
