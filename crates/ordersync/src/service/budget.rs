//! Who may have how much of this node: by peer, and all together.
#![expect(clippy::float_arithmetic, reason = "tokens are fractions of requests and bytes")]

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use machine::{Instant, PeerId};
use transport::clock::Clock;

use super::Protocol;
use super::config::{Allowance, Params};

/// Most peers remembered. Those with the fullest allowance are forgotten first, which loses nothing.
const PEERS_MAX: usize = 4_096;

/// An allowance that refills with time.
#[derive(Clone, Copy, Debug)]
struct Bucket {
    allowance: Allowance,
    level: f64,
    at: Instant,
}

impl Bucket {
    const fn full(allowance: Allowance, now: Instant) -> Self {
        Self { allowance, level: allowance.burst, at: now }
    }

    fn refill(&mut self, now: Instant) {
        let gained = now.since(self.at).as_secs_f64() * self.allowance.rate;
        self.level = (self.level + gained).min(self.allowance.burst);
        self.at = now;
    }

    /// Takes `amount`, which may leave less than nothing; how long until there is something again.
    fn take(&mut self, amount: f64, now: Instant) -> Duration {
        self.refill(now);
        self.level -= amount;
        if self.level >= 0.0 {
            return Duration::ZERO;
        }
        Duration::try_from_secs_f64(-self.level / self.allowance.rate).unwrap_or(Duration::MAX)
    }

    /// Takes one if there is one.
    fn try_take(&mut self, now: Instant) -> bool {
        self.refill(now);
        let has = self.level >= 1.0;
        if has {
            self.level -= 1.0;
        }
        has
    }
}

#[derive(Debug)]
struct Peer {
    requests: Bucket,
    bytes: Bucket,
    foreign_bytes: Bucket,
    compute: Bucket,
    scans: Bucket,
    serving: usize,
}

#[derive(Debug)]
struct State {
    requests: Bucket,
    scans: Bucket,
    serving: usize,
    peers: BTreeMap<PeerId, Peer>,
}

/// The budgets of a service. Clones share them.
#[derive(Clone, Debug)]
pub(super) struct Budgets {
    clock: Clock,
    params: Params,
    state: Arc<Mutex<State>>,
}

/// A session that is being served; free again when dropped.
#[derive(Debug)]
pub(super) struct Place {
    budgets: Budgets,
    peer: PeerId,
}

impl Budgets {
    pub(super) fn new(params: Params) -> Self {
        let clock = Clock::start();
        let requests = Bucket::full(params.requests, clock.now());
        let scans = Bucket::full(params.scans, clock.now());
        let state = State { requests, scans, serving: 0, peers: BTreeMap::new() };
        Self { clock, params, state: Arc::new(Mutex::new(state)) }
    }

    /// A place for one more session of `peer`, unless there is none.
    pub(super) fn admit(&self, peer: PeerId) -> Option<Place> {
        let params = self.params.clone();
        self.with(peer, |state, _| {
            if state.serving >= params.serving_max {
                return None;
            }
            let entry = state.peers.get_mut(&peer)?;
            if entry.serving >= params.serving_per_peer_max {
                return None;
            }
            entry.serving = entry.serving.saturating_add(1);
            state.serving = state.serving.saturating_add(1);
            Some(())
        })?;
        Some(Place { budgets: self.clone(), peer })
    }

    /// Counts a request; how long to wait before it is read.
    pub(super) fn request(&self, peer: PeerId) -> Duration {
        self.with(peer, |state, now| {
            let all = state.requests.take(1.0, now);
            let own = state.peers.get_mut(&peer).map(|entry| entry.requests.take(1.0, now));
            all.max(own.unwrap_or_default())
        })
    }

    /// Counts bytes that were sent; how long to wait before the next are.
    pub(super) fn bytes(&self, peer: PeerId, protocol: Protocol, bytes: usize) -> Duration {
        let bytes = f64::from(u32::try_from(bytes).unwrap_or(u32::MAX));
        self.with(peer, |state, now| {
            let Some(entry) = state.peers.get_mut(&peer) else { return Duration::ZERO };
            match protocol {
                Protocol::Binary => entry.bytes.take(bytes, now),
                Protocol::Json(_) => entry.foreign_bytes.take(bytes, now),
            }
        })
    }

