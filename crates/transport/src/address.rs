//! What kind of address is it: where it points, whether a remote may name it, whose subnet it is in.
//!
//! An IPv4 address that comes dressed as IPv6 (`::ffff:10.0.0.1`, 6to4, NAT64) is judged as the
//! IPv4 address inside, so that no spelling opens a door that another one closes.

mod group;

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use libp2p_core::Multiaddr;
use libp2p_core::multiaddr::Protocol;
use libp2p_identity::PeerId;

pub use self::group::{NetworkGroup, Subnet};

/// Most components in an address that a remote names. The longest useful one has four
/// (`/ip4/…/udp/…/quic-v1/p2p/…`).
pub const COMPONENTS_MAX: usize = 8;

/// Longest DNS name in bytes, dots included.
///
/// # Source
/// RFC 1035 §2.3.4: 255 octets on the wire, which is 253 characters of text.
pub const NAME_BYTES_MAX: usize = 253;

/// Longest part of a DNS name between two dots, in bytes.
///
/// # Source
/// RFC 1035 §2.3.4.
const LABEL_BYTES_MAX: usize = 63;

/// Names that are resolved on the own machine or the local network, by their last label.
///
/// # Source
/// RFC 6761 (`localhost`), RFC 6762 (`local`), RFC 8375 (`home.arpa`), ICANN 2024 (`internal`).
const LOCAL_NAMES: [&str; 4] = ["localhost", "local", "internal", "home.arpa"];

/// Where an address points.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// Reachable from the whole Internet.
    Global,
    /// This machine.
    Loopback,
    /// A private network: RFC 1918, or IPv6 unique local.
    Private,
    /// The network behind a provider's address translation: 100.64.0.0/10.
    Shared,
    /// One link only.
    LinkLocal,
    /// No address yet: `0.0.0.0`, `::`.
    Unspecified,
    /// Never one node on the Internet: multicast, broadcast, documentation, benchmarks, future use.
    Reserved,
    /// A name: where it points is known when it is resolved.
    Dns,
    /// Inside this process.
    Memory,
    /// Nothing of the above, such as a relayed address or an empty one.
    Other,
}

impl Scope {
    /// The name in logs and metric labels.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Global => "global",
            Self::Loopback => "loopback",
            Self::Private => "private",
            Self::Shared => "shared",
            Self::LinkLocal => "link_local",
            Self::Unspecified => "unspecified",
            Self::Reserved => "reserved",
            Self::Dns => "dns",
            Self::Memory => "memory",
            Self::Other => "other",
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why an address that a remote named is not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AddressFault {
    /// More components than any useful address has.
    #[error("more than {COMPONENTS_MAX} components")]
    TooLong,
    /// Nothing that this node could dial.
    #[error("not ip4, ip6 or dns followed by tcp or udp/quic-v1")]
    Shape,
    /// Nobody listens on port 0.
    #[error("port 0")]
    PortZero,
    /// No name of a host on the Internet.
    #[error("not a public host name")]
    Name,
    /// An address that means another host, or none, where it is read.
    #[error("{scope} address, must be global")]
    Scope {
        /// Where it points.
        scope: Scope,
    },
}

/// An address without what it must have to name a peer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PeerAddressError {
    /// It does not end with a peer id.
    #[error("{address} names no peer: append /p2p/ and its peer id")]
    MissingPeer {
        /// The address.
        address: Multiaddr,
    },
    /// It is only a peer id.
    #[error("/p2p/{peer} says who but not where: put an address before it")]
    MissingAddress {
        /// The peer.
        peer: PeerId,
    },
}

/// Where `address` points, by its first component.
pub fn scope(address: &Multiaddr) -> Scope {
    if address.iter().any(|part| part == Protocol::P2pCircuit) {
        return Scope::Other;
    }
    match address.iter().next() {
        Some(Protocol::Ip4(ip)) => ip_scope(ip.into()),
        Some(Protocol::Ip6(ip)) => ip_scope(ip.into()),
        Some(Protocol::Dns(_) | Protocol::Dns4(_) | Protocol::Dns6(_) | Protocol::Dnsaddr(_)) => {
            Scope::Dns
        }
        Some(Protocol::Memory(_)) => Scope::Memory,
        _ => Scope::Other,
    }
}

