//! The core of the DHT under any history: what it carries, keeps, sends and fetches.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ops::ControlFlow;
use std::time::Duration;

use bytes::BytesMut;
use dht::{
    Carriage, Command, Core, DialError, Disposition, Done, Event, Gate, IDS_MAX, InboundMessage,
    Job, LetterId, MemoryStore, Message, MessageId, Moment, RECORDS_MAX, Refusal, Setup,
    StoreError, Stored, Ticket, decide, seal,
};
use libp2p_identity::PeerId;
use machine::{Effect, Effects, Input, Instant, JobError, JobId, Machine, Undelivered};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;
use wire::Frame;

use super::answering::{OWN, answer, config, handed, identify, open, peer, record, request, word};
use super::chunk;
use super::sealing::{START, gate, keys, network, sealer};

const SECOND: Duration = Duration::from_secs(1);
/// Neighbours are numbered from 1 to this.
const NEIGHBOURS: u8 = 3;
/// What was said and is remembered, to be answered.
const REMEMBERED: usize = 32;

/// A core, whatever it waits for, and what it has been told.
struct Runner {
    core: Core,
    gate: Gate,
    store: MemoryStore,
    rng: ChaCha20Rng,
    now: Instant,
    links: BTreeSet<PeerId>,
    jobs: Vec<(JobId, Job)>,
    asked: Vec<(PeerId, Message)>,
    arrived: Vec<InboundMessage>,
    /// Own messages without an end.
    sending: BTreeMap<LetterId, usize>,
    /// What which server was asked for.
    wanted: BTreeSet<(PeerId, MessageId)>,
    /// What the application has, and what is of no use as a server has it.
    accepted: BTreeSet<MessageId>,
    useless: BTreeSet<(PeerId, MessageId)>,
}

/// A core with what is on the disk.
fn started(store: &MemoryStore) -> Core {
    let params = config().check().expect("within bounds");
    let setup = Setup { kept: store.snapshot(), ..Setup::new(peer(OWN), network()) };
    Core::new(params, setup, [1; 32])
}

impl Runner {
    fn new() -> Self {
        let store = MemoryStore::default();
        let mut runner = Self {
            core: started(&store),
            gate: gate(OWN, &config()),
            store,
            rng: ChaCha20Rng::from_seed([2; 32]),
            now: Instant::START,
            links: BTreeSet::new(),
            jobs: Vec::new(),
            asked: Vec::new(),
            arrived: Vec::new(),
            sending: BTreeMap::new(),
            wanted: BTreeSet::new(),
            accepted: BTreeSet::new(),
            useless: BTreeSet::new(),
        };
        runner.input(Input::Wall(START));
        runner
    }

    fn moment(&self) -> Moment {
        Moment { now: self.now, wall: START.after(self.now.elapsed()) }
    }

    fn input(&mut self, input: Input<Core>) {
        self.take(VecDeque::from([input]));
    }

    /// These inputs, and what comes of them at once.
    fn take(&mut self, mut inputs: VecDeque<Input<Core>>) {
        while let Some(input) = inputs.pop_front() {
            self.core.handle(input, self.now);
            self.drain(&mut inputs);
        }
    }

    fn command(&mut self, command: Command) {
        if let Command::Dispatch(dispatch) = &command {
            *self.sending.entry(dispatch.addressed().letter().id).or_default() += 1;
        }
        self.input(Input::Command(command));
    }

    fn drain(&mut self, inputs: &mut VecDeque<Input<Core>>) {
        let mut count = 0;
        while let Some(effect) = self.core.poll_effect() {
            count += 1;
            match effect {
                Effect::Start { id, job } => self.jobs.push((id, job)),
                Effect::Send { peer, message } if self.links.contains(&peer) => {
                    self.said(peer, message);
                }
                Effect::Send { peer, message } => {
                    let cause = Undelivered::NotConnected;
                    inputs.push_back(Input::Undelivered { peer, message, cause });
                }
                Effect::Close { peer } if self.links.remove(&peer) => {
                    inputs.push_back(Input::Left { peer });
                }
                Effect::Emit(event) => self.told(event),
                Effect::Report { .. } | Effect::Close { .. } => {}
            }
        }
        assert!(count <= Effects::<Core>::LIMIT);
        assert!(self.core.entries() <= 400, "{} entries", self.core.entries());
    }

    fn said(&mut self, to: PeerId, message: Message) {
        let mut out = BytesMut::new();
        message.encode(&mut out);
        assert!(out.len() <= Message::MAX, "what we say fits a frame");
        assert_eq!(Message::decode(out.freeze()).as_ref(), Ok(&message));
        match &message {
            Message::Get { ids, .. } => self.wanted.extend(ids.iter().map(|id| (to, *id))),
            Message::Taken { ids, .. } => {
                let gone = |id| self.accepted.contains(id) || self.useless.contains(&(to, *id));
                assert!(ids.iter().all(gone), "nothing is taken that is not here");
            }
            Message::Listed { ids, .. } => assert!(ids.len() <= IDS_MAX),
            Message::Nodes { records, .. } => assert!(records.len() <= RECORDS_MAX),
            _ => {}
        }
        self.asked.push((to, message));
        if self.asked.len() > REMEMBERED {
            self.asked.remove(0);
        }
    }

