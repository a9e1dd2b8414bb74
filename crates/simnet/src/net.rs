//! The network: who is in it, who is linked, what came of it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;
use std::time::Duration;

use machine::{Input, Instant, JobError, Machine, PeerId};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use crate::book::{Counts, Report};
use crate::node::{Node, Parcel, Pipe};
use crate::setup::{Setup, Weather};
use crate::trace::Trace;

/// Answers jobs: how long the work takes, and what comes of it.
pub(crate) type JobModel<M> = Box<
    dyn FnMut(
        PeerId,
        &<M as Machine>::Job,
        &mut ChaCha8Rng,
    ) -> (Duration, Result<<M as Machine>::Done, JobError>),
>;

/// What [`Net::watch`] is given.
pub(crate) type Hook<M> = Box<dyn FnMut(&Net<M>)>;

/// How a partition looks to those whose links cross it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Split {
    /// Links stay up and nothing crosses: what is sent waits in the outbox until the partition
    /// heals, as it does until a transport notices.
    Stall,
    /// Links across break, and are joined again when the partition heals.
    Cut,
}

/// A partition under way.
#[derive(Debug)]
pub(crate) struct Divide<M: Machine> {
    /// One side of it; everybody else is on the other.
    side: BTreeSet<PeerId>,
    /// Links to join again.
    cut: Vec<(PeerId, PeerId)>,
    /// What arrived at the border, in order.
    pub(crate) held: Vec<Due<M>>,
}

impl<M: Machine> Divide<M> {
    pub(crate) fn separates(&self, a: PeerId, b: PeerId) -> bool {
        self.side.contains(&a) != self.side.contains(&b)
    }
}

/// Something that will happen.
#[derive(Debug)]
pub(crate) enum Due<M: Machine> {
    Arrival {
        from: PeerId,
        to: PeerId,
        session: u64,
        parcel: Parcel<M::Message>,
    },
    /// `me`'s end of a link that it has hung up is gone.
    Closed {
        me: PeerId,
        peer: PeerId,
        session: u64,
    },
    Done {
        node: PeerId,
        life: u64,
        input: Input<M>,
    },
    Wall {
        node: PeerId,
        life: u64,
    },
}

/// A network of cores in virtual time. See the [crate] for the life of one run.
pub struct Net<M: Machine> {
    pub(crate) now: Instant,
    pub(crate) rng: ChaCha8Rng,
    pub(crate) setup: Setup,
    pub(crate) nodes: BTreeMap<PeerId, Node<M>>,
    /// What will happen, by time, then by the order in which it was decided.
    pub(crate) flight: BTreeMap<(Instant, u64), Due<M>>,
    /// The next deadline of each node that has one.
    pub(crate) timers: BTreeSet<(Instant, PeerId)>,
    pub(crate) divide: Option<Divide<M>>,
    pub(crate) jobs: JobModel<M>,
    pub(crate) watch: Option<Hook<M>>,
    pub(crate) reports: VecDeque<Report<M::Fault>>,
    pub(crate) counts: Counts,
    pub(crate) trace: Trace,
    /// Last number given to a flight, a session or a life.
    number: u64,
}

impl<M: Machine> fmt::Debug for Net<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Net")
            .field("now", &self.now)
            .field("nodes", &self.nodes.len())
            .field("flight", &self.flight.len())
            .field("counts", &self.counts)
            .finish_non_exhaustive()
    }
}

/// Making a network, and who is in it.
impl<M: Machine> Net<M> {
    /// A network without nodes. Everything that is left to chance is drawn from `seed`.
    pub fn new(seed: u64, setup: Setup) -> Self {
        Self {
            now: Instant::START,
            rng: ChaCha8Rng::seed_from_u64(seed),
            trace: Trace::new(setup.record),
            setup,
            nodes: BTreeMap::new(),
            flight: BTreeMap::new(),
            timers: BTreeSet::new(),
            divide: None,
            jobs: Box::new(|_, _, _| (Duration::ZERO, Err(JobError::Lost))),
            watch: None,
            reports: VecDeque::new(),
            counts: Counts::default(),
            number: 0,
        }
    }

