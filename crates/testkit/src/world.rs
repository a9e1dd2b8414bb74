//! A runner for one core that plays histories to it and notes every breach of a law.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::time::Duration;

use machine::{
    Blame, Effect, Effects, Input, Instant, JobError, JobId, Machine, PeerId, Undelivered, Verdict,
};

use crate::Law;
use crate::step::{Ending, Step, StepOf};
use crate::subject::{About, JobOf, MessageOf, Subject};

/// Most links at a time; the cores' own bound on them is the connection limit of a node.
pub const LINKS_MAX: usize = 3;

/// Most jobs under way; one more is refused.
pub const JOBS_MAX: usize = 2;

/// Messages to one peer that can still be replied to or come back.
const SENT_MAX: usize = 8;

/// Inputs or ticks without a step before it counts as endless.
const TURNS_MAX: usize = 4 * 1024;

/// Everything that happens to one core.
#[derive(Debug)]
pub struct World<S: Subject> {
    core: S::Core,
    now: Instant,
    /// Who is linked, oldest first, and whether the core has hung up on them.
    links: Vec<(PeerId, bool)>,
    /// What the core said lately, newest last.
    sent: BTreeMap<PeerId, Vec<MessageOf<S>>>,
    jobs: Vec<(JobId, JobOf<S>)>,
    /// Commands given less ends heard.
    open: BTreeMap<S::Key, i64>,
    breaches: BTreeMap<Law, String>,
    reports: Vec<(PeerId, Verdict)>,
    log: Option<Vec<Entry>>,
}

/// One line of a log.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    /// Whether the core did it, or it was done to the core.
    pub(crate) effect: bool,
    /// Whom it is about.
    pub(crate) about: About,
    /// The job that it starts, if it starts one.
    pub(crate) job: Option<JobId>,
    pub(crate) text: String,
}

impl<S: Subject> World<S> {
    /// A core of `me` that knows nobody. With `logs`, [`log`](Self::log) tells what happens.
    pub fn new(me: PeerId, seed: [u8; 32], logs: bool) -> Self {
        Self {
            core: S::build(me, seed),
            now: Instant::START,
            links: Vec::new(),
            sent: BTreeMap::new(),
            jobs: Vec::new(),
            open: BTreeMap::new(),
            breaches: BTreeMap::new(),
            reports: Vec::new(),
            log: logs.then(Vec::new),
        }
    }

    /// How a law was broken first, if it was.
    pub fn breach(&self, law: Law) -> Option<&str> {
        self.breaches.get(&law).map(String::as_str)
    }

    /// What happened, a line for each input, tick and effect.
    pub fn log(&self) -> String {
        let indent = |entry: &Entry| if entry.effect { "      " } else { "  " };
        let lines = self.entries().iter().map(|entry| format!("{}{}", indent(entry), entry.text));
        lines.collect::<Vec<_>>().join("\n")
    }

    pub(crate) fn entries(&self) -> &[Entry] {
        self.log.as_deref().unwrap_or_default()
    }

    pub(crate) fn reports(&self) -> &[(PeerId, Verdict)] {
        &self.reports
    }

    /// What the core said to `peer` lately, newest last.
    pub(crate) fn sent(&self, peer: PeerId) -> &[MessageOf<S>] {
        self.sent.get(&peer).map(Vec::as_slice).unwrap_or_default()
    }

    pub(crate) fn jobs_under_way(&self) -> usize {
        self.jobs.len()
    }

    /// Plays a history.
    pub fn play(&mut self, steps: &[StepOf<S>]) {
        for step in steps {
            self.step(step);
        }
    }

    /// Lets everyone leave, every job fail and all time pass, and checks what has to be true then.
    pub fn settle(&mut self) {
        while let Some((peer, _)) = self.links.first().copied() {
            self.leave(peer);
        }
        self.fail_jobs();
        self.wait(S::SETTLE);
        self.fail_jobs();
        let open: Vec<_> = self.open.iter().filter(|(_, count)| **count != 0).collect();
        if let Some((key, count)) = open.first() {
            let what = format!("{count} of the commands keyed {key:?} never ended");
            self.break_law(Law::EndsOnce, what);
        }
        let entries = S::per_peer_entries(&self.core);
        if entries > 0 {
            let what = format!("{entries} entries about single peers remain");
            self.break_law(Law::NothingRemains, what);
        }
        let due = self.core.next_deadline().filter(|_| !S::STANDING_TIMER);
        if let Some(due) = due {
            self.break_law(Law::NothingRemains, format!("a deadline remains at {}", Time(due)));
        }
    }

