//! How time passes and effects are carried out.

use std::collections::VecDeque;
use std::time::Duration;

use machine::{
    Blame, Effect, Effects, Input, Instant, JobError, JobId, Machine, PeerId, Undelivered, UnixTime,
};

use crate::book::{Report, keep};
use crate::net::{Due, Net};
use crate::node::{Node, Parcel};

/// Inputs that one step may cause at one node, without time passing, before it counts as a core
/// that argues with its own bounces for ever. Four times what one honest burst can bounce.
const TURN_MAX: usize = 4 * 1024;

/// Time.
impl<M: Machine> Net<M> {
    /// Asks a node for something, now. Nothing happens if it does not run.
    pub fn command(&mut self, peer: PeerId, command: M::Command) {
        self.turn(peer, Some(Input::Command(command)));
    }

    /// Gives a node any input, now: what a hostile neighbour says, for example. Nothing happens if
    /// it does not run.
    pub fn input(&mut self, peer: PeerId, input: Input<M>) {
        self.turn(peer, Some(input));
    }

    /// Lets `span` pass.
    ///
    /// # Panics
    ///
    /// When a core breaks its contract so that time would stop: if a tick leaves a deadline that
    /// has come, or a core answers what bounces with ever more sends.
    pub fn run_for(&mut self, span: Duration) {
        let end = self.now.after(span);
        while self.step(end) {}
    }

    /// Lets time pass, at most `limit`, until `done` is true, and tells whether it is. It is asked
    /// at once, and after every step.
    ///
    /// # Panics
    ///
    /// As [`run_for`](Self::run_for).
    pub fn run_until(&mut self, limit: Duration, mut done: impl FnMut(&Self) -> bool) -> bool {
        let end = self.now.after(limit);
        while !done(self) {
            if !self.step(end) {
                return done(self);
            }
        }
        true
    }

    /// Does the next thing that happens until `end`, if there is one; otherwise it is `end`.
    fn step(&mut self, end: Instant) -> bool {
        let flight = self.flight.first_key_value().map(|((at, _), _)| *at);
        let timer = self.timers.first().copied();
        match (flight, timer) {
            (Some(at), timer) if at <= end && timer.is_none_or(|(due, _)| at <= due) => {
                self.now = self.now.max(at);
                if let Some((_, due)) = self.flight.pop_first() {
                    self.happen(due);
                }
                true
            }
            (_, Some((due, peer))) if due <= end => {
                self.now = self.now.max(due);
                self.timers.pop_first();
                if let Some(node) = self.nodes.get_mut(&peer) {
                    node.armed = None;
                }
                self.turn(peer, None);
                true
            }
            _ => {
                self.now = end;
                false
            }
        }
    }

    fn happen(&mut self, due: Due<M>) {
        match due {
            Due::Arrival { from, to, session, parcel } => self.arrive(from, to, session, parcel),
            Due::Closed { me, peer, session } => {
                if self.holds(me, peer, session) {
                    self.lose(me, peer);
                }
            }
            Due::Done { node: peer, life, input } => {
                if let Some(node) = self.nodes.get_mut(&peer).filter(|node| node.life == life) {
                    node.jobs -= 1;
                    self.turn(peer, Some(input));
                }
            }
            Due::Wall { node, life } => self.tell_wall(node, life),
        }
    }

    fn arrive(&mut self, from: PeerId, to: PeerId, session: u64, parcel: Parcel<M::Message>) {
        if let Some(divide) = &mut self.divide
            && divide.separates(from, to)
        {
            return divide.held.push(Due::Arrival { from, to, session, parcel });
        }
        let (sends, hears) = (self.holds(from, to, session), self.holds(to, from, session));
        match parcel {
            Parcel::Hangup if hears => self.lose(to, from),
            Parcel::Hangup => {}
            Parcel::Message(message) => {
                if sends && let Some(node) = self.nodes.get_mut(&from) {
                    node.links.entry(to).and_modify(|pipe| pipe.in_flight -= 1);
                }
                if hears {
                    self.counts.delivered += 1;
                    self.turn(to, Some(Input::Received { peer: from, message }));
                } else {
                    self.counts.dropped += 1;
                }
            }
        }
    }

