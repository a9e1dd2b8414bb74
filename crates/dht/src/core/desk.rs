//! What the core asks the outside to do, and whom an answer is for.

use std::collections::BTreeMap;

use libp2p_identity::PeerId;
use machine::{Effect, Effects, JobId, JobIds};

use super::Core;
use super::mailbox::MailErrand;
use super::own::Written;
use crate::envelope::{Envelope, MessageId};
use crate::event::{Event, Job};
use crate::fault::Fault;
use crate::letter::LetterId;
use crate::messages::Message;

/// Effects, and the jobs that have not been answered.
#[derive(Debug, Default)]
pub(super) struct Desk {
    pub(super) effects: Effects<Core>,
    ids: JobIds,
    /// Bounded by the jobs that the runner allows.
    under_way: BTreeMap<JobId, Errand>,
}

/// Whom the answer to a job is for.
#[derive(Clone, Debug)]
pub(super) enum Errand {
    /// The dial of a peer.
    Dial {
        /// Which peer.
        peer: PeerId,
        /// That of the record whose addresses are dialled.
        seq: u64,
    },
    /// Records that a peer answered a look-up with.
    Told {
        /// Which look-up.
        lookup: u64,
        /// Who told.
        peer: PeerId,
    },
    /// The record of an announcement that a link brought.
    Join(Box<Joining>),
    /// The record of somebody who asks for ours, or answers a search.
    Introduced {
        /// Who signed the letter.
        sender: PeerId,
        /// What the answer repeats, or repeated.
        nonce: u64,
        /// Whether it asks.
        asks: bool,
    },
    /// Rows of own messages are written.
    Rows(Written),
    /// Another envelope for an own message.
    Again(LetterId),
    /// A receipt.
    Receipt {
        /// For whom.
        to: PeerId,
        /// Of which letter.
        letter: LetterId,
    },
    /// Another letter of the core's own, of whose fate nobody is told.
    Aside,
    /// The signature of whoever keeps an own message.
    Stored {
        /// Which message.
        letter: LetterId,
        /// In which envelope.
        id: MessageId,
        /// Who says that it does.
        server: PeerId,
        /// Which neighbour passed that on; none if this node asked the server itself.
        from: Option<PeerId>,
    },
    /// The mailbox's.
    Mail(MailErrand),
}

/// An announcement whose record is being checked.
#[derive(Clone, Debug)]
pub(super) struct Joining {
    /// The link that brought it.
    pub(super) from: PeerId,
    /// Who signed it.
    pub(super) author: PeerId,
    pub(super) id: MessageId,
    pub(super) envelope: Envelope,
    pub(super) hops: u8,
}

impl Desk {
    pub(super) fn start(&mut self, errand: Errand, job: Job) -> JobId {
        let id = self.ids.issue();
        self.under_way.insert(id, errand);
        self.effects.push(Effect::Start { id, job });
        id
    }

    pub(super) fn end(&mut self, id: JobId) -> Option<Errand> {
        self.under_way.remove(&id)
    }

    /// How many jobs are of this kind.
    pub(super) fn count(&self, is: impl Fn(&Errand) -> bool) -> usize {
        self.under_way.values().filter(|errand| is(errand)).count()
    }

    pub(super) fn jobs(&self) -> usize {
        self.under_way.len()
    }

    pub(super) fn emit(&mut self, event: Event) {
        self.effects.push(Effect::Emit(event));
    }

    pub(super) fn send(&mut self, peer: PeerId, message: Message) {
        self.effects.push(Effect::Send { peer, message });
    }

    pub(super) fn report(&mut self, peer: PeerId, fault: Fault) {
        self.effects.push(Effect::Report { peer, fault });
    }
}