    /// Sets how jobs are answered: for each one, after how long and with what. The deadline of the
    /// [`Setup`] cuts it short. Without a model every job is lost at once.
    pub fn jobs(
        &mut self,
        model: impl FnMut(PeerId, &M::Job, &mut ChaCha8Rng) -> (Duration, Result<M::Done, JobError>)
        + 'static,
    ) {
        self.jobs = Box::new(model);
    }

    /// Calls `hook` after every step; an invariant of the network panics there.
    pub fn watch(&mut self, hook: impl FnMut(&Self) + 'static) {
        self.watch = Some(Box::new(hook));
    }

    /// Changes the weather for everything sent from now on.
    pub fn set_weather(&mut self, weather: Weather) {
        self.setup.weather = weather;
    }

    /// Starts a node. If one runs under this id, it crashes first: this is how a node restarts.
    pub fn insert(&mut self, peer: PeerId, core: M) {
        self.crash(peer);
        let life = self.issue();
        self.trace.name(peer);
        self.trace.say(self.now, peer, format_args!("starts"));
        self.nodes.insert(peer, Node::new(core, life, self.now));
        self.arm(peer);
        if self.setup.wall.is_some() {
            self.tell_wall(peer, life);
        }
    }

    /// Stops a node without a word. Its neighbours hear that it left; what it started and what is
    /// on its way to it comes to nothing.
    ///
    /// Returns its core, for what survives on disk.
    pub fn crash(&mut self, peer: PeerId) -> Option<M> {
        let node = self.nodes.remove(&peer)?;
        self.trace.say(self.now, peer, format_args!("crashes"));
        if let Some(due) = node.armed {
            self.timers.remove(&(due, peer));
        }
        for neighbour in node.links.into_keys() {
            self.lose(neighbour, peer);
        }
        Some(node.core)
    }

    /// Sets how far the wall clock of `peer` is off, in milliseconds, and tells it the time.
    /// Without effect if the [`Setup`] has no wall clock.
    pub fn skew(&mut self, peer: PeerId, millis: i64) {
        if let Some(node) = self.nodes.get_mut(&peer) {
            node.skew = millis;
            self.read_wall(peer);
        }
    }
}

/// Links.
impl<M: Machine> Net<M> {
    /// Links two nodes under the protocol's first name; both hear of it now.
    ///
    /// Returns whether it did: not if they are the same, if one does not run, if they are linked
    /// already, or if a partition is between them.
    pub fn join(&mut self, a: PeerId, b: PeerId) -> bool {
        let runs = |peer| self.nodes.contains_key(peer);
        let divided = self.divide.as_ref().is_some_and(|divide| divide.separates(a, b));
        if a == b || !runs(&a) || !runs(&b) || divided || self.linked(a, b) {
            return false;
        }
        // Where one has hung up and not everybody has noticed yet, the new link tells them.
        self.lose(a, b);
        self.lose(b, a);
        let session = self.issue();
        for (me, peer) in [(a, b), (b, a)] {
            if let Some(node) = self.nodes.get_mut(&me) {
                let last_arrival = self.now;
                let pipe = Pipe { session, last_arrival, in_flight: 0, closing: false };
                node.links.insert(peer, pipe);
            }
        }
        let name = M::NAMES.first().copied().unwrap_or_default();
        self.turn(a, Some(Input::Joined { peer: b, name }));
        self.turn(b, Some(Input::Joined { peer: a, name }));
        true
    }

    /// Breaks the link between two nodes; both hear of it now, and what is on its way is lost.
    pub fn cut(&mut self, a: PeerId, b: PeerId) {
        let both = [(a, b), (b, a)];
        let broken = both.map(|(me, peer)| self.unlink(me, peer));
        for ((me, peer), broken) in both.into_iter().zip(broken) {
            if broken {
                self.turn(me, Some(Input::Left { peer }));
            }
        }
    }

