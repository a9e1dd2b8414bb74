//! The peers that the operator named: dialled again and again, and never let go.

use std::collections::BTreeMap;
use std::time::Duration;

use libp2p_core::Multiaddr;
use libp2p_identity::PeerId;
use machine::Instant;
use rand_chacha::ChaCha8Rng;

use super::heartbeat::jittered;
use crate::TrustError;
use crate::config::Config;

/// Addresses kept of one trusted peer.
const ADDRESSES_MAX: usize = 16;

/// Bounded by `trusted_max`.
#[derive(Debug, Default)]
pub(super) struct Trusted {
    by_peer: BTreeMap<PeerId, Named>,
}

#[derive(Debug)]
struct Named {
    addresses: Vec<Multiaddr>,
    /// The wait after the next failure.
    wait: Duration,
    due: Instant,
}

impl Trusted {
    pub(super) fn contains(&self, peer: &PeerId) -> bool {
        self.by_peer.contains_key(peer)
    }

    pub(super) fn peers(&self) -> impl Iterator<Item = &PeerId> {
        self.by_peer.keys()
    }

    /// Adds a peer, or addresses of one.
    pub(super) fn add(
        &mut self,
        peer: PeerId,
        addresses: Vec<Multiaddr>,
        config: &Config,
        now: Instant,
    ) -> Result<(), TrustError> {
        let max = config.trusted_max;
        if !self.by_peer.contains_key(&peer) {
            if addresses.is_empty() {
                return Err(TrustError::NoAddress);
            }
            if self.by_peer.len() >= max {
                return Err(TrustError::TooMany { max });
            }
        }
        let fresh = Named { addresses: Vec::new(), wait: config.redial_min, due: now };
        let named = self.by_peer.entry(peer).or_insert(fresh);
        named.due = named.due.min(now);
        for address in addresses {
            if !named.addresses.contains(&address) && named.addresses.len() < ADDRESSES_MAX {
                named.addresses.push(address);
            }
        }
        Ok(())
    }

    pub(super) fn remove(&mut self, peer: &PeerId) -> bool {
        self.by_peer.remove(peer).is_some()
    }

    /// Those to dial now, of whom `busy` says that they are not linked nor being dialled.
    pub(super) fn due(
        &self,
        busy: impl Fn(&PeerId) -> bool,
        now: Instant,
    ) -> Vec<(PeerId, Vec<Multiaddr>)> {
        let due = self.by_peer.iter().filter(|(peer, it)| it.due <= now && !busy(peer));
        due.map(|(peer, it)| (*peer, it.addresses.clone())).collect()
    }

    /// A dial came to nothing, or the link is gone.
    pub(super) fn failed(
        &mut self,
        peer: &PeerId,
        config: &Config,
        rng: &mut ChaCha8Rng,
        now: Instant,
    ) {
        if let Some(named) = self.by_peer.get_mut(peer) {
            named.due = now.after(jittered(named.wait, rng));
            named.wait = named.wait.saturating_mul(2).min(config.redial_max);
        }
    }

    /// The link held for a while.
    pub(super) fn lasted(&mut self, peer: &PeerId, config: &Config) {
        if let Some(named) = self.by_peer.get_mut(peer) {
            named.wait = config.redial_min;
        }
    }

    /// When the next of those that are not `busy` is due.
    pub(super) fn next_deadline(&self, busy: impl Fn(&PeerId) -> bool) -> Option<Instant> {
        self.by_peer.iter().filter(|(peer, _)| !busy(peer)).map(|(_, it)| it.due).min()
    }
}