    fn told(&mut self, event: Event) {
        match event {
            Event::Arrived(message) => {
                if message.carriage == Carriage::Fetched {
                    let id = identify(&message.envelope).expect("it was seen to be an envelope");
                    assert!(self.wanted.contains(&(message.from, id)), "nothing comes unasked");
                }
                self.arrived.push(message);
                assert!(self.arrived.len() <= 64, "places are bounded");
            }
            Event::Outcome { letter, outcome } => {
                let left = self.sending.get_mut(&letter).expect("it is on its way");
                if outcome.is_end() {
                    *left -= 1;
                }
                if *left == 0 {
                    self.sending.remove(&letter);
                }
            }
            Event::Freed { .. }
            | Event::Met { .. }
            | Event::Announced { .. }
            | Event::LookedUp { .. }
            | Event::Discovered { .. }
            | Event::Forgotten { .. }
            | Event::Release { .. } => {}
        }
    }

    /// Calls the core at its deadlines.
    fn wait(&mut self, span: Duration) {
        let end = self.now.after(span);
        while let Some(due) = self.core.next_deadline().filter(|due| *due <= end) {
            self.now = self.now.max(due);
            self.core.tick(self.now);
            assert!(self.core.next_deadline().is_none_or(|due| due > self.now), "L4");
            let mut inputs = VecDeque::new();
            self.drain(&mut inputs);
            self.take(inputs);
        }
        self.now = end;
    }

    /// Links a neighbour, or cuts the link.
    fn toggle(&mut self, peer: PeerId) {
        if self.links.remove(&peer) {
            return self.input(Input::Left { peer });
        }
        self.links.insert(peer);
        self.input(Input::Joined { peer, name: Core::NAMES[0] });
    }

    fn hear(&mut self, peer: PeerId, message: Message) {
        if self.links.contains(&peer) {
            self.input(Input::Received { peer, message });
        }
    }

    /// One of the last four jobs ends: well at 0, else as the two low bits say.
    fn end_job(&mut self, how: u8) {
        let Some(last) = self.jobs.len().checked_sub(1) else { return };
        let (id, job) = self.jobs.remove(last.saturating_sub(usize::from(how >> 2) % 4));
        let outcome = match how % 4 {
            0 => Ok(self.done(job)),
            1 => Err(JobError::Lost),
            2 => Err(JobError::Refused),
            _ => Ok(self.failed(job)),
        };
        self.input(Input::Done { id, outcome });
    }

    /// Whatever can go wrong with it goes wrong.
    fn failed(&mut self, job: Job) -> Done {
        let message = || "no disk".to_owned();
        match job {
            Job::Dial { .. } => Done::Dialled(Err(DialError::Unreachable)),
            Job::Keep(_) => Done::Kept(Err(StoreError { message: message() })),
            Job::Read(_) => Done::Read(Err(StoreError { message: message() })),
            Job::CheckStored { .. } => Done::Checked(false),
            other => self.done(other),
        }
    }

    fn done(&mut self, job: Job) -> Done {
        match job {
            Job::Dial { peer, .. } if self.links.contains(&peer) => {
                Done::Dialled(Err(DialError::Linked))
            }
            Job::Dial { peer, .. } => {
                self.toggle(peer);
                Done::Dialled(Ok(()))
            }
            Job::Verify { records } => Done::Verified(records.iter().map(open).collect()),
            Job::Seal(addressed) => {
                Done::Sealed(seal(&sealer(OWN), *addressed, &mut self.rng).map(Box::new))
            }
            Job::CheckStored { id, stored } => Done::Checked(stored.verify(&id).is_ok()),
            Job::Keep(changes) => {
                self.store.apply(changes);
                Done::Kept(Ok(()))
            }
            Job::Read(arrivals) => Done::Read(Ok(self.store.envelopes(&arrivals))),
            Job::Sign(list) => {
                let own = keys(OWN);
                let sign = |(id, until)| Stored::sign(&own, &id, until).expect("it can sign");
                Done::Signed(list.into_iter().map(|kept| sign(kept).signature).collect())
            }
        }
    }

    /// The inbound pipeline, in which there is room or not.
    fn settle(&mut self, room: bool) {
        if self.arrived.is_empty() {
            let (ticket, outcome) = (Ticket::new(7), Err(Refusal::Busy));
            return self.command(Command::Settled { ticket, outcome });
        }
        let message = self.arrived.remove(0);
        let InboundMessage { ticket, from, carriage, .. } = message;
        let fetched = identify(&message.envelope).filter(|_| carriage == Carriage::Fetched);
        let outcome = if room { self.pass(message) } else { Err(Refusal::Busy) };
        if let Some(id) = fetched {
            self.settled(from, id, &outcome);
        }
        self.command(Command::Settled { ticket, outcome });
    }

