//! Who may have how much of this node: by peer, and all together.
//!
//! To a stranger a name costs nothing, so what is held against names holds no stranger back: strangers
//! share a part of what all have, and cannot touch the rest, which members share.
#![expect(clippy::float_arithmetic, reason = "tokens are fractions of requests and bytes")]

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use machine::{Instant, PeerId};
use transport::clock::Clock;

use super::config::{Allowance, Params};
use super::{Protocol, Standing};

/// Most peers remembered. Those with the fullest allowance are forgotten first, which loses nothing.
const PEERS_MAX: usize = 4_096;

/// Whose session it is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Who {
    pub(super) peer: PeerId,
    pub(super) standing: Standing,
}

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

    /// How long until there is one to take.
    fn until_one(&mut self, now: Instant) -> Duration {
        self.refill(now);
        if self.level >= 1.0 {
            return Duration::ZERO;
        }
        let lacking = (1.0 - self.level) / self.allowance.rate;
        Duration::try_from_secs_f64(lacking).unwrap_or(Duration::MAX)
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

/// What many share.
#[derive(Debug)]
struct Shared {
    requests: Bucket,
    bytes: Bucket,
    compute: Bucket,
    scans: Bucket,
}

impl Shared {
    fn new(params: &Params, part: f64, now: Instant) -> Self {
        let bucket = |all: Allowance| Bucket::full(all.part(part), now);
        Self {
            requests: bucket(params.requests),
            bytes: bucket(params.bytes),
            compute: bucket(params.compute),
            scans: bucket(params.scans),
        }
    }
}

#[derive(Debug)]
struct State {
    members: Shared,
    strangers: Shared,
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
        let now = clock.now();
        let strangers = Shared::new(&params, params.strangers, now);
        let members = Shared::new(&params, 1.0 - params.strangers, now);
        let state = State { members, strangers, serving: 0, peers: BTreeMap::new() };
        Self { clock, params, state: Arc::new(Mutex::new(state)) }
    }

    /// A place for one more session of `peer`, unless there is none.
    pub(super) fn admit(&self, peer: PeerId) -> Option<Place> {
        let (serving_max, per_peer_max) =
            (self.params.serving_max, self.params.serving_per_peer_max);
        self.with(peer, |state, _| {
            if state.serving >= serving_max {
                return None;
            }
            let entry = state.peers.get_mut(&peer)?;
            if entry.serving >= per_peer_max {
                return None;
            }
            entry.serving = entry.serving.saturating_add(1);
            state.serving = state.serving.saturating_add(1);
            Some(())
        })?;
        Some(Place { budgets: self.clone(), peer })
    }

    /// Counts a request; how long to wait before it is read.
    pub(super) fn request(&self, who: Who) -> Duration {
        self.charge(who, |shared, own, now| {
            shared.requests.take(1.0, now).max(own.requests.take(1.0, now))
        })
    }

    /// Counts bytes that were sent; how long to wait before the next are.
    pub(super) fn bytes(&self, who: Who, protocol: Protocol, bytes: usize) -> Duration {
        let bytes = f64::from(u32::try_from(bytes).unwrap_or(u32::MAX));
        self.charge(who, |shared, own, now| {
            let own = match protocol {
                Protocol::Binary => own.bytes.take(bytes, now),
                Protocol::Json(_) => own.foreign_bytes.take(bytes, now),
            };
            shared.bytes.take(bytes, now).max(own)
        })
    }

    /// Counts the time that a request has kept a processor busy; how long to wait before the next is
    /// read.
    pub(super) fn compute(&self, who: Who, time: Duration) -> Duration {
        let time = time.as_secs_f64();
        self.charge(who, |shared, own, now| {
            shared.compute.take(time, now).max(own.compute.take(time, now))
        })
    }

    /// Takes a look at the book out of the budget, or nothing: then there may be one after that time.
    pub(super) fn look(&self, who: Who) -> Result<(), Duration> {
        self.charge(who, |shared, own, now| {
            // Nobody's own is spent where there is none for all, nor the other way round.
            let wait = shared.scans.until_one(now).max(own.scans.until_one(now));
            if !wait.is_zero() {
                return Err(wait);
            }
            shared.scans.take(1.0, now);
            own.scans.take(1.0, now);
            Ok(())
        })
    }

    /// Acts on what the peer shares with others of its standing, and on what is its own.
    fn charge<T>(&self, who: Who, act: impl FnOnce(&mut Shared, &mut Peer, Instant) -> T) -> T {
        self.with(who.peer, |state, now| {
            let shared = match who.standing {
                Standing::Member => &mut state.members,
                Standing::Stranger => &mut state.strangers,
            };
            let own = state.peers.entry(who.peer);
            act(shared, own.or_insert_with(|| Peer::new(&self.params, now)), now)
        })
    }

    fn with<T>(&self, peer: PeerId, act: impl FnOnce(&mut State, Instant) -> T) -> T {
        let now = self.clock.now();
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.peers.len() >= PEERS_MAX && !state.peers.contains_key(&peer) {
            state.forget(now);
        }
        state.peers.entry(peer).or_insert_with(|| Peer::new(&self.params, now));
        act(&mut state, now)
    }
}

