//! One core by hand: the test is its network, its worker and its clock.

use std::collections::BTreeSet;
use std::time::Duration;

use bytes::Bytes;
use handshake::DialError;
use machine::{Effect, Input, Instant, JobId, Machine, PeerId, Undelivered, UnixTime};
use meshwork_gossip::{
    Change, Command, Config, Core, Direction, DisconnectReason, Done, Event, Fault, Job, LinkView,
    Message, Opened, Purpose, Setup, Snapshot, Swap, SwapRefusal,
};

use crate::records::{address, open, peer, record};

/// Our own number.
pub(crate) const ME: u8 = 200;

/// One core, what it said, and what it waits for. Records are checked and the book is written at
/// once, unless the test takes the checks into its own hands.
pub(crate) struct Solo {
    pub(crate) core: Core,
    pub(crate) now: Instant,
    pub(crate) said: Vec<(PeerId, Message)>,
    pub(crate) events: Vec<Event>,
    pub(crate) faults: Vec<(PeerId, Fault)>,
    pub(crate) saved: Vec<Change>,
    /// Dials that the test has not answered.
    dials: Vec<(JobId, PeerId, Purpose)>,
    /// Every dial so far.
    pub(crate) dialled: Vec<(Instant, PeerId, Purpose)>,
    /// Checks wait for [`Solo::check`].
    pub(crate) holds_checks: bool,
    checks: Vec<(JobId, Vec<Bytes>)>,
    /// Records of these peers do not hold.
    pub(crate) forged: BTreeSet<PeerId>,
    /// Saves fail.
    pub(crate) disk_full: bool,
}

impl Solo {
    pub(crate) fn new(config: Config) -> Self {
        Self::with(config, |_| {})
    }

    pub(crate) fn with(config: Config, change: impl FnOnce(&mut Setup)) -> Self {
        let mut setup = Setup {
            local: peer(ME),
            transports: vec!["tcp".to_owned()],
            trusted: Vec::new(),
            banned: Vec::new(),
            kept: Snapshot::default(),
            started: UnixTime::from_millis(1_000_000_000),
        };
        change(&mut setup);
        let mut solo = Self {
            core: Core::new(config.check().unwrap(), setup, [7; 32]),
            now: Instant::START,
            said: Vec::new(),
            events: Vec::new(),
            faults: Vec::new(),
            saved: Vec::new(),
            dials: Vec::new(),
            dialled: Vec::new(),
            holds_checks: false,
            checks: Vec::new(),
            forged: BTreeSet::new(),
            disk_full: false,
        };
        solo.drain();
        solo.wait(Duration::ZERO);
        solo
    }

    pub(crate) fn input(&mut self, input: Input<Core>) {
        self.core.handle(input, self.now);
        self.drain();
    }

    pub(crate) fn command(&mut self, command: Command) {
        self.input(Input::Command(command));
    }

    fn drain(&mut self) {
        while let Some(effect) = self.core.poll_effect() {
            match effect {
                Effect::Send { peer, message } => self.said.push((peer, message)),
                Effect::Report { peer, fault } => self.faults.push((peer, fault)),
                Effect::Close { .. } => {}
                Effect::Emit(event) => self.events.push(event),
                Effect::Start { id, job } => self.work(id, job),
            }
        }
    }

    fn work(&mut self, id: JobId, job: Job) {
        match job {
            Job::Dial { peer, purpose, .. } => {
                self.dials.push((id, peer, purpose));
                self.dialled.push((self.now, peer, purpose));
            }
            Job::Verify { records } => self.checks.push((id, records)),
            Job::Save { changes } => {
                let full = meshwork_gossip::StoreError { message: "disk full".to_owned() };
                let outcome = if self.disk_full { Err(full) } else { Ok(()) };
                if outcome.is_ok() {
                    self.saved.extend(changes);
                }
                self.input(Input::Done { id, outcome: Ok(Done::Saved(outcome)) });
            }
        }
        if !self.holds_checks {
            self.check();
        }
    }

