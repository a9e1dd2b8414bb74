//! Who comes and who goes.

use std::time::Duration;

use gossip::{Core, Opened};
use libp2p_core::Multiaddr;
use libp2p_identity::PeerId;
use machine::Instant;
use rand::RngExt;
use rand::seq::{IteratorRandom, SliceRandom};

use super::{EPOCH, Errand, World};
use crate::actor::Actor;
use crate::hostile::{Hostile, Orders};
use crate::population::Camp;

/// Time in which links are made by hand; shorter than any message takes.
const WIRING: Duration = Duration::from_millis(5);

/// How a network of nodes that know nobody is wired by hand.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Wiring {
    /// A ring in which everybody is linked to the nearest on both sides, and has dialled every
    /// other one of them. Had it dialled only those ahead, whatever it could give away would be
    /// known to whom it gives it.
    Ring,
    /// Everybody has dialled random others.
    Random,
    /// Everybody has dialled the first ones.
    Star,
}

impl World {
    /// Starts a node with what it kept.
    pub(crate) fn start(&mut self, who: usize) {
        let kept = self.kept(who);
        let seed: [u8; 32] = self.rng.random();
        let local = self.people.get(who).peer;
        let setup = gossip::Setup {
            local,
            transports: vec!["tcp".to_owned()],
            trusted: self.named(who),
            banned: self.lives[who].banned.iter().map(|it| self.people.get(*it).peer).collect(),
            kept,
            started: EPOCH.after(self.net.now().elapsed()),
        };
        self.begin(who);
        self.net.insert(local, Actor::honest(Core::new(self.params.clone(), setup, seed)));
    }

    /// Starts an attacker.
    pub(crate) fn start_hostile(&mut self, who: usize, orders: Orders) {
        let me = self.people.get(who).peer;
        let hostile =
            Hostile::new(me, orders, std::sync::Arc::clone(&self.circle), self.rng.random());
        self.begin(who);
        self.net.insert(me, Actor::hostile(hostile));
    }

    fn begin(&mut self, who: usize) {
        let life = &mut self.lives[who];
        life.runs = true;
        life.starts += 1;
    }

    /// Starts nodes one after the other, evenly over `span`.
    pub(crate) fn start_over(&mut self, all: &[usize], span: Duration) {
        let step = span / u32::try_from(all.len().max(1)).unwrap_or(u32::MAX);
        let mut after = Duration::ZERO;
        for who in all {
            self.set_out(after, Errand::Start { who: *who });
            after += step;
        }
    }

    /// Names as many random honest peers that a node keeps whatever happens; to be said before it
    /// starts.
    pub(crate) fn name(&mut self, who: usize, count: usize) {
        let others = self.people.camp(Camp::Honest).filter(|it| *it != who);
        let chosen = others.sample(&mut self.rng, count);
        self.lives[who].trusted.extend(chosen);
    }

    /// Whom a node keeps whatever happens.
    #[cfg(test)]
    pub(crate) fn trusted(&self, who: usize) -> Vec<usize> {
        self.lives[who].trusted.iter().copied().collect()
    }

    /// How often a node was started.
    #[cfg(test)]
    pub(crate) fn starts(&self, who: usize) -> u64 {
        self.lives[who].starts
    }

    /// Whether two nodes are linked.
    #[cfg(test)]
    pub(crate) fn linked(&self, a: usize, b: usize) -> bool {
        self.net.linked(self.people.get(a).peer, self.people.get(b).peer)
    }

    fn named(&self, who: usize) -> Vec<(PeerId, Vec<Multiaddr>)> {
        let trusted = self.lives[who].trusted.iter().map(|it| self.people.get(*it));
        trusted.map(|member| (member.peer, vec![member.address.clone()])).collect()
    }

    /// Ends a node: asked to say goodbye, or struck down with its links broken at once, or
    /// `silent` so that nobody hears of it.
    pub(crate) fn strike(&mut self, who: usize, silent: bool) {
        let peer = self.people.get(who).peer;
        self.said(who);
        self.lives[who].runs = false;
        self.lives[who].links.clear();
        self.lives[who].inbound = 0;
        if silent {
            self.net.vanish(peer)
        } else {
            self.net.crash(peer)
        };
    }

    /// Keeps what a node has said so far.
    fn said(&mut self, who: usize) {
        if let Some(actor) =
            self.net.core(self.people.get(who).peer).filter(|it| it.core().is_some())
        {
            self.said_before.add(actor.tally());
        }
        self.log.node_time += self.net.age(self.people.get(who).peer).unwrap_or_default();
    }