    /// Notes what a server may be told of a message of its.
    fn settled(&mut self, from: PeerId, id: MessageId, outcome: &Result<Disposition, Refusal>) {
        match outcome {
            Ok(_) | Err(Refusal::Duplicate) => {
                self.accepted.insert(id);
            }
            // Perhaps later.
            Err(
                Refusal::UnderWay
                | Refusal::Expired
                | Refusal::LivesTooLong
                | Refusal::FromTheFuture
                | Refusal::TooOften { .. }
                | Refusal::Full
                | Refusal::Busy
                | Refusal::Off,
            ) => {}
            Err(_) => {
                self.useless.insert((from, id));
            }
        }
    }

    fn pass(&self, message: InboundMessage) -> Result<Disposition, Refusal> {
        match decide(dht::pass(&self.gate, message, self.moment())?) {
            ControlFlow::Break(end) => end,
            ControlFlow::Continue(delivery) => Ok(delivery.delivered()),
        }
    }

    /// Whoever was asked last answers: honestly at 0, else as the bits of `manner` say.
    fn answer(&mut self, manner: u8) {
        let Some((from, question)) = self.asked.pop() else { return };
        if let Some(answer) = answer(question, manner) {
            self.hear(from, answer);
        }
    }

    /// A message could not be sent.
    fn undelivered(&mut self) {
        let Some((peer, message)) = self.asked.pop() else { return };
        self.input(Input::Undelivered { peer, message, cause: Undelivered::OutboxFull });
    }

    /// The process is killed and starts again with what is on its disk, where the writes that are
    /// under way are `written` or not.
    fn restart(&mut self, written: bool) {
        self.links.clear();
        for (_, job) in std::mem::take(&mut self.jobs) {
            if let Job::Keep(changes) = job
                && written
            {
                self.store.apply(changes);
            }
        }
        self.asked.clear();
        self.arrived.clear();
        self.wanted.clear();
        let left = self.store.snapshot().sent.into_iter().filter(|sent| sent.end().is_none());
        self.sending = left.map(|sent| (sent.letter, 1)).collect();
        self.core = started(&self.store);
        self.input(Input::Wall(self.moment().wall));
    }

    /// Everybody leaves and time passes: every message has its end, and nothing is left of anybody.
    fn finish(mut self) {
        for peer in std::mem::take(&mut self.links) {
            self.input(Input::Left { peer });
        }
        for _ in 0..16 {
            while !self.jobs.is_empty() {
                self.end_job(1);
            }
            self.wait(60 * SECOND);
        }
        while !self.jobs.is_empty() {
            self.end_job(1);
        }
        assert!(self.sending.is_empty(), "{:?} have no end", self.sending);
        assert_eq!(self.core.passing_entries(), 0, "L3: {:?}", self.core.gauges());
    }
}

/// Any history: two bytes for each step.
pub(super) fn core(mut data: &[u8]) {
    let mut runner = Runner::new();
    while let [step, at, rest @ ..] = data {
        let (step, at) = (*step, *at);
        data = rest;
        let number = (step >> 4) % NEIGHBOURS + 1;
        let peer = peer(number);
        match step % 16 {
            0 => runner.toggle(peer),
            1 | 2 => runner.command(request(at)),
            3 => runner.hear(peer, handed(at, false)),
            4 => runner.hear(peer, handed(at, true)),
            5 | 6 => runner.answer(at),
            7 => runner.hear(peer, word(at >> 5, at, number)),
            8 => {
                if let Ok(message) = Message::decode(chunk(&mut data)) {
                    runner.hear(peer, message);
                }
            }
            9 | 10 => runner.settle(at & 1 == 0),
            11 | 12 => runner.end_job(at),
            13 => runner.undelivered(),
            14 => runner.wait(Duration::from_millis(u64::from(at) * 20)),
            _ if step >> 4 == 15 => runner.restart(at & 1 == 0),
            _ => runner.wait(Duration::from_secs(u64::from(at))),
        }
    }
    runner.finish();
}

/// What servers answer to a node that fetches its mail: it is linked with all of them from the start,
/// and has looked up its neighbourhood. Two bytes for each answer.
pub(super) fn mailbox(mut data: &[u8]) {
    let mut runner = Runner::new();
    for number in 1..=NEIGHBOURS {
        runner.command(Command::Met(record(number)));
        runner.toggle(peer(number));
    }
    while let [step, at, rest @ ..] = data {
        let (step, at) = (*step, *at);
        data = rest;
        match step % 8 {
            0 | 1 => runner.answer(at),
            2 => {
                // Whoever was asked first.
                runner.asked.reverse();
                runner.answer(at);
                runner.asked.reverse();
            }
            3 | 4 => runner.settle(at & 1 == 0),
            5 => runner.toggle(peer(at % NEIGHBOURS + 1)),
            6 => runner.end_job(at),
            _ => runner.wait(Duration::from_millis(u64::from(at) * 50)),
        }
    }
    runner.finish();
}