    /// Answers all checks that wait.
    pub(crate) fn check(&mut self) {
        for (id, records) in std::mem::take(&mut self.checks) {
            let opened = records.iter().map(|bytes| {
                open(bytes).and_then(|record| {
                    let forged = self.forged.contains(&record.peer());
                    let reason = "a test says so".to_owned();
                    if forged {
                        Err(meshwork_gossip::BadRecord::Forged { reason })
                    } else {
                        Ok(record)
                    }
                })
            });
            let outcome = Ok(Done::Verified(opened.collect()));
            self.input(Input::Done { id, outcome });
        }
    }

    /// Lets time pass, from deadline to deadline.
    pub(crate) fn wait(&mut self, span: Duration) {
        let end = self.now.after(span);
        while let Some(due) = self.core.next_deadline().filter(|due| *due <= end) {
            self.now = self.now.max(due);
            self.core.tick(self.now);
            self.drain();
        }
        self.now = end;
    }

    /// Lets time pass until `done`; panics when it takes longer than `limit`.
    pub(crate) fn until(&mut self, limit: Duration, done: impl Fn(&Self) -> bool) {
        let end = self.now.after(limit);
        while !done(self) {
            let due = self.core.next_deadline().filter(|due| *due <= end);
            self.now = self.now.max(due.unwrap_or_else(|| panic!("not within {limit:?}")));
            self.core.tick(self.now);
            self.drain();
        }
    }

    /// The gate tells of a connection to `n`.
    pub(crate) fn opened(&mut self, n: u8, direction: Direction) {
        let record = Some(record(n));
        let opened = Opened { peer: peer(n), direction, address: address(n), record };
        self.command(Command::Opened(Box::new(opened)));
    }

    /// The application has dialled `n` for a use of its own.
    pub(crate) fn link_aside(&mut self, n: u8) {
        let record = Some(record(n));
        let (direction, address) = (Direction::Outbound, address(n));
        let opened = Opened { peer: peer(n), direction, address, record };
        self.command(Command::OpenedAside(Box::new(opened)));
        self.joined(n);
    }

    /// Gossip runs with `n`.
    pub(crate) fn joined(&mut self, n: u8) {
        self.input(Input::Joined { peer: peer(n), name: Core::NAMES[0] });
    }

    pub(crate) fn link(&mut self, n: u8, direction: Direction) {
        self.opened(n, direction);
        self.joined(n);
    }

    /// `n` dials us.
    pub(crate) fn link_in(&mut self, n: u8) {
        self.link(n, Direction::Inbound);
    }

    /// We have dialled `n`, for whatever reason.
    pub(crate) fn link_out(&mut self, n: u8) {
        self.link(n, Direction::Outbound);
    }

    /// The link to `n` breaks, or ends.
    pub(crate) fn unlink(&mut self, n: u8) {
        self.input(Input::Left { peer: peer(n) });
        self.command(Command::Closed { peer: peer(n) });
    }

    pub(crate) fn hear(&mut self, n: u8, message: Message) {
        self.input(Input::Received { peer: peer(n), message });
    }

    /// Something that was said to `n` did not get there.
    pub(crate) fn bounce(&mut self, n: u8, message: Message) {
        let cause = Undelivered::NotConnected;
        self.input(Input::Undelivered { peer: peer(n), message, cause });
    }

    /// Whether a dial of `n` is under way.
    pub(crate) fn dials(&self, n: u8) -> bool {
        self.dials.iter().any(|(_, dialled, _)| *dialled == peer(n))
    }

    /// Whom we are dialling.
    pub(crate) fn dialling(&self) -> Vec<PeerId> {
        self.dials.iter().map(|(_, peer, _)| *peer).collect()
    }

    /// Answers the dial of `n`; a link that comes of it is the business of the test.
    #[track_caller]
    pub(crate) fn dial_ends(&mut self, n: u8, outcome: Result<(), DialError>) {
        let at = self.dials.iter().position(|(_, dialled, _)| *dialled == peer(n));
        let (id, ..) = self.dials.remove(at.expect("a dial of it is under way"));
        self.input(Input::Done { id, outcome: Ok(Done::Dialled(outcome)) });
    }

