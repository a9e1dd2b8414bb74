//! Records of nodes that this node itself has reached: the only ones it passes on.

use std::collections::VecDeque;

use handshake::SessionInfo;
use libp2p::Multiaddr;
use libp2p::multiaddr::Protocol;
use wire::signed::SignedRecord;

/// Records that are kept. A refusal names at most 16; with four times as many not every refused peer
/// is sent to the same ones.
const KEPT_MAX: usize = 64;

/// The records, the last reached last.
#[derive(Debug, Default)]
pub(super) struct Reached(VecDeque<SignedRecord>);

impl Reached {
    /// Notes a peer that we dialled; true when that changes anything. Its record counts only if it
    /// names the address where the peer answered.
    pub(super) fn add(&mut self, info: &SessionInfo) -> bool {
        let Some(record) = &info.record else { return false };
        let dialled = without_peer(&info.address);
        if !record.addresses().iter().any(|address| without_peer(address) == dialled) {
            return false;
        }
        self.0.retain(|known| known.peer() != record.peer());
        self.0.push_back(record.clone());
        if self.0.len() > KEPT_MAX {
            self.0.pop_front();
        }
        true
    }

    pub(super) fn records(&self) -> Vec<SignedRecord> {
        self.0.iter().cloned().collect()
    }
}

fn without_peer(address: &Multiaddr) -> Multiaddr {
    let mut address = address.clone();
    if let Some(Protocol::P2p(_)) = address.iter().last() {
        address.pop();
    }
    address
}

#[cfg(test)]
mod tests {
    use super::*;

    use handshake::{Semver, SessionKind};
    use libp2p::identity::Keypair;
    use libp2p::swarm::ConnectionId;
    use machine::Instant;

    fn address(text: &str) -> Multiaddr {
        text.parse().expect("a multiaddr")
    }

    /// A peer that was dialled at `dialled` and says that it is at `told`.
    fn dialled(key: &Keypair, seq: u64, dialled: &str, told: &str) -> SessionInfo {
        let record = SignedRecord::seal(key, seq, vec![address(told)]).expect("it can be signed");
        let peer = key.public().to_peer_id();
        SessionInfo {
            peer,
            connection: ConnectionId::new_unchecked(0),
            kind: SessionKind::Outbound,
            declared: SessionKind::Outbound,
            address: address(dialled).with(Protocol::P2p(peer)),
            agent: String::new(),
            version: Semver::default(),
            features: Vec::new(),
            record: Some(record),
            observed: None,
            since: Instant::START,
        }
    }

    #[test]
    fn only_a_record_that_names_where_the_peer_answered_is_passed_on() {
        let (mut reached, key) = (Reached::default(), Keypair::generate_ed25519());
        let (here, there) = ("/ip4/9.9.9.9/tcp/1", "/ip4/8.8.8.8/tcp/1");
        assert!(!reached.add(&dialled(&key, 1, here, there)), "a lie, or a way round");
        assert!(!reached.add(&SessionInfo { record: None, ..dialled(&key, 1, here, here) }));
        assert!(reached.records().is_empty());
        assert!(reached.add(&dialled(&key, 1, here, here)));
        assert!(reached.add(&dialled(&key, 2, here, here)), "the newest one is kept");
        let kept: Vec<_> = reached.records().iter().map(SignedRecord::seq).collect();
        assert_eq!(kept, [2]);
    }

    #[test]
    fn the_last_ones_are_kept() {
        let (mut reached, here) = (Reached::default(), "/ip4/9.9.9.9/tcp/1");
        let keys: Vec<_> = (0..=KEPT_MAX).map(|_| Keypair::generate_ed25519()).collect();
        assert!(keys.iter().all(|key| reached.add(&dialled(key, 1, here, here))));
        let kept: Vec<_> = reached.records().iter().map(SignedRecord::peer).collect();
        let last: Vec<_> = keys[1..].iter().map(|key| key.public().to_peer_id()).collect();
        assert_eq!(kept, last);
    }
}
