//! Whole networks in virtual time: `topology` runs one of the gossip core, `figures` shows whether
//! the figures asked for are reached, `ordersync` runs a town of nodes that bring their orders
//! together, `dht` a network of nodes that send each other messages. How to read the results: `docs/simulation.md`.

mod actor;
mod cli;
mod console;
mod figures;
mod graph;
mod hostile;
mod population;
mod post;
mod report;
mod scenario;
mod town;
mod world;

use std::process::ExitCode;

use clap::Parser as _;

fn main() -> ExitCode {
    match cli::run(&cli::Cli::parse()) {
        Ok(code) => code,
        Err(error) => {
            console::complain(format_args!("error: {error:#}"));
            ExitCode::from(2)
        }
    }
}
