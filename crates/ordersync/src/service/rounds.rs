//! Whom to sync with, and until when.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::time::Duration;

use futures::stream::{FuturesUnordered, StreamExt as _};
use futures_timer::Delay;
use machine::PeerId;
use rand::RngExt as _;
use rand::seq::SliceRandom as _;

use super::Service;
use super::network::Network;
use super::shards::Shards;
use crate::Item;
use crate::requester::{Ended, Outcome, Rest};

/// What a sync came to.
#[derive(Clone, Debug, PartialEq)]
pub struct Synced {
    /// Those that the sync succeeded with, and how.
    pub peers: Vec<(PeerId, Outcome)>,
    /// Those that it failed with, and how it ended the last time.
    pub failed: Vec<(PeerId, NoOrdersFromPeer)>,
}

/// A peer gave no orders.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("no orders received from peer")]
pub struct NoOrdersFromPeer {
    /// How the session with it ended.
    pub outcome: Outcome,
}

/// Nobody gave orders: nobody is connected who speaks the protocol, there are none, or nobody wants
/// to give them to us.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("no orders were received from any known peers")]
pub struct NoOrders {
    /// Those that were asked, and how it ended the last time.
    pub failed: Vec<(PeerId, NoOrdersFromPeer)>,
}

/// The pause between two syncs, as a part of what was asked for: a tenth less to a tenth more.
const PAUSE: Range<f64> = 0.9..1.1;

impl<I: Item, N: Network> Service<I, N> {
    /// Syncs with `min_peers` of the connected peers, picked at random, several at a time. Tries
    /// again, with growing pauses, while there are fewer; ends with those that there are.
    ///
    /// A sync succeeds if the digests agree, or if a peer that can only page has given at least one
    /// order.
    ///
    /// # Errors
    /// [`NoOrders`] if it succeeded with nobody.
    ///
    /// # Cancel safety
    /// Can be dropped at any wait; what was stored stays.
    pub async fn get_orders(&self, min_peers: usize) -> Result<Synced, NoOrders> {
        self.sync(min_peers, None).await
    }

    /// Syncs with these peers, whoever they are.
    ///
    /// # Errors
    /// [`NoOrders`] if it succeeded with nobody.
    ///
    /// # Cancel safety
    /// Can be dropped at any wait; what was stored stays.
    pub async fn get_orders_from(&self, peers: Vec<PeerId>) -> Result<Synced, NoOrders> {
        self.sync(peers.len(), Some(peers)).await
    }

    /// Syncs at once and then again and again, about every `approx_delay`: the pause is that time,
    /// give or take a tenth. Never ends; a sync that fails is tried again when its time has come.
    ///
    /// # Cancel safety
    /// Can be dropped at any wait; what was stored stays.
    pub async fn periodically_get_orders(
        &self,
        min_peers: usize,
        approx_delay: Duration,
    ) -> std::convert::Infallible {
        loop {
            match self.get_orders(min_peers).await {
                Ok(synced) => tracing::debug!(peers = synced.peers.len(), "synced"),
                Err(error) => tracing::debug!(%error, "not synced"),
            }
            let part = self.with_rng(|rng| rng.random_range(PAUSE));
            Delay::new(approx_delay.mul_f64(part)).await;
        }
    }

    async fn sync(
        &self,
        min_peers: usize,
        chosen: Option<Vec<PeerId>>,
    ) -> Result<Synced, NoOrders> {
        let min_peers = min_peers.max(1);
        let mut rounds = Rounds::default();
        let mut pause = self.params().backoff_min;
        for round in 1..=self.params().rounds_max.max(1) {
            let peers = chosen.clone().unwrap_or_else(|| self.network().peers());
            let peers: BTreeSet<_> = peers.into_iter().collect();
            let mut peers: Vec<_> = peers.into_iter().filter(|peer| rounds.may_ask(peer)).collect();
            self.with_rng(|rng| peers.shuffle(rng));
            self.round(peers, min_peers, &mut rounds).await;
            if rounds.synced.len() >= min_peers || round == self.params().rounds_max {
                break;
            }
            Delay::new(pause).await;
            pause = pause.saturating_mul(2).min(self.params().backoff_max);
        }
        let failed = rounds.failed.into_iter().collect();
        if rounds.synced.is_empty() {
            return Err(NoOrders { failed });
        }
        Ok(Synced { peers: rounds.synced.into_iter().collect(), failed })
    }

    /// Asks each of `peers` once, in this order, at most `min_peers` at a time, until enough have answered.
    async fn round(&self, peers: Vec<PeerId>, min_peers: usize, rounds: &mut Rounds) {
        let shards = Shards::new();
        let mut peers = peers.into_iter();
        let mut sessions = FuturesUnordered::new();
        loop {
            while sessions.len().saturating_add(rounds.synced.len()) < min_peers {
                let Some(peer) = peers.next() else { break };
                let rest = rounds.rests.remove(&peer);
                let shards = &shards;
                sessions.push(async move { (peer, self.fetch(peer, rest, shards).await) });
            }
            let Some((peer, outcome)) = sessions.next().await else { return };
            rounds.ended(peer, outcome);
        }
    }
}

/// The state of one sync.
#[derive(Default)]
struct Rounds {
    synced: BTreeMap<PeerId, Outcome>,
    failed: BTreeMap<PeerId, NoOrdersFromPeer>,
    /// Where to go on with those that broke.
    rests: BTreeMap<PeerId, Rest>,
}

impl Rounds {
    /// Who succeeded need not be asked again, and who did something wrong is not.
    fn may_ask(&self, peer: &PeerId) -> bool {
        let faulted = |failed: &NoOrdersFromPeer| matches!(failed.outcome.ended, Ended::Faulted(_));
        !self.synced.contains_key(peer) && !self.failed.get(peer).is_some_and(faulted)
    }

    fn ended(&mut self, peer: PeerId, outcome: Outcome) {
        let succeeded = match outcome.ended {
            Ended::Agreed => true,
            Ended::Paged => outcome.tally.valid > 0,
            Ended::Incomplete { .. } | Ended::Faulted(_) | Ended::Broken(_) => false,
        };
        if succeeded {
            self.failed.remove(&peer);
            self.synced.insert(peer, outcome);
            return;
        }
        if let Some(rest) = outcome.rest.clone() {
            self.rests.insert(peer, rest);
        }
        self.failed.insert(peer, NoOrdersFromPeer { outcome });
    }
}
