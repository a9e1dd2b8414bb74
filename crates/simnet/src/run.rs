//! How time passes and effects are carried out.

use std::collections::VecDeque;
use std::time::Duration;

use machine::{
    Blame, Effect, Effects, Input, Instant, JobError, JobId, Machine, PeerId, Undelivered, UnixTime,
};

use crate::book::{Report, keep};
use crate::driver::{Answers, News, Ticket};
use crate::net::{Due, Net, Seat};
use crate::node::{Parcel, Pipe, Place};

/// Inputs that one step may cause at one node, without time passing, before it counts as a core
/// that argues with its own bounces for ever. Four times what one honest burst can bounce.
const TURN_MAX: usize = 4 * 1024;

/// Time.
impl<M: Machine> Net<M> {
    /// Asks a node for something, now. Nothing happens if it does not run.
    pub fn command(&mut self, peer: PeerId, command: M::Command) {
        self.input(peer, Input::Command(command));
    }

    /// Gives a node any input, now: what a hostile neighbour says, for example. Nothing happens if
    /// it does not run.
    pub fn input(&mut self, peer: PeerId, input: Input<M>) {
        if let Some(place) = self.place(&peer) {
            self.turn(place, Some(input));
        }
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
        while let Some((at, due)) = self.wheel.pop(end) {
            if self.happen(at, due) {
                return true;
            }
        }
        self.now = end;
        false
    }

    /// Lets one thing happen, unless it is a look at a node that has nothing to do.
    fn happen(&mut self, at: Instant, due: Due<M>) -> bool {
        if let Due::Tick { node: place } = due {
            return self.look_at(place, at);
        }
        self.now = self.now.max(at);
        match due {
            Due::Arrival { from, to, session, parcel } => self.arrive(from, to, session, parcel),
            Due::Closed { me, peer, session } => {
                if self.holds(me, peer, session).is_some() {
                    self.lose(me, peer);
                }
            }
            Due::Done { node: place, life, input } => {
                if let Some(node) = self.node_mut(place).filter(|node| node.life == life) {
                    node.jobs -= 1;
                    self.turn(place, Some(input));
                }
            }
            Due::Wall { node, life } => self.tell_wall(node, life),
            Due::Alarm { token } => self.news.push_back(News::Alarm { token }),
            Due::Tick { .. } => {}
        }
        true
    }

    /// Ticks a node if it is due; if its deadline was put off, looks again then.
    fn look_at(&mut self, place: Place, at: Instant) -> bool {
        let Some(node) = self.node_mut(place).filter(|node| node.filed == Some(at)) else {
            return false;
        };
        node.filed = None;
        if node.due.is_some_and(|due| due <= at) {
            self.now = self.now.max(at);
            self.turn(place, None);
            return true;
        }
        self.file(place);
        false
    }

    fn arrive(&mut self, from: Place, to: Place, session: u64, parcel: Parcel<M::Message>) {
        let (sender, receiver) = (self.peer_at(from), self.peer_at(to));
        if let Some(divide) = &mut self.divide
            && divide.separates(sender, receiver)
        {
            return divide.held.push(Due::Arrival { from, to, session, parcel });
        }
        let hears = self.holds(to, from, session).is_some();
        match parcel {
            Parcel::Hangup if hears => self.lose(to, from),
            Parcel::Hangup => {}
            Parcel::Message(message) => {
                if let Some(pipe) = self.holds(from, to, session) {
                    pipe.in_flight -= 1;
                }
                if hears {
                    self.counts.delivered += 1;
                    self.turn(to, Some(Input::Received { peer: sender, message }));
                } else {
                    self.counts.dropped += 1;
                }
            }
        }
    }

    /// `me`'s end of a link, if it is still there.
    fn holds(&mut self, me: Place, peer: Place, session: u64) -> Option<&mut Pipe> {
        self.node_mut(me)?.session(peer, session)
    }

    pub(crate) fn schedule(&mut self, at: Instant, due: Due<M>) {
        let number = self.issue();
        self.wheel.push(at, number, due);
    }

