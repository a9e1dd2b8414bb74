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
