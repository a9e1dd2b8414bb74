//! A node of a simulated town: it syncs with its neighbours now and then, and lets them sync.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use machine::{Effect, Effects, Input, Instant, JobError, JobId, JobIds, Machine, PeerId, UnixTime};
use meshwork_ordersync::requester::{Break, Ended, Outcome, Rest};
use meshwork_ordersync::{
    Admission, Admitted, Book, Context, Entry, Fault, Form, Holding, Inserted, ItemId, Leave,
    Provider, Range, RawRequest, RawResponse, Rejected, Requester, provider, requester,
};
use rand::seq::SliceRandom as _;
use rand::{Rng as _, RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use super::shards::Shards;
use crate::pair::{note, subprotocols};
use crate::sample::{Note, Prefix};

/// Time for one turn.
const TURN: Duration = Duration::from_secs(30);
/// Time for one session.
const SESSION: Duration = Duration::from_mins(10);

/// What travels between two nodes. A stream has an order: a message whose number is not the next one
/// shows that it broke.
#[derive(Clone, Debug)]
pub(crate) enum Message {
    Ask { session: u64, number: u64, request: RawRequest<Note> },
    Answer { session: u64, number: u64, response: RawResponse<Note> },
    /// The requester's last word, or the provider's.
    Over { session: u64, by_requester: bool },
}

/// Check and store them.
#[derive(Debug)]
pub(crate) struct Store(Vec<Entry<Note>>);

/// A session came to its end.
#[derive(Debug)]
pub(crate) struct Synced {
    pub(crate) outcome: Outcome,
    /// Whether the node holds all that the provider held when the session began.
    pub(crate) holds_all: bool,
}

/// The application has new notes.
#[derive(Debug)]
pub(crate) struct Publish(pub(crate) Vec<u32>);

/// What all nodes of a town know.
#[derive(Debug)]
pub(crate) struct Town {
    /// Everybody's book: it outlives the node, as a disk does. Others look at it only to see whether
    /// what somebody believes is true.
    pub(crate) books: BTreeMap<PeerId, Arc<Book<Note>>>,
    /// Those who speak JSON only.
    pub(crate) old: BTreeSet<PeerId>,
    /// How often each syncs.
    pub(crate) period: Duration,
    /// With how many neighbours.
    pub(crate) min_peers: usize,
    pub(crate) page: usize,
}

/// A session of this node's.
#[derive(Debug)]
struct Fetching {
    session: u64,
    core: Requester<Note>,
    asked: u64,
    answered: u64,
    /// When the answer has to be there.
    turn: Option<Instant>,
    end: Instant,
    /// What the provider held at the beginning.
    promised: BTreeSet<ItemId>,
    /// What is being stored, and what became of it.
    storing: VecDeque<(JobId, Option<Vec<Admission>>)>,
    through: Vec<Range>,
    /// Whether it waits for a range.
    waits: bool,
}

/// A session of a neighbour's.
#[derive(Debug)]
struct Serving {
    session: u64,
    core: Provider<Note>,
    asked: u64,
    answered: u64,
    turn: Instant,
    storing: Option<JobId>,
}

#[derive(Debug)]
pub(crate) struct Node {
    me: PeerId,
    town: Arc<Town>,
    rng: ChaCha8Rng,
    links: BTreeSet<PeerId>,
    fetching: BTreeMap<PeerId, Fetching>,
    serving: BTreeMap<PeerId, Serving>,
    /// Where to go on, and what was promised when that began.
    rests: BTreeMap<PeerId, (Rest, BTreeSet<ItemId>)>,
    shards: Shards,
    jobs: JobIds,
    sessions: u64,
    round: Instant,
    effects: Effects<Self>,
}

impl Node {
    /// `seed` also tells the lives of one node apart.
    pub(crate) fn new(me: PeerId, town: &Arc<Town>, seed: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let round = Instant::START.after(town.period.mul_f64(rng.random_range(0.0..1.0)));
        Self {
            me,
            town: Arc::clone(town),
            sessions: seed << 20,
            rng,
            links: BTreeSet::new(),
            fetching: BTreeMap::new(),
            serving: BTreeMap::new(),
            rests: BTreeMap::new(),
            shards: Shards::default(),
            jobs: JobIds::default(),
            round,
            effects: Effects::default(),
        }
    }

    pub(crate) fn book(&self) -> &Arc<Book<Note>> {
        &self.town.books[&self.me]
    }

    fn context(&mut self, peer: PeerId) -> Context<Note> {
        let old = &self.town.old;
        let form = if old.contains(&peer) || old.contains(&self.me) { Form::Json } else { Form::Binary };
        let mut secret = [0; 32];
        self.rng.fill_bytes(&mut secret);
        Context {
            book: Arc::clone(self.book()),
            peer,
            form,
            filter: Prefix::default(),
            page: self.town.page,
            secret,
            scans: Leave::fixed(true),
            push: true,
        }
    }

    /// Begins to sync with some neighbours.
    fn begin_round(&mut self, now: Instant) {
        let pause = self.town.period.mul_f64(self.rng.random_range(0.9..1.1));
        self.round = now.after(pause);
        self.book().rotate_if_due(now);
        if self.fetching.is_empty() {
            self.shards = Shards::new();
        }
        let busy = |peer: &&PeerId| !self.fetching.contains_key(*peer);
        let mut idle: Vec<_> = self.links.iter().filter(busy).copied().collect();
        idle.shuffle(&mut self.rng);
        let room = self.town.min_peers.saturating_sub(self.fetching.len());
        for peer in idle.into_iter().take(room) {
            self.begin(peer, now);
        }
    }

    fn begin(&mut self, peer: PeerId, now: Instant) {
        let cx = self.context(peer);
        let (subprotocols, limits) = (subprotocols(cx.form), requester::Limits::default());
        let held = || self.town.books[&peer].ids(&Prefix::default()).into_iter().collect();
        let (core, promised) = match self.rests.remove(&peer) {
            Some((rest, promised)) => (Requester::resume(subprotocols, limits, cx, rest), promised),
            None => (Requester::start(subprotocols, limits, cx), held()),
        };
        self.sessions += 1;
        let fetching = Fetching {
            session: self.sessions,
            core,
            asked: 0,
            answered: 0,
            turn: None,
            end: now.after(SESSION),
            promised,
            storing: VecDeque::new(),
            through: Vec::new(),
            waits: false,
        };
        self.fetching.insert(peer, fetching);
        self.go_on(peer, now);
    }

    /// Gives a session of ours something to think about.
    fn hear(&mut self, peer: PeerId, input: requester::Input<Note>, now: Instant) {
        if let Some(fetching) = self.fetching.get_mut(&peer) {
            fetching.core.handle(input);
            self.go_on(peer, now);
        }
    }

    /// Does what a session of ours wants done.
    fn go_on(&mut self, peer: PeerId, now: Instant) {
        while let Some(fetching) = self.fetching.get_mut(&peer)
            && let Some(effect) = fetching.core.poll_effect()
        {
            let session = fetching.session;
            match effect {
                requester::Effect::Send(request) => {
                    let number = fetching.asked;
                    fetching.asked += 1;
                    fetching.turn = Some(now.after(TURN));
                    let message = Message::Ask { session, number, request };
                    self.effects.push(Effect::Send { peer, message });
                }
                requester::Effect::Admit(entries) => {
                    let id = self.jobs.issue();
                    fetching.storing.push_back((id, None));
                    self.effects.push(Effect::Start { id, job: Store(entries) });
                }
                requester::Effect::TakeRange => fetching.waits = true,
                requester::Effect::RangeDone(range) => fetching.through.push(range),
                requester::Effect::GiveBack(range) => self.shards.give_back(peer, range),
                requester::Effect::Report(fault) => {
                    self.effects.push(Effect::Report { peer, fault });
                }
                requester::Effect::End(outcome) => self.end(peer, outcome, now),
            }
        }
        self.share(now);
    }

    /// Gives ranges to those who wait for some, as far as there are any.
    fn share(&mut self, now: Instant) {
        for (peer, fetching) in &mut self.fetching {
            if fetching.storing.is_empty() {
                for range in std::mem::take(&mut fetching.through) {
                    self.shards.through(*peer, &range);
                }
            }
        }
        let waits = |(peer, fetching): (&PeerId, &Fetching)| fetching.waits.then_some(*peer);
        while let Some(peer) = self.fetching.iter().find_map(waits)
            && let Some(range) = self.shards.take(peer)
        {
            let Some(fetching) = self.fetching.get_mut(&peer) else { return };
            fetching.waits = fetching.core.awaits_range();
            self.hear(peer, requester::Input::Range(range), now);
        }
    }
}
