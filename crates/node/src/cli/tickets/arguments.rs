//! What can be asked about tickets, as clap reads it. The doc comments are the help texts.

use clap::{Args, Subcommand};

use super::super::arguments::Node;
use crate::payments::Whom;

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum TicketsCommand {
    /// Tell what the node holds of tickets that won, channel by channel
    List(List),
    /// Trade the tickets of a channel for one that is worth as much, with who issued them
    Aggregate(Settle),
    /// Have the ledger pay for the tickets of a channel
    Redeem(Settle),
}

/// What to list.
#[derive(Debug, Args)]
pub(in crate::cli) struct List {
    /// Only those of this channel: its id, or the peer id or account that pays by it
    #[arg(value_name = "CHANNEL|PEER")]
    pub(super) whom: Option<Whom>,
    /// Also each ticket, one a line
    #[arg(long)]
    pub(super) all: bool,
    #[command(flatten)]
    pub(super) node: Node,
}

/// Which tickets. The exit code is 1 if it was not done with all of them.
#[derive(Debug, Args)]
pub(in crate::cli) struct Settle {
    /// Only those of this channel: its id, or the peer id or account that pays by it
    #[arg(value_name = "CHANNEL|PEER")]
    pub(super) whom: Option<Whom>,
    #[command(flatten)]
    pub(super) node: Node,
}