    /// Wires the nodes of `all`, each with `out` links dialled by it, one after the other in random
    /// order: no two links are of the same age. All is done before the first message arrives, so
    /// that nobody dials for want of links.
    pub(crate) fn wire(&mut self, all: &[usize], out: usize, wiring: Wiring) {
        let mut links = Vec::new();
        for (at, who) in all.iter().enumerate() {
            let targets = self.targets(at, all.len(), out, wiring);
            links.extend(targets.into_iter().map(|target| (*who, all[target])));
        }
        links.shuffle(&mut self.rng);
        let step = WIRING / u32::try_from(links.len().max(1)).unwrap_or(u32::MAX);
        for (from, to) in links {
            if from != to && !self.tied(from, to) {
                self.open(from, to);
                self.run(step);
            }
        }
    }

    /// Whom the one at `at` in a row of `count` has dialled.
    fn targets(&mut self, at: usize, count: usize, out: usize, wiring: Wiring) -> Vec<usize> {
        match wiring {
            Wiring::Ring => (1..=out.min(count / 2))
                .map(|step| if step % 2 == 0 { count - step } else { step })
                .map(|step| (at + step) % count)
                .collect(),
            Wiring::Star => (0..out.min(count)).collect(),
            Wiring::Random => (0..count).filter(|it| *it != at).sample(&mut self.rng, out),
        }
    }

    /// Churn: from now on every node of `all` runs for a random time with the half-life given, then
    /// stops, with a word or without, and comes back after `pause`.
    pub(crate) fn churn(&mut self, all: &[usize], half_life: Duration) {
        for who in all {
            let starts = self.lives[*who].starts;
            self.fate(*who, starts, half_life);
        }
        self.log.half_life = Some(half_life);
    }

    fn fate(&mut self, who: usize, starts: u64, half_life: Duration) {
        let chance: f64 = self.rng.random_range(1e-9..1.0);
        let span = half_life.mul_f64(-chance.log2());
        let silent = self.rng.random();
        self.set_out(span, Errand::Stop { who, starts, silent });
    }

    pub(super) fn on_start(&mut self, who: usize) {
        if !self.lives[who].runs && self.people.get(who).camp == Camp::Honest {
            self.start(who);
            if let Some(half_life) = self.log.half_life {
                self.fate(who, self.lives[who].starts, half_life);
            }
        }
    }

    pub(super) fn on_stop(&mut self, who: usize, starts: u64, silent: bool) {
        if !self.lives[who].runs || self.lives[who].starts != starts {
            return;
        }
        if silent {
            self.strike(who, true);
        } else {
            self.net.command(self.people.get(who).peer, gossip::Command::Shutdown);
        }
        let pause = Duration::from_secs(self.rng.random_range(60..600));
        self.set_out(pause, Errand::Start { who });
    }

    /// Everything that is opened is told to both ends, then joined.
    pub(super) fn open(&mut self, from: usize, to: usize) {
        let now = self.net.now();
        self.tie(from, to, gossip::Direction::Outbound, now);
        self.tie(to, from, gossip::Direction::Inbound, now);
        let told = |world: &Self, other: usize, direction| {
            let other = world.people.get(other);
            // Who comes in comes from a port of no meaning, but from its own host.
            let record = other.reachable.then(|| std::sync::Arc::clone(&other.record));
            let (peer, address) = (other.peer, other.address.clone());
            Box::new(Opened { peer, direction, address, record })
        };
        let (here, there) = (self.people.get(from).peer, self.people.get(to).peer);
        let opened = told(self, to, gossip::Direction::Outbound);
        self.net.command(here, gossip::Command::Opened(opened));
        let opened = told(self, from, gossip::Direction::Inbound);
        self.net.command(there, gossip::Command::Opened(opened));
        self.net.join(here, there);
    }

    fn tie(&mut self, who: usize, other: usize, direction: gossip::Direction, since: Instant) {
        let life = &mut self.lives[who];
        life.inbound += usize::from(direction == gossip::Direction::Inbound);
        life.links.insert(other, super::Tie { direction, since });
    }

    /// Whether either end thinks that there is a connection.
    pub(super) fn tied(&self, a: usize, b: usize) -> bool {
        self.lives[a].links.contains_key(&b) || self.lives[b].links.contains_key(&a)
    }
}