    pub(crate) fn step(&mut self, step: &StepOf<S>) {
        match step.clone() {
            Step::Join(peer) => self.join(peer),
            Step::Leave(peer) => self.leave(peer),
            Step::Hear(peer, message) => self.hear(peer, message),
            Step::Reply { peer, nth, dice } => {
                let said = self.sent.get(&peer).and_then(|sent| pick(nth, sent));
                if let Some(message) = said.and_then(|at| S::reply(&self.sent[&peer][at], dice)) {
                    self.hear(peer, message);
                }
            }
            Step::Undelivered { peer, nth, cause } => {
                let sent = self.sent.entry(peer).or_default();
                if let Some(at) = pick(nth, sent) {
                    let message = sent.remove(at);
                    self.feed(Input::Undelivered { peer, message, cause });
                }
            }
            Step::Command(command) => {
                *self.open.entry(S::key(&command)).or_default() += 1;
                self.feed(Input::Command(command));
            }
            Step::JobDone { nth, ending } => {
                if let Some(at) = pick(nth, &self.jobs) {
                    self.end_job(at, ending);
                }
            }
            Step::Wait(span) => self.wait(span),
            Step::NextTimer => {
                if let Some(due) = self.core.next_deadline() {
                    self.wait(due.since(self.now));
                }
            }
            Step::Stall(span) => self.now = self.now.after(span),
            Step::Wall(time) => self.feed(Input::Wall(time)),
        }
    }

    fn join(&mut self, peer: PeerId) {
        if self.links.iter().any(|(linked, closing)| *linked == peer && *closing) {
            self.leave(peer);
        }
        if self.linked(peer) {
            return;
        }
        if self.links.len() >= LINKS_MAX {
            self.leave(self.links[0].0);
        }
        self.links.push((peer, false));
        self.sent.remove(&peer);
        let name = S::Core::NAMES.first().copied().unwrap_or_default();
        self.feed(Input::Joined { peer, name });
    }

    fn leave(&mut self, peer: PeerId) {
        if self.linked(peer) {
            self.links.retain(|(linked, _)| *linked != peer);
            self.feed(Input::Left { peer });
        }
    }

    pub(crate) fn hear(&mut self, peer: PeerId, message: MessageOf<S>) {
        if self.linked(peer) {
            self.feed(Input::Received { peer, message });
        }
    }

    /// Ends the job at this position of those under way.
    pub(crate) fn end_job(&mut self, at: usize, ending: Ending) {
        let (id, job) = self.jobs.remove(at);
        let outcome = match ending {
            Ending::Done(dice) => Ok(S::done(&job, dice)),
            Ending::Failed(error) => Err(error),
        };
        self.feed(Input::Done { id, outcome });
    }

    fn fail_jobs(&mut self) {
        let mut ended = 0;
        while !self.jobs.is_empty() {
            self.end_job(0, Ending::Failed(JobError::Lost));
            ended += 1;
            if ended > TURNS_MAX {
                return self.break_law(Law::NothingRemains, "each failed job starts another");
            }
        }
    }

    fn linked(&self, peer: PeerId) -> bool {
        self.links.iter().any(|(linked, _)| *linked == peer)
    }
}

/// The runner proper.
impl<S: Subject> World<S> {
    /// Lets time pass and calls the core at its deadlines. Those it hung up on are gone first.
    fn wait(&mut self, span: Duration) {
        while let Some((peer, _)) = self.links.iter().find(|(_, closing)| *closing).copied() {
            self.leave(peer);
        }
        let end = self.now.after(span);
        let mut ticks = 0;
        while let Some(due) = self.core.next_deadline().filter(|due| *due <= end) {
            self.now = self.now.max(due);
            self.tick();
            ticks += 1;
            if self.breach(Law::TickClears).is_some() {
                break;
            }
            if ticks > TURNS_MAX {
                self.break_law(Law::TickClears, "deadlines follow each other without end");
                break;
            }
        }
        self.now = end;
    }

