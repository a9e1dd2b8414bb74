//! What the core asks the outside to do, and whom an answer is for.

use std::collections::BTreeMap;

use libp2p_identity::PeerId;
use machine::{Effect, Effects, JobId, JobIds};
use transport::address::NetworkGroup;

use super::Core;
use crate::store::Change;
use crate::{Event, Fault, Job, Message};

/// Effects, and the jobs that have not been answered.
#[derive(Debug, Default)]
pub(super) struct Desk {
    pub(super) effects: Effects<Core>,
    ids: JobIds,
    /// Bounded by dials under way, answers and exchanges waited for, and one write.
    under_way: BTreeMap<JobId, Errand>,
    /// Reports so far.
    pub(super) reports: u64,
}

/// Whom the answer to a job is for.
#[derive(Clone, Debug)]
pub(super) enum Errand {
    /// The dial of this peer.
    Dial(PeerId),
    /// What a neighbour told of others, asked for or with its farewell.
    Told {
        /// The neighbour.
        source: PeerId,
        /// Where it spoke from.
        group: Option<NetworkGroup>,
        /// How many records were asked for.
        wished: u32,
    },
    /// The record in the exchange of this number, by our count.
    Swap(u64),
    /// These changes of the book.
    Save(Vec<Change>),
}

impl Desk {
    pub(super) fn start(&mut self, errand: Errand, job: Job) {
        let id = self.ids.issue();
        self.under_way.insert(id, errand);
        self.effects.push(Effect::Start { id, job });
    }

    pub(super) fn end(&mut self, id: JobId) -> Option<Errand> {
        self.under_way.remove(&id)
    }

    pub(super) fn under_way(&self) -> usize {
        self.under_way.len()
    }

    pub(super) fn send(&mut self, peer: PeerId, message: Message) {
        self.effects.push(Effect::Send { peer, message });
    }

    pub(super) fn emit(&mut self, event: Event) {
        self.effects.push(Effect::Emit(event));
    }

    pub(super) fn report(&mut self, peer: PeerId, fault: Fault) {
        self.reports = self.reports.wrapping_add(1);
        self.effects.push(Effect::Report { peer, fault });
    }

    pub(super) fn close(&mut self, peer: PeerId) {
        self.effects.push(Effect::Close { peer });
    }
}
