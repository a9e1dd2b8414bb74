//! `[network]`: which network, on which addresses, and whom to ask first.

use std::fmt;
use std::str::FromStr;

use libp2p::Multiaddr;
use serde::{Deserialize, Serialize};

use super::address::{DialAddress, ListenAddress};
use super::section::section;

section! {
    /// Which network the node joins, where it can be reached, and whom it asks first.
    pub struct Network("network") {
        /// Name of the network. Nodes of different names refuse each other. 1 to 64 bytes of
        /// printable ASCII without spaces.
        pub name: NetworkName = NetworkName("meshwork-dev".to_owned()),
        /// What the node does for the network: "node" takes part; "seed" tells newcomers of peers
        /// that it has verified, and hangs up.
        pub role: Role = Role::Node,
        /// Addresses to listen on, such as `/ip4/0.0.0.0/tcp/4001` or `/ip6/::/udp/4001/quic-v1`.
        /// Port 0 lets the system choose. At most 16.
        pub listen: Vec<ListenAddress> = ListenAddress::defaults(),
        /// Addresses at which others reach this node when they differ from the ones it listens on,
        /// for example behind a port forwarding. TCP or QUIC on an address or a name that is public
        /// unless `allow_private` is set. At most 16.
        pub external: Vec<Multiaddr> = Vec::new(),
        /// Seeds to ask for peers: multiaddrs that end in `/p2p/PEER_ID`. At most 64.
        pub seeds: Vec<DialAddress> = Vec::new(),
        /// Peers to stay connected to, whatever happens: multiaddrs that end in `/p2p/PEER_ID`. At
        /// most 64.
        pub peers: Vec<DialAddress> = Vec::new(),
        /// Whether to accept only the peers of the list above.
        pub private: bool = false,
        /// Whether to believe loopback and private addresses that others tell us. Only for networks
        /// that live on one machine or behind one router.
        pub allow_private: bool = false,
    }
}

/// What a node does for the network.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Takes part.
    Node,
    /// Tells newcomers of peers and hangs up.
    Seed,
}

impl Role {
    /// Its name in the file and on the screen.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Node => "node",
            Self::Seed => "seed",
        }
    }
}

/// The name of a network.
///
/// # Bounds
/// 1 to 64 bytes of printable ASCII without spaces.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct NetworkName(String);

impl NetworkName {
    /// Most bytes in a name: what the version handshake carries.
    pub const LEN_MAX: usize = 64;

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Why a text is no name of a network.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum NetworkNameError {
    /// Empty or too long.
    #[error("a network name of {len} bytes, must be 1 to {}", NetworkName::LEN_MAX)]
    Length {
        /// Bytes given.
        len: usize,
    },
    /// A character that is not printable ASCII.
    #[error("a network name with {found:?}, must be printable ASCII without spaces")]
    Character {
        /// The first one of these.
        found: char,
    },
}

impl FromStr for NetworkName {
    type Err = NetworkNameError;

    fn from_str(text: &str) -> Result<Self, NetworkNameError> {
        if text.is_empty() || text.len() > Self::LEN_MAX {
            return Err(NetworkNameError::Length { len: text.len() });
        }
        match text.chars().find(|character| !character.is_ascii_graphic()) {
            Some(found) => Err(NetworkNameError::Character { found }),
            None => Ok(Self(text.to_owned())),
        }
    }
}

impl TryFrom<String> for NetworkName {
    type Error = NetworkNameError;

    fn try_from(text: String) -> Result<Self, NetworkNameError> {
        text.parse()
    }
}

impl From<NetworkName> for String {
    fn from(name: NetworkName) -> Self {
        name.0
    }
}

impl fmt::Display for NetworkName {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_bounded_and_printable() {
        assert_eq!("a".parse(), Ok(NetworkName("a".to_owned())));
        assert!("n".repeat(64).parse::<NetworkName>().is_ok());
        assert_eq!("".parse::<NetworkName>(), Err(NetworkNameError::Length { len: 0 }));
        assert_eq!(
            "n".repeat(65).parse::<NetworkName>(),
            Err(NetworkNameError::Length { len: 65 })
        );
        for (text, found) in [("a b", ' '), ("a\u{1b}[2J", '\u{1b}'), ("näh", 'ä')] {
            assert_eq!(text.parse::<NetworkName>(), Err(NetworkNameError::Character { found }));
        }
    }
}