    fn tick(&mut self) {
        self.note(format_args!("tick"));
        self.core.tick(self.now);
        if let Some(due) = self.core.next_deadline().filter(|due| *due <= self.now) {
            let what = format!("after a tick at {} a deadline is {}", Time(self.now), Time(due));
            self.break_law(Law::TickClears, what);
        }
        let mut inputs = VecDeque::new();
        self.carry_out(&mut inputs);
        self.take(inputs);
    }

    fn feed(&mut self, input: Input<S::Core>) {
        self.take(VecDeque::from([input]));
    }

    fn take(&mut self, mut inputs: VecDeque<Input<S::Core>>) {
        let mut taken = 0;
        while let Some(input) = inputs.pop_front() {
            taken += 1;
            if taken > TURNS_MAX {
                return self.break_law(Law::Bounded, "the core answers what bounces for ever");
            }
            self.note(format_args!("{input:?}"));
            self.core.handle(input, self.now);
            self.carry_out(&mut inputs);
        }
    }

    /// Takes effects until there are none; what comes of them at once is a later input.
    fn carry_out(&mut self, inputs: &mut VecDeque<Input<S::Core>>) {
        let mut count = 0;
        while let Some(effect) = self.core.poll_effect() {
            count += 1;
            if count > Effects::<S::Core>::LIMIT {
                return self.break_law(Law::Bounded, format!("{count} effects of one input"));
            }
            self.note_effect(&effect);
            match effect {
                Effect::Send { peer, message } if self.linked(peer) => {
                    let sent = self.sent.entry(peer).or_default();
                    sent.push(message);
                    if sent.len() > SENT_MAX {
                        sent.remove(0);
                    }
                }
                Effect::Send { peer, message } => {
                    let cause = Undelivered::NotConnected;
                    inputs.push_back(Input::Undelivered { peer, message, cause });
                }
                Effect::Report { peer, fault } => self.reports.push((peer, fault.verdict())),
                Effect::Close { peer } => {
                    if let Some(link) = self.links.iter_mut().find(|link| link.0 == peer) {
                        link.1 = true;
                    }
                }
                Effect::Emit(event) => self.heard(&event),
                Effect::Start { id, .. } if self.jobs.len() >= JOBS_MAX => {
                    inputs.push_back(Input::Done { id, outcome: Err(JobError::Refused) });
                }
                Effect::Start { id, job } => self.jobs.push((id, job)),
            }
        }
        let size = S::size(&self.core);
        if size > S::SIZE_MAX {
            self.break_law(Law::Bounded, format!("size is {size}, at most {}", S::SIZE_MAX));
        }
    }

    fn heard(&mut self, event: &<S::Core as Machine>::Event) {
        let Some(key) = S::ends(event) else { return };
        let open = self.open.entry(key.clone()).or_default();
        *open -= 1;
        if *open < 0 {
            self.break_law(
                Law::EndsOnce,
                format!("an end keyed {key:?} that no command waits for"),
            );
        }
    }

    fn break_law(&mut self, law: Law, how: impl Into<String>) {
        self.breaches.entry(law).or_insert_with(|| how.into());
    }

    fn note(&mut self, what: fmt::Arguments<'_>) {
        let at = Time(self.now);
        if let Some(log) = &mut self.log {
            let text = format!("{at} {what}");
            log.push(Entry { effect: false, about: About::Nobody, job: None, text });
        }
    }

    fn note_effect(&mut self, effect: &Effect<S::Core>) {
        let Some(log) = &mut self.log else { return };
        let (about, job) = match effect {
            Effect::Send { peer, .. } | Effect::Report { peer, .. } | Effect::Close { peer } => {
                (About::Peer(*peer), None)
            }
            Effect::Emit(event) => (S::about(event), None),
            Effect::Start { id, .. } => (About::Nobody, Some(*id)),
        };
        let text = format!("{} {effect:?}", Time(self.now));
        log.push(Entry { effect: true, about, job, text });
    }
}

/// The `nth` position counted from the newest, and round again; `None` if there is none.
fn pick<T>(nth: u8, from: &[T]) -> Option<usize> {
    let back = usize::from(nth).checked_rem(from.len())?;
    Some(from.len() - 1 - back)
}

/// Writes seconds.
struct Time(Instant);

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.3}", self.0.elapsed().as_secs_f64())
    }
}
