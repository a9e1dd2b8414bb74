//! What a driver around the network hears and says.

use std::collections::VecDeque;
use std::fmt;
use std::time::Duration;

use machine::{Input, JobError, JobId, Machine, PeerId};
use rand_chacha::ChaCha8Rng;

use crate::net::{Due, Net};
use crate::node::Place;

/// Answers jobs: how long the work takes, and what comes of it.
type JobModel<M> = Box<
    dyn FnMut(
        PeerId,
        &<M as Machine>::Job,
        &mut ChaCha8Rng,
    ) -> (Duration, Result<<M as Machine>::Done, JobError>),
>;

/// Who answers what the cores ask.
pub(crate) enum Answers<M: Machine> {
    /// A function of the job alone.
    Model(JobModel<M>),
    /// Whoever takes the news.
    Driver,
}

impl<M: Machine> Answers<M> {
    /// Every job is lost at once.
    pub(crate) fn none() -> Self {
        Self::Model(Box::new(|_, _, _| (Duration::ZERO, Err(JobError::Lost))))
    }

    pub(crate) const fn come_from_driver(&self) -> bool {
        matches!(self, Self::Driver)
    }

    /// Adds to the news, if there is somebody to take them.
    pub(crate) fn tell(&self, news: &mut VecDeque<News<M>>, what: impl FnOnce() -> News<M>) {
        if self.come_from_driver() {
            news.push_back(what());
        }
    }
}

/// Something for the driver of the network.
#[derive(Debug)]
pub enum News<M: Machine> {
    /// A core started a job. It waits for [`Net::answer`].
    Asked {
        /// Whose core.
        me: PeerId,
        /// What it wants.
        job: M::Job,
        /// To answer with.
        ticket: Ticket,
    },
    /// A core told its application something.
    Event {
        /// Whose core.
        me: PeerId,
        /// What it said.
        event: M::Event,
    },
    /// A core blamed a peer.
    Reported {
        /// Whose core.
        me: PeerId,
        /// Whom it blames.
        peer: PeerId,
        /// For what.
        fault: M::Fault,
    },
    /// One end of a link is gone; the core there knows.
    Left {
        /// Whose end.
        me: PeerId,
        /// Whom it led to.
        peer: PeerId,
    },
    /// The time given to [`Net::wake`] has come.
    Alarm {
        /// As it was given.
        token: u64,
    },
}

/// One job of one life of a node. Not answered before the deadline of the
/// [`Setup`](crate::Setup), its answer says so.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Ticket {
    pub(crate) node: Place,
    pub(crate) life: u64,
    pub(crate) id: JobId,
}

/// Driving.
impl<M: Machine> Net<M> {
    /// Sets how jobs are answered: for each one, after how long and with what. The deadline of the
    /// [`Setup`](crate::Setup) cuts it short. Without a model every job is lost at once.
    pub fn jobs(
        &mut self,
        model: impl FnMut(PeerId, &M::Job, &mut ChaCha8Rng) -> (Duration, Result<M::Done, JobError>)
        + 'static,
    ) {
        self.answers = Answers::Model(Box::new(model));
    }

    /// From now on the caller answers the jobs, and takes events and reports in place of the logs:
    /// all waits in order for [`take_news`](Self::take_news).
    ///
    /// What goes on at one moment is settled if the news are taken until there are none before time
    /// goes on: let it pass with [`run_until`](Self::run_until) and [`has_news`](Self::has_news).
    pub fn drive(&mut self) {
        self.answers = Answers::Driver;
    }

    /// Whether there is something to take.
    pub fn has_news(&self) -> bool {
        !self.news.is_empty()
    }

    /// Takes the oldest news.
    pub fn take_news(&mut self) -> Option<News<M>> {
        self.news.pop_front()
    }

    /// Answers a job, `after` from now, or at the latest the deadline of the
    /// [`Setup`](crate::Setup) from now. Nobody hears it if the node that asked has stopped.
    pub fn answer(&mut self, ticket: Ticket, outcome: Result<M::Done, JobError>, after: Duration) {
        let Ticket { node, life, id } = ticket;
        let deadline = self.setup.job_deadline;
        let late = after > deadline;
        let outcome = if late { Err(JobError::TimedOut) } else { outcome };
        let at = self.now.after(after.min(deadline));
        self.schedule(at, Due::Done { node, life, input: Input::Done { id, outcome } });
    }

    /// Has [`News::Alarm`] come after `delay`.
    pub fn wake(&mut self, delay: Duration, token: u64) {
        self.schedule(self.now.after(delay), Due::Alarm { token });
    }

    /// How long `peer` runs; `None` if it does not.
    pub fn age(&self, peer: PeerId) -> Option<Duration> {
        let node = self.node(self.place(&peer)?)?;
        Some(self.now.since(node.born))
    }

    /// A one-way delay of the present weather, for what travels outside the links.
    pub fn delay(&mut self) -> Duration {
        let arrival = self.setup.weather.arrival(self.now, &mut self.rng);
        arrival.since(self.now)
    }

    /// The randomness of the run.
    pub fn rng(&mut self) -> &mut ChaCha8Rng {
        &mut self.rng
    }
}

impl<M: Machine> fmt::Debug for Answers<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.come_from_driver() { "Driver" } else { "Model" })
    }
}
