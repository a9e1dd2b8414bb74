//! The network: who is in it, who is linked, what came of it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;

use machine::{Input, Instant, Machine, PeerId};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use crate::book::{Counts, Report};
use crate::driver::{Answers, News};
use crate::node::{Node, Parcel, Pipe, Place};
use crate::setup::{Setup, Weather};
use crate::trace::Trace;
use crate::wheel::Wheel;

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
        from: Place,
        to: Place,
        session: u64,
        parcel: Parcel<M::Message>,
    },
    /// `me`'s end of a link that it has hung up is gone.
    Closed {
        me: Place,
        peer: Place,
        session: u64,
    },
    Done {
        node: Place,
        life: u64,
        input: Input<M>,
    },
    Wall {
        node: Place,
        life: u64,
    },
    /// A node may have something to do.
    Tick {
        node: Place,
    },
    /// The driver wanted to be woken.
    Alarm {
        token: u64,
    },
}

/// A place, and who sits there now.
pub(crate) struct Seat<M: Machine> {
    pub(crate) peer: PeerId,
    pub(crate) node: Option<Box<Node<M>>>,
}

/// A network of cores in virtual time. See the [crate] for the life of one run.
pub struct Net<M: Machine> {
    pub(crate) now: Instant,
    pub(crate) rng: ChaCha8Rng,
    pub(crate) setup: Setup,
    /// Everybody who ever ran.
    pub(crate) seats: Vec<Seat<M>>,
    /// Where each of them sits.
    places: BTreeMap<PeerId, Place>,
    running: usize,
    /// What will happen, by time, then by the order in which it was decided.
    pub(crate) wheel: Wheel<Due<M>>,
    pub(crate) divide: Option<Divide<M>>,
    pub(crate) answers: Answers<M>,
    pub(crate) news: VecDeque<News<M>>,
    pub(crate) watch: Option<Hook<M>>,
    pub(crate) reports: VecDeque<Report<M::Fault>>,
    pub(crate) counts: Counts,
    pub(crate) trace: Trace,
    /// What bounced off this step's node, empty between steps.
    pub(crate) bounced: VecDeque<Input<M>>,
    /// Last number given to a flight, a session or a life.
    number: u64,
}

impl<M: Machine> fmt::Debug for Net<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Net")
            .field("now", &self.now)
            .field("nodes", &self.running)
            .field("waiting", &self.wheel.len())
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
            seats: Vec::new(),
            places: BTreeMap::new(),
            running: 0,
            wheel: Wheel::new(),
            divide: None,
            answers: Answers::none(),
            news: VecDeque::new(),
            watch: None,
            reports: VecDeque::new(),
            counts: Counts::default(),
            bounced: VecDeque::new(),
            number: 0,
        }
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
        let next = Place::new(self.seats.len());
        let place = *self.places.entry(peer).or_insert(next);
        if place == next {
            self.seats.push(Seat { peer, node: None });
        }
        self.seats[place.index()].node = Some(Box::new(Node::new(core, life, self.now)));
        self.running += 1;
        self.begin(place);
        if self.setup.wall.is_some() {
            self.tell_wall(place, life);
        }
    }

    /// Stops a node. Its neighbours hear at once that it left; what it started and what is on its
    /// way to it comes to nothing.
    ///
    /// Returns its core, for what survives on disk.
    pub fn crash(&mut self, peer: PeerId) -> Option<M> {
        let place = self.place(&peer)?;
        let node = self.stop(place, "crashes")?;
        for pipe in node.links() {
            self.lose(pipe.place, place);
        }
        Some(node.core)
    }

    /// Stops a node without a word, as a cut cable does: its neighbours go on talking to nobody
    /// until they hang up.
    ///
    /// Returns its core, for what survives on disk.
    pub fn vanish(&mut self, peer: PeerId) -> Option<M> {
        let place = self.place(&peer)?;
        self.stop(place, "vanishes").map(|node| node.core)
    }

    fn stop(&mut self, place: Place, how: &str) -> Option<Box<Node<M>>> {
        let seat = &mut self.seats[place.index()];
        let node = seat.node.take()?;
        self.running -= 1;
        self.trace.say(self.now, seat.peer, format_args!("{how}"));
        Some(node)
    }

    /// Sets how far the wall clock of `peer` is off, in milliseconds, and tells it the time.
    /// Without effect if the [`Setup`] has no wall clock.
    pub fn skew(&mut self, peer: PeerId, millis: i64) {
        let Some(place) = self.place(&peer) else { return };
        if let Some(node) = self.node_mut(place) {
            node.skew = millis;
            self.read_wall(place);
        }
    }

    /// Where a peer sits, if it ever ran.
    pub(crate) fn place(&self, peer: &PeerId) -> Option<Place> {
        self.places.get(peer).copied()
    }

    pub(crate) fn peer_at(&self, place: Place) -> PeerId {
        self.seats[place.index()].peer
    }

    pub(crate) fn node(&self, place: Place) -> Option<&Node<M>> {
        self.seats[place.index()].node.as_deref()
    }

    pub(crate) fn node_mut(&mut self, place: Place) -> Option<&mut Node<M>> {
        self.seats[place.index()].node.as_deref_mut()
    }

    fn find(&self, peer: &PeerId) -> Option<&Node<M>> {
        self.node(self.place(peer)?)
    }
}

