//! What can be asked about messages, as clap reads it. The doc comments are the help texts.

use std::time::Duration;

use clap::Args;
use libp2p::PeerId;

use super::super::arguments::Node;
use crate::control::SENT_LIST_MAX;
use crate::messaging::{Lifetime, PAYLOAD_MAX};
use crate::payments::RELAYS_MAX;

/// What to send, and how. The exit code is 0 when the recipient has proven that it has it, or when
/// others have that they keep it for it; 6 when nobody says anything in time; 7 when nobody takes it;
/// and over relays 1 when one cannot pass it on.
#[derive(Debug, Args)]
pub(in crate::cli) struct Send {
    /// To whom: a peer id
    #[arg(value_name = "PEER")]
    pub(super) peer: PeerId,
    /// What: at most 65536 bytes; over relays, 1024
    #[arg(value_name = "TEXT", value_parser = message)]
    pub(super) text: String,
    /// How long to wait for the recipient to have it, as 90s or 10m; it goes on after that
    #[arg(long, value_name = "DURATION", default_value = "30s",
          value_parser = humantime::parse_duration)]
    pub(super) wait: Duration,
    /// How long it is worth delivering, as 90m: at most 1d, in steps of 5m [default: what the
    /// configuration says]
    #[arg(long, value_name = "DURATION", value_parser = lifetime)]
    pub(super) lifetime: Option<Lifetime>,
    /// Have nobody keep it for a recipient that is away
    #[arg(long)]
    pub(super) no_keep: bool,
    /// Have full mailboxes give it up after others
    #[arg(long)]
    pub(super) urgent: bool,
    /// Send it in packets over so many relays, 0 to 3, each of which is paid, and wait until it is
    /// known what became of it
    #[arg(long, value_name = "N", conflicts_with_all = ["wait", "lifetime", "no_keep", "urgent"],
          value_parser = clap::value_parser!(u8).range(0..=i64::from(RELAYS_MAX)))]
    pub(super) via_relays: Option<u8>,
    #[command(flatten)]
    pub(super) node: Node,
}

fn message(text: &str) -> Result<String, String> {
    if text.len() > PAYLOAD_MAX {
        return Err(format!("{} bytes, must be at most {PAYLOAD_MAX}", text.len()));
    }
    Ok(text.to_owned())
}

fn lifetime(text: &str) -> Result<Lifetime, String> {
    let given = humantime::parse_duration(text).map_err(|error| error.to_string())?;
    let most = humantime::format_duration(Lifetime::MAX.duration());
    Lifetime::at_least(given).ok_or_else(|| format!("must be at most {most}"))
}

/// Which messages to list, or to give up. An inbox that is full takes no more in: they stay where they
/// are kept until they expire.
#[derive(Debug, Args)]
pub(in crate::cli) struct Inbox {
    /// Only those above this number
    #[arg(long, value_name = "NUMBER", default_value_t = 0)]
    pub(super) after: u64,
    /// At most so many, the oldest first
    #[arg(long, value_name = "N", default_value_t = 100,
          value_parser = clap::value_parser!(u32).range(1..))]
    pub(super) limit: u32,
    /// Give up those up to this number, and list none
    #[arg(long, value_name = "NUMBER", conflicts_with_all = ["after", "limit"])]
    pub(super) forget: Option<u64>,
    #[command(flatten)]
    pub(super) node: Node,
}

/// Which messages to list.
#[derive(Debug, Args)]
pub(in crate::cli) struct Sent {
    /// At most so many, the newest first
    #[arg(long, value_name = "N", default_value_t = 20,
          value_parser = clap::value_parser!(u32).range(1..=i64::from(SENT_LIST_MAX)))]
    pub(super) limit: u32,
    #[command(flatten)]
    pub(super) node: Node,
}
