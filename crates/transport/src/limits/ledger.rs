//! Who holds which slot. Every change goes through [`Ledger::take`] and [`Ledger::free`], so that
//! what was counted up is counted down once, whatever the order of events.

use std::collections::HashMap;
use std::hash::Hash;

use libp2p_identity::PeerId;
use libp2p_swarm::ConnectionId;

use crate::address::Subnet;

/// How many connections there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Established, opened by remotes.
    pub established_inbound: u32,
    /// Established, opened by this node.
    pub established_outbound: u32,
    /// Being secured, opened by remotes.
    pub pending_inbound: u32,
    /// Being dialled.
    pub pending_outbound: u32,
}

impl Counts {
    /// Established connections, both ways.
    pub const fn established(&self) -> u32 {
        self.established_inbound.saturating_add(self.established_outbound)
    }
}

/// What one connection counts as.
#[derive(Clone, Copy, Debug)]
pub(super) enum Slot {
    PendingInbound { subnet: Option<Subnet> },
    PendingOutbound,
    Established { inbound: bool, peer: PeerId, subnet: Option<Subnet> },
}

/// The slots taken. Bounded by the limits that are asked before each `take`; a subnet or peer that
/// holds nothing has no entry.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    slots: HashMap<ConnectionId, Slot>,
    counts: Counts,
    peers: HashMap<PeerId, u32>,
    subnets: HashMap<Subnet, u32>,
    pending_subnets: HashMap<Subnet, u32>,
}

impl Ledger {
    pub(super) const fn counts(&self) -> Counts {
        self.counts
    }

    /// Established connections with `peer`.
    pub(super) fn of_peer(&self, peer: &PeerId) -> u32 {
        self.peers.get(peer).copied().unwrap_or_default()
    }

    /// Established connections with `subnet`.
    pub(super) fn of_subnet(&self, subnet: &Subnet) -> u32 {
        self.subnets.get(subnet).copied().unwrap_or_default()
    }

    /// Connections from `subnet` that are being secured.
    pub(super) fn pending_of_subnet(&self, subnet: &Subnet) -> u32 {
        self.pending_subnets.get(subnet).copied().unwrap_or_default()
    }

    /// Books `connection` as `slot` instead of whatever it was before.
    pub(super) fn take(&mut self, connection: ConnectionId, slot: Slot) {
        self.free(connection);
        match slot {
            Slot::PendingInbound { subnet } => {
                self.counts.pending_inbound += 1;
                add(&mut self.pending_subnets, subnet);
            }
            Slot::PendingOutbound => self.counts.pending_outbound += 1,
            Slot::Established { inbound, peer, subnet } => {
                *self.established(inbound) += 1;
                add(&mut self.peers, Some(peer));
                add(&mut self.subnets, subnet);
            }
        }
        self.slots.insert(connection, slot);
    }

    /// Gives back what `connection` holds, if anything.
    pub(super) fn free(&mut self, connection: ConnectionId) {
        match self.slots.remove(&connection) {
            None => {}
            Some(Slot::PendingInbound { subnet }) => {
                self.counts.pending_inbound -= 1;
                subtract(&mut self.pending_subnets, subnet);
            }
            Some(Slot::PendingOutbound) => self.counts.pending_outbound -= 1,
            Some(Slot::Established { inbound, peer, subnet }) => {
                *self.established(inbound) -= 1;
                subtract(&mut self.peers, Some(peer));
                subtract(&mut self.subnets, subnet);
            }
        }
    }

    /// Entries in all maps: what the ledger costs in memory.
    #[cfg(test)]
    pub(super) fn entries(&self) -> usize {
        self.slots.len() + self.peers.len() + self.subnets.len() + self.pending_subnets.len()
    }

    const fn established(&mut self, inbound: bool) -> &mut u32 {
        if inbound {
            &mut self.counts.established_inbound
        } else {
            &mut self.counts.established_outbound
        }
    }
}

fn add<K: Eq + Hash>(counts: &mut HashMap<K, u32>, key: Option<K>) {
    if let Some(key) = key {
        *counts.entry(key).or_default() += 1;
    }
}

/// Counts `key` down and forgets it at 0: remotes choose their ids, and could leave one each.
fn subtract<K: Eq + Hash>(counts: &mut HashMap<K, u32>, key: Option<K>) {
    let Some(key) = key else { return };
    if let Some(count) = counts.get_mut(&key) {
        *count -= 1;
        if *count == 0 {
            counts.remove(&key);
        }
    }
}
