//! The core.

use std::collections::BTreeMap;

use bytes::Bytes;
use machine::{
    Effect, Effects, Input, Instant, JobError, JobId, JobIds, Machine, PeerId, Undelivered,
};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use wire::Frame;

use super::{AskError, Command, Count, Event, Fault, Message, Params};

/// What every node has in stock.
static STOCK: [u8; Message::MAX] = [b'i'; Message::MAX];

/// The sample core.
#[derive(Debug)]
pub struct Core {
    params: Params,
    rng: ChaCha8Rng,
    /// Everyone linked. Bounded by the connection limit.
    neighbours: BTreeMap<PeerId, Neighbour>,
    /// Who may not ask, or be asked, yet. At most [`Params::paces_max`].
    paces: BTreeMap<PeerId, Pace>,
    /// Asks that wait for a count, asker gone or not. Bounded by the runner's limit on jobs, and one
    /// that it is about to refuse.
    asks: BTreeMap<JobId, Ask>,
    ids: JobIds,
    effects: Effects<Self>,
}

#[derive(Debug, Default)]
struct Neighbour {
    /// Our ask that waits for an answer.
    asking: Option<Asking>,
    /// The count for theirs.
    serving: Option<JobId>,
}

#[derive(Debug)]
struct Asking {
    id: u32,
    wanted: u16,
    due: Instant,
}

#[derive(Debug)]
struct Ask {
    peer: PeerId,
    id: u32,
    wanted: u16,
}

#[derive(Debug, Default)]
struct Pace {
    /// Before this we do not ask them.
    ask_from: Instant,
    /// When their next ask is due. It may come one gap early.
    their_next: Instant,
}

impl Pace {
    /// From when on this is as good as forgotten.
    fn over(&self) -> Instant {
        self.ask_from.max(self.their_next)
    }
}

impl Core {
    /// A core that knows nobody.
    pub fn new(params: Params, seed: [u8; 32]) -> Self {
        Self {
            params,
            rng: ChaCha8Rng::from_seed(seed),
            neighbours: BTreeMap::new(),
            paces: BTreeMap::new(),
            asks: BTreeMap::new(),
            ids: JobIds::default(),
            effects: Effects::default(),
        }
    }

    /// Entries kept about single peers: what a leak would make grow.
    pub fn per_peer_entries(&self) -> usize {
        [self.neighbours.len(), self.paces.len(), self.asks.len()].iter().sum()
    }

    fn ask(&mut self, peer: PeerId, wanted: u16, now: Instant) {
        if let Err(error) = self.try_ask(peer, wanted, now) {
            self.conclude(peer, Err(error));
        }
    }

    fn try_ask(&mut self, peer: PeerId, wanted: u16, now: Instant) -> Result<(), AskError> {
        let max = self.params.items_max();
        if wanted > max {
            return Err(AskError::TooMany { wanted, max });
        }
        let Some(neighbour) = self.neighbours.get_mut(&peer) else {
            return Err(AskError::Undelivered(Undelivered::NotConnected));
        };
        if neighbour.asking.is_some() {
            return Err(AskError::AlreadyAsking);
        }
        let ask_from = self.paces.get(&peer).map_or(now, |pace| pace.ask_from);
        if now < ask_from {
            return Err(AskError::TooSoon { retry_in: ask_from.since(now) });
        }
        let id = self.rng.random();
        let due = now.after(self.params.answer_timeout());
        neighbour.asking = Some(Asking { id, wanted, due });
        let gap = self.params.ask_gap();
        self.with_pace(peer, now, |pace| pace.ask_from = now.after(gap));
        self.effects.push(Effect::Send { peer, message: Message::Ask { id, wanted } });
        Ok(())
    }

    fn on_ask(&mut self, peer: PeerId, id: u32, wanted: u16, now: Instant) {
        let gap = self.params.ask_gap();
        let next = self.paces.get(&peer).map_or(now, |pace| pace.their_next);
        let Some(neighbour) = self.neighbours.get_mut(&peer) else { return };
        if neighbour.serving.is_some() || next.since(now) > gap {
            return self.report(peer, Fault::AskedTooSoon);
        }
        let job = self.ids.issue();
        neighbour.serving = Some(job);
        let wanted = wanted.min(self.params.items_max());
        self.asks.insert(job, Ask { peer, id, wanted });
        self.with_pace(peer, now, |pace| pace.their_next = next.max(now).after(gap));
        self.effects.push(Effect::Start { id: job, job: Count { wanted } });
    }

    fn on_counted(&mut self, job: JobId, outcome: Result<u16, JobError>) {
        let Some(Ask { peer, id, wanted }) = self.asks.remove(&job) else { return };
        let neighbour = self.neighbours.get_mut(&peer);
        if neighbour.and_then(|n| n.serving.take_if(|serving| *serving == job)).is_none() {
            return; // the link on which they asked is gone
        }
        let message = match outcome {
            Ok(count) => {
                let items = STOCK.get(..usize::from(count.min(wanted))).unwrap_or_default();
                Message::Answer { id, items: Bytes::from_static(items) }
            }
            Err(JobError::Refused | JobError::TimedOut | JobError::Lost) => Message::Busy { id },
        };
        self.effects.push(Effect::Send { peer, message });
    }