/// Links.
impl<M: Machine> Net<M> {
    /// Links two nodes under the protocol's first name; both hear of it now.
    ///
    /// Returns whether it did: not if they are the same, if one does not run, if they are linked
    /// already, or if a partition is between them.
    pub fn join(&mut self, a: PeerId, b: PeerId) -> bool {
        let divided = self.divide.as_ref().is_some_and(|divide| divide.separates(a, b));
        let runs = self.find(&a).is_some() && self.find(&b).is_some();
        if a == b || !runs || divided || self.linked(a, b) {
            return false;
        }
        let (Some(here), Some(there)) = (self.place(&a), self.place(&b)) else { return false };
        // Where one has hung up and not everybody has noticed yet, the new link tells them.
        self.lose(here, there);
        self.lose(there, here);
        let session = self.issue();
        let last_arrival = self.now;
        for (me, place, peer) in [(here, there, b), (there, here, a)] {
            if let Some(node) = self.node_mut(me) {
                let closing = false;
                node.add_link(Pipe { peer, place, session, last_arrival, in_flight: 0, closing });
            }
        }
        let name = M::NAMES.first().copied().unwrap_or_default();
        self.turn(here, Some(Input::Joined { peer: b, name }));
        self.turn(there, Some(Input::Joined { peer: a, name }));
        true
    }

    /// Breaks the link between two nodes; both hear of it now, and what is on its way is lost.
    pub fn cut(&mut self, a: PeerId, b: PeerId) {
        let (Some(here), Some(there)) = (self.place(&a), self.place(&b)) else { return };
        let both = [(here, there), (there, here)];
        let broken = both.map(|(me, peer)| self.unlink(me, peer));
        for ((me, peer), broken) in both.into_iter().zip(broken) {
            if broken {
                self.left(me, peer);
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
            let pipe = self.find(me)?.link(peer)?;
            (!pipe.closing).then_some(pipe.session)
        };
        session(&a, &b).is_some_and(|of_a| session(&b, &a) == Some(of_a))
    }

    /// Whom `peer` thinks it is linked to and has not hung up on, in order.
    pub fn neighbours(&self, peer: PeerId) -> impl Iterator<Item = PeerId> {
        let links = self.find(&peer).into_iter().flat_map(Node::links);
        links.filter(|pipe| !pipe.closing).map(|pipe| pipe.peer)
    }

    /// Forgets `me`'s end of a link, and tells whether there was one.
    pub(crate) fn unlink(&mut self, me: Place, peer: Place) -> bool {
        let peer = self.peer_at(peer);
        self.node_mut(me).is_some_and(|node| node.remove_link(&peer).is_some())
    }

    /// As [`unlink`](Self::unlink), and `me` hears of it.
    pub(crate) fn lose(&mut self, me: Place, peer: Place) {
        if self.unlink(me, peer) {
            self.left(me, peer);
        }
    }

    fn left(&mut self, me: Place, peer: Place) {
        let peer = self.peer_at(peer);
        self.turn(me, Some(Input::Left { peer }));
        self.answers.tell(&mut self.news, || News::Left { me: self.seats[me.index()].peer, peer });
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
        let runs = |place: &Place| self.node(*place).is_some();
        self.places.iter().filter(move |(_, place)| runs(place)).map(|(peer, _)| *peer)
    }

    /// The core of a node, to read.
    pub fn core(&self, peer: PeerId) -> Option<&M> {
        self.find(&peer).map(|node| &node.core)
    }

    /// What a node has told its application, oldest first, at most [`Setup::log_max`].
    pub fn events(&self, peer: PeerId) -> impl ExactSizeIterator<Item = &M::Event> {
        self.find(&peer).map(|node| node.events.iter()).unwrap_or_default()
    }

    /// Takes what [`events`](Self::events) shows.
    pub fn take_events(&mut self, peer: PeerId) -> Vec<M::Event> {
        let node = self.place(&peer).and_then(|place| self.node_mut(place));
        node.map(|node| node.events.drain(..).collect()).unwrap_or_default()
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