    /// Parts the nodes of `side` from all others until [`heal`](Self::heal). An earlier partition
    /// heals first.
    pub fn partition(&mut self, side: impl IntoIterator<Item = PeerId>, split: Split) {
        self.heal();
        let mut divide = Divide { side: side.into_iter().collect(), cut: vec![], held: vec![] };
        if split == Split::Cut {
            for &a in &divide.side {
                divide.cut.extend(self.neighbours(a).map(|b| (a, b)));
            }
            divide.cut.retain(|(_, b)| !divide.side.contains(b));
        }
        let cut = divide.cut.clone();
        self.divide = Some(divide);
        for (a, b) in cut {
            self.cut(a, b);
        }
    }

    /// Ends the partition: what waited at the border arrives now, in order; links that the
    /// partition cut are joined.
    pub fn heal(&mut self) {
        let Some(divide) = self.divide.take() else { return };
        for due in divide.held {
            self.schedule(self.now, due);
        }
        for (a, b) in divide.cut {
            self.join(a, b);
        }
    }

    /// Whether both nodes think that they are linked to each other.
    pub fn linked(&self, a: PeerId, b: PeerId) -> bool {
        let session = |me: &PeerId, peer| {
            let pipe = self.nodes.get(me)?.links.get(peer)?;
            (!pipe.closing).then_some(pipe.session)
        };
        session(&a, &b).is_some_and(|of_a| session(&b, &a) == Some(of_a))
    }

    /// Whom `peer` thinks it is linked to and has not hung up on, in order.
    pub fn neighbours(&self, peer: PeerId) -> impl Iterator<Item = PeerId> {
        let links = self.nodes.get(&peer).into_iter().flat_map(|node| &node.links);
        links.filter(|(_, pipe)| !pipe.closing).map(|(neighbour, _)| *neighbour)
    }

    /// Forgets `me`'s end of a link, and tells whether there was one.
    pub(crate) fn unlink(&mut self, me: PeerId, peer: PeerId) -> bool {
        self.nodes.get_mut(&me).is_some_and(|node| node.links.remove(&peer).is_some())
    }

    /// As [`unlink`](Self::unlink), and `me` hears of it.
    pub(crate) fn lose(&mut self, me: PeerId, peer: PeerId) {
        if self.unlink(me, peer) {
            self.turn(me, Some(Input::Left { peer }));
        }
    }
}

/// What came of it.
impl<M: Machine> Net<M> {
    /// Time since the network was made. A core's own clock starts when its node does.
    pub fn now(&self) -> Instant {
        self.now
    }

    /// The nodes that run, in order.
    pub fn peers(&self) -> impl Iterator<Item = PeerId> {
        self.nodes.keys().copied()
    }

    /// The core of a node, to read.
    pub fn core(&self, peer: PeerId) -> Option<&M> {
        self.nodes.get(&peer).map(|node| &node.core)
    }

    /// What a node has told its application, oldest first, at most [`Setup::log_max`].
    pub fn events(&self, peer: PeerId) -> impl ExactSizeIterator<Item = &M::Event> {
        self.nodes.get(&peer).map(|node| node.events.iter()).unwrap_or_default()
    }

    /// Takes what [`events`](Self::events) shows.
    pub fn take_events(&mut self, peer: PeerId) -> Vec<M::Event> {
        self.nodes.get_mut(&peer).map(|node| node.events.drain(..).collect()).unwrap_or_default()
    }

    /// Who was blamed for what, oldest first, at most [`Setup::log_max`].
    pub fn reports(&self) -> impl ExactSizeIterator<Item = &Report<M::Fault>> {
        self.reports.iter()
    }

    /// How often things happened.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// The latest lines of the story, oldest first; none unless [`Record::Lines`] asks for them.
    ///
    /// [`Record::Lines`]: crate::Record::Lines
    pub fn trace(&self) -> impl Iterator<Item = &str> {
        self.trace.lines()
    }

    /// A number that tells this story from others, if [`Setup::record`] asks for it.
    pub fn digest(&self) -> u64 {
        self.trace.digest()
    }

    /// A number not given before.
    pub(crate) fn issue(&mut self) -> u64 {
        self.number += 1;
        self.number
    }
}
