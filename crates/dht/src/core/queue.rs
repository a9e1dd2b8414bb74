//! Parcels that wait for a place with one neighbour, in turns.

use std::collections::VecDeque;

use libp2p_identity::PeerId;

use super::parcels::Origin;

/// Whose turn it is: each link's, the node's own messages', and what it does besides.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Lane {
    Link(PeerId),
    Own,
    Aside,
    Mail,
}

impl Lane {
    const fn of(origin: Origin) -> Self {
        match origin {
            Origin::Link(peer) => Self::Link(peer),
            Origin::Own(_) => Self::Own,
            Origin::Aside => Self::Aside,
            Origin::Mail => Self::Mail,
        }
    }
}

/// Parcels that wait, by where they are from: one of each in turn, so that a link which brings many
/// holds up its own. Bounded as the parcels are.
#[derive(Debug, Default)]
pub(super) struct Queue {
    /// None is empty. The first is the one whose turn it is.
    lanes: VecDeque<(Lane, VecDeque<u64>)>,
}

impl Queue {
    /// Adds a parcel behind those of the same origin.
    pub(super) fn push(&mut self, origin: Origin, serial: u64) {
        let lane = Lane::of(origin);
        match self.lanes.iter_mut().find(|(other, _)| *other == lane) {
            Some((_, serials)) => serials.push_back(serial),
            None => self.lanes.push_back((lane, VecDeque::from([serial]))),
        }
    }

    /// Takes out the one whose turn it is.
    pub(super) fn pop(&mut self) -> Option<u64> {
        let (lane, mut serials) = self.lanes.pop_front()?;
        let serial = serials.pop_front();
        if !serials.is_empty() {
            self.lanes.push_back((lane, serials));
        }
        serial
    }

    /// Takes out this one.
    pub(super) fn remove(&mut self, serial: u64) {
        self.lanes.retain_mut(|(_, serials)| {
            serials.retain(|other| *other != serial);
            !serials.is_empty()
        });
    }

    pub(super) fn is_empty(&self) -> bool {
        self.lanes.is_empty()
    }

    /// All of them.
    pub(super) fn into_serials(self) -> impl Iterator<Item = u64> {
        self.lanes.into_iter().flat_map(|(_, serials)| serials)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::letter::LetterId;

    #[test]
    fn a_flood_of_one_link_does_not_hold_up_the_others() {
        let [flood, other] = [(); 2].map(|()| PeerId::random());
        let mut queue = Queue::default();
        (0..100).for_each(|serial| queue.push(Origin::Link(flood), serial));
        queue.push(Origin::Link(other), 200);
        queue.push(Origin::Link(other), 201);
        queue.push(Origin::Own(LetterId([1; 16])), 300);
        let first: Vec<_> = (0..6).filter_map(|_| queue.pop()).collect();
        assert_eq!(first, [0, 200, 300, 1, 201, 2]);
        queue.remove(3);
        assert_eq!(queue.pop(), Some(4));
        assert_eq!(queue.into_serials().count(), 95);
    }
}