    /// The dial of `n` makes a link.
    #[track_caller]
    pub(crate) fn dial_links(&mut self, n: u8) {
        self.opened(n, Direction::Outbound);
        self.dial_ends(n, Ok(()));
        self.joined(n);
    }

    /// Takes what was said to `n` since it was last asked.
    pub(crate) fn take(&mut self, n: u8) -> Vec<Message> {
        self.said.extract_if(.., |(to, _)| *to == peer(n)).map(|(_, message)| message).collect()
    }

    /// The same, without pings and questions.
    pub(crate) fn take_words(&mut self, n: u8) -> Vec<Message> {
        let noise =
            |message: &Message| matches!(message, Message::Ping { .. } | Message::Bootstrap { .. });
        self.take(n).into_iter().filter(|message| !noise(message)).collect()
    }

    /// Answers every ping, so that nobody is given up.
    pub(crate) fn pong(&mut self) {
        let ping = |(_, message): &mut (_, Message)| matches!(message, Message::Ping { .. });
        for (peer, message) in self.said.extract_if(.., ping).collect::<Vec<_>>() {
            if let Message::Ping { nonce } = message {
                self.input(Input::Received { peer, message: Message::Pong { nonce } });
            }
        }
    }

    /// Lets time pass while everybody answers pings.
    pub(crate) fn live(&mut self, span: Duration) {
        let end = self.now.after(span);
        while let Some(due) = self.core.next_deadline().filter(|due| *due <= end) {
            self.now = self.now.max(due);
            self.core.tick(self.now);
            self.drain();
            self.pong();
        }
        self.now = end;
    }

    /// Declines what we have proposed.
    pub(crate) fn decline(&mut self) {
        for (peer, message) in self.said.clone() {
            if let Message::SwapPropose { id, .. } = message {
                let message = Message::SwapReject { id, reason: SwapRefusal::Busy };
                self.input(Input::Received { peer, message });
            }
        }
    }

    /// The link to `n`, if there is one.
    pub(crate) fn view(&self, n: u8) -> Option<LinkView> {
        self.core.links().find(|link| link.peer == peer(n))
    }

    /// Whether the link to `n` is there to stay.
    pub(crate) fn keeps(&self, n: u8) -> bool {
        self.view(n).is_some_and(|link| !link.leaving)
    }

    /// Exchanges that are over.
    pub(crate) fn swaps(&self) -> Vec<Result<Swap, SwapRefusal>> {
        let outcome = |event: &Event| match event {
            Event::Swapped { outcome, .. } => Some(*outcome),
            _ => None,
        };
        self.events.iter().filter_map(outcome).collect()
    }

    /// Goodbyes of either side: to whom, why, and whether they were theirs.
    pub(crate) fn goodbyes(&self) -> Vec<(PeerId, DisconnectReason, bool)> {
        let goodbye = |event: &Event| match event {
            Event::Disconnected { peer, reason, theirs } => Some((*peer, *reason, *theirs)),
            _ => None,
        };
        self.events.iter().filter_map(goodbye).collect()
    }
}

/// Nobody is there.
pub(crate) fn nobody() -> DialError {
    DialError::Unreachable { reason: "nobody opens".to_owned() }
}

/// The record of `n` as it is on the wire.
pub(crate) fn bytes_of(n: u8) -> Bytes {
    record(n).encoded().clone()
}

/// What the store holds after these changes.
pub(crate) fn snapshot(changes: &[Change]) -> Snapshot {
    let mut kept = Snapshot { key: Some([3; 32]), ..Snapshot::default() };
    for change in changes {
        match change.clone() {
            Change::Put { peer, entry } => {
                kept.entries.retain(|(other, _)| *other != peer);
                kept.entries.push((peer, entry));
            }
            Change::Remove { peer } => kept.entries.retain(|(other, _)| *other != peer),
            Change::Anchors { peers } => kept.anchors = peers,
        }
    }
    kept
}
