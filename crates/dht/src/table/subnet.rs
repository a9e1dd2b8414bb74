//! Which subnets a peer claims to be in.

use std::collections::BTreeSet;
use std::net::IpAddr;

use libp2p_core::Multiaddr;
use transport::address::{Scope, admissible, ip_of, plain, scope};
use wire::signed::SignedRecord;

use crate::config::RoutingConfig;

/// The part of a bucket that may be unproven: one place of so many.
const UNPROVEN: usize = 4;

/// Addresses that one party holds together more often than not: IPv4 /24, IPv6 /48.
///
/// All names together are one subnet: where they lead is unknown until they are resolved, and
/// names below a domain of one's own cost nothing. For the same reason all are one whom this node
/// never dialled, whatever they say about where they are: whoever dials in proves no address.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum Subnet {
    V4([u8; 3]),
    V6([u16; 3]),
    Named,
    Unproven,
}

impl Subnet {
    /// Those of every address of `record` that may be dialled, each once; `None` when no address
    /// may. With `allow_private`, private addresses and names count for nothing.
    pub(super) fn of_record(record: &SignedRecord, allow_private: bool) -> Option<Vec<Self>> {
        let mut dialled =
            record.addresses().iter().filter(|a| admissible(a, allow_private).is_ok());
        let first = dialled.next()?;
        let counted = |address: &Multiaddr| Self::of(address, allow_private);
        let subnets: BTreeSet<_> =
            std::iter::once(first).chain(dialled).filter_map(counted).collect();
        Some(subnets.into_iter().collect())
    }

    /// The same of somebody who was `reached` there, or was not. Where private addresses are allowed
    /// that is no matter.
    pub(super) fn of_peer(
        record: &SignedRecord,
        reached: bool,
        allow_private: bool,
    ) -> Option<Vec<Self>> {
        let mut subnets = Self::of_record(record, allow_private)?;
        if !reached && !allow_private {
            subnets.push(Self::Unproven);
        }
        Some(subnets)
    }

    /// How many contacts may be in it: in one bucket, and in all.
    pub(super) fn caps(self, config: &RoutingConfig) -> (usize, usize) {
        match self {
            Self::V4(_) | Self::V6(_) | Self::Named => {
                (config.subnet_per_bucket_max, config.subnet_total_max)
            }
            Self::Unproven => (config.bucket_max.div_ceil(UNPROVEN), config.bucket_max),
        }
    }

    fn of(address: &Multiaddr, allow_private: bool) -> Option<Self> {
        match scope(address) {
            Scope::Global => ip_of(address).map(Self::of_ip),
            Scope::Dns if !allow_private => Some(Self::Named),
            Scope::Loopback
            | Scope::Private
            | Scope::Shared
            | Scope::LinkLocal
            | Scope::Unspecified
            | Scope::Reserved
            | Scope::Dns
            | Scope::Memory
            | Scope::Other => None,
        }
    }

    /// An IPv4 address inside IPv6 (6to4, NAT64) counts as what is inside: the outer subnet would
    /// be one for each address.
    fn of_ip(ip: IpAddr) -> Self {
        match plain(ip) {
            IpAddr::V4(ip) => {
                let [a, b, c, _] = ip.octets();
                Self::V4([a, b, c])
            }
            IpAddr::V6(ip) => {
                let [a, b, c, ..] = ip.segments();
                Self::V6([a, b, c])
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use libp2p_identity::Keypair;

    use super::*;

    fn subnets(addresses: &[&str], allow_private: bool) -> Option<Vec<Subnet>> {
        let addresses = addresses.iter().map(|address| address.parse().unwrap()).collect();
        let record = SignedRecord::seal(&Keypair::generate_ed25519(), 1, addresses).unwrap();
        Subnet::of_record(&record, allow_private)
    }

    #[test]
    fn every_spelling_of_an_address_is_in_one_subnet() {
        let v4 = Some(vec![Subnet::V4([9, 8, 7])]);
        let mapped = ["/ip6/::ffff:9.8.7.1", "/ip6/2002:908:701::1", "/ip6/64:ff9b::908:701"];
        for address in ["/ip4/9.8.7.6"].into_iter().chain(mapped) {
            assert_eq!(subnets(&[&format!("{address}/tcp/1")], false), v4, "{address}");
        }
        assert_eq!(subnets(&["/ip4/9.8.7.6/tcp/1", "/ip4/9.8.7.9/udp/1/quic-v1"], false), v4);
        let v6 = Some(vec![Subnet::V6([0x2a00, 1, 2])]);
        assert_eq!(subnets(&["/ip6/2a00:1:2:3::4/tcp/1", "/ip6/2a00:1:2:5::/tcp/1"], false), v6);
    }

    #[test]
    fn names_are_one_subnet_and_what_cannot_be_dialled_is_none() {
        let names = ["/dns4/a.example.org/tcp/1", "/dns6/b.example.com/tcp/1"];
        assert_eq!(subnets(&names, false), Some(vec![Subnet::Named]));
        assert_eq!(subnets(&names, true), Some(vec![]));
        assert_eq!(subnets(&["/ip4/10.0.0.1/tcp/1"], false), None);
        assert_eq!(subnets(&["/ip4/10.0.0.1/tcp/1"], true), Some(vec![]));
        assert_eq!(subnets(&[], true), None);
    }
}
