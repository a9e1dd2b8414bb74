//! A node of a simulated town: it syncs with its neighbours now and then, and lets them sync.

mod running;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Poll;
use std::time::Duration;

use machine::{Effect, Effects, Instant, JobError, JobId, JobIds, PeerId};
use ordersync::requester::{Break, Ended, Outcome, Rest};
use ordersync::zeroex::{Order, Wanted};
use ordersync::{
    Admission, Book, Context, Entry, Form, ItemId, Leave, Provider, Range, RawRequest, RawResponse,
    Requester, Subprotocols, paging, provider, requester, riblt,
};
use rand::seq::SliceRandom as _;
use rand::{Rng as _, RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use self::running::admit;
pub(super) use self::running::hold;
use super::shards::Shards;
use super::weight::weight;

/// Time for one turn.
const TURN: Duration = Duration::from_secs(30);
/// How long a session waits for what others page.
const PATIENCE: Duration = Duration::from_secs(15);
/// Time for one session.
const SESSION: Duration = Duration::from_mins(10);

/// What travels between two nodes. A stream has an order: a message whose number is not the next one
/// shows that it broke.
#[derive(Clone, Debug)]
pub(crate) enum Message {
    Ask {
        session: u64,
        number: u64,
        request: RawRequest<Order>,
    },
    Answer {
        session: u64,
        number: u64,
        response: RawResponse<Order>,
    },
    /// The requester's last word, or the provider's.
    Over {
        session: u64,
        by_requester: bool,
    },
}

/// Check and store them.
#[derive(Debug)]
pub(crate) struct Store(pub(crate) Vec<Entry<Order>>);

/// A session came to its end.
#[derive(Debug)]
pub(crate) struct Synced {
    pub(crate) outcome: Outcome,
    /// Whether the node holds all that the provider held when the session began.
    pub(crate) holds_all: bool,
    /// Whether it went on where an earlier one broke.
    pub(crate) resumed: bool,
}

/// The application has new orders.
#[derive(Debug)]
pub(crate) struct Publish(pub(crate) Vec<Entry<Order>>);

/// The subprotocols of an envelope of this form.
fn subprotocols(form: Form) -> Subprotocols<Order> {
    const APART: &str = "their names differ";
    let both = Subprotocols::new().with(riblt::Riblt).expect(APART);
    let both = both.with(paging::V1::default()).expect(APART);
    if form == Form::Json { both.with(paging::V0).expect(APART) } else { both }
}

/// What all nodes of a town know.
#[derive(Debug)]
pub(crate) struct Town {
    /// Everybody's book: it outlives the node, as a disk does. Others look at it only to see whether
    /// what somebody believes is true.
    pub(crate) books: BTreeMap<PeerId, Arc<Book<Order>>>,
    /// Which orders all of them keep.
    pub(crate) wanted: Wanted,
    /// Those who speak JSON only.
    pub(crate) old: BTreeSet<PeerId>,
    /// How often each syncs.
    pub(crate) period: Duration,
    /// With how many neighbours.
    pub(crate) min_peers: usize,
    pub(crate) page: usize,
    /// Bytes that all of them have sent.
    pub(crate) bytes: AtomicU64,
}

/// A session of this node's.
#[derive(Debug)]
struct Fetching {
    session: u64,
    core: Requester<Order>,
    asked: u64,
    answered: u64,
    /// When the answer has to be there.
    turn: Option<Instant>,
    end: Instant,
    /// What the provider held at the beginning.
    promised: BTreeSet<ItemId>,
    resumed: bool,
    /// What is being stored, and what became of it.
    storing: VecDeque<(JobId, Option<Vec<Admission>>)>,
    through: Vec<Range>,
    /// Since when it waits for ranges.
    waits: VecDeque<Instant>,
}

/// A session of a neighbour's.
#[derive(Debug)]
struct Serving {
    session: u64,
    core: Provider<Order>,
    asked: u64,
    answered: u64,
    turn: Instant,
    storing: Option<JobId>,
}

/// A node.
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

    fn send(&mut self, peer: PeerId, message: Message) {
        self.town.bytes.fetch_add(weight(&message), Ordering::Relaxed);
        self.effects.push(Effect::Send { peer, message });
    }

    pub(crate) fn book(&self) -> &Arc<Book<Order>> {
        &self.town.books[&self.me]
    }

    fn context(&mut self, peer: PeerId) -> Context<Order> {
        let old = &self.town.old;
        let form =
            if old.contains(&peer) || old.contains(&self.me) { Form::Json } else { Form::Binary };
        let mut secret = [0; 32];
        self.rng.fill_bytes(&mut secret);
        Context {
            book: Arc::clone(self.book()),
            peer,
            form,
            filter: self.town.wanted.clone(),
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
        let held = || self.town.books[&peer].ids(&self.town.wanted).into_iter().collect();
        let resumed = self.rests.contains_key(&peer);
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
            resumed,
            storing: VecDeque::new(),
            through: Vec::new(),
            waits: VecDeque::new(),
        };
        self.fetching.insert(peer, fetching);
        self.go_on(peer, now);
    }

    /// Gives a session of ours something to think about.
    fn hear(&mut self, peer: PeerId, input: requester::Input<Order>, now: Instant) {
        if let Some(fetching) = self.fetching.get_mut(&peer) {
            let was_ending = fetching.core.is_ending();
            fetching.core.handle(input);
            if fetching.core.is_ending() && !was_ending {
                // As long as that it waits for what came to be stored.
                fetching.end = now.after(TURN);
                fetching.waits.clear();
            }
            self.go_on(peer, now);
        }
    }

    /// Does what a session of ours wants done.
    fn go_on(&mut self, peer: PeerId, now: Instant) {
        while let Some(fetching) = self.fetching.get_mut(&peer) {
            let session = fetching.session;
            let Some(effect) = fetching.core.poll_effect() else {
                fetching.turn = fetching.core.awaits_answer().then(|| now.after(TURN));
                return;
            };
            match effect {
                requester::Effect::Send(request) => {
                    let message = Message::Ask { session, number: fetching.asked, request };
                    fetching.asked += 1;
                    self.send(peer, message);
                }
                requester::Effect::Admit(entries) => {
                    let id = self.jobs.issue();
                    fetching.storing.push_back((id, None));
                    self.effects.push(Effect::Start { id, job: Store(entries) });
                }
                requester::Effect::TakeRange => fetching.waits.push_back(now),
                requester::Effect::RangeDone(range) => fetching.through.push(range),
                requester::Effect::GiveBack(range) => self.shards.give_back(peer, range),
                requester::Effect::Report(fault) => {
                    self.effects.push(Effect::Report { peer, fault });
                }
                requester::Effect::End(outcome) => self.end(peer, outcome, now),
            }
        }
    }

    /// A session of ours is over. What was being stored for it comes to nothing.
    fn end(&mut self, peer: PeerId, mut outcome: Outcome, now: Instant) {
        let Some(fetching) = self.fetching.remove(&peer) else { return };
        let Fetching { session, promised, resumed, storing, through, .. } = fetching;
        if storing.is_empty() {
            for range in &through {
                self.shards.through(peer, range);
            }
        }
        self.shards.release(peer);
        let message = Message::Over { session, by_requester: true };
        self.send(peer, message);
        let holds_all = promised.iter().all(|id| self.book().contains(id));
        if let Some(rest) = outcome.rest.take() {
            self.rests.insert(peer, (rest, promised));
        }
        // Where the envelope ends with the last page, the digests are compared in a session of its own.
        let provable = outcome.ended == Ended::Paged && outcome.provable;
        self.effects.push(Effect::Emit(Synced { outcome, holds_all, resumed }));
        if provable && self.links.contains(&peer) {
            self.begin(peer, now);
        }
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
        let longest = |node: &Self| {
            let since = |(peer, fetching): (&PeerId, &Fetching)| {
                fetching.waits.front().map(|since| (*since, *peer))
            };
            node.fetching.iter().filter_map(since).min()
        };
        while let Some((since, peer)) = longest(self) {
            let is_tired = now.since(since) >= PATIENCE;
            let range = match self.shards.take(peer) {
                Poll::Ready(range) => range,
                Poll::Pending if is_tired => None,
                Poll::Pending => return,
            };
            if let Some(fetching) = self.fetching.get_mut(&peer) {
                fetching.waits.pop_front();
            }
            self.hear(peer, requester::Input::Range(range), now);
        }
    }

    /// A neighbour asks.
    fn asked(
        &mut self,
        peer: PeerId,
        session: u64,
        number: u64,
        request: RawRequest<Order>,
        now: Instant,
    ) {
        if number == 0 {
            let cx = self.context(peer);
            let core = Provider::new(subprotocols(cx.form), provider::Limits::default(), cx);
            let turn = now.after(TURN);
            let serving = Serving { session, core, asked: 0, answered: 0, turn, storing: None };
            self.serving.insert(peer, serving);
        }
        let Some(serving) =
            self.serving.get_mut(&peer).filter(|serving| serving.session == session)
        else {
            return;
        };
        if serving.asked != number {
            return self.stop_serving(peer);
        }
        serving.asked += 1;
        serving.turn = now.after(TURN);
        serving.core.handle(provider::Input::Received(request));
        self.serve(peer);
    }

    /// Does what a session of a neighbour's wants done.
    fn serve(&mut self, peer: PeerId) {
        while let Some(serving) = self.serving.get_mut(&peer)
            && let Some(effect) = serving.core.poll_effect()
        {
            match effect {
                provider::Effect::Admit(entries) => {
                    let id = self.jobs.issue();
                    serving.storing = Some(id);
                    self.effects.push(Effect::Start { id, job: Store(entries) });
                }
                provider::Effect::Report(fault) => {
                    self.effects.push(Effect::Report { peer, fault });
                }
                provider::Effect::Respond(response) => {
                    let (session, number) = (serving.session, serving.answered);
                    serving.answered += 1;
                    let message = Message::Answer { session, number, response };
                    self.send(peer, message);
                }
                provider::Effect::End(Ok(())) => drop(self.serving.remove(&peer)),
                provider::Effect::End(Err(_)) => self.stop_serving(peer),
            }
        }
    }

    fn stop_serving(&mut self, peer: PeerId) {
        if let Some(Serving { session, .. }) = self.serving.remove(&peer) {
            let message = Message::Over { session, by_requester: false };
            self.send(peer, message);
        }
    }

    fn received(&mut self, peer: PeerId, message: Message, now: Instant) {
        match message {
            Message::Ask { session, number, request } => {
                self.asked(peer, session, number, request, now);
            }
            Message::Answer { session, number, response } => {
                let Some(fetching) =
                    self.fetching.get_mut(&peer).filter(|fetching| fetching.session == session)
                else {
                    return;
                };
                let is_next = fetching.answered == number;
                fetching.answered += 1;
                let broken = requester::Input::Broken(Break::Closed);
                let received = requester::Input::Received(response);
                self.hear(peer, if is_next { received } else { broken }, now);
            }
            Message::Over { session, by_requester: true } => {
                if self.serving.get(&peer).is_some_and(|serving| serving.session == session) {
                    self.serving.remove(&peer);
                }
            }
            Message::Over { session, by_requester: false } => {
                if self.fetching.get(&peer).is_some_and(|fetching| fetching.session == session) {
                    self.hear(peer, requester::Input::Broken(Break::Closed), now);
                }
            }
        }
    }

    /// What was to be stored is, unless nobody waits for it any more.
    fn stored(&mut self, id: JobId, outcome: Result<Vec<Entry<Order>>, JobError>, now: Instant) {
        let is_it = |storing: &&mut (JobId, Option<Vec<Admission>>)| storing.0 == id;
        let fetching = self.fetching.iter().find_map(|(peer, fetching)| {
            fetching.storing.iter().any(|(job, _)| *job == id).then_some(*peer)
        });
        let serving = self.serving.iter().find(|(_, serving)| serving.storing == Some(id));
        let serving = serving.map(|(peer, _)| *peer);
        if fetching.is_none() && serving.is_none() {
            return;
        }
        let admissions = admit(self.book(), outcome);
        if let Some(peer) = serving {
            if let Some(serving) = self.serving.get_mut(&peer) {
                serving.storing = None;
                serving.core.handle(provider::Input::Admitted(admissions));
            }
            return self.serve(peer);
        }
        let Some(peer) = fetching else { return };
        if let Some(fetching) = self.fetching.get_mut(&peer)
            && let Some(storing) = fetching.storing.iter_mut().find(is_it)
        {
            storing.1 = Some(admissions);
        }
        while let Some(fetching) = self.fetching.get_mut(&peer)
            && let Some((_, Some(_))) = fetching.storing.front()
            && let Some((_, Some(admissions))) = fetching.storing.pop_front()
        {
            self.hear(peer, requester::Input::Admitted(admissions), now);
        }
    }

    fn left(&mut self, peer: PeerId, now: Instant) {
        self.links.remove(&peer);
        self.serving.remove(&peer);
        self.hear(peer, requester::Input::Broken(Break::Closed), now);
    }
}
