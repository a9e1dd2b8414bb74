//! One core whose neighbours the test plays, message by message.

use std::time::Duration;

use bytes::Bytes;
use machine::{Effect, Input, Instant, JobId, Machine, PeerId};
use meshwork_topics::{
    Batch, Command, Config, Core, Entry, Event, Fault, Job, Message, PublishError, Rules, StreamId,
};
use simnet::peer;

use crate::crowd::{signature, topic, work};

/// A core, what it said since the test last looked, and the jobs it started.
pub(crate) struct Alone {
    pub(crate) core: Core,
    pub(crate) now: Instant,
    pub(crate) said: Vec<(PeerId, Message)>,
    pub(crate) events: Vec<Event>,
    pub(crate) reports: Vec<(PeerId, Fault)>,
    pub(crate) jobs: Vec<(JobId, Job)>,
}

impl Alone {
    /// A core with neighbours 1 to `neighbours`, all of which take part in the topic.
    pub(crate) fn with(config: Config, rules: Rules, neighbours: u64) -> Self {
        let mut alone = Self {
            core: Core::new(config.check().unwrap(), peer(0)),
            now: Instant::START,
            said: Vec::new(),
            events: Vec::new(),
            reports: Vec::new(),
            jobs: Vec::new(),
        };
        alone.command(Command::Subscribe { topic: topic(), rules });
        for n in 1..=neighbours {
            alone.give(Input::Joined { peer: peer(n), name: Core::NAMES[0] });
            alone.hear(n, Message::Subscribe(topic()));
        }
        alone.said.clear();
        alone.events.clear();
        alone
    }

    pub(crate) fn give(&mut self, input: Input<Core>) {
        self.core.handle(input, self.now);
        self.take();
    }

    pub(crate) fn take(&mut self) {
        while let Some(effect) = self.core.poll_effect() {
            match effect {
                Effect::Send { peer, message } => self.said.push((peer, message)),
                Effect::Report { peer, fault } => self.reports.push((peer, fault)),
                Effect::Emit(event) => self.events.push(event),
                Effect::Start { id, job } => self.jobs.push((id, job)),
                Effect::Close { .. } => {}
            }
        }
    }

    pub(crate) fn command(&mut self, command: Command) {
        self.give(Input::Command(command));
    }

    pub(crate) fn hear(&mut self, n: u64, message: Message) {
        self.give(Input::Received { peer: peer(n), message });
    }

    /// Ends all jobs well.
    pub(crate) fn work(&mut self) {
        while !self.jobs.is_empty() {
            let (id, job) = self.jobs.remove(0);
            self.give(Input::Done { id, outcome: Ok(work(&job)) });
        }
    }

    pub(crate) fn wait(&mut self, span: Duration) {
        let end = self.now.after(span);
        while let Some(due) = self.core.next_deadline().filter(|due| *due <= end) {
            self.now = due;
            self.core.tick(due);
            self.take();
            self.work();
        }
        self.now = end;
    }

    pub(crate) fn publish(&mut self, payload: &'static [u8]) -> Result<(), PublishError> {
        self.events.clear();
        let payload = Bytes::from_static(payload);
        self.command(Command::Publish { topic: topic(), tag: 3, payload });
        let ends = self.events.iter().find_map(|event| match event {
            Event::Published { tag: 3, outcome, .. } => Some(*outcome),
            _ => None,
        });
        ends.expect("an end")
    }

    /// The newest request to neighbour `n`.
    pub(crate) fn want(&self, n: u64) -> Option<[u64; 3]> {
        self.said.iter().rev().find_map(|(to, message)| match message {
            Message::Want { attempt, from, until, .. } if *to == peer(n) => {
                Some([*attempt, *from, *until])
            }
            _ => None,
        })
    }

    pub(crate) fn arrived(&self) -> usize {
        self.events.iter().filter(|event| matches!(event, Event::Arrived { .. })).count()
    }
}

/// A message of the largest size.
pub(crate) static LARGEST: &[u8] = &[0; 65_536];

/// What one message of ten bytes costs.
pub(crate) const ONE: u64 = 256 + 64 + 10;

pub(crate) fn stream() -> StreamId {
    StreamId { publisher: peer(70), epoch: 1 }
}

pub(crate) fn have(oldest: u64, have: u64) -> Message {
    Message::Have { topic: topic(), stream: stream(), oldest, have }
}

pub(crate) fn batch(number: u64) -> Message {
    let entries = [Entry::Payload(Bytes::from_static(b"ten bytes!"))].into();
    let (start, signature) = (number * ONE, signature(true));
    Message::Batch(Batch { topic: topic(), stream: stream(), start, signature, entries })
}

pub(crate) fn plain(neighbours: u64) -> Alone {
    Alone::with(Config::default(), Rules::default(), neighbours)
}
