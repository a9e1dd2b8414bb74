//! The chores of the workspace: `cargo xtask <command>`.

mod bench;
mod ci;
mod codegen;
mod console;
mod docs;
mod fuzz;
mod interop;
mod layers;
mod readme;
mod tidy;
mod workspace;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use xshell::Shell;

/// The chores of the workspace.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run every check of the project, or only the steps named.
    Ci(ci::Args),
    /// Compile proto/ into checked-in Rust.
    Codegen(codegen::Args),
    /// Check who imports whom against the table of layers.
    Layers(layers::Args),
    /// Check sizes, headers, leftovers, and that the names in the documents exist.
    Tidy,
    /// Run the benchmarks.
    Bench(bench::Args),
    /// List, run or replay the fuzz targets.
    Fuzz(fuzz::Args),
    /// Let a JavaScript libp2p client talk to our node.
    Interop,
    /// Build the reference documentation, and the book where mdbook is installed.
    Docs(docs::Args),
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    match dispatch(&cli.command) {
        Ok(code) => code,
        Err(error) => {
            console::complain(format!("error: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn dispatch(command: &Command) -> anyhow::Result<ExitCode> {
    workspace::enter_root()?;
    let sh = Shell::new()?;
    match command {
        Command::Ci(args) => ci::run(&sh, args)?,
        Command::Codegen(args) => codegen::run(args)?,
        Command::Layers(args) => layers::run(args)?,
        Command::Tidy => tidy::run(&sh)?,
        Command::Bench(args) => bench::run(&sh, args)?,
        Command::Fuzz(args) => fuzz::run(&sh, args)?,
        Command::Interop => return interop::run(&sh),
        Command::Docs(args) => docs::run(&sh, args)?,
    }
    Ok(ExitCode::SUCCESS)
}
