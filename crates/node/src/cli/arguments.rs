//! What can be asked, as clap reads it. The doc comments are the help texts.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueHint};
use clap_complete::Shell;
use handshake::Banned;
use libp2p::PeerId;

use super::channels::ChannelsCommand;
use super::messages::{Inbox, Send, Sent};
use super::orders::OrdersCommand;
use super::tickets::TicketsCommand;
use crate::config::{DialAddress, ListenAddress, LogFormat, NetworkName, Role};
use crate::control::{BOOK_ENTRIES_MAX, Listen};
use crate::handle::Colour;
use crate::testnet::NODES_MAX;
use crate::whom;

/// A node of a Meshwork network, and everything to look after one.
#[derive(Debug, Parser)]
#[command(name = "meshwork", version, propagate_version = true, after_help = EXIT_CODES)]
pub(super) struct Arguments {
    /// Print results and errors as JSON
    #[arg(long, global = true)]
    pub(super) json: bool,

    #[arg(long, global = true, value_name = "DIR", value_hint = ValueHint::DirPath, help = DATA_DIR)]
    pub(super) data_dir: Option<PathBuf>,

    #[command(subcommand)]
    pub(super) command: Command,
}

const DATA_DIR: &str = "Directory of the node [default: $MESHWORK_DATA_DIR, else meshwork in \
                        $XDG_DATA_HOME or ~/.local/share]";

const EXIT_CODES: &str = "\
Exit codes: 0 done, 1 failed, 2 usage, 3 cannot reach the node, 4 unauthorised, 5 not found, \
6 time-out, 7 refused by policy or quota, 8 incompatible version, 70 bug, 78 configuration";

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Make a new node: its directory, its identity and a commented config.toml
    Init {
        /// Name of the network that it will join
        #[arg(long, value_name = "NAME")]
        network: Option<NetworkName>,
    },
    /// Run the node until it is interrupted; on an empty directory, make it first
    Run(Run),
    /// Run a whole network on this machine and tell whether it works
    Testnet(Testnet),
    /// Print the peer id of the node
    Id,
    /// Tell how the running node is
    Status(Node),
    /// Look at the peers of the running node, keep some, ban others
    #[command(subcommand)]
    Peers(PeersCommand),
    /// List whom the running node has heard of
    Book(Book),
    /// Take orders in, look at them, and bring them together with those of others
    #[command(subcommand)]
    Orders(OrdersCommand),
    /// Open, fund, close and list the channels by which the node pays and is paid
    #[command(subcommand)]
    Channels(ChannelsCommand),
    /// Look at the tickets that the node was paid with, and make money of them
    #[command(subcommand)]
    Tickets(TicketsCommand),
    /// Send a message to a peer, however far and also if it is away, and tell what becomes of it
    Send(Send),
    /// List the messages that came, or give them up
    Inbox(Inbox),
    /// List the messages that were sent, and what became of each
    Sent(Sent),
    /// Tell each message that comes, and what becomes of those that are sent, until interrupted
    Watch(Node),
    /// Look at the configuration
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Print the completion script for a shell
    Completions {
        /// The shell
        shell: Shell,
    },
}

#[derive(Debug, Subcommand)]
pub(super) enum PeersCommand {
    /// List the connected peers
    List(Node),
    /// Keep a link to a peer, whatever happens, until it is removed or the node ends; what is to
    /// last longer belongs into network.peers of the configuration
    Add {
        /// Where it is, ending in `/p2p/PEER_ID`
        #[arg(value_name = "MULTIADDR")]
        address: DialAddress,
        #[command(flatten)]
        node: Node,
    },
    /// Treat a peer that was added, or that the configuration names, as any other
    Remove {
        /// Its peer id
        #[arg(value_name = "PEER")]
        peer: PeerId,
        #[command(flatten)]
        node: Node,
    },
    /// Hang up on a peer or an address, and keep it out
    Ban(Ban),
    /// Let a peer or an address in again
    Unban {
        /// A peer id or an IP address
        #[arg(value_name = "PEER|IP", value_parser = whom::parse)]
        whom: Banned,
        #[command(flatten)]
        node: Node,
    },
    /// List the bans in force
    Bans(Node),
}

