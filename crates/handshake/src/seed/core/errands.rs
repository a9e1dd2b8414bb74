//! What the core asks the outside to do, and whom an answer is for.

use std::collections::BTreeMap;

use libp2p_identity::PeerId;
use machine::{Effect, Effects, Instant, JobId, JobIds, UnixTime};
use rand_chacha::ChaCha8Rng;

use crate::seed::{Core, Event, Fault, Job, Params};

/// Effects, and the jobs that have not been answered.
#[derive(Debug, Default)]
pub(super) struct Errands {
    pub(super) effects: Effects<Core>,
    ids: JobIds,
    /// Bounded by visits, probes and seeds, each of which has one at most; those of visits that timed
    /// out stay until the runner answers, which it does.
    under_way: BTreeMap<JobId, Errand>,
}

/// Whom the answer to a job is for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Errand {
    /// The visit to the seed of this number.
    Dial(usize),
    /// The visit to the seed of this number.
    Verify(usize),
    /// The probe of this peer.
    Probe(PeerId),
    /// What is known of the seed of this number.
    Remember(usize),
}

/// What the halves of the core have at hand while one input is handled.
pub(super) struct Context<'a> {
    pub(super) params: &'a Params,
    pub(super) rng: &'a mut ChaCha8Rng,
    pub(super) errands: &'a mut Errands,
    /// The wall clock, if it was told, at most a few seconds old.
    pub(super) wall: Option<UnixTime>,
    pub(super) now: Instant,
}

impl Errands {
    pub(super) fn start(&mut self, errand: Errand, job: Job) -> JobId {
        let id = self.ids.issue();
        self.under_way.insert(id, errand);
        self.effects.push(Effect::Start { id, job });
        id
    }

    pub(super) fn end(&mut self, id: JobId) -> Option<Errand> {
        self.under_way.remove(&id)
    }

    pub(super) fn emit(&mut self, event: Event) {
        self.effects.push(Effect::Emit(event));
    }

    pub(super) fn report(&mut self, peer: PeerId, fault: Fault) {
        self.effects.push(Effect::Report { peer, fault });
    }

    pub(super) fn close(&mut self, peer: PeerId) {
        self.effects.push(Effect::Close { peer });
    }
}