/// Where an IP address points.
///
/// # Source
/// The IANA special-purpose address registries for IPv4 and IPv6 (RFC 6890).
pub fn ip_scope(ip: IpAddr) -> Scope {
    match plain(ip) {
        IpAddr::V4(ip) => v4_scope(ip),
        IpAddr::V6(ip) => v6_scope(ip),
    }
}

/// The IP address that `address` starts with; an IPv4-mapped one as IPv4.
pub fn ip_of(address: &Multiaddr) -> Option<IpAddr> {
    match address.iter().next()? {
        Protocol::Ip4(ip) => Some(ip.into()),
        Protocol::Ip6(ip) => Some(IpAddr::from(ip).to_canonical()),
        _ => None,
    }
}

/// The transport that `address` is dialled with: `tcp`, `quic`, `memory`, or `other`.
pub fn transport_name(address: &Multiaddr) -> &'static str {
    let mut parts = address.iter();
    match (parts.next(), parts.next(), parts.next()) {
        (Some(Protocol::Memory(_)), ..) => "memory",
        (_, Some(Protocol::Tcp(_)), None | Some(Protocol::P2p(_))) => "tcp",
        (_, Some(Protocol::Udp(_)), Some(Protocol::QuicV1)) => "quic",
        _ => "other",
    }
}

/// The peer that `address` ends with.
pub fn peer_of(address: &Multiaddr) -> Option<PeerId> {
    match address.iter().last()? {
        Protocol::P2p(peer) => Some(peer),
        _ => None,
    }
}

/// Takes the peer id from the end of `address`, where one is required.
///
/// # Errors
/// [`PeerAddressError`] when the peer id or all the rest is missing.
pub fn split_peer(mut address: Multiaddr) -> Result<(PeerId, Multiaddr), PeerAddressError> {
    let Some(peer) = peer_of(&address) else {
        return Err(PeerAddressError::MissingPeer { address });
    };
    address.pop();
    if address.is_empty() {
        return Err(PeerAddressError::MissingAddress { peer });
    }
    Ok((peer, address))
}

/// Whether an address that a remote named may be kept and dialled.
///
/// It must be `ip4`, `ip6`, `dns`, `dns4` or `dns6`, then `tcp` or `udp` and `quic-v1`, then
/// perhaps a peer id, with a port other than 0. Only global addresses pass; with `allow_private`
/// also those of this machine, of private, shared and link-local networks, and of the memory
/// transport. Unspecified and reserved addresses never pass.
///
/// # Errors
/// The first [`AddressFault`] found.
///
/// # Security
/// A name is judged by its spelling; where it leads is known only to whoever resolves it. A remote
/// can own a name that resolves to a private address and thereby make the node open, and give up,
/// one connection inside its own network.
pub fn admissible(address: &Multiaddr, allow_private: bool) -> Result<(), AddressFault> {
    if address.iter().take(COMPONENTS_MAX + 1).count() > COMPONENTS_MAX {
        return Err(AddressFault::TooLong);
    }
    let mut parts = address.iter();
    match parts.next() {
        Some(Protocol::Ip4(ip)) => admit_scope(ip_scope(ip.into()), allow_private)?,
        Some(Protocol::Ip6(ip)) => admit_scope(ip_scope(ip.into()), allow_private)?,
        Some(Protocol::Dns(name) | Protocol::Dns4(name) | Protocol::Dns6(name)) => {
            admit_name(&name, allow_private)?;
        }
        Some(Protocol::Memory(port)) => {
            admit_scope(Scope::Memory, allow_private)?;
            admit_port(port)?;
            return admit_end(parts.next(), parts.next());
        }
        _ => return Err(AddressFault::Shape),
    }
    match parts.next() {
        Some(Protocol::Tcp(port)) => admit_port(port.into())?,
        Some(Protocol::Udp(port)) if parts.next() == Some(Protocol::QuicV1) => {
            admit_port(port.into())?;
        }
        _ => return Err(AddressFault::Shape),
    }
    admit_end(parts.next(), parts.next())
}

