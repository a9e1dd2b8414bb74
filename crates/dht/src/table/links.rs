//! Whom this node has a link with, and where they sit.

use std::collections::BTreeMap;

use libp2p_identity::PeerId;

use crate::key::Key;

/// Whom this node has a link with. Bounded by the connection limit.
#[derive(Clone, Debug, Default)]
pub struct Links {
    keys: BTreeMap<PeerId, Key>,
}

impl Links {
    /// Adds a peer; false when it is there already.
    pub fn join(&mut self, peer: PeerId) -> bool {
        self.keys.insert(peer, Key::of(&peer)).is_none()
    }

    /// Removes a peer; false when it is not there.
    pub fn leave(&mut self, peer: &PeerId) -> bool {
        self.keys.remove(peer).is_some()
    }

    /// Whether there is a link with `peer`.
    pub fn contains(&self, peer: &PeerId) -> bool {
        self.keys.contains_key(peer)
    }

    /// Everybody, in the order of their ids.
    pub fn iter(&self) -> impl Iterator<Item = (&PeerId, &Key)> {
        self.keys.iter()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether there is nobody.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }
}

impl FromIterator<PeerId> for Links {
    fn from_iter<T: IntoIterator<Item = PeerId>>(peers: T) -> Self {
        Self { keys: peers.into_iter().map(|peer| (peer, Key::of(&peer))).collect() }
    }
}