/// Whom to keep out.
#[derive(Debug, Args)]
pub(super) struct Ban {
    /// A peer id or an IP address; of IPv6 the whole /64
    #[arg(value_name = "PEER|IP", value_parser = whom::parse)]
    pub(super) whom: Banned,
    /// For how long, as 30m or 7d
    #[arg(long = "for", value_name = "DURATION", default_value = "1d", value_parser = ban_duration)]
    pub(super) time: Duration,
    /// Why, for your own records; at most 128 bytes
    #[arg(long, value_name = "TEXT", default_value = "by the operator",
          value_parser = whom::ban_reason)]
    pub(super) reason: String,
    #[command(flatten)]
    pub(super) node: Node,
}

fn ban_duration(text: &str) -> Result<Duration, String> {
    let given = humantime::parse_duration(text).map_err(|error| error.to_string())?;
    whom::ban_duration(given).map_err(|error| error.to_string())
}

/// Which entries of the address book to list.
#[derive(Debug, Args)]
pub(super) struct Book {
    /// Only those of this colour
    #[arg(long, value_name = "COLOUR")]
    pub(super) colour: Option<Colour>,
    /// At most so many, the best first
    #[arg(long, value_name = "N", default_value_t = 100,
          value_parser = clap::value_parser!(u32).range(1..=i64::from(BOOK_ENTRIES_MAX)))]
    pub(super) limit: u32,
    #[command(flatten)]
    pub(super) node: Node,
}

#[derive(Debug, Subcommand)]
pub(super) enum ConfigCommand {
    /// Print every value in force and where it came from
    Show,
    /// Check the configuration; exit with 78 when something is wrong
    Check {
        /// The file to check [default: config.toml in the data directory]
        #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
        file: Option<PathBuf>,
    },
}

/// What to run; every option stands for a key of the configuration and wins over it.
#[derive(Debug, Args)]
pub(super) struct Run {
    /// Name of the network to join
    #[arg(long, value_name = "NAME")]
    pub(super) network: Option<NetworkName>,
    /// What to do for the network
    #[arg(long)]
    pub(super) role: Option<Role>,
    /// Address to listen on, such as /ip4/0.0.0.0/tcp/4001; may be repeated
    #[arg(long, value_name = "MULTIADDR")]
    pub(super) listen: Vec<ListenAddress>,
    /// Seed to ask for peers, ending in `/p2p/PEER_ID`; may be repeated
    #[arg(long, value_name = "MULTIADDR")]
    pub(super) seed: Vec<DialAddress>,
    /// Peer to stay connected to, ending in `/p2p/PEER_ID`; may be repeated
    #[arg(long, value_name = "MULTIADDR")]
    pub(super) peer: Vec<DialAddress>,
    /// Where to serve the control API: unix:PATH or off
    #[arg(long, value_name = "ADDR")]
    pub(super) control: Option<Listen>,
    /// Believe loopback and private addresses that others tell
    #[arg(long)]
    pub(super) allow_private: bool,
    /// How log messages look
    #[arg(long)]
    pub(super) log_format: Option<LogFormat>,
}

/// What network to run; with --data-dir the nodes' directories are made there and kept.
#[derive(Debug, Args)]
pub(super) struct Testnet {
    /// How many nodes, besides the seed
    #[arg(long, value_name = "N", default_value_t = 5,
          value_parser = clap::value_parser!(u8).range(1..=i64::from(NODES_MAX)))]
    pub(super) nodes: u8,
    /// How long to watch the network once it stands, in seconds
    #[arg(long, value_name = "SECS", default_value_t = 0)]
    pub(super) duration: u64,
    /// File of orders, one a line, for the nodes to bring together [default: 200 built-in ones]
    #[arg(long, value_name = "FILE")]
    pub(super) orders: Option<PathBuf>,
    /// Seed of every random choice but keys [default: random, and told]
    #[arg(long, value_name = "N")]
    pub(super) rng_seed: Option<u64>,
    /// Keep the nodes' data directories and tell where they are
    #[arg(long)]
    pub(super) keep: bool,
}

/// Which running node is meant.
#[derive(Debug, Args)]
pub(super) struct Node {
    /// Where the node serves its control API, as unix:PATH [default: what the configuration says]
    #[arg(long, value_name = "ADDR")]
    pub(super) control: Option<Listen>,
}