    /// Whether `me`'s end of a link is still there.
    fn holds(&self, me: PeerId, peer: PeerId, session: u64) -> bool {
        let pipe = self.nodes.get(&me).and_then(|node| node.links.get(&peer));
        pipe.is_some_and(|pipe| pipe.session == session)
    }

    pub(crate) fn schedule(&mut self, at: Instant, due: Due<M>) {
        let number = self.issue();
        self.flight.insert((at, number), due);
    }

    /// Tells a node the wall-clock time, now and from now on.
    pub(crate) fn tell_wall(&mut self, peer: PeerId, life: u64) {
        let runs = self.nodes.get(&peer).is_some_and(|node| node.life == life);
        if let Some(wall) = self.setup.wall.as_ref().filter(|_| runs) {
            let next = self.now.after(wall.every.max(Duration::from_millis(1)));
            self.schedule(next, Due::Wall { node: peer, life });
            self.read_wall(peer);
        }
    }

    /// Tells a node the wall-clock time.
    pub(crate) fn read_wall(&mut self, peer: PeerId) {
        if let (Some(wall), Some(node)) = (&self.setup.wall, self.nodes.get(&peer)) {
            let exact = wall.start.after(self.now.elapsed()).as_millis();
            let read = UnixTime::from_millis(exact.saturating_add_signed(node.skew));
            self.turn(peer, Some(Input::Wall(read)));
        }
    }
}

/// One node's turn.
impl<M: Machine> Net<M> {
    /// Gives a core an input, or a tick if there is none, and what bounces as later inputs.
    pub(crate) fn turn(&mut self, me: PeerId, first: Option<Input<M>>) {
        let mut inputs = VecDeque::new();
        match first {
            Some(input) => inputs.push_back(input),
            None => self.tick(me, &mut inputs),
        }
        let mut taken = 0;
        while let Some(input) = inputs.pop_front() {
            taken += 1;
            assert!(taken <= TURN_MAX, "the core of {me} answers what bounces for ever");
            let Some(node) = self.nodes.get_mut(&me) else { return };
            self.trace.input(self.now, me, &input);
            self.counts.inputs += 1;
            let clock = node.clock(self.now);
            node.core.handle(input, clock);
            self.carry_out(me, &mut inputs);
        }
        self.arm(me);
        if let Some(mut hook) = self.watch.take() {
            hook(self);
            self.watch = Some(hook);
        }
    }

    fn tick(&mut self, me: PeerId, inputs: &mut VecDeque<Input<M>>) {
        let Some(node) = self.nodes.get_mut(&me) else { return };
        self.trace.say(self.now, me, format_args!("tick"));
        self.counts.ticks += 1;
        let clock = node.clock(self.now);
        node.core.tick(clock);
        let next = node.core.next_deadline();
        assert!(
            next.is_none_or(|next| next > clock),
            "the core of {me} leaves {next:?} due after a tick at {clock:?}"
        );
        self.carry_out(me, inputs);
    }

    fn carry_out(&mut self, me: PeerId, inputs: &mut VecDeque<Input<M>>) {
        let mut taken = 0;
        while let Some(effect) = self.nodes.get_mut(&me).and_then(Node::poll_effect) {
            taken += 1;
            assert!(taken <= Effects::<M>::LIMIT, "the core of {me} has no end of effects");
            self.trace.effect(self.now, me, &effect);
            match effect {
                Effect::Send { peer, message } => {
                    if let Err((message, cause)) = self.send(me, peer, message) {
                        inputs.push_back(Input::Undelivered { peer, message, cause });
                    }
                }
                Effect::Report { peer, fault } => self.report(me, peer, fault),
                Effect::Close { peer } => self.hang_up(me, peer),
                Effect::Emit(event) => self.emit(me, event),
                Effect::Start { id, job } => {
                    if !self.start(me, id, &job) {
                        inputs.push_back(Input::Done { id, outcome: Err(JobError::Refused) });
                    }
                }
            }
        }
    }

