//! What can be asked about channels, as clap reads it. The doc comments are the help texts.

use clap::{Args, Subcommand};

use super::super::arguments::Node;
use crate::control::CHANNELS_LIST_MAX;
use crate::payments::{Tokens, Whom};

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum ChannelsCommand {
    /// Open a channel by which the node pays somebody
    Open(Open),
    /// Put more into a channel by which the node pays somebody
    Fund(Fund),
    /// Close a channel: one by which the node pays is given notice, and closed when that is over and
    /// this is run again; one by which it is paid is closed at once
    Close(Close),
    /// List the channels, both ways, with the account of the node and its ledger
    List(List),
}

/// To whom, and with how much. The other side must have announced itself on the ledger if it is named
/// by its peer id.
#[derive(Debug, Args)]
pub(in crate::cli) struct Open {
    /// A peer id, or an account as 0x and 40 digits
    #[arg(value_name = "PEER|ADDRESS", value_parser = payee)]
    pub(super) whom: Whom,
    /// How much to put into it, in tokens: 2 or 0.05, with up to 18 digits behind the point
    #[arg(value_name = "AMOUNT")]
    pub(super) amount: Tokens,
    #[command(flatten)]
    pub(super) node: Node,
}

/// Which channel, and how much more.
#[derive(Debug, Args)]
pub(in crate::cli) struct Fund {
    /// The id of the channel, or the peer id or account that it pays
    #[arg(value_name = "CHANNEL|PEER")]
    pub(super) whom: Whom,
    /// How much more, in tokens
    #[arg(value_name = "AMOUNT")]
    pub(super) amount: Tokens,
    #[command(flatten)]
    pub(super) node: Node,
}

/// Which channel.
#[derive(Debug, Args)]
pub(in crate::cli) struct Close {
    /// The id of the channel, or the peer id or account that it pays; one by which the node is paid
    /// is named by its id
    #[arg(value_name = "CHANNEL|PEER")]
    pub(super) whom: Whom,
    #[command(flatten)]
    pub(super) node: Node,
}

/// Which channels to list.
#[derive(Debug, Args)]
pub(in crate::cli) struct List {
    /// Also those that are closed
    #[arg(long)]
    pub(super) closed: bool,
    /// At most so many
    #[arg(long, value_name = "N", default_value_t = 1000,
          value_parser = clap::value_parser!(u32).range(1..=i64::from(CHANNELS_LIST_MAX)))]
    pub(super) limit: u32,
    #[command(flatten)]
    pub(super) node: Node,
}

fn payee(text: &str) -> Result<Whom, String> {
    match text.parse() {
        Ok(Whom::Channel(_)) => {
            Err("a channel has an id once it is open; name a peer or an account".into())
        }
        Ok(whom) => Ok(whom),
        Err(error) => Err(error.to_string()),
    }
}
