//! Addresses as an operator writes them: where to listen, and whom to dial.

use std::fmt;
use std::net::Ipv4Addr;
use std::str::FromStr;

use libp2p::PeerId;
use libp2p::multiaddr::{self, Multiaddr, Protocol};
use serde::{Deserialize, Serialize};
use transport::address::{AddressFault, PeerAddressError, admissible, split_peer};

/// An address to listen on: TCP or QUIC on an IP address.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct ListenAddress(Multiaddr);

impl ListenAddress {
    /// Every IPv4 interface, TCP and QUIC, port 4001.
    pub(super) fn defaults() -> Vec<Self> {
        Self::both(Ipv4Addr::UNSPECIFIED, 4001)
    }

    /// TCP and QUIC on one address, each on a port that the system chooses.
    pub(crate) fn anywhere_on(ip: Ipv4Addr) -> Vec<Self> {
        Self::both(ip, 0)
    }

    fn both(ip: Ipv4Addr, port: u16) -> Vec<Self> {
        let on = || Multiaddr::from(ip);
        vec![
            Self(on().with(Protocol::Tcp(port))),
            Self(on().with(Protocol::Udp(port)).with(Protocol::QuicV1)),
        ]
    }

    /// The address.
    pub const fn multiaddr(&self) -> &Multiaddr {
        &self.0
    }
}

/// An address to dial, with the peer that must answer there.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct DialAddress {
    peer: PeerId,
    address: Multiaddr,
}

impl DialAddress {
    /// The peer at an address that does not name it yet.
    pub(crate) fn of(peer: PeerId, address: Multiaddr) -> Self {
        Self { peer, address: address.with(Protocol::P2p(peer)) }
    }

    /// Who must answer.
    pub const fn peer(&self) -> PeerId {
        self.peer
    }

    /// Where, ending in `/p2p/` and the peer.
    pub const fn multiaddr(&self) -> &Multiaddr {
        &self.address
    }
}

/// Why a text is not the address that was asked for.
#[derive(Debug, thiserror::Error)]
pub enum AddressError {
    /// Not a multiaddr at all.
    #[error("{given:?} is not a multiaddr: {source}")]
    Syntax {
        /// What was given.
        given: String,
        /// What the parser says.
        source: multiaddr::Error,
    },
    /// Not an address that the node can listen on.
    #[error(
        "{given} is no address to listen on, must be /ip4|ip6/ADDRESS/tcp/PORT or \
         /ip4|ip6/ADDRESS/udp/PORT/quic-v1"
    )]
    NotToListenOn {
        /// What was given.
        given: Multiaddr,
    },
    /// It does not say who must answer, or only that.
    #[error(transparent)]
    Peer(#[from] PeerAddressError),
    /// Not an address that the node can dial.
    #[error("{given} cannot be dialled: {source}")]
    NotToDial {
        /// What was given.
        given: Multiaddr,
        /// What is wrong with it.
        source: AddressFault,
    },
}

fn multiaddr(text: &str) -> Result<Multiaddr, AddressError> {
    text.parse().map_err(|source| AddressError::Syntax { given: text.to_owned(), source })
}

impl FromStr for ListenAddress {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let given = multiaddr(text)?;
        let parts: Vec<_> = given.iter().collect();
        match parts.as_slice() {
            [Protocol::Ip4(_) | Protocol::Ip6(_), Protocol::Tcp(_)]
            | [Protocol::Ip4(_) | Protocol::Ip6(_), Protocol::Udp(_), Protocol::QuicV1] => {
                Ok(Self(given))
            }
            _ => Err(AddressError::NotToListenOn { given }),
        }
    }
}

impl FromStr for DialAddress {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let address = multiaddr(text)?;
        let (peer, _) = split_peer(address.clone())?;
        // What the operator gives may be on this machine or behind the same router.
        match admissible(&address, true) {
            Ok(()) => Ok(Self { peer, address }),
            Err(source) => Err(AddressError::NotToDial { given: address, source }),
        }
    }
}

impl TryFrom<String> for ListenAddress {
    type Error = AddressError;

    fn try_from(text: String) -> Result<Self, AddressError> {
        text.parse()
    }
}

impl TryFrom<String> for DialAddress {
    type Error = AddressError;

    fn try_from(text: String) -> Result<Self, AddressError> {
        text.parse()
    }
}

impl From<ListenAddress> for String {
    fn from(address: ListenAddress) -> Self {
        address.0.to_string()
    }
}

impl From<DialAddress> for String {
    fn from(address: DialAddress) -> Self {
        address.address.to_string()
    }
}

impl fmt::Display for ListenAddress {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(out)
    }
}

impl fmt::Display for DialAddress {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.address.fmt(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_tcp_and_quic_on_an_ip_address_can_be_listened_on() {
        for good in ["/ip4/127.0.0.1/tcp/0", "/ip6/::/udp/4001/quic-v1"] {
            assert_eq!(good.parse::<ListenAddress>().expect(good).to_string(), good);
        }
        for bad in [
            "/dns4/example.org/tcp/1",
            "/ip4/127.0.0.1/udp/1",
            "/ip4/127.0.0.1/tcp/1/ws",
            "/ip4/127.0.0.1",
            "",
        ] {
            let refused = bad.parse::<ListenAddress>();
            assert!(
                matches!(refused, Err(AddressError::NotToListenOn { .. })),
                "{bad:?}: {refused:?}"
            );
        }
        assert!(matches!("localhost:1".parse::<ListenAddress>(), Err(AddressError::Syntax { .. })));
    }

    #[test]
    fn a_dial_address_ends_in_its_peer() {
        let peer = PeerId::random();
        let good = format!("/dns4/seed.example.org/tcp/4001/p2p/{peer}");
        let address: DialAddress = good.parse().expect("an address with a peer");
        assert_eq!((address.peer(), address.to_string()), (peer, good));

        let refused = "/ip4/127.0.0.1/tcp/1".parse::<DialAddress>();
        assert!(
            matches!(refused, Err(AddressError::Peer(PeerAddressError::MissingPeer { .. }))),
            "{refused:?}"
        );
        let refused = format!("/p2p/{peer}").parse::<DialAddress>();
        assert!(
            matches!(refused, Err(AddressError::Peer(PeerAddressError::MissingAddress { .. }))),
            "{refused:?}"
        );
        for bad in ["/ip4/127.0.0.1/tcp/0", "/ip4/127.0.0.1/udp/1/quic", "/memory/1/ws"] {
            let refused = format!("{bad}/p2p/{peer}").parse::<DialAddress>();
            assert!(matches!(refused, Err(AddressError::NotToDial { .. })), "{refused:?}");
        }
    }
}
