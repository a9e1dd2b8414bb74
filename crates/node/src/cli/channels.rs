//! `channels`: by which channels the node pays and is paid.

mod arguments;
mod change;
mod list;
mod shown;

pub(super) use self::arguments::ChannelsCommand;
use super::context::Context;
use super::failure::Failure;

pub(super) fn channels(command: &ChannelsCommand, context: &Context<'_>) -> Result<(), Failure> {
    match command {
        ChannelsCommand::Open(asked) => change::open(context, asked),
        ChannelsCommand::Fund(asked) => change::fund(context, asked),
        ChannelsCommand::Close(asked) => change::close(context, asked),
        ChannelsCommand::List(asked) => list::list(context, asked),
    }
}
