//! `orders`: what the running node holds to trade, in and out.

mod arguments;
mod export;
mod import;
mod input;
mod list;
mod shown;
mod status;
mod sync;
mod watch;

pub(super) use self::arguments::OrdersCommand;
use super::context::Context;
use super::failure::Failure;

pub(super) fn orders(command: OrdersCommand, context: &Context<'_>) -> Result<(), Failure> {
    match command {
        OrdersCommand::Status(node) => status::status(context, &node),
        OrdersCommand::Import(asked) => import::import(context, asked),
        OrdersCommand::List(asked) => list::list(context, &asked),
        OrdersCommand::Export(asked) => export::export(context, &asked),
        OrdersCommand::Sync(asked) => sync::sync(context, &asked),
        OrdersCommand::Watch(node) => watch::watch(context, &node),
    }
}
