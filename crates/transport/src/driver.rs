//! Runs one core: time, jobs, and the order of inputs and effects, whatever the shape of exchange.

use std::collections::VecDeque;
use std::fmt;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::future::{BoxFuture, Either, FutureExt, select};
use futures::stream::{FuturesUnordered, StreamExt};
use futures_timer::Delay;
use machine::{Effect, Input, Instant, JobError, JobId, Machine, PeerId, Undelivered};

use crate::clock::Clock;
use crate::{JobLimits, Worker};

/// A core is told the wall clock before any other input once its last reading is this old.
/// Expiry on the wire is in seconds; ten times this would show, a tenth would only cost.
const WALL_STALE: Duration = Duration::from_secs(1);

/// Timers wait at least this long, so that a core which breaks the law and leaves something due
/// after a tick burns a thousandth of a core instead of all of it.
const SHORTEST_WAIT: Duration = Duration::from_millis(1);

/// What comes out of a running core.
#[derive(Debug)]
pub enum Event<M: Machine> {
    /// The core's own event.
    Core(M::Event),
    /// A peer broke a rule of the protocol.
    Fault {
        /// Who.
        peer: PeerId,
        /// Which rule; it knows its price.
        fault: M::Fault,
    },
    /// A peer's bytes are not the protocol. The link it came on is closed.
    Malformed {
        /// Who.
        peer: PeerId,
        /// What is wrong with them.
        error: wire::Malformed,
    },
}

/// What the shape of exchange carries out for the core.
pub(crate) trait Carrier<M: Machine> {
    /// Sends, or gives the message back.
    fn send(&mut self, peer: PeerId, message: M::Message) -> Result<(), (M::Message, Undelivered)>;

    /// Hangs up once what was sent before is on its way.
    fn close(&mut self, peer: PeerId);

    /// Tells the application.
    fn emit(&mut self, event: Event<M>);
}

type Outcome<M> = Result<<M as Machine>::Done, JobError>;

/// A core and everything that makes it move.
pub(crate) struct Driver<M: Machine> {
    core: M,
    clock: Clock,
    /// When the core was last told the wall clock.
    walled: Option<Instant>,
    timer: Option<(Instant, Delay)>,
    worker: Box<dyn Worker<M>>,
    limits: JobLimits,
    jobs: FuturesUnordered<BoxFuture<'static, (JobId, Outcome<M>)>>,
}

impl<M: Machine + fmt::Debug> fmt::Debug for Driver<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Driver")
            .field("core", &self.core)
            .field("jobs", &self.jobs.len())
            .finish_non_exhaustive()
    }
}

impl<M: Machine<Done: Send> + 'static> Driver<M> {
    pub(crate) fn new(core: M, worker: impl Worker<M>, limits: JobLimits) -> Self {
        Self {
            core,
            clock: Clock::start(),
            walled: None,
            timer: None,
            worker: Box::new(worker),
            limits,
            jobs: FuturesUnordered::new(),
        }
    }

    pub(crate) fn core(&self) -> &M {
        &self.core
    }

    /// Applies `input`, and all that it bounces back.
    pub(crate) fn feed(&mut self, input: Input<M>, carrier: &mut impl Carrier<M>) {
        self.tell_wall(carrier);
        self.apply(VecDeque::from([input]), carrier);
        self.arm();
    }

    /// Ends jobs and does what is due. Registers for the next time; the caller asks again after
    /// each time it fed the driver.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>, carrier: &mut impl Carrier<M>) {
        // Until neither has news: a tick may start a job, and the end of a job may set the timer,
        // and only what was polled can wake us.
        loop {
            if let Poll::Ready(Some((id, outcome))) = self.jobs.poll_next_unpin(cx) {
                self.feed(Input::Done { id, outcome }, carrier);
                continue;
            }
            self.arm();
            let Some((_, timer)) = &mut self.timer else { return };
            if timer.poll_unpin(cx).is_pending() {
                return;
            }
            self.tell_wall(carrier);
            self.core.tick(self.clock.now());
            let bounced = self.carry_out(carrier);
            self.apply(bounced, carrier);
            self.timer = None;
        }
    }

    fn tell_wall(&mut self, carrier: &mut impl Carrier<M>) {
        let now = self.clock.now();
        if self.walled.is_none_or(|last| now.since(last) >= WALL_STALE) {
            self.walled = Some(now);
            self.apply(VecDeque::from([Input::Wall(Clock::wall())]), carrier);
        }
    }

    fn apply(&mut self, mut inputs: VecDeque<Input<M>>, carrier: &mut impl Carrier<M>) {
        while let Some(input) = inputs.pop_front() {
            self.core.handle(input, self.clock.now());
            inputs.append(&mut self.carry_out(carrier));
        }
    }

    /// Takes all effects of the core; what bounces becomes a later input, never a nested one.
    fn carry_out(&mut self, carrier: &mut impl Carrier<M>) -> VecDeque<Input<M>> {
        let mut bounced = VecDeque::new();
        while let Some(effect) = self.core.poll_effect() {
            match effect {
                Effect::Send { peer, message } => {
                    if let Err((message, cause)) = carrier.send(peer, message) {
                        bounced.push_back(Input::Undelivered { peer, message, cause });
                    }
                }
                Effect::Report { peer, fault } => carrier.emit(Event::Fault { peer, fault }),
                Effect::Close { peer } => carrier.close(peer),
                Effect::Emit(event) => carrier.emit(Event::Core(event)),
                Effect::Start { id, job } => {
                    if let Err(error) = self.start(id, job) {
                        bounced.push_back(Input::Done { id, outcome: Err(error) });
                    }
                }
            }
        }
        bounced
    }

    fn start(&mut self, id: JobId, job: M::Job) -> Result<(), JobError> {
        if self.jobs.len() >= self.limits.under_way_max {
            return Err(JobError::Refused);
        }
        let deadline = Delay::new(self.limits.deadline);
        let work = select(self.worker.start(job), deadline).map(move |first| match first {
            Either::Left((outcome, _)) => (id, outcome),
            Either::Right(((), _)) => (id, Err(JobError::TimedOut)),
        });
        self.jobs.push(work.boxed());
        Ok(())
    }

    fn arm(&mut self) {
        let due = self.core.next_deadline();
        if self.timer.as_ref().map(|(armed, _)| *armed) != due {
            let now = self.clock.now();
            self.timer = due.map(|due| (due, Delay::new(due.since(now).max(SHORTEST_WAIT))));
        }
    }
}
