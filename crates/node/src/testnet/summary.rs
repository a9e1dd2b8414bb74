//! What became of a network.

use std::time::Duration;

use libp2p::{Multiaddr, PeerId};
use serde::Serialize;

use super::{Profile, Testnet};
use crate::handle::{Direction, Ending};

/// What became of a network.
#[derive(Clone, Debug, Serialize)]
pub struct Summary {
    /// Whether it managed everything.
    pub ok: bool,
    /// The seed of every random choice.
    pub rng_seed: u64,
    /// How fast everything happened.
    pub profile: Profile,
    /// What it went through.
    pub phases: Vec<PhaseSummary>,
    /// The nodes at the end.
    pub nodes: Vec<NodeSummary>,
}

/// What became of one phase.
#[derive(Clone, Debug, Serialize)]
pub struct PhaseSummary {
    /// Its name.
    pub name: &'static str,
    /// Whether the network managed it.
    pub ok: bool,
    /// How it went, or what went wrong.
    pub detail: String,
    /// How long it took, in milliseconds.
    pub took_ms: u64,
}

/// One node at the end.
#[derive(Clone, Debug, Serialize)]
pub struct NodeSummary {
    /// Its name in the test network.
    pub name: String,
    /// Who it is.
    pub peer_id: String,
    /// Where it listens.
    pub listen: Vec<String>,
    /// Peers that dialled it.
    pub inbound: usize,
    /// Peers that it dialled.
    pub outbound: usize,
    /// The names of all its peers.
    pub peers: Vec<String>,
    /// Exchanges of links that it took part in since it was last started.
    pub swaps: u64,
}

impl Testnet {
    /// Who is connected to whom; nodes that have ended are left out.
    pub async fn nodes_now(&self) -> Vec<NodeSummary> {
        let mut nodes = Vec::new();
        for member in self.nodes() {
            if let Ok(node) = self.node_now(member).await {
                nodes.push(node);
            }
        }
        nodes
    }

    async fn node_now(&self, member: &super::Member) -> Result<NodeSummary, Ending> {
        let mut peers = member.handle.peers().await?;
        peers.sort_by_key(|peer| self.nodes().iter().position(|node| node.peer == peer.peer));
        let names = peers.iter().filter_map(|peer| self.name_of(peer.peer));
        let count = |direction| {
            let nodes = peers.iter().filter(|peer| self.name_of(peer.peer).is_some());
            nodes.filter(|peer| peer.direction == direction).count()
        };
        Ok(NodeSummary {
            name: member.name.clone(),
            peer_id: member.peer.to_string(),
            listen: member.listen.iter().map(Multiaddr::to_string).collect(),
            inbound: count(Direction::Inbound),
            outbound: count(Direction::Outbound),
            peers: names.collect(),
            swaps: member.handle.status().await?.swaps.get("done").copied().unwrap_or(0),
        })
    }

    /// The name of a node; a visit to the seed has none.
    fn name_of(&self, peer: PeerId) -> Option<String> {
        let node = self.nodes().iter().find(|member| member.peer == peer);
        node.map(|member| member.name.clone())
    }
}

impl PhaseSummary {
    /// What became of a phase that took so long.
    pub fn new(name: &'static str, outcome: Result<String, String>, took: Duration) -> Self {
        let ok = outcome.is_ok();
        let detail = outcome.unwrap_or_else(|error| error);
        Self { name, ok, detail, took_ms: took.as_millis().try_into().unwrap_or(u64::MAX) }
    }
}