    /// Counts the time that a request has kept a processor busy; how long to wait before the next is
    /// read.
    pub(super) fn compute(&self, peer: PeerId, time: Duration) -> Duration {
        self.with(peer, |state, now| {
            let entry = state.peers.get_mut(&peer);
            entry.map(|entry| entry.compute.take(time.as_secs_f64(), now)).unwrap_or_default()
        })
    }

    /// Whether the whole book may be gone through for `peer` once more.
    pub(super) fn scan(&self, peer: PeerId) -> bool {
        self.with(peer, |state, now| {
            let Some(entry) = state.peers.get_mut(&peer) else { return false };
            entry.scans.refill(now);
            // Its own is not spent where there is none for all.
            entry.scans.level >= 1.0 && state.scans.try_take(now) && entry.scans.try_take(now)
        })
    }

    fn with<T>(&self, peer: PeerId, act: impl FnOnce(&mut State, Instant) -> T) -> T {
        let now = self.clock.now();
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.peers.len() >= PEERS_MAX && !state.peers.contains_key(&peer) {
            state.forget(now);
        }
        let params = &self.params;
        state.peers.entry(peer).or_insert_with(|| Peer {
            requests: Bucket::full(params.peer_requests, now),
            bytes: Bucket::full(params.peer_bytes, now),
            foreign_bytes: Bucket::full(params.foreign_bytes, now),
            compute: Bucket::full(params.peer_compute, now),
            scans: Bucket::full(params.peer_scans, now),
            serving: 0,
        });
        act(&mut state, now)
    }
}

impl Peer {
    /// How full its emptiest bucket is.
    fn left(&mut self, now: Instant) -> f64 {
        let Self { requests, bytes, foreign_bytes, compute, scans, serving: _ } = self;
        let buckets = [requests, bytes, foreign_bytes, compute, scans];
        let part = |bucket: &mut Bucket| {
            bucket.refill(now);
            bucket.level / bucket.allowance.burst
        };
        buckets.into_iter().map(part).fold(1.0, f64::min)
    }
}

impl State {
    /// Forgets the peers that nothing is held against; if there are none, the one that has used
    /// least.
    fn forget(&mut self, now: Instant) {
        let mut most: Option<(PeerId, f64)> = None;
        self.peers.retain(|id, peer| {
            let left = peer.left(now);
            if peer.serving == 0 && most.is_none_or(|(_, most)| left > most) {
                most = Some((*id, left));
            }
            peer.serving > 0 || left < 1.0
        });
        if let Some((id, _)) = most.filter(|_| self.peers.len() >= PEERS_MAX) {
            self.peers.remove(&id);
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let peer = self.peer;
        self.budgets.with(peer, |state, _| {
            state.serving = state.serving.saturating_sub(1);
            if let Some(entry) = state.peers.get_mut(&peer) {
                entry.serving = entry.serving.saturating_sub(1);
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::Config;

    fn budgets(config: Config) -> Budgets {
        Budgets::new(config.check().expect("within bounds"))
    }

    #[test]
    fn one_peer_cannot_use_up_the_places_of_others() {
        let budgets =
            budgets(Config { serving_max: 3, serving_per_peer_max: 2, ..Config::default() });
        let (greedy, other) = (PeerId::random(), PeerId::random());
        let held: Vec<_> = (0..5).filter_map(|_| budgets.admit(greedy)).collect();
        assert_eq!(held.len(), 2);
        let third = budgets.admit(other);
        assert!(third.is_some());
        assert!(budgets.admit(PeerId::random()).is_none(), "the node is full");
        drop(held);
        assert!(budgets.admit(greedy).is_some(), "a dropped place is free again");
    }

    #[test]
    fn requests_beyond_the_burst_wait() {
        let few = Allowance { rate: 0.001, burst: 2.0 };
        let budgets = budgets(Config { peer_requests: few, ..Config::default() });
        let peer = PeerId::random();
        assert_eq!([budgets.request(peer), budgets.request(peer)], [Duration::ZERO; 2]);
        assert!(budgets.request(peer) > Duration::from_mins(15));
        assert_eq!(budgets.request(PeerId::random()), Duration::ZERO, "another has its own");
    }

    #[test]
    fn who_comes_in_many_names_takes_bounded_room() {
        let budgets = budgets(Config::default());
        for _ in 0..(PEERS_MAX + 100) {
            budgets.scan(PeerId::random());
        }
        let state = budgets.state.lock().expect("nobody panicked");
        assert!(state.peers.len() <= PEERS_MAX);
    }
}
