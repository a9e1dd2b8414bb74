//! A core that does what it is told and tells what it hears.

use std::time::Duration;

use machine::{
    Blame, Effect, Effects, Input, Instant, JobError, JobId, JobIds, Machine, PeerId, Undelivered,
    UnixTime, Verdict,
};

#[derive(Debug, Default)]
pub(crate) struct Probe {
    alarm: Option<Instant>,
    /// Leaves its alarm set when it ticks: a broken core.
    stuck: bool,
    jobs: JobIds,
    effects: Effects<Self>,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Command {
    Say(PeerId, u32),
    HangUp(PeerId),
    Work(u32),
    Wake(Duration),
    Blame(PeerId),
}

#[derive(Debug, PartialEq)]
pub(crate) enum Event {
    Joined(PeerId),
    Left(PeerId),
    Heard(PeerId, u32),
    Back(PeerId, u32, Undelivered),
    Started(JobId),
    Done(JobId, Result<u32, JobError>, Instant),
    Awake(Instant),
    Time(UnixTime),
}

#[derive(Debug, thiserror::Error)]
#[error("said so")]
pub(crate) struct Scapegoat;

impl Blame for Scapegoat {
    fn verdict(&self) -> Verdict {
        Verdict::Charge(3)
    }
}

impl Probe {
    pub(crate) fn stuck() -> Self {
        Self { stuck: true, ..Self::default() }
    }

    /// Wants something from the moment that it is built.
    pub(crate) fn eager(job: u32) -> Self {
        let mut probe = Self::default();
        probe.command(Command::Work(job), Instant::START);
        probe
    }

    fn command(&mut self, command: Command, now: Instant) {
        let effect = match command {
            Command::Say(peer, message) => Effect::Send { peer, message },
            Command::HangUp(peer) => Effect::Close { peer },
            Command::Blame(peer) => Effect::Report { peer, fault: Scapegoat },
            Command::Work(job) => {
                let id = self.jobs.issue();
                self.effects.push(Effect::Emit(Event::Started(id)));
                Effect::Start { id, job }
            }
            Command::Wake(delay) => return self.alarm = Some(now.after(delay)),
        };
        self.effects.push(effect);
    }
}

impl Machine for Probe {
    const NAMES: &'static [&'static str] = &["/probe/1"];
    type Message = u32;
    type Command = Command;
    type Event = Event;
    type Fault = Scapegoat;
    type Job = u32;
    type Done = u32;

    fn handle(&mut self, input: Input<Self>, now: Instant) {
        let event = match input {
            Input::Joined { peer, .. } => Event::Joined(peer),
            Input::Left { peer } => Event::Left(peer),
            Input::Received { peer, message } => Event::Heard(peer, message),
            Input::Undelivered { peer, message, cause } => Event::Back(peer, message, cause),
            Input::Command(command) => return self.command(command, now),
            Input::Done { id, outcome } => Event::Done(id, outcome, now),
            Input::Wall(time) => Event::Time(time),
        };
        self.effects.push(Effect::Emit(event));
    }

    fn tick(&mut self, now: Instant) {
        if self.stuck {
            return;
        }
        self.alarm = None;
        self.effects.push(Effect::Emit(Event::Awake(now)));
    }

    fn next_deadline(&self) -> Option<Instant> {
        self.alarm
    }

    fn poll_effect(&mut self) -> Option<Effect<Self>> {
        self.effects.pop()
    }
}