    fn on_answer(&mut self, peer: PeerId, id: u32, items: Bytes) {
        let Some(Asking { wanted, .. }) = self.stop_asking(peer, id) else {
            return self.report(peer, Fault::Unsolicited);
        };
        let count = items.len();
        if count > usize::from(wanted) {
            let fault = Fault::TooManyItems { count, wanted };
            self.report(peer, fault.clone());
            return self.conclude(peer, Err(AskError::Misbehaved(fault)));
        }
        self.conclude(peer, Ok(items));
    }

    fn on_busy(&mut self, peer: PeerId, id: u32) {
        match self.stop_asking(peer, id) {
            Some(_) => self.conclude(peer, Err(AskError::Busy)),
            None => self.report(peer, Fault::Unsolicited),
        }
    }

    fn on_left(&mut self, peer: PeerId) {
        if self.neighbours.remove(&peer).is_some_and(|n| n.asking.is_some()) {
            self.conclude(peer, Err(AskError::Undelivered(Undelivered::NotConnected)));
        }
    }

    fn stop_asking(&mut self, peer: PeerId, id: u32) -> Option<Asking> {
        self.neighbours.get_mut(&peer)?.asking.take_if(|asking| asking.id == id)
    }

    /// Notes a pace. The one that is over first makes room for it.
    fn with_pace(&mut self, peer: PeerId, now: Instant, note: impl FnOnce(&mut Pace)) {
        if !self.paces.contains_key(&peer) && self.paces.len() >= self.params.paces_max() {
            let first = self.paces.iter().min_by_key(|(_, pace)| pace.over());
            if let Some(first) = first.map(|(peer, _)| *peer) {
                self.paces.remove(&first);
            }
        }
        let pace = self.paces.entry(peer).or_default();
        note(pace);
        if pace.over() <= now {
            self.paces.remove(&peer);
        }
    }

    /// The one end of every ask.
    fn conclude(&mut self, peer: PeerId, outcome: Result<Bytes, AskError>) {
        self.effects.push(Effect::Emit(Event::Asked { peer, outcome }));
    }

    fn report(&mut self, peer: PeerId, fault: Fault) {
        self.effects.push(Effect::Report { peer, fault });
    }
}

impl Machine for Core {
    const NAMES: &'static [&'static str] = &["/meshwork/chatter/1"];

    type Message = Message;
    type Command = Command;
    type Event = Event;
    type Fault = Fault;
    type Job = Count;
    type Done = u16;

    fn handle(&mut self, input: Input<Self>, now: Instant) {
        match input {
            Input::Joined { peer, .. } => {
                self.neighbours.entry(peer).or_default();
            }
            Input::Left { peer } => self.on_left(peer),
            Input::Received { peer, message: Message::Ask { id, wanted } } => {
                self.on_ask(peer, id, wanted, now);
            }
            Input::Received { peer, message: Message::Answer { id, items } } => {
                self.on_answer(peer, id, items);
            }
            Input::Received { peer, message: Message::Busy { id } } => self.on_busy(peer, id),
            Input::Undelivered { peer, message: Message::Ask { id, .. }, cause } => {
                if self.stop_asking(peer, id).is_some() {
                    self.conclude(peer, Err(AskError::Undelivered(cause)));
                }
            }
            // Who asked times out, hangs up and may come again.
            Input::Undelivered {
                message: Message::Answer { .. } | Message::Busy { .. }, ..
            }
            | Input::Wall(_) => {}
            Input::Command(Command::Ask { peer, wanted }) => self.ask(peer, wanted, now),
            Input::Done { id, outcome } => self.on_counted(id, outcome),
        }
    }

    fn tick(&mut self, now: Instant) {
        self.paces.retain(|_, pace| pace.over() > now);
        let late = |neighbour: &mut Neighbour| neighbour.asking.take_if(|a| a.due <= now).is_some();
        let neighbours = self.neighbours.iter_mut();
        let stuck: Vec<_> = neighbours.filter_map(|(peer, n)| late(n).then_some(*peer)).collect();
        for peer in stuck {
            self.conclude(peer, Err(AskError::TimedOut));
            self.effects.push(Effect::Close { peer });
        }
    }

    fn next_deadline(&self) -> Option<Instant> {
        let answers = self.neighbours.values().filter_map(|n| Some(n.asking.as_ref()?.due));
        answers.chain(self.paces.values().map(Pace::over)).min()
    }

    fn poll_effect(&mut self) -> Option<Effect<Self>> {
        self.effects.pop()
    }
}
