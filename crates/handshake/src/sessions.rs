//! What was agreed on each open connection, for all who care.

use std::sync::Arc;

use dashmap::DashMap;
use libp2p_core::Multiaddr;
use libp2p_identity::PeerId;
use libp2p_swarm::ConnectionId;
use machine::Instant;
use wire::signed::SignedRecord;

use crate::{Feature, Semver, SessionKind};

/// One open connection and what both sides agreed on.
#[derive(Clone, Debug)]
pub struct SessionInfo {
    /// The other side.
    pub peer: PeerId,
    /// Which connection.
    pub connection: ConnectionId,
    /// What we hold it for.
    pub kind: SessionKind,
    /// What the dialer opened it for; equal to `kind` if we dialled.
    pub declared: SessionKind,
    /// Where we dialled, or where the remote comes from.
    pub address: Multiaddr,
    /// The remote's software. Free text of theirs: escape it before showing it.
    pub agent: String,
    /// The remote's application version.
    pub version: Semver,
    /// What both sides can do, each at the version to use.
    pub features: Vec<Feature>,
    /// Where the remote says it can be dialled, signed by it. Nobody has tried yet.
    pub record: Option<SignedRecord>,
    /// At which address the remote says it sees us.
    pub observed: Option<Multiaddr>,
    /// When both sides had accepted, on the gate's clock.
    pub since: Instant,
}

/// All open connections, shared: the gate writes, everybody may read.
#[derive(Clone, Debug, Default)]
pub struct Sessions {
    by_connection: Arc<DashMap<ConnectionId, Arc<SessionInfo>>>,
}

impl Sessions {
    /// What was agreed on `connection`, while it is open.
    pub fn get(&self, connection: ConnectionId) -> Option<Arc<SessionInfo>> {
        self.by_connection.get(&connection).map(|info| Arc::clone(&info))
    }

    /// All of them, in no order.
    pub fn all(&self) -> Vec<Arc<SessionInfo>> {
        self.by_connection.iter().map(|info| Arc::clone(&info)).collect()
    }

    /// How many are open.
    pub fn len(&self) -> usize {
        self.by_connection.len()
    }

    /// Whether none is open.
    pub fn is_empty(&self) -> bool {
        self.by_connection.is_empty()
    }

    pub(crate) fn insert(&self, info: Arc<SessionInfo>) {
        self.by_connection.insert(info.connection, info);
    }

    pub(crate) fn remove(&self, connection: ConnectionId) -> Option<Arc<SessionInfo>> {
        self.by_connection.remove(&connection).map(|(_, info)| info)
    }
}
