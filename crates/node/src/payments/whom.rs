//! Which channel is meant, as a person writes it.

use std::fmt;
use std::str::FromStr;

use libp2p::PeerId;
use tickets::{Address, ChannelId};

/// A channel, by its id or by who is at its other end.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Whom {
    /// The channel itself: `0x` and 64 digits.
    Channel(ChannelId),
    /// The account at the other end: `0x` and 40 digits.
    Account(Address),
    /// The peer that has announced the account at the other end.
    Peer(PeerId),
}

/// Text that names no channel and nobody.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error(
    "{given:?} is neither a peer id, nor an account (0x and 40 hexadecimal digits), nor a channel (0x \
     and 64)"
)]
pub struct BadWhom {
    /// What was given.
    pub given: String,
}

impl FromStr for Whom {
    type Err = BadWhom;

    fn from_str(text: &str) -> Result<Self, BadWhom> {
        let channel = || text.parse().map(Self::Channel).ok();
        let account = || text.parse().map(Self::Account).ok();
        let peer = || text.parse().map(Self::Peer).ok();
        let found = channel().or_else(account).or_else(peer);
        found.ok_or_else(|| BadWhom { given: text.to_owned() })
    }
}

impl fmt::Display for Whom {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Channel(channel) => channel.fmt(out),
            Self::Account(account) => account.fmt(out),
            Self::Peer(peer) => peer.fmt(out),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_forms_and_no_fourth() {
        let peer = PeerId::random();
        let forms =
            [Whom::Channel(ChannelId([7; 32])), Whom::Account(Address([8; 20])), Whom::Peer(peer)];
        for whom in forms {
            assert_eq!(whom.to_string().parse(), Ok(whom));
        }
        for bad in ["", "0x", "0x12", &"ab".repeat(20), "9.9.9.9"] {
            assert_eq!(bad.parse::<Whom>(), Err(BadWhom { given: bad.to_owned() }));
        }
    }
}