    /// Tells a node the wall-clock time, now and from now on.
    pub(crate) fn tell_wall(&mut self, place: Place, life: u64) {
        let runs = self.node(place).is_some_and(|node| node.life == life);
        if let Some(wall) = self.setup.wall.as_ref().filter(|_| runs) {
            let next = self.now.after(wall.every.max(Duration::from_millis(1)));
            self.schedule(next, Due::Wall { node: place, life });
            self.read_wall(place);
        }
    }

    /// Tells a node the wall-clock time.
    pub(crate) fn read_wall(&mut self, place: Place) {
        if let (Some(wall), Some(node)) = (&self.setup.wall, self.node(place)) {
            let exact = wall.start.after(self.now.elapsed()).as_millis();
            let read = UnixTime::from_millis(exact.saturating_add_signed(node.skew));
            self.turn(place, Some(Input::Wall(read)));
        }
    }
}

/// One node's turn.
impl<M: Machine> Net<M> {
    /// Gives a core an input, or a tick if there is none, and what bounces as later inputs.
    pub(crate) fn turn(&mut self, me: Place, first: Option<Input<M>>) {
        if self.node(me).is_none() {
            return;
        }
        let mut bounced = std::mem::take(&mut self.bounced);
        // A core is asked for its deadline after a tick in any case; asking costs as much as ticking.
        let ticked = first.is_none();
        match first {
            Some(input) => self.handle(me, input, &mut bounced),
            None => self.tick(me, &mut bounced),
        }
        self.settle(me, bounced, ticked);
    }

    /// Carries out what a core wants from the moment that it is built.
    pub(crate) fn begin(&mut self, me: Place) {
        let mut bounced = std::mem::take(&mut self.bounced);
        self.carry_out(me, &mut bounced);
        self.settle(me, bounced, false);
    }

    /// Gives back what bounced, then sees when the node is next due, unless it was `asked`.
    fn settle(&mut self, me: Place, mut bounced: VecDeque<Input<M>>, mut asked: bool) {
        let mut taken = 0;
        while let Some(input) = bounced.pop_front() {
            taken += 1;
            assert!(
                taken < TURN_MAX,
                "the core of {} answers what bounces for ever",
                self.peer_at(me)
            );
            self.handle(me, input, &mut bounced);
            asked = false;
        }
        self.bounced = bounced;
        if asked {
            self.file(me);
        } else {
            self.arm(me);
        }
        if let Some(mut hook) = self.watch.take() {
            hook(self);
            self.watch = Some(hook);
        }
    }

    fn handle(&mut self, me: Place, input: Input<M>, bounced: &mut VecDeque<Input<M>>) {
        let (now, Seat { peer, node }) = (self.now, &mut self.seats[me.index()]);
        let Some(node) = node else { return };
        self.trace.input(now, *peer, &input);
        self.counts.inputs += 1;
        let clock = node.clock(now);
        node.core.handle(input, clock);
        self.carry_out(me, bounced);
    }

    fn tick(&mut self, me: Place, bounced: &mut VecDeque<Input<M>>) {
        let (now, Seat { peer, node }) = (self.now, &mut self.seats[me.index()]);
        let Some(node) = node else { return };
        self.trace.say(now, *peer, format_args!("tick"));
        self.counts.ticks += 1;
        let clock = node.clock(now);
        node.core.tick(clock);
        let next = node.ask_due();
        assert!(
            next.is_none_or(|next| next > now),
            "the core of {peer} leaves {next:?} due after a tick at {now:?}"
        );
        self.carry_out(me, bounced);
    }

    fn carry_out(&mut self, me: Place, bounced: &mut VecDeque<Input<M>>) {
        let who = self.peer_at(me);
        let mut taken = 0;
        while let Some(effect) = self.node_mut(me).and_then(|node| node.core.poll_effect()) {
            taken += 1;
            assert!(taken <= Effects::<M>::LIMIT, "the core of {who} has no end of effects");
            self.trace.effect(self.now, who, &effect);
            match effect {
                Effect::Send { peer, message } => {
                    if let Err((message, cause)) = self.send(me, peer, message) {
                        bounced.push_back(Input::Undelivered { peer, message, cause });
                    }
                }
                Effect::Report { peer, fault } => self.report(who, peer, fault),
                Effect::Close { peer } => self.hang_up(me, peer),
                Effect::Emit(event) => self.emit(me, event),
                Effect::Start { id, job } => {
                    if !self.start(me, id, job) {
                        bounced.push_back(Input::Done { id, outcome: Err(JobError::Refused) });
                    }
                }
            }
        }
    }

