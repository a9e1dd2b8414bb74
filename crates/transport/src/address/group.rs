//! Addresses that one party is likely to hold together: the group of a network and the subnet.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use libp2p_core::Multiaddr;

use super::ip_of;

/// A network that one operator is likely to hold: IPv4 /16, IPv6 /32.
///
/// Diversity is counted in groups: connections to many of them are dear to an attacker, addresses
/// within one are cheap. The testnet gives node *i* the address 127.*i*.0.1, a group of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NetworkGroup(IpAddr);

impl NetworkGroup {
    const V4_BITS: u32 = 16;
    const V6_BITS: u32 = 32;

    /// The group of `address`; `None` when it does not start with an IP address.
    pub fn of(address: &Multiaddr) -> Option<Self> {
        ip_of(address).map(Self::from)
    }
}

impl From<IpAddr> for NetworkGroup {
    fn from(ip: IpAddr) -> Self {
        Self(network(ip, Self::V4_BITS, Self::V6_BITS))
    }
}

impl fmt::Display for NetworkGroup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.0, if self.0.is_ipv4() { Self::V4_BITS } else { Self::V6_BITS })
    }
}

/// What one subscriber usually holds: one IPv4 address, one IPv6 /56.
///
/// Connections are capped by subnet. At /64 a household that is handed a /56 counts 256 times; at
/// /48 the customers of some providers count as one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Subnet(IpAddr);

impl Subnet {
    const V4_BITS: u32 = 32;
    const V6_BITS: u32 = 56;

    /// The subnet of `address`; `None` when it does not start with an IP address.
    pub fn of(address: &Multiaddr) -> Option<Self> {
        ip_of(address).map(Self::from)
    }
}

impl From<IpAddr> for Subnet {
    fn from(ip: IpAddr) -> Self {
        Self(network(ip, Self::V4_BITS, Self::V6_BITS))
    }
}

impl fmt::Display for Subnet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.0, if self.0.is_ipv4() { Self::V4_BITS } else { Self::V6_BITS })
    }
}

/// The first bits of `ip`; the others are 0. At least one bit is kept.
fn network(ip: IpAddr, v4_bits: u32, v6_bits: u32) -> IpAddr {
    match super::plain(ip) {
        IpAddr::V4(ip) => {
            let mask = u32::MAX << (u32::BITS - v4_bits);
            IpAddr::V4(Ipv4Addr::from_bits(ip.to_bits() & mask))
        }
        IpAddr::V6(ip) => {
            let mask = u128::MAX << (u128::BITS - v6_bits);
            IpAddr::V6(Ipv6Addr::from_bits(ip.to_bits() & mask))
        }
    }
}