    fn send(
        &mut self,
        me: PeerId,
        peer: PeerId,
        message: M::Message,
    ) -> Result<(), (M::Message, Undelivered)> {
        let pipe = self.nodes.get_mut(&me).and_then(|node| node.links.get_mut(&peer));
        let Some(pipe) = pipe.filter(|pipe| !pipe.closing) else {
            self.counts.not_connected += 1;
            return Err((message, Undelivered::NotConnected));
        };
        if pipe.in_flight >= self.setup.outbox_max {
            self.counts.outbox_full += 1;
            return Err((message, Undelivered::OutboxFull));
        }
        self.counts.sent += 1;
        if self.setup.weather.loses(&mut self.rng) {
            self.counts.lost += 1;
            return Ok(());
        }
        pipe.in_flight += 1;
        let mut at = self.setup.weather.arrival(self.now, &mut self.rng);
        if self.setup.weather.ordered {
            at = at.max(pipe.last_arrival);
        }
        pipe.last_arrival = pipe.last_arrival.max(at);
        let session = pipe.session;
        let parcel = Parcel::Message(message);
        self.schedule(at, Due::Arrival { from: me, to: peer, session, parcel });
        Ok(())
    }

    /// Closes a link. The other end hears of it after all that was sent before; until it may have,
    /// `me` hears what the other end still says.
    fn hang_up(&mut self, me: PeerId, peer: PeerId) {
        let pipe = self.nodes.get_mut(&me).and_then(|node| node.links.get_mut(&peer));
        let Some(pipe) = pipe.filter(|pipe| !pipe.closing) else { return };
        pipe.closing = true;
        let (session, sent) = (pipe.session, pipe.last_arrival);
        let at = self.setup.weather.arrival(self.now, &mut self.rng).max(sent);
        self.schedule(at, Due::Arrival { from: me, to: peer, session, parcel: Parcel::Hangup });
        self.schedule(at, Due::Closed { me, peer, session });
    }

    fn report(&mut self, by: PeerId, peer: PeerId, fault: M::Fault) {
        let verdict = fault.verdict();
        self.counts.report(verdict);
        let report = Report { at: self.now, by, peer, verdict, fault };
        keep(&mut self.reports, self.setup.log_max, report);
    }

    fn emit(&mut self, me: PeerId, event: M::Event) {
        self.counts.events += 1;
        if let Some(node) = self.nodes.get_mut(&me) {
            keep(&mut node.events, self.setup.log_max, event);
        }
    }

    /// Files the answer of a job, unless as many as may be are under way.
    fn start(&mut self, me: PeerId, id: JobId, job: &M::Job) -> bool {
        self.counts.jobs += 1;
        let node = self.nodes.get_mut(&me).filter(|node| node.jobs < self.setup.jobs_max);
        let Some(node) = node else { return false };
        node.jobs += 1;
        let life = node.life;
        let (mut span, mut outcome) = (self.jobs)(me, job, &mut self.rng);
        if span > self.setup.job_deadline {
            (span, outcome) = (self.setup.job_deadline, Err(JobError::TimedOut));
        }
        let input = Input::Done { id, outcome };
        self.schedule(self.now.after(span), Due::Done { node: me, life, input });
        true
    }

    /// Files the node under its next deadline.
    pub(crate) fn arm(&mut self, me: PeerId) {
        let Some(node) = self.nodes.get_mut(&me) else { return };
        let due = node.deadline();
        if due == node.armed {
            return;
        }
        if let Some(before) = node.armed {
            self.timers.remove(&(before, me));
        }
        node.armed = due;
        self.timers.extend(due.map(|due| (due, me)));
    }
}
