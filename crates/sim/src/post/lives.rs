//! Who comes, who goes without a word, and what is left meanwhile.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use dht::{Change, Command, Core, Gate, Key, MemoryStore, Network, Opener, Sealer, Seen, Setup};
use libp2p_identity::PeerId;
use machine::Instant;
use rand::RngExt as _;
use rand::seq::IteratorRandom as _;
use wire::signed::SignedRecord;

use super::{Errand, Node, Post};
use crate::population::Member;

/// Rows of what came before that are written at once.
const ROWS_MAX: usize = 1 << 16;

/// Who goes is away for at least this long: longer than others take to notice.
const AWAY_MIN: Duration = Duration::from_mins(1);

/// What there is of a node besides its core, while it runs and while it does not.
pub(super) struct Life {
    pub(super) key: Key,
    pub(super) sealer: Sealer,
    opener: Arc<Opener>,
    /// While it runs.
    pub(super) gate: Option<Gate>,
    /// Survives.
    pub(super) store: MemoryStore,
    contacts: Vec<Arc<SignedRecord>>,
    /// Whether it drops what it should carry or keep.
    pub(super) drops: bool,
    pub(super) runs: bool,
    pub(super) starts: u64,
    /// Links that are not the core's.
    overlay: BTreeSet<usize>,
    /// When it ran, from and until.
    spells: Vec<(Instant, Option<Instant>)>,
}

/// A neighbour is about to notice that a node is gone.
#[derive(Debug)]
pub(super) struct Fall {
    gone: usize,
    starts: u64,
    by: usize,
}

impl Life {
    pub(super) fn new(member: &Member, network: &Network, drops: bool) -> Self {
        let (keys, network) = (&member.keys, network.clone());
        // All keys here are of Ed25519.
        let opener = Opener::new(network.clone(), keys).expect("an Ed25519 key");
        let opener = Arc::new(opener);
        Self {
            key: Key::of(&member.peer),
            sealer: Sealer::new(network, keys).expect("an Ed25519 key"),
            opener,
            gate: None,
            store: MemoryStore::default(),
            contacts: Vec::new(),
            drops,
            runs: false,
            starts: 0,
            overlay: BTreeSet::new(),
            spells: Vec::new(),
        }
    }

    /// Writes down which messages came.
    pub(super) fn write(&self) {
        if let Some(gate) = &self.gate {
            let rows = gate.seen().changes(ROWS_MAX);
            self.store.apply(rows.into_iter().map(Change::Seen).collect());
        }
    }

    /// When it last came, before `at`.
    pub(super) fn came(&self, at: Instant) -> Instant {
        let before = self.spells.iter().map(|(began, _)| *began).filter(|began| *began <= at);
        before.max().unwrap_or(Instant::START)
    }

    /// How long it ran in all.
    pub(super) fn ran_for(&self, now: Instant) -> Duration {
        self.spells.iter().map(|(began, ended)| ended.unwrap_or(now).since(*began)).sum()
    }

    /// Whether it ran at any time in a span, and the longest that it did at a stretch.
    pub(super) fn ran(&self, from: Instant, until: Instant) -> (bool, Duration) {
        let longest = self.stretches(from, until).max();
        (longest.is_some(), longest.unwrap_or_default())
    }

    /// How long it ran within a span.
    pub(super) fn ran_between(&self, from: Instant, until: Instant) -> Duration {
        self.stretches(from, until).sum()
    }

    fn stretches(&self, from: Instant, until: Instant) -> impl Iterator<Item = Duration> {
        self.spells.iter().filter_map(move |(began, ended)| {
            let (began, ended) = ((*began).max(from), ended.unwrap_or(until).min(until));
            (began < ended).then(|| ended.since(began))
        })
    }
}

impl fmt::Debug for Life {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Life")
            .field("runs", &self.runs)
            .field("drops", &self.drops)
            .finish_non_exhaustive()
    }
}

