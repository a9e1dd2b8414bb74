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
    /// News that may pass still.
    left: u8,
}

/// Ways back, for a while.
#[derive(Debug, Default)]
pub(super) struct Ways {
    by_id: BTreeMap<MessageId, Way>,
    /// Those that lead to each link, in the order in which they are forgotten.
    orders: BTreeMap<PeerId, VecDeque<(Instant, MessageId)>>,
}

impl Ways {
    /// News that come of one envelope: each of the servers that keep it, and where it stopped.
    const NEWS_MAX: u8 = 21;

    /// Remembers a way. When there is no more room, the oldest gives way of those that lead to the
    /// link that most lead to: whoever brings many loses its own.
    pub(super) fn note(
        &mut self,
        id: MessageId,
        from: PeerId,
        to: PeerId,
        until: Instant,
        max: usize,
    ) {
        if let Some(before) = self.by_id.remove(&id)
            && let Some(order) = self.orders.get_mut(&before.from)
        {
            order.retain(|(_, other)| *other != id);
        }
        while self.by_id.len() >= max {
            let most = self.orders.values_mut().max_by_key(|order| order.len());
            let Some((_, oldest)) = most.and_then(VecDeque::pop_front) else { break };
            self.by_id.remove(&oldest);
        }
        self.by_id.insert(id, Way { from, to, left: Self::NEWS_MAX });
        self.orders.entry(from).or_default().push_back((until, id));
    }

    /// Where news of `id` goes that come from `peer`.
    pub(super) fn back(&mut self, id: &MessageId, peer: &PeerId) -> Option<PeerId> {
        let way = self.by_id.get_mut(id).filter(|way| way.to == *peer)?;
        way.left = way.left.checked_sub(1)?;
        Some(way.from)
    }

    /// Forgets those whose time is over, and says when the next one's is.
    pub(super) fn expire(&mut self, now: Instant) -> Option<Instant> {
        let Self { by_id, orders } = self;
        for order in orders.values_mut() {
            while let Some((until, id)) = order.front()
                && *until <= now
            {
                by_id.remove(id);
                order.pop_front();
            }
        }
        orders.retain(|_, order| !order.is_empty());
        orders.values().filter_map(|order| order.front()).map(|(until, _)| *until).min()
    }

    /// Forgets those that lead to or over a link that is gone.
    pub(super) fn forget(&mut self, peer: &PeerId) {
        self.by_id.retain(|_, way| way.from != *peer && way.to != *peer);
        let by_id = &self.by_id;
        self.orders.retain(|_, order| {
            order.retain(|(_, id)| by_id.contains_key(id));
            !order.is_empty()
        });
    }

    pub(super) fn len(&self) -> usize {
        self.by_id.len()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn who_brings_many_loses_its_own_way_back_and_nobody_else_s() {
        let [greedy, modest, to] = [(); 3].map(|()| PeerId::random());
        let until = Instant::at(Duration::from_mins(1));
        let mut ways = Ways::default();
        ways.note(MessageId([1; 32]), modest, to, until, 16);
        for number in 2..=100 {
            ways.note(MessageId([number; 32]), greedy, to, until, 16);
        }
        assert_eq!(ways.len(), 16);
        assert_eq!(ways.back(&MessageId([1; 32]), &to), Some(modest));
        assert_eq!(ways.back(&MessageId([2; 32]), &to), None);
        assert_eq!(ways.back(&MessageId([100; 32]), &to), Some(greedy));
        assert_eq!(ways.expire(Instant::START), Some(until));
        assert_eq!((ways.expire(until), ways.len()), (None, 0));
    }
}
