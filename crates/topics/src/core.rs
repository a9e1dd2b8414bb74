//! The core: links, topics, and what is said on them.

mod context;
mod own;
mod pace;
mod room;
mod run;
mod side;
mod stream;

use std::collections::BTreeMap;

use libp2p_identity::PeerId;
use machine::{Effect, Input, Instant, JobError, JobId, Machine};

use self::context::{Check, Context, Errand};
use self::room::Room;
use crate::messages::{Message, StreamId, Topic};
use crate::{
    Command, Done, Event, Fault, Job, JudgeError, Params, PublishError, Rules, SubscribeError,
    UnsubscribeError,
};

/// Checks under way: as many as keep two threads busy.
const CHECKS_MAX: usize = 2;

/// Batches and messages of one check. What one turn hands out is bounded by it.
const CHECK_BATCHES_MAX: usize = 4;
const CHECK_ENTRIES_MAX: usize = 256;

/// What happened since the core was built.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Counts {
    /// Messages published.
    pub published: u64,
    /// Messages that there was no room for.
    pub busy: u64,
    /// Messages given to the application.
    pub arrived: u64,
    /// Messages received, those included that were of no use.
    pub copies: u64,
    /// Messages received and dropped: they were there already, or did not fit.
    pub unused: u64,
    /// Batches that their publisher did not sign.
    pub forged: u64,
    /// Gaps in streams that nobody could fill.
    pub missed: u64,
    /// Streams that were not followed.
    pub declined: u64,
    /// Links closed because the neighbour was too slow.
    pub too_slow: u64,
    /// Messages of neighbours that were of no use.
    pub useless: u64,
}

/// The core of topic broadcast.
#[derive(Debug)]
pub struct Core {
    cx: Context,
    topics: BTreeMap<Topic, Room>,
}

impl Core {
    /// A core that takes part in nothing. `local` is who publishes.
    #[must_use]
    pub fn new(params: Params, local: PeerId) -> Self {
        Self { cx: Context::new(params, local), topics: BTreeMap::new() }
    }

    /// What happened so far.
    pub fn counts(&self) -> Counts {
        self.cx.counts
    }

    /// Neighbours that take part in a topic of ours.
    pub fn neighbours(&self, topic: &Topic) -> usize {
        self.topics.get(topic).map_or(0, |room| room.members().len())
    }

    /// How far this node has come in a stream: everything before is accepted.
    pub fn position(&self, topic: &Topic, stream: StreamId) -> Option<u64> {
        self.topics.get(topic)?.position(stream)
    }

    /// Entries about single peers.
    pub fn per_peer_entries(&self) -> usize {
        let topics: usize = self.topics.values().map(Room::entries).sum();
        topics.saturating_add(self.cx.entries())
    }

    /// Bytes of messages held, as windows count them.
    pub fn bytes(&self) -> u64 {
        self.topics.values().map(Room::bytes).fold(0, u64::saturating_add)
    }

    fn turn(&mut self, now: Instant) {
        self.cx.turn(now);
    }

    /// After whatever happened: those hung up on leave every topic, and checks are started.
    fn conclude(&mut self) {
        while self.cx.is_roomy()
            && let Some(peer) = self.cx.leaving.pop()
        {
            for room in self.topics.values_mut() {
                room.leave(peer, &mut self.cx);
            }
        }
        while self.cx.checking() < CHECKS_MAX && self.start_check() {}
    }

    /// Starts the check of the batches that came first; false when there are none.
    fn start_check(&mut self) -> bool {
        let (mut batches, mut checks, mut entries) = (Vec::new(), Vec::new(), 0_usize);
        while batches.len() < CHECK_BATCHES_MAX && entries < CHECK_ENTRIES_MAX {
            let Some(check) = self.cx.checks.pop_front() else { break };
            let room = self.topics.get_mut(&check.topic);
            let batch = room.and_then(|room| room.check(check.stream, check.serial));
            let Some(batch) = batch else { continue };
            entries = entries.saturating_add(batch.entries.len());
            batches.push(batch);
            checks.push(check);
        }
        if batches.is_empty() {
            return false;
        }
        self.cx.start(Job::Check { batches }, Errand::Check(checks));
        true
    }

    fn on_done(&mut self, id: JobId, outcome: Result<Done, JobError>) {
        match (self.cx.errands.remove(&id), outcome) {
            (Some(Errand::Sign(topic)), outcome) => {
                let signed = match outcome {
                    Ok(Done::Signed(signature)) => Ok(signature),
                    Ok(Done::Checked(_)) => Err(JobError::Lost),
                    Err(error) => Err(error),
                };
                if let Some(room) = self.topics.get_mut(&topic) {
                    room.on_signed(id, signed, &mut self.cx);
                }
            }
            (Some(Errand::Check(checks)), Ok(Done::Checked(holds))) => {
                let verdicts = holds.into_iter().map(Some).chain(std::iter::repeat(None));
                for (check, holds) in checks.into_iter().zip(verdicts) {
                    self.on_checked(&check, holds);
                }
            }
            (Some(Errand::Check(checks)), Ok(Done::Signed(_)) | Err(_)) => {
                for check in checks {
                    self.on_checked(&check, None);
                }
            }
            (None, _) => {}
        }
    }

    fn on_checked(&mut self, check: &Check, holds: Option<bool>) {
        if let Some(room) = self.topics.get_mut(&check.topic) {
            room.on_checked(check.stream, check.serial, holds, &mut self.cx);
        }
    }

