//! `tickets`: what the node was paid with, and how it is made money.

mod arguments;
mod list;
mod settle;

pub(super) use self::arguments::TicketsCommand;
use super::context::Context;
use super::failure::Failure;

pub(super) fn tickets(command: &TicketsCommand, context: &Context<'_>) -> Result<(), Failure> {
    match command {
        TicketsCommand::List(asked) => list::list(context, asked),
        TicketsCommand::Aggregate(asked) => settle::aggregate(context, asked),
        TicketsCommand::Redeem(asked) => settle::redeem(context, asked),
    }
}
