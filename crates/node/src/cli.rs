//! The command line: reads what is asked, does it, and says how it went.

mod amounts;
mod arguments;
mod bans;
mod book;
mod channels;
mod completions;
mod config;
mod context;
mod exit;
mod failure;
mod messages;
mod node;
mod orders;
mod output;
mod peers;
mod progress;
mod run;
mod status;
mod table;
mod testnet;
mod tickets;
mod words;

use std::ffi::OsString;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;

use clap::Parser;

use self::arguments::{Arguments, Command, ConfigCommand, PeersCommand};
use self::context::Context;
pub use self::exit::Exit;
use self::failure::Failure;
use self::output::Output;
use crate::config::Environment;

/// Does what the arguments of this process ask, and returns the code it should exit with.
pub fn main() -> ExitCode {
    let environment = Environment::of_process();
    let mut output = Output::of_process(&environment);
    // The standard hook reports the panic itself; what is left to say is whose fault it is.
    let work = AssertUnwindSafe(|| obey(std::env::args_os(), &environment, &mut output));
    catch_unwind(work).unwrap_or_else(|_panic| output.bug()).into()
}

fn obey(
    arguments: impl Iterator<Item = OsString>,
    environment: &Environment,
    output: &mut Output,
) -> Exit {
    let arguments = match Arguments::try_parse_from(arguments) {
        Ok(arguments) => arguments,
        Err(usage) => return output.usage(&usage),
    };
    output.json = arguments.json;
    let context = Context { environment, data_dir: arguments.data_dir, output: *output };
    match dispatch(arguments.command, &context) {
        Ok(()) => Exit::Done,
        Err(failure) => output.failure(&failure),
    }
}

fn dispatch(command: Command, context: &Context<'_>) -> Result<(), Failure> {
    match command {
        Command::Init { network } => node::init(context, network),
        Command::Run(asked) => run::run(context, &asked),
        Command::Testnet(asked) => testnet::testnet(context, &asked),
        Command::Id => node::id(context),
        Command::Status(node) => status::status(context, &node),
        Command::Peers(command) => of_peers(command, context),
        Command::Book(asked) => book::book(context, &asked),
        Command::Orders(command) => orders::orders(command, context),
        Command::Channels(command) => channels::channels(&command, context),
        Command::Tickets(command) => tickets::tickets(&command, context),
        Command::Send(asked) => messages::send(context, &asked),
        Command::Inbox(asked) => messages::inbox(context, &asked),
        Command::Sent(asked) => messages::sent(context, &asked),
        Command::Watch(node) => messages::watch(context, &node),
        Command::Config(ConfigCommand::Show) => config::show(context),
        Command::Config(ConfigCommand::Check { file }) => config::check(context, file),
        Command::Completions { shell } => completions::completions(context, shell),
    }
}

fn of_peers(command: PeersCommand, context: &Context<'_>) -> Result<(), Failure> {
    match command {
        PeersCommand::List(node) => peers::list(context, &node),
        PeersCommand::Add { address, node } => peers::add(context, &address, &node),
        PeersCommand::Remove { peer, node } => peers::remove(context, peer, &node),
        PeersCommand::Ban(asked) => bans::ban(context, &asked),
        PeersCommand::Unban { whom, node } => bans::unban(context, whom, &node),
        PeersCommand::Bans(node) => bans::list(context, &node),
    }
}