    fn on_message(&mut self, peer: PeerId, message: Message) {
        let cx = &mut self.cx;
        if !cx.is_linked(peer) {
            return;
        }
        if let Message::Batch(batch) = &message
            && !cx.spend(peer, batch.cost())
        {
            return;
        }
        let Some(room) = self.topics.get_mut(message.topic()) else {
            return cx.astray(peer, &message);
        };
        if let Message::Subscribe(topic) = message {
            return if room.join(peer, cx) {
                // It may have come after we told it.
                cx.send(peer, Message::Subscribe(topic));
            };
        }
        if !room.members().contains(&peer) {
            return cx.astray(peer, &message);
        }
        match message {
            Message::Subscribe(_) => {}
            Message::Unsubscribe(_) => {
                // Each coming and going takes a turn of every stream.
                cx.useless(peer);
                room.leave(peer, cx);
            }
            Message::Have { stream, oldest, have, .. } => {
                room.on_have(peer, stream, [oldest, have], cx);
            }
            Message::Want { stream, attempt, from, until, .. } => {
                room.on_want(peer, stream, attempt, [from, until], cx);
            }
            Message::Decline { stream, .. } => room.on_decline(peer, stream, cx),
            Message::Batch(batch) => room.on_batch(peer, batch, cx),
        }
    }

    fn on_joined(&mut self, peer: PeerId) {
        self.cx.join(peer);
        for topic in self.topics.keys() {
            self.cx.send_or_later(peer, Message::Subscribe(topic.clone()));
        }
    }

    fn on_left(&mut self, peer: PeerId) {
        if self.cx.part(peer) {
            self.cx.leaving.push(peer);
        }
    }

    fn on_undelivered(&mut self, peer: PeerId, message: Message) {
        if self.cx.is_linked(peer) {
            self.cx.choke(peer);
            match self.topics.get_mut(message.topic()) {
                Some(room) => room.on_undelivered(peer, message, &mut self.cx),
                None if matches!(message, Message::Unsubscribe(_)) => self.cx.again(peer, message),
                None => {}
            }
        }
    }
}

/// Commands.
impl Core {
    fn command(&mut self, command: Command) {
        let event = match command {
            Command::Subscribe { topic, rules } => {
                let outcome = self.subscribe(&topic, rules);
                Event::Subscribed { topic, outcome }
            }
            Command::Unsubscribe { topic } => {
                let outcome = self.unsubscribe(&topic);
                Event::Unsubscribed { topic, outcome }
            }
            Command::Publish { topic, tag, payload } => {
                let room = self.topics.get_mut(&topic).ok_or(PublishError::NotSubscribed);
                let outcome = room.and_then(|room| room.publish(payload, &mut self.cx));
                Event::Published { topic, tag, outcome }
            }
            Command::Judge { topic, id, judgement } => {
                let room = self.topics.get_mut(&topic);
                let waited = room.is_some_and(|room| room.judge(&id, judgement, &mut self.cx));
                let outcome = if waited { Ok(()) } else { Err(JudgeError::NotWaiting) };
                Event::Judged { topic, id, outcome }
            }
        };
        self.cx.emit(event);
    }

    fn subscribe(&mut self, topic: &Topic, rules: Rules) -> Result<(), SubscribeError> {
        let max = self.cx.params.topics_max;
        if self.topics.contains_key(topic) {
            return Err(SubscribeError::AlreadySubscribed);
        }
        if self.topics.len() >= max {
            return Err(SubscribeError::TooMany { max });
        }
        self.topics.insert(topic.clone(), Room::new(topic.clone(), rules, &self.cx));
        self.tell_all(&Message::Subscribe(topic.clone()));
        Ok(())
    }

    fn unsubscribe(&mut self, topic: &Topic) -> Result<(), UnsubscribeError> {
        self.topics.remove(topic).ok_or(UnsubscribeError::NotSubscribed)?;
        self.cx.left_at = Some(self.cx.now);
        self.tell_all(&Message::Unsubscribe(topic.clone()));
        Ok(())
    }

    fn tell_all(&mut self, message: &Message) {
        for peer in self.cx.linked() {
            self.cx.send_or_later(peer, message.clone());
        }
    }
}

impl Machine for Core {
    const NAMES: &'static [&'static str] = &["/meshwork/topics/1"];

    type Message = Message;
    type Command = Command;
    type Event = Event;
    type Fault = Fault;
    type Job = Job;
    type Done = Done;

    fn handle(&mut self, input: Input<Self>, now: Instant) {
        self.turn(now);
        match input {
            Input::Joined { peer, .. } => self.on_joined(peer),
            Input::Left { peer } => self.on_left(peer),
            Input::Received { peer, message } => self.on_message(peer, message),
            Input::Undelivered { peer, message, .. } => self.on_undelivered(peer, message),
            Input::Command(command) => self.command(command),
            Input::Done { id, outcome } => self.on_done(id, outcome),
            Input::Wall(time) => self.cx.wall = time,
        }
        self.conclude();
    }

    fn tick(&mut self, now: Instant) {
        self.turn(now);
        self.cx.resend();
        for room in self.topics.values_mut() {
            room.tick(&mut self.cx);
        }
        self.conclude();
    }

    fn next_deadline(&self) -> Option<Instant> {
        let topics = self.topics.values().filter_map(Room::next_due);
        topics.chain(self.cx.resend_at()).chain(self.cx.leaves_at()).min()
    }

    fn poll_effect(&mut self) -> Option<Effect<Self>> {
        self.cx.effects.pop()
    }
}
