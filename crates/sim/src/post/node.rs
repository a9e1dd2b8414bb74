//! A node of the network: the core, and the count of what it says.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::BytesMut;
use dht::{Command, Core, Done, Event, Fault, Job, Message};
use machine::{Effect, Input, Instant, Machine};
use serde::Serialize;
use wire::frame;

use crate::actor::{from_core, to_core};

/// What an envelope is told by: the end of its signature.
pub(super) type Mark = [u8; 16];

/// The mark of an envelope.
pub(super) fn mark(envelope: &[u8]) -> Mark {
    envelope.last_chunk().copied().unwrap_or_default()
}

/// A core, and who counts.
#[derive(Debug)]
pub(super) struct Node {
    core: Core,
    traffic: Traffic,
}

/// What all nodes have said. Clones share it.
#[derive(Clone, Debug, Default)]
pub(super) struct Traffic(Arc<Mutex<Tally>>);

/// Messages by kind, and envelopes one by one.
#[derive(Debug, Default)]
pub(super) struct Tally {
    /// Those that were said.
    kinds: BTreeMap<&'static str, Said>,
    flights: BTreeMap<Mark, Flight>,
    /// For messages whose size is not known beforehand.
    scratch: BytesMut,
}

/// Messages of one kind.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(crate) struct Said {
    pub(crate) messages: u64,
    /// In their frames, with the length before each.
    pub(crate) bytes: u64,
}

/// One envelope: what it is for, and how often it travelled.
#[derive(Clone, Copy, Debug)]
pub(super) struct Flight {
    /// The message in it, or that it is the receipt of.
    pub(super) message: usize,
    pub(super) is_receipt: bool,
    pub(super) carried: u32,
    pub(super) put: u32,
}

impl Traffic {
    fn tally(&self) -> MutexGuard<'_, Tally> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An envelope was made.
    pub(super) fn sealed(&self, envelope: &[u8], message: usize, is_receipt: bool) {
        let flight = Flight { message, is_receipt, carried: 0, put: 0 };
        self.tally().flights.insert(mark(envelope), flight);
    }

    /// What is known of an envelope; `None` if no message is in it.
    pub(super) fn flight(&self, envelope: &[u8]) -> Option<Flight> {
        self.tally().flights.get(&mark(envelope)).copied()
    }

    /// All that are known.
    pub(super) fn flights(&self) -> Vec<Flight> {
        self.tally().flights.values().copied().collect()
    }

    /// What was said, by kind.
    pub(super) fn kinds(&self) -> BTreeMap<&'static str, Said> {
        self.tally().kinds.clone()
    }
}

impl Tally {
    fn count(&mut self, message: &Message) {
        self.scratch.clear();
        frame::put(message, &mut self.scratch).expect("what a core says fits a frame");
        let said = self.kinds.entry(message.name()).or_default();
        said.messages += 1;
        said.bytes += u64::try_from(self.scratch.len()).unwrap_or(u64::MAX);
        match message {
            Message::Carry { envelope, .. } => {
                if let Some(flight) = self.flights.get_mut(&mark(envelope)) {
                    flight.carried += 1;
                }
            }
            Message::Put { envelope, .. } => {
                if let Some(flight) = self.flights.get_mut(&mark(envelope)) {
                    flight.put += 1;
                }
            }
            _ => {}
        }
    }
}

impl Node {
    pub(super) fn new(core: Core, traffic: &Traffic) -> Self {
        Self { core, traffic: traffic.clone() }
    }

    pub(super) fn core(&self) -> &Core {
        &self.core
    }
}

impl Machine for Node {
    const NAMES: &'static [&'static str] = Core::NAMES;

    type Message = Message;
    type Command = Command;
    type Event = Event;
    type Fault = Fault;
    type Job = Job;
    type Done = Done;

    fn handle(&mut self, input: Input<Self>, now: Instant) {
        self.core.handle(to_core(input), now);
    }

    fn tick(&mut self, now: Instant) {
        self.core.tick(now);
    }

    fn next_deadline(&self) -> Option<Instant> {
        self.core.next_deadline()
    }

    fn poll_effect(&mut self) -> Option<Effect<Self>> {
        let effect = self.core.poll_effect().map(from_core);
        if let Some(Effect::Send { message, .. }) = &effect {
            self.traffic.tally().count(message);
        }
        effect
    }
}