    fn send(
        &mut self,
        me: Place,
        peer: PeerId,
        message: M::Message,
    ) -> Result<(), (M::Message, Undelivered)> {
        let pipe = self.seats[me.index()].node.as_mut().and_then(|node| node.link_mut(&peer));
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
        self.counts.in_flight_max = self.counts.in_flight_max.max(pipe.in_flight);
        let mut at = self.setup.weather.arrival(self.now, &mut self.rng);
        if self.setup.weather.ordered {
            at = at.max(pipe.last_arrival);
        }
        pipe.last_arrival = pipe.last_arrival.max(at);
        let (to, session) = (pipe.place, pipe.session);
        let parcel = Parcel::Message(message);
        self.schedule(at, Due::Arrival { from: me, to, session, parcel });
        Ok(())
    }

    /// Closes a link. The other end hears of it after all that was sent before; until it may have,
    /// `me` hears what the other end still says.
    fn hang_up(&mut self, me: Place, peer: PeerId) {
        let pipe = self.node_mut(me).and_then(|node| node.link_mut(&peer));
        let Some(pipe) = pipe.filter(|pipe| !pipe.closing) else { return };
        pipe.closing = true;
        let (to, session, sent) = (pipe.place, pipe.session, pipe.last_arrival);
        let at = self.setup.weather.arrival(self.now, &mut self.rng).max(sent);
        self.schedule(at, Due::Arrival { from: me, to, session, parcel: Parcel::Hangup });
        self.schedule(at, Due::Closed { me, peer: to, session });
    }

    fn report(&mut self, by: PeerId, peer: PeerId, fault: M::Fault) {
        let verdict = fault.verdict();
        self.counts.report(verdict);
        if self.answers.come_from_driver() {
            return self.news.push_back(News::Reported { me: by, peer, fault });
        }
        let report = Report { at: self.now, by, peer, verdict, fault };
        keep(&mut self.reports, self.setup.log_max, report);
    }

    fn emit(&mut self, me: Place, event: M::Event) {
        self.counts.events += 1;
        let Seat { peer, node } = &mut self.seats[me.index()];
        if self.answers.come_from_driver() {
            self.news.push_back(News::Event { me: *peer, event });
        } else if let Some(node) = node {
            keep(&mut node.events, self.setup.log_max, event);
        }
    }

    /// Has a job answered, unless as many as may be are under way.
    fn start(&mut self, me: Place, id: JobId, job: M::Job) -> bool {
        self.counts.jobs += 1;
        let Seat { peer, node } = &mut self.seats[me.index()];
        let node = node.as_mut().filter(|node| node.jobs < self.setup.jobs_max);
        let Some(node) = node else { return false };
        node.jobs += 1;
        let ticket = Ticket { node: me, life: node.life, id };
        match &mut self.answers {
            Answers::Model(model) => {
                let (span, outcome) = model(*peer, &job, &mut self.rng);
                self.answer(ticket, outcome, span);
            }
            Answers::Driver => self.news.push_back(News::Asked { me: *peer, job, ticket }),
        }
        true
    }

    /// Asks the node when it is next due, and has the wheel look at it then.
    fn arm(&mut self, me: Place) {
        if let Some(node) = self.node_mut(me) {
            node.ask_due();
            self.file(me);
        }
    }

    /// Files the node under its deadline, unless it is filed under an earlier time: then it is
    /// looked at too early once, which costs less than to find and remove the entry.
    fn file(&mut self, me: Place) {
        let Some(node) = self.node_mut(me) else { return };
        if let Some(due) = node.due
            && node.filed.is_none_or(|filed| due < filed)
        {
            node.filed = Some(due);
            self.wheel.push(due, me.rank(), Due::Tick { node: me });
        }
    }
}