impl Post {
    /// Starts a node with what it kept.
    pub(super) fn start(&mut self, who: usize) {
        let moment = self.moment();
        let member = self.people.get(who);
        let (peer, record) = (member.peer, Arc::clone(&member.record));
        let life = &mut self.lives[who];
        let kept = life.store.snapshot();
        // What its disk had and nobody was told when it went.
        let ends = kept.sent.iter().filter_map(|sent| Some((sent.letter, sent.end()?)));
        let ends: Vec<_> = ends.collect();
        let rows = kept.seen.clone();
        let seen = Seen::restored(self.network.clone(), &self.params, rows, moment);
        life.gate = Some(Gate::new(&self.params, Arc::clone(&life.opener), seen));
        life.runs = true;
        life.starts += 1;
        life.spells.push((moment.now, None));
        let contacts = std::mem::take(&mut life.contacts);
        let setup = Setup {
            record: Some(record),
            contacts,
            kept,
            ..Setup::new(peer, self.network.clone())
        };
        let core = Core::new(self.params.clone(), setup, self.rng.random());
        self.net.insert(peer, Node::new(core, &self.traffic));
        self.find_out(&ends);
        self.fill_up(who, self.plan.links);
        if let Some(half_life) = self.plan.half_life {
            let starts = self.lives[who].starts;
            let span = self.decay(half_life);
            self.set_out(span, Errand::Stop { who, starts });
        }
    }

    /// A random time in which half of all have decayed after `half_life`.
    fn decay(&mut self, half_life: Duration) -> Duration {
        let chance: f64 = self.rng.random_range(1e-9..1.0);
        half_life.mul_f64(-chance.log2())
    }

    /// A node goes without a word. Its neighbours notice when nothing is heard of it for a while.
    pub(super) fn stop(&mut self, who: usize, starts: u64) {
        let peer = self.people.get(who).peer;
        if !self.lives[who].runs || self.lives[who].starts != starts {
            return;
        }
        let neighbours = self.net.neighbours(peer);
        let neighbours: Vec<_> = neighbours.filter_map(|it| self.who(&it)).collect();
        for by in neighbours {
            let after = Duration::from_secs(20).mul_f64(1.0 + self.rng.random::<f64>());
            self.set_out(after, Errand::Notice(Fall { gone: who, starts, by }));
        }
        let now = self.net.now();
        let core = self.net.vanish(peer);
        let life = &mut self.lives[who];
        life.runs = false;
        life.gate = None;
        life.overlay.clear();
        if let Some((_, ended)) = life.spells.last_mut() {
            *ended = Some(now);
        }
        let contacts = core.iter().flat_map(|node| node.core().table().contacts());
        life.contacts = contacts.map(|contact| Arc::clone(contact.record())).collect();
        let after = AWAY_MIN + self.decay(self.plan.away);
        self.set_out(after, Errand::Start { who });
    }

    /// A neighbour notices that a node is gone, and looks for another.
    pub(super) fn notice(&mut self, fall: &Fall) {
        let Fall { gone, starts, by } = *fall;
        if self.lives[gone].runs || self.lives[gone].starts != starts {
            return;
        }
        self.net.cut(self.people.get(by).peer, self.people.get(gone).peer);
        if self.lives[by].overlay.remove(&gone) && self.lives[by].runs {
            self.fill_up(by, self.plan.links);
        }
    }

    /// Links a node with random others until it has as many links as it should.
    fn fill_up(&mut self, who: usize, links: usize) {
        let missing = links.saturating_sub(self.lives[who].overlay.len());
        let others = (0..self.plan.nodes).filter(|it| {
            *it != who && self.lives[*it].runs && !self.lives[who].overlay.contains(it)
        });
        for other in others.sample(&mut self.rng, missing) {
            self.lives[who].overlay.insert(other);
            self.lives[other].overlay.insert(who);
            self.link(who, other);
        }
    }

    /// Links two nodes that run, which learn where the other is, as nodes do that shake hands.
    pub(super) fn link(&mut self, a: usize, b: usize) {
        let (here, there) = (self.people.get(a).peer, self.people.get(b).peer);
        if !self.net.join(here, there) {
            return;
        }
        for (me, other) in [(here, b), (there, a)] {
            let record = Arc::clone(&self.people.get(other).record);
            self.net.command(me, Command::Met(record));
        }
    }

    /// The core has no more use for a link. Whoever else has, keeps it.
    pub(super) fn release(&mut self, me: PeerId, peer: PeerId) {
        let (Some(who), Some(other)) = (self.who(&me), self.who(&peer)) else { return };
        if !self.lives[who].overlay.contains(&other) {
            self.net.cut(me, peer);
        }
    }
}
