//! Who could be in the network: real keys, signed records, addresses in network groups.

use std::collections::{BTreeMap, HashMap};
use std::net::Ipv4Addr;
use std::sync::Arc;

use bytes::Bytes;
use libp2p_core::Multiaddr;
use libp2p_core::multiaddr::Protocol;
use libp2p_identity::{Keypair, PeerId};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use wire::signed::SignedRecord;

/// Network groups there can be: IPv4 /16s from 20.0.0.0/16 on, all of them on the public Internet.
pub(crate) const GROUPS_MAX: usize = 70 * 256;

/// What somebody is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Camp {
    /// Runs the core.
    Honest,
    /// Answers visitors, and is no neighbour.
    Seed,
    /// Works for the attacker.
    Hostile,
    /// A name that the attacker made up: nobody is there.
    Fake,
}

/// One of them.
#[derive(Clone, Debug)]
pub(crate) struct Member {
    pub(crate) peer: PeerId,
    pub(crate) keys: Keypair,
    pub(crate) camp: Camp,
    /// The one address that it listens on.
    pub(crate) address: Multiaddr,
    pub(crate) group: usize,
    /// Whether others can dial it.
    pub(crate) reachable: bool,
    pub(crate) record: Arc<SignedRecord>,
}

/// Everybody, by number.
#[derive(Debug)]
pub(crate) struct Population {
    members: Vec<Member>,
    by_peer: BTreeMap<PeerId, usize>,
    /// Records whose signature was made here; any other is forged.
    records: HashMap<Bytes, Arc<SignedRecord>>,
    keys: ChaCha8Rng,
}

impl Population {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            members: Vec::new(),
            by_peer: BTreeMap::new(),
            records: HashMap::new(),
            keys: ChaCha8Rng::seed_from_u64(seed ^ 0x6b65_7973),
        }
    }

    /// Adds somebody in a network group, with a key of its own and a record of its address and of
    /// `more` addresses beside it.
    pub(crate) fn add(&mut self, camp: Camp, group: usize, reachable: bool, more: usize) -> usize {
        let keys = Keypair::ed25519_from_bytes(self.keys.random::<[u8; 32]>());
        let keys = keys.expect("any 32 bytes are an Ed25519 secret");
        let number = self.members.len();
        let addresses: Vec<_> = (0..=more).map(|it| address(group, number, it)).collect();
        let address = addresses[0].clone();
        let record = SignedRecord::seal(&keys, 1, addresses);
        let record = Arc::new(record.expect("a few different short addresses can be signed"));
        let peer = record.peer();
        self.records.insert(record.encoded().clone(), Arc::clone(&record));
        self.by_peer.insert(peer, number);
        self.members.push(Member { peer, keys, camp, address, group, reachable, record });
        number
    }

    pub(crate) fn len(&self) -> usize {
        self.members.len()
    }

    pub(crate) fn get(&self, number: usize) -> &Member {
        &self.members[number]
    }

    pub(crate) fn find(&self, peer: &PeerId) -> Option<usize> {
        self.by_peer.get(peer).copied()
    }

    /// The numbers of one camp, in order.
    pub(crate) fn camp(&self, camp: Camp) -> impl Iterator<Item = usize> {
        let members = self.members.iter().enumerate();
        members.filter(move |(_, member)| member.camp == camp).map(|(number, _)| number)
    }

    /// Whether a peer belongs to the attacker.
    pub(crate) fn is_foe(&self, peer: &PeerId) -> bool {
        self.find(peer).is_some_and(|it| matches!(self.get(it).camp, Camp::Hostile | Camp::Fake))
    }

    /// What a check of the signature would find.
    pub(crate) fn verify(&self, record: &Bytes) -> Option<Arc<SignedRecord>> {
        self.records.get(record).cloned()
    }
}

/// The `nth` address of a node in a group: no two nodes share one.
fn address(group: usize, node: usize, nth: usize) -> Multiaddr {
    let byte = |value: usize| u8::try_from(value % 256).expect("a remainder of 256");
    let group = group % GROUPS_MAX;
    let ip = Ipv4Addr::new(20 + byte(group / 256), byte(group), byte(node / 256), byte(node));
    let port = u16::try_from(1024 + node / 65_536 % 1024 + 1024 * nth).unwrap_or(1024);
    Multiaddr::empty().with(Protocol::Ip4(ip)).with(Protocol::Tcp(port))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use transport::address::{NetworkGroup, admissible};

    use super::*;

    #[test]
    fn everybody_is_somebody_else_at_a_public_address() {
        let mut people = Population::new(1);
        for number in 0..600 {
            assert_eq!(people.add(Camp::Honest, number * 30, true, 1), number);
        }
        let peers: BTreeSet<_> = (0..600).map(|it| people.get(it).peer).collect();
        let addresses: BTreeSet<_> =
            (0..600).flat_map(|it| people.get(it).record.addresses().to_vec()).collect();
        let groups: BTreeSet<_> = addresses.iter().filter_map(NetworkGroup::of).collect();
        assert_eq!((peers.len(), addresses.len(), groups.len()), (600, 1200, 600));
        assert!(addresses.iter().all(|address| admissible(address, false).is_ok()));
        let record = people.get(7).record.encoded();
        assert_eq!(SignedRecord::open(record).ok(), people.verify(record).as_deref().cloned());
        assert_eq!(people.verify(&Bytes::from_static(b"forged")), None);
        let other = Population::new(1).add(Camp::Honest, 0, true, 1);
        assert_eq!((other, people.find(&people.get(9).peer)), (0, Some(9)));
    }
}