fn admit_scope(scope: Scope, allow_private: bool) -> Result<(), AddressFault> {
    let passes = match scope {
        Scope::Global => true,
        Scope::Loopback | Scope::Private | Scope::Shared | Scope::LinkLocal | Scope::Memory => {
            allow_private
        }
        Scope::Unspecified | Scope::Reserved | Scope::Dns | Scope::Other => false,
    };
    if passes { Ok(()) } else { Err(AddressFault::Scope { scope }) }
}

fn admit_port(port: u64) -> Result<(), AddressFault> {
    if port == 0 { Err(AddressFault::PortZero) } else { Ok(()) }
}

/// After the transport comes a peer id or nothing.
fn admit_end(part: Option<Protocol<'_>>, after: Option<Protocol<'_>>) -> Result<(), AddressFault> {
    match (part, after) {
        (None | Some(Protocol::P2p(_)), None) => Ok(()),
        _ => Err(AddressFault::Shape),
    }
}

/// A name of letters, digits and hyphens with a dot in it, that is no address and not local.
fn admit_name(name: &str, allow_private: bool) -> Result<(), AddressFault> {
    let name = name.strip_suffix('.').unwrap_or(name);
    let label = |label: &str| {
        (1..=LABEL_BYTES_MAX).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let well_formed = name.len() <= NAME_BYTES_MAX && name.split('.').all(label);
    // The top level is never a number, which also keeps every spelling of an IPv4 address out.
    let numeric = name
        .rsplit('.')
        .next()
        .is_none_or(|top| top.starts_with(|first: char| first.is_ascii_digit()));
    if !well_formed || numeric {
        return Err(AddressFault::Name);
    }
    if allow_private || (name.contains('.') && !is_local(name)) {
        Ok(())
    } else {
        Err(AddressFault::Name)
    }
}

fn is_local(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    LOCAL_NAMES.iter().any(|local| {
        name.strip_suffix(local).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
    })
}

/// `ip` without a disguise: IPv4 inside IPv6 (mapped, 6to4, NAT64) as IPv4, all else as it is.
pub fn plain(ip: IpAddr) -> IpAddr {
    let IpAddr::V6(v6) = ip.to_canonical() else { return ip.to_canonical() };
    let inner = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        IpAddr::V4(Ipv4Addr::new(a, b, c, d))
    };
    match v6.segments() {
        [0x2002, high, low, ..] | [0x64, 0xff9b, 0, 0, 0, 0, high, low] => inner(high, low),
        _ => ip,
    }
}

fn v4_scope(ip: Ipv4Addr) -> Scope {
    match ip.octets() {
        [0, 0, 0, 0] => Scope::Unspecified,
        [127, ..] => Scope::Loopback,
        [10, ..] | [172, 16..=31, ..] | [192, 168, ..] => Scope::Private,
        [100, 64..=127, ..] => Scope::Shared,
        [169, 254, ..] => Scope::LinkLocal,
        // This network, multicast, future use and broadcast; protocol assignments; the three
        // documentation networks; the former 6to4 relays; benchmarks.
        [0 | 224..=255, ..]
        | [192, 0, 0 | 2, _]
        | [198, 51, 100, _]
        | [203, 0, 113, _]
        | [192, 88, 99, _]
        | [198, 18 | 19, ..] => Scope::Reserved,
        _ => Scope::Global,
    }
}

fn v6_scope(ip: Ipv6Addr) -> Scope {
    match ip.segments() {
        [0, 0, 0, 0, 0, 0, 0, 0] => Scope::Unspecified,
        [0, 0, 0, 0, 0, 0, 0, 1] => Scope::Loopback,
        // Unique local; the local half of NAT64.
        [0xfc00..=0xfdff, ..] | [0x64, 0xff9b, 1, ..] => Scope::Private,
        [0xfe80..=0xfebf, ..] => Scope::LinkLocal,
        // Protocol assignments with Teredo and benchmarks; the two documentation networks.
        [0x2001, 0..=0x01ff | 0x0db8, ..] | [0x3fff, 0..=0x0fff, ..] => Scope::Reserved,
        [0x2000..=0x3fff, ..] => Scope::Global,
        // Only 2000::/3 has been given out as global unicast; multicast is here too.
        _ => Scope::Reserved,
    }
}

#[cfg(test)]
mod tests;
