//! The node's own signed record: where it says that it can be reached.

use std::collections::BTreeSet;

use libp2p::Multiaddr;
use libp2p::identity::Keypair;
use machine::UnixTime;
use transport::address::admissible;
use wire::signed::SignedRecord;

/// The record and what goes into it.
#[derive(Debug)]
pub(super) struct OwnRecord {
    identity: Keypair,
    allow_private: bool,
    external: Vec<Multiaddr>,
    listening: BTreeSet<Multiaddr>,
    /// The number of the last record: from the wall clock at the start, so that it is higher than
    /// that of any earlier life.
    seq: u64,
}

impl OwnRecord {
    pub(super) fn new(
        identity: Keypair,
        allow_private: bool,
        external: Vec<Multiaddr>,
        now: UnixTime,
    ) -> Self {
        let listening = BTreeSet::new();
        Self { identity, allow_private, external, listening, seq: now.as_millis() }
    }

    pub(super) const fn listening(&self) -> &BTreeSet<Multiaddr> {
        &self.listening
    }

    pub(super) fn add(&mut self, address: Multiaddr) {
        self.listening.insert(address);
    }

    pub(super) fn remove(&mut self, address: &Multiaddr) {
        self.listening.remove(address);
    }

    /// What others can dial; what was given to be told comes first.
    pub(super) fn addresses(&self) -> Vec<Multiaddr> {
        let mut addresses: Vec<Multiaddr> = Vec::new();
        for address in self.external.iter().chain(&self.listening) {
            let told = admissible(address, self.allow_private).is_ok();
            if told && !addresses.contains(address) && addresses.len() < SignedRecord::ADDRESSES_MAX
            {
                addresses.push(address.clone());
            }
        }
        addresses
    }

    /// A new record of them.
    pub(super) fn seal(&mut self) -> Option<SignedRecord> {
        self.seq += 1;
        match SignedRecord::seal(&self.identity, self.seq, self.addresses()) {
            Ok(record) => Some(record),
            Err(error) => {
                tracing::warn!(%error, "cannot sign the own record");
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> Multiaddr {
        text.parse().expect("a multiaddr")
    }

    fn record(allow_private: bool, external: &[&str], listening: &[&str]) -> SignedRecord {
        let external = external.iter().map(|text| address(text)).collect();
        let (key, now) = (Keypair::generate_ed25519(), UnixTime::from_millis(7));
        let mut own = OwnRecord::new(key, allow_private, external, now);
        for text in listening {
            own.add(address(text));
        }
        own.seal().expect("it can be signed")
    }

    #[test]
    fn only_what_others_can_dial_is_told_and_what_was_given_comes_first() {
        let (given, private) = ("/ip4/9.9.9.9/tcp/1", "/ip4/127.0.0.1/tcp/1");
        let told = record(false, &[given], &["/ip4/8.8.8.8/tcp/1", private, given]);
        assert_eq!(told.addresses(), [address(given), address("/ip4/8.8.8.8/tcp/1")]);
        assert_eq!(record(true, &[], &[private]).addresses(), [address(private)]);
    }

    #[test]
    fn there_are_never_too_many_and_each_record_is_newer() {
        let many: Vec<_> = (1..100).map(|port| format!("/ip4/8.8.8.8/tcp/{port}")).collect();
        let many: Vec<_> = many.iter().map(String::as_str).collect();
        assert_eq!(record(false, &[], &many).addresses().len(), SignedRecord::ADDRESSES_MAX);

        let now = UnixTime::from_millis(7);
        let mut own = OwnRecord::new(Keypair::generate_ed25519(), false, Vec::new(), now);
        let first = own.seal().expect("an empty record can be signed").seq();
        assert!(first > 7 && own.seal().expect("it can be signed").seq() > first);
    }
}
