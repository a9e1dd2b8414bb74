//! Time and slow work for the core of a processor.

use std::collections::VecDeque;
use std::fmt;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::future::{BoxFuture, Either, FutureExt as _, select};
use futures::stream::{FuturesUnordered, StreamExt as _};
use futures_timer::Delay;
use machine::{Effect, Input, Instant, JobError, JobId, Machine as _};
use transport::clock::Clock;
use transport::{JobLimits, Worker};

use crate::aggregation::{Core, Done, Job};

/// A timer waits at least this long.
const SHORTEST_WAIT: Duration = Duration::from_millis(1);

/// A core with a clock and a worker. What else it asks for is handed to whoever runs it.
pub(super) struct Runner {
    core: Core,
    clock: Clock,
    worker: Box<dyn Worker<Core>>,
    limits: JobLimits,
    jobs: FuturesUnordered<BoxFuture<'static, (JobId, Result<Done, JobError>)>>,
    timer: Option<(Instant, Delay)>,
}

impl Runner {
    pub(super) fn new(core: Core, worker: Box<dyn Worker<Core>>) -> Self {
        let (clock, limits) = (Clock::start(), JobLimits::default());
        Self { core, clock, worker, limits, jobs: FuturesUnordered::new(), timer: None }
    }

    pub(super) const fn core(&self) -> &Core {
        &self.core
    }

    /// Applies an input; gives what its owner has to do.
    pub(super) fn feed(&mut self, input: Input<Core>) -> VecDeque<Effect<Core>> {
        let mut inputs = VecDeque::from([input]);
        let mut effects = VecDeque::new();
        while let Some(input) = inputs.pop_front() {
            self.core.handle(input, self.clock.now());
            self.carry_out(&mut inputs, &mut effects);
        }
        effects
    }

    /// Ends jobs and does what is due; gives what its owner has to do.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<VecDeque<Effect<Core>>> {
        if let Poll::Ready(Some((id, outcome))) = self.jobs.poll_next_unpin(cx) {
            return Poll::Ready(self.feed(Input::Done { id, outcome }));
        }
        let due = self.core.next_deadline();
        if self.timer.as_ref().map(|(armed, _)| *armed) != due {
            let now = self.clock.now();
            self.timer = due.map(|due| (due, Delay::new(due.since(now).max(SHORTEST_WAIT))));
        }
        let Some((_, timer)) = &mut self.timer else { return Poll::Pending };
        std::task::ready!(timer.poll_unpin(cx));
        self.timer = None;
        self.core.tick(self.clock.now());
        let (mut inputs, mut effects) = (VecDeque::new(), VecDeque::new());
        self.carry_out(&mut inputs, &mut effects);
        for input in inputs {
            effects.extend(self.feed(input));
        }
        Poll::Ready(effects)
    }

    fn carry_out(
        &mut self,
        inputs: &mut VecDeque<Input<Core>>,
        effects: &mut VecDeque<Effect<Core>>,
    ) {
        while let Some(effect) = self.core.poll_effect() {
            match effect {
                Effect::Start { id, .. } if self.jobs.len() >= self.limits.under_way_max => {
                    inputs.push_back(Input::Done { id, outcome: Err(JobError::Refused) });
                }
                Effect::Start { id, job } => self.start(id, job),
                Effect::Send { .. }
                | Effect::Report { .. }
                | Effect::Close { .. }
                | Effect::Emit(_) => effects.push_back(effect),
            }
        }
    }

    fn start(&mut self, id: JobId, job: Job) {
        let deadline = Delay::new(self.limits.deadline);
        let work = select(self.worker.start(job), deadline).map(move |first| match first {
            Either::Left((outcome, _)) => (id, outcome),
            Either::Right(((), _)) => (id, Err(JobError::TimedOut)),
        });
        self.jobs.push(work.boxed());
    }
}

impl fmt::Debug for Runner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Runner").field("jobs", &self.jobs.len()).finish_non_exhaustive()
    }
}
