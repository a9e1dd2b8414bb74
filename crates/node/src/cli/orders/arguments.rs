//! What can be asked about orders, as clap reads it. The doc comments are the help texts.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use clap::{Args, Subcommand, ValueHint};
use orders::Address;

use super::super::arguments::Node;
use crate::config::{DialAddress, SYNC_PEERS_MAX};

/// Most orders that are listed: a list is made in memory.
const LIST_MAX: u32 = 100_000;

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum OrdersCommand {
    /// Tell how many orders there are, and the digest that is equal where the orders are
    Status(Node),
    /// Take in orders as the node's own, one line of JSON for each
    Import(Import),
    /// List orders by hash
    List(List),
    /// Write all orders in their canonical form, one line of JSON for each, ascending by hash
    Export(Export),
    /// Fetch the orders that peers have
    Sync(Sync),
    /// Tell each order that comes or goes, until interrupted
    Watch(Node),
}

/// What to take in. Bad lines are told with number and reason, and the others are taken in all the
/// same; the exit code is 1 if any line was bad.
#[derive(Debug, Args)]
pub(in crate::cli) struct Import {
    /// The file, or - for standard input
    #[arg(value_name = "FILE|-", value_hint = ValueHint::FilePath)]
    pub(super) file: Place,
    #[command(flatten)]
    pub(super) node: Node,
}

/// Which orders to list.
#[derive(Debug, Args)]
pub(in crate::cli) struct List {
    /// At most so many
    #[arg(long, value_name = "N", default_value_t = 100,
          value_parser = clap::value_parser!(u32).range(1..=i64::from(LIST_MAX)))]
    pub(super) limit: u32,
    /// Only those of this maker
    #[arg(long, value_name = "ADDRESS")]
    pub(super) maker: Option<Address>,
    /// Only those that offer or ask this token
    #[arg(long, value_name = "ADDRESS")]
    pub(super) token: Option<Address>,
    #[command(flatten)]
    pub(super) node: Node,
}

/// Where to write.
#[derive(Debug, Args)]
pub(in crate::cli) struct Export {
    /// The file, which is replaced when all is written, or - for standard output
    #[arg(value_name = "FILE|-", default_value = "-", value_hint = ValueHint::FilePath)]
    pub(super) file: Place,
    #[command(flatten)]
    pub(super) node: Node,
}

/// With whom to sync. The exit code is 1 if it was not done with all that were named, or not with so
/// many as were asked for; what came is kept all the same.
#[derive(Debug, Args)]
pub(in crate::cli) struct Sync {
    /// With how many peers [default: `orders.min_peers` of the node]
    #[arg(long, value_name = "N", conflicts_with = "from",
          value_parser = clap::value_parser!(u32).range(1..=i64::from(SYNC_PEERS_MAX)))]
    pub(super) min_peers: Option<u32>,
    /// With this peer, ending in `/p2p/PEER_ID`; may be repeated. It need not be of the network of
    /// the node
    #[arg(long, value_name = "MULTIADDR")]
    pub(super) from: Vec<DialAddress>,
    /// How long it may take, as 90s or 10m
    #[arg(long, value_name = "DURATION", default_value = "10m",
          value_parser = humantime::parse_duration)]
    pub(super) timeout: Duration,
    #[command(flatten)]
    pub(super) node: Node,
}

/// A file, or a standard stream.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Place {
    Standard,
    File(PathBuf),
}

impl FromStr for Place {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(if text == "-" { Self::Standard } else { Self::File(text.into()) })
    }
}

impl fmt::Display for Place {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Standard => out.write_str("-"),
            Self::File(path) => path.display().fmt(out),
        }
    }
}
