//! Whom to sync with, and until when.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::time::Duration;

use futures::stream::{FuturesUnordered, StreamExt as _};
use futures_timer::Delay;
use machine::{Instant, PeerId};
use rand::RngExt as _;
use rand::seq::SliceRandom as _;
use transport::clock::Clock;

use super::Service;
use super::network::Network;
use super::sessions::Until;
use super::shards::Shards;
use crate::Item;
use crate::requester::{Break, Ended, Outcome, RefusedBy, Rest};

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
    /// # Bounds
    /// A peer is asked for at most [`Config::peer_timeout`](super::Config::peer_timeout), in all rounds
    /// together, and nobody is begun with later than that: a sync ends within twice the time. What a
    /// slow peer has given by then is kept, and its outcome is [`Break::Overdue`].
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
        // With so little, whoever can only page need not be asked for everything by everybody.
        let shards = Shards::new(self.book().len() < self.params().page);
        let clock = Clock::start();
        let mut pause = self.params().backoff_min;
        for round in 1..=self.params().rounds_max.max(1) {
            let peers = chosen.clone().unwrap_or_else(|| self.network().peers());
            let peers: BTreeSet<_> = peers.into_iter().collect();
            let now = clock.now();
            let time = self.params().peer_timeout;
            let may_ask = |peer: &PeerId| {
                rounds.may_ask(peer)
                    && rounds.busy_for(peer, now).is_zero()
                    && rounds.until(peer, now, time) > now
            };
            let mut peers: Vec<_> = peers.into_iter().filter(may_ask).collect();
            self.with_rng(|rng| peers.shuffle(rng));
            self.round(peers, min_peers, &shards, &mut rounds, clock).await;
            let enough = rounds.synced.len() >= min_peers || self.is_late(clock);
            if enough || round == self.params().rounds_max {
                break;
            }
            let busy = rounds.all_busy_for(clock.now(), self.params().backoff_max);
            Delay::new(pause.max(busy)).await;
            pause = pause.saturating_mul(2).min(self.params().backoff_max);
        }
        let failed = rounds.failed.into_iter().collect();
        if rounds.synced.is_empty() {
            return Err(NoOrders { failed });
        }
        Ok(Synced { peers: rounds.synced.into_iter().collect(), failed })
    }

    /// Asks each of `peers` once, in this order, at most `min_peers` at a time, until enough have answered.
    async fn round(
        &self,
        peers: Vec<PeerId>,
        min_peers: usize,
        shards: &Shards,
        rounds: &mut Rounds,
        clock: Clock,
    ) {
        let mut peers = peers.into_iter();
        let mut sessions = FuturesUnordered::new();
        loop {
            while sessions.len().saturating_add(rounds.synced.len()) < min_peers
                && !self.is_late(clock)
            {
                let Some(peer) = peers.next() else { break };
                let rest = rounds.rests.remove(&peer);
                let end = rounds.begin(peer, clock.now(), self.params().peer_timeout);
                let until = Until { clock, end };
                sessions.push(async move { (peer, self.fetch(peer, rest, shards, until).await) });
            }
            let Some((peer, outcome)) = sessions.next().await else { return };
            rounds.ended(peer, outcome, clock.now());
        }
    }

    /// Whether the sync has lasted so long that nobody else is begun with.
    fn is_late(&self, clock: Clock) -> bool {
        clock.now().since(Instant::START) >= self.params().peer_timeout
    }
}

/// The state of one sync.
#[derive(Default)]
struct Rounds {
    synced: BTreeMap<PeerId, Outcome>,
    failed: BTreeMap<PeerId, NoOrdersFromPeer>,
    /// Where to go on with those that broke.
    rests: BTreeMap<PeerId, Rest>,
    /// Until when those are busy who have said so.
    busy: BTreeMap<PeerId, Instant>,
    /// Until when those may be asked who have been.
    until: BTreeMap<PeerId, Instant>,
}

impl Rounds {
    /// Who succeeded need not be asked again, and who did something wrong is not.
    fn may_ask(&self, peer: &PeerId) -> bool {
        let faulted = |failed: &NoOrdersFromPeer| matches!(failed.outcome.ended, Ended::Faulted(_));
        !self.synced.contains_key(peer) && !self.failed.get(peer).is_some_and(faulted)
    }

    /// Until when this one may be asked, if that begins `now` unless it has before.
    fn until(&self, peer: &PeerId, now: Instant, time: Duration) -> Instant {
        self.until.get(peer).copied().unwrap_or_else(|| now.after(time))
    }

    /// Notes that this one is asked, and says until when.
    fn begin(&mut self, peer: PeerId, now: Instant, time: Duration) -> Instant {
        *self.until.entry(peer).or_insert_with(|| now.after(time))
    }

    /// How long this one is still busy, as it says.
    fn busy_for(&self, peer: &PeerId, now: Instant) -> Duration {
        self.busy.get(peer).map_or(Duration::ZERO, |until| until.since(now))
    }

    /// How long it takes until the first of those who failed may be asked again. Who is busy for
    /// longer than `max` is not waited for.
    fn all_busy_for(&self, now: Instant, max: Duration) -> Duration {
        let may_ask = self.failed.keys().filter(|peer| self.may_ask(peer));
        let busy = may_ask.map(|peer| self.busy_for(peer, now));
        busy.filter(|time| *time <= max).min().unwrap_or_default()
    }

    fn ended(&mut self, peer: PeerId, outcome: Outcome, now: Instant) {
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
        if let Ended::Broken(Break::Refused(RefusedBy::Busy { retry_after: Some(time) })) =
            outcome.ended
        {
            self.busy.insert(peer, now.after(time));
        }
        if let Some(rest) = outcome.rest.clone() {
            self.rests.insert(peer, rest);
        }
        self.failed.insert(peer, NoOrdersFromPeer { outcome });
    }
}
