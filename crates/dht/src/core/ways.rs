//! The way back: which link brought an envelope, and who took it on.

use std::collections::{BTreeMap, VecDeque};

use libp2p_identity::PeerId;
use machine::Instant;

use crate::envelope::MessageId;

/// Which link an envelope came from, and which neighbour took it on.
#[derive(Clone, Copy, Debug)]
struct Way {
    from: PeerId,
    to: PeerId,
    until: Instant,
    /// News that may pass still.
    left: u8,
}

/// Ways back, for a while.
#[derive(Debug, Default)]
pub(super) struct Ways {
    by_id: BTreeMap<MessageId, Way>,
    /// In the order in which they are forgotten.
    order: VecDeque<(Instant, MessageId)>,
}

impl Ways {
    /// News that come of one envelope: each of the servers that keep it, and where it stopped.
    const NEWS_MAX: u8 = 21;

    pub(super) fn note(
        &mut self,
        id: MessageId,
        from: PeerId,
        to: PeerId,
        until: Instant,
        max: usize,
    ) {
        while self.order.len() >= max {
            let Some((_, oldest)) = self.order.pop_front() else { break };
            self.by_id.remove(&oldest);
        }
        if self.by_id.insert(id, Way { from, to, until, left: Self::NEWS_MAX }).is_some() {
            self.order.retain(|(_, other)| *other != id);
        }
        self.order.push_back((until, id));
    }

    /// Where news of `id` goes that come from `peer`.
    pub(super) fn back(&mut self, id: &MessageId, peer: &PeerId) -> Option<PeerId> {
        let way = self.by_id.get_mut(id).filter(|way| way.to == *peer)?;
        way.left = way.left.checked_sub(1)?;
        Some(way.from)
    }

    /// Forgets those whose time is over, and says when the next one's is.
    pub(super) fn expire(&mut self, now: Instant) -> Option<Instant> {
        while let Some((until, id)) = self.order.front().copied() {
            if until > now {
                return Some(until);
            }
            self.order.pop_front();
            if self.by_id.get(&id).is_some_and(|way| way.until <= now) {
                self.by_id.remove(&id);
            }
        }
        None
    }

    /// Forgets those that lead to or over a link that is gone.
    pub(super) fn forget(&mut self, peer: &PeerId) {
        self.by_id.retain(|_, way| way.from != *peer && way.to != *peer);
        let by_id = &self.by_id;
        self.order.retain(|(_, id)| by_id.contains_key(id));
    }

    pub(super) fn len(&self) -> usize {
        self.by_id.len().max(self.order.len())
    }
}