impl Peer {
    fn new(params: &Params, now: Instant) -> Self {
        Self {
            requests: Bucket::full(params.peer_requests, now),
            bytes: Bucket::full(params.peer_bytes, now),
            foreign_bytes: Bucket::full(params.foreign_bytes, now),
            compute: Bucket::full(params.peer_compute, now),
            scans: Bucket::full(params.peer_scans, now),
            serving: 0,
        }
    }

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

    fn member() -> Who {
        Who { peer: PeerId::random(), standing: Standing::Member }
    }

    fn stranger() -> Who {
        Who { peer: PeerId::random(), standing: Standing::Stranger }
    }

    #[test]
    fn requests_beyond_the_burst_wait() {
        let few = Allowance { rate: 0.001, burst: 2.0 };
        let budgets = budgets(Config { peer_requests: few, ..Config::default() });
        let who = member();
        assert_eq!([budgets.request(who), budgets.request(who)], [Duration::ZERO; 2]);
        assert!(budgets.request(who) > Duration::from_mins(15));
        assert_eq!(budgets.request(member()), Duration::ZERO, "another has its own");
    }

    #[test]
    fn strangers_use_up_what_strangers_have_whatever_they_are_called() {
        let slow = |burst| Allowance { rate: 0.001, burst };
        let config = Config {
            requests: slow(400.0),
            bytes: slow(400.0),
            compute: slow(400.0),
            scans: slow(400.0),
            ..Config::default()
        };
        let budgets = budgets(config);
        let second = Duration::from_secs(1);
        for _ in 0..100 {
            assert_eq!(budgets.request(stranger()), Duration::ZERO);
            assert_eq!(budgets.bytes(stranger(), Protocol::Binary, 1), Duration::ZERO);
            assert_eq!(budgets.compute(stranger(), second), Duration::ZERO);
            assert_eq!(budgets.look(stranger()), Ok(()));
        }
        // A quarter is gone, and so is what strangers have: each is new, and none gets more.
        let hour = Duration::from_hours(1);
        assert!(budgets.request(stranger()) > hour);
        assert!(budgets.bytes(stranger(), Protocol::Binary, 2) > hour);
        assert!(budgets.compute(stranger(), second) > hour);
        assert!(budgets.look(stranger()).is_err_and(|wait| wait > hour));
        // Members have three quarters, and lose nothing by it.
        for _ in 0..300 {
            assert_eq!(budgets.request(member()), Duration::ZERO);
            assert_eq!(budgets.bytes(member(), Protocol::Binary, 1), Duration::ZERO);
            assert_eq!(budgets.compute(member(), second), Duration::ZERO);
            assert_eq!(budgets.look(member()), Ok(()));
        }
        assert!(budgets.look(member()).is_err());
        assert!(budgets.compute(member(), second) > hour / 4, "there is a bound for all");
        assert!(budgets.bytes(member(), Protocol::Binary, 2) > hour / 4);
    }

    #[test]
    fn a_look_that_is_not_had_costs_nothing() {
        let scans = Allowance { rate: 0.001, burst: 4.0 };
        let budgets = budgets(Config { scans, ..Config::default() });
        let (greedy, who) = (member(), member());
        while budgets.look(greedy).is_ok() {}
        let full = |who: Who| {
            let mut state = budgets.state.lock().unwrap();
            let now = budgets.clock.now();
            state.peers.get_mut(&who.peer).is_some_and(|peer| peer.left(now) >= 1.0)
        };
        for _ in 0..10 {
            assert!(budgets.look(who).is_err_and(|wait| wait > Duration::from_mins(10)));
        }
        assert!(full(who), "its own is as it was");
    }

    #[test]
    fn who_comes_in_many_names_takes_bounded_room() {
        let budgets = budgets(Config::default());
        for _ in 0..(PEERS_MAX + 100) {
            budgets.request(stranger());
        }
        let state = budgets.state.lock().expect("nobody panicked");
        assert!(state.peers.len() <= PEERS_MAX);
    }
}
