//! One node whole, and neighbours that say whatever a test wants.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use libp2p_identity::PeerId;
use machine::{Effect, Input, Instant, JobError, JobId, Machine as _};
use meshwork_dht::{
    Change, Command, Config, Core, DhtInboundMessage, Done, Envelope, Event, Fault, Gate,
    InboundMessage, Job, MemoryStore, Message, Moment, Opener, Sealer, Seen, Setup, Stored, decide,
    pass, seal,
};
use rand::SeedableRng as _;
use rand_chacha::ChaCha20Rng;

use crate::core::world::{START, keys, network, open, peer, record};

/// A node with its pipeline and its disk.
pub(super) struct Solo {
    number: u8,
    pub(super) core: Core,
    gate: Gate,
    store: MemoryStore,
    now: Instant,
    rng: ChaCha20Rng,
    /// Whether the disk answers.
    pub(super) disk_stands_still: bool,
    /// Dials that were begun; none ends by itself.
    pub(super) dials: Vec<PeerId>,
    /// Jobs that have not ended.
    open: Vec<JobId>,
    /// What it said, to whom, until a test takes it.
    pub(super) said: Vec<(PeerId, Message)>,
    pub(super) faults: Vec<(PeerId, Fault)>,
    pub(super) events: Vec<Event>,
    pub(super) inbox: Vec<DhtInboundMessage>,
}

impl Solo {
    pub(super) fn new(number: u8, config: &Config) -> Self {
        let params = config.clone().check().unwrap();
        let opener = Arc::new(Opener::new(network(), &keys(number)).unwrap());
        let own = record(&keys(number), number);
        let setup = Setup { record: Some(own), ..Setup::new(peer(number), network()) };
        let mut solo = Self {
            number,
            gate: Gate::new(&params, opener, Seen::new(network(), &params)),
            core: Core::new(params, setup, [number; 32]),
            store: MemoryStore::default(),
            now: Instant::START,
            rng: ChaCha20Rng::from_seed([number; 32]),
            disk_stands_still: false,
            dials: Vec::new(),
            open: Vec::new(),
            said: Vec::new(),
            faults: Vec::new(),
            events: Vec::new(),
            inbox: Vec::new(),
        };
        solo.feed(Input::Wall(START));
        solo
    }

    pub(super) fn join(&mut self, number: u8) {
        self.feed(Input::Joined { peer: peer(number), name: "/meshwork/dht/1" });
    }

    pub(super) fn leave(&mut self, number: u8) {
        self.feed(Input::Left { peer: peer(number) });
    }

    /// Learns where a peer is.
    pub(super) fn met(&mut self, number: u8) {
        self.command(Command::Met(record(&keys(number), number)));
    }

    pub(super) fn hear(&mut self, from: u8, message: Message) {
        self.feed(Input::Received { peer: peer(from), message });
    }

    /// A neighbour gives it an envelope to carry on.
    pub(super) fn carry(&mut self, from: u8, number: u32, envelope: &Envelope) {
        let envelope = envelope.bytes().clone();
        self.hear(from, Message::Carry { number, hops: 8, envelope });
    }

    pub(super) fn command(&mut self, command: Command) {
        self.feed(Input::Command(command));
    }

    pub(super) fn wait(&mut self, span: Duration) {
        let end = self.now.after(span);
        while let Some(due) = self.core.next_deadline().filter(|due| *due <= end) {
            self.now = self.now.max(due);
            self.core.tick(self.now);
            self.drain();
        }
        self.now = end;
    }

    /// What runs the node gives up all jobs that have not ended, and those that follow them.
    pub(super) fn give_up(&mut self) {
        while let Some(id) = self.open.pop() {
            self.feed(Input::Done { id, outcome: Err(JobError::TimedOut) });
            self.disk_stands_still = false;
        }
    }

    /// What it said to one neighbour since it was asked last; what it said to others is forgotten.
    pub(super) fn take_said(&mut self, to: u8) -> Vec<Message> {
        let to = peer(to);
        std::mem::take(&mut self.said)
            .into_iter()
            .filter_map(|(peer, message)| (peer == to).then_some(message))
            .collect()
    }

    fn feed(&mut self, input: Input<Core>) {
        self.core.handle(input, self.now);
        self.drain();
    }

    fn drain(&mut self) {
        while let Some(effect) = self.core.poll_effect() {
            match effect {
                Effect::Send { peer, message } => self.said.push((peer, message)),
                Effect::Report { peer, fault } => self.faults.push((peer, fault)),
                Effect::Close { .. } => {}
                Effect::Emit(Event::Arrived(message)) => self.take(message),
                Effect::Emit(event) => self.events.push(event),
                Effect::Start { id, job } => self.work(id, job),
            }
        }
    }

    /// The inbound pipeline.
    fn take(&mut self, message: InboundMessage) {
        let ticket = message.ticket;
        let moment = Moment { now: self.now, wall: START.after(self.now.elapsed()) };
        let outcome =
            pass(&self.gate, message, moment).and_then(|recorded| match decide(recorded) {
                ControlFlow::Break(outcome) => outcome,
                ControlFlow::Continue(delivery) => {
                    self.inbox.push(delivery.message().clone());
                    Ok(delivery.delivered())
                }
            });
        self.core.handle(Input::Command(Command::Settled { ticket, outcome }), self.now);
    }

    fn work(&mut self, id: JobId, job: Job) {
        let done = match job {
            Job::Dial { peer, .. } => {
                self.dials.push(peer);
                return self.open.push(id);
            }
            Job::Keep(_) | Job::Read(_) if self.disk_stands_still => return self.open.push(id),
            Job::Keep(changes) => self.keep(changes),
            Job::Read(arrivals) => Done::Read(Ok(self.store.envelopes(&arrivals))),
            Job::Verify { records } => Done::Verified(records.iter().map(|r| open(r)).collect()),
            Job::Seal(addressed) => {
                let sealer = Sealer::new(network(), &keys(self.number)).unwrap();
                Done::Sealed(seal(&sealer, *addressed, &mut self.rng).map(Box::new))
            }
            Job::CheckStored { id, stored } => Done::Checked(stored.verify(&id).is_ok()),
            Job::Sign(list) => {
                let keys = keys(self.number);
                let sign = |(id, until)| Stored::sign(&keys, &id, until).unwrap().signature;
                Done::Signed(list.into_iter().map(sign).collect())
            }
        };
        self.core.handle(Input::Done { id, outcome: Ok(done) }, self.now);
    }

    fn keep(&mut self, changes: Vec<Change>) -> Done {
        self.store.apply(changes);
        Done::Kept(Ok(()))
    }
}
